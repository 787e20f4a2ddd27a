"""From samples to batches: one label shift, one set of masks, done here once and nowhere else."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch

from scrubber.core.errors import NothingToDo
from scrubber.core.types import Encoding, Sample

Role = Literal["forget", "retain"]
Edges = Literal["overlap", "inclusive"]


@dataclass(frozen=True)
class Batch:
    """B rows of T tokens, and P: the positions whose next token is real, flattened over the rows.

    Only positions in P reach a loss, so padding never does, and no ignore index can index anything. The totals
    span the whole optimizer step: a loss that divides by them gives the same gradient for 1 x 8 and 8 x 1 rows.
    """

    role: Role
    input_ids: torch.Tensor  # (B, T)
    attention_mask: torch.Tensor  # (B, T)
    positions: torch.Tensor  # (P,) index into the flattened (B, T-1) predictions
    labels: torch.Tensor  # (P,) the token that stands one further
    forget: torch.Tensor  # (P,) bool: the label lies in a span to forget
    reinforce: torch.Tensor  # (P,) bool: the label lies in a span to reinforce
    rows: int  # of the whole step, as are the totals
    forget_total: int
    context_total: int
    padding_total: int


@dataclass(frozen=True)
class Tokens:
    """A tokenized sample: ids and two masks of equal length T."""

    ids: tuple[int, ...]
    forget: tuple[bool, ...]
    reinforce: tuple[bool, ...]


def tokenize(sample: Sample, encode: Callable[[str], Encoding], *, max_length: int, edges: Edges = "overlap") -> Tokens:
    """Cut at ``max_length`` tokens. ``edges="inclusive"`` also takes a token that only touches a span, as the published
    CodeEraser code does; by default a token must share a character with it."""
    coded = encode(sample.text)

    def inside(start: int, end: int, spans: Sequence[tuple[int, int]]) -> bool:
        if edges == "inclusive":
            return any(start <= b and a <= end for a, b in spans)
        return any(start < b and a < end for a, b in spans)

    forget = [(s.start, s.end) for s in sample.forget]
    reinforce = [(s.start, s.end) for s in sample.reinforce]
    return Tokens(
        coded.ids[:max_length],
        tuple(inside(a, b, forget) for a, b in coded.offsets[:max_length]),
        tuple(inside(a, b, reinforce) for a, b in coded.offsets[:max_length]),
    )


def collate(rows: Sequence[Tokens], role: Role, *, pad_id: int, end_id: int | None = None) -> Batch:
    """Right-padded. With ``end_id`` every row ends with that token, so that a document's end is learnt too."""
    if end_id is not None:
        rows = [Tokens((*r.ids, end_id), (*r.forget, False), (*r.reinforce, False)) for r in rows]
    width = max(2, *(len(row.ids) for row in rows))
    ids = torch.full((len(rows), width), pad_id)
    mask, forget, reinforce = (torch.zeros((len(rows), width), dtype=torch.long) for _ in range(3))
    for line, row in enumerate(rows):
        length = len(row.ids)
        ids[line, :length] = torch.tensor(row.ids)
        mask[line, :length] = 1
        forget[line, :length] = torch.tensor(row.forget, dtype=torch.long)
        reinforce[line, :length] = torch.tensor(row.reinforce, dtype=torch.long)
    # the one shift: prediction t of a row judges token t+1
    positions = mask[:, 1:].flatten().nonzero().flatten()
    chosen = forget[:, 1:].flatten()[positions].bool()
    return Batch(
        role=role,
        input_ids=ids,
        attention_mask=mask,
        positions=positions,
        labels=ids[:, 1:].flatten()[positions],
        forget=chosen,
        reinforce=reinforce[:, 1:].flatten()[positions].bool(),
        rows=len(rows),
        forget_total=int(chosen.sum()),
        context_total=int((~chosen).sum()),
        padding_total=mask[:, 1:].numel() - len(positions),
    )


def split_step(
    rows: Sequence[Tokens], role: Role, micro_batch: int, *, pad_id: int, end_id: int | None = None
) -> list[Batch]:
    """The rows of one optimizer step as micro-batches of like length, each carrying the totals of the whole step."""
    ordered = sorted(rows, key=lambda row: len(row.ids))
    parts = [
        collate(ordered[start : start + micro_batch], role, pad_id=pad_id, end_id=end_id)
        for start in range(0, len(ordered), micro_batch)
    ]
    return [
        replace(
            part,
            rows=len(rows),
            forget_total=sum(p.forget_total for p in parts),
            context_total=sum(p.context_total for p in parts),
            padding_total=sum(p.padding_total for p in parts),
        )
        for part in parts
    ]


@dataclass(frozen=True)
class Schedule:
    """How an epoch over the forget set becomes optimizer steps.

    "joint": a step holds a forget batch and a retain batch (the paper's sum of terms). "alternating": a step on the
    one, then a step on the other (the published code, where one batch is the whole set).
    """

    batch_size: int = 16
    micro_batch: int = 16
    order: Literal["joint", "alternating"] = "joint"
    seed: int = 0
    retain_batch_size: int = 0  # rows to keep beside batch_size rows to forget; 0: as many


def epoch_steps(
    forget: Sequence[Tokens],
    retain: Sequence[Tokens],
    schedule: Schedule,
    epoch: int,
    *,
    pad_id: int,
    end_id: int | None = None,
) -> Iterator[list[Batch]]:
    """Every forget row once, in an order drawn from seed and epoch alone, so that a resumed run sees the same one.

    Retain rows go round as often as they are needed. Raises NothingToDo when both are empty.
    """
    if not forget and not retain:
        raise NothingToDo("there is no sample to train on", mend="Scan and audit a corpus first.")
    dice = random.Random(f"{schedule.seed}-{epoch}")
    main: Sequence[Tokens] = forget or retain
    role: Role = "forget" if forget else "retain"
    order = dice.sample(range(len(main)), len(main))
    beside = dice.sample(range(len(retain)), len(retain)) if forget and retain else []

    def batches(rows: Sequence[Tokens], of: Role) -> list[Batch]:
        return split_step(rows, of, schedule.micro_batch, pad_id=pad_id, end_id=end_id)

    taken = 0
    for start in range(0, len(order), schedule.batch_size):
        step = batches([main[i] for i in order[start : start + schedule.batch_size]], role)
        if not beside:
            yield step
            continue
        rows = [
            retain[beside[(taken + i) % len(beside)]] for i in range(schedule.retain_batch_size or schedule.batch_size)
        ]
        taken += len(rows)
        kept = batches(rows, "retain")
        if schedule.order == "joint":
            yield step + kept
        else:
            yield step
            yield kept
