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
    Where rows have counterparts, the first ``pairs`` rows are to forget and as many after them are their counterparts;
    ``rows`` does not count those, the other totals do.
    """

    role: Role
    tokens: tuple[Tokens, ...]  # the B rows
    input_ids: torch.Tensor  # (B, T)
    attention_mask: torch.Tensor  # (B, T)
    positions: torch.Tensor  # (P,) index into the flattened (B, T-1) predictions
    labels: torch.Tensor  # (P,) the token that stands one further
    row: torch.Tensor  # (P,) of which of the B rows
    forget: torch.Tensor  # (P,) bool: the label lies in a span to forget
    reinforce: torch.Tensor  # (P,) bool: the label lies in a span to reinforce
    rows: int  # of the whole step, as are the totals
    forget_total: int
    reinforce_total: int
    context_total: int
    padding_total: int
    pairs: int = 0

    @property
    def counts(self) -> list[int]:
        """How many of the P positions each row has."""
        return torch.bincount(self.row, minlength=len(self.tokens)).tolist()

    def to(self, device: torch.device) -> Batch:
        """With what a loss reads on that device."""
        read = {name: getattr(self, name).to(device) for name in ("labels", "row", "forget", "reinforce")}
        return self if self.labels.device == device else replace(self, **read)

    def by_row(self, values: torch.Tensor) -> torch.Tensor:
        """Sums of values (P,) over each row: (B,)."""
        return torch.zeros(len(self.tokens), dtype=values.dtype, device=values.device).index_add(0, self.row, values)


@dataclass(frozen=True)
class Tokens:
    """A tokenized sample: ids and two masks of equal length T. ``counterpart``: the same with other values in its spans."""

    ids: tuple[int, ...]
    forget: tuple[bool, ...]
    reinforce: tuple[bool, ...]
    counterpart: Tokens | None = None


def tokenize(sample: Sample, encode: Callable[[str], Encoding], *, max_length: int, edges: Edges = "overlap") -> Tokens:
    """Cut at ``max_length`` tokens. ``edges="inclusive"`` also takes a token that only touches a span, as the published
    CodeEraser code does; by default a token must share a character with it. A token in spans of both sorts is to forget."""
    coded = encode(sample.text)

    def inside(start: int, end: int, spans: Sequence[tuple[int, int]]) -> bool:
        if edges == "inclusive":
            return any(start <= b and a <= end for a, b in spans)
        return any(start < b and a < end for a, b in spans)

    forget = [(s.start, s.end) for s in sample.forget]
    reinforce = [(s.start, s.end) for s in sample.reinforce]
    offsets = coded.offsets[:max_length]
    marked = tuple(inside(a, b, forget) for a, b in offsets)
    other = tuple(inside(a, b, reinforce) and not mark for (a, b), mark in zip(offsets, marked, strict=True))
    return Tokens(coded.ids[:max_length], marked, other)


def collate(
    rows: Sequence[Tokens],
    role: Role,
    *,
    pad_id: int,
    end_id: int | None = None,
    marked: bool = False,
    pairs: int = 0,
) -> Batch:
    """Right-padded. With ``end_id`` every row ends with that token, so that a document's end is learnt too.

    ``marked``: of rows to forget only positions whose token lies in a span count, and a row ends with the last of them,
    since nothing after it can change what is predicted there.
    """
    if end_id is not None:
        rows = [Tokens((*r.ids, end_id), (*r.forget, False), (*r.reinforce, False)) for r in rows]
    marked = marked and role == "forget"
    lengths = [_last_marked(row) + 1 if marked else len(row.ids) for row in rows]
    width = max(2, *lengths)
    ids = torch.full((len(rows), width), pad_id)
    mask, forget, reinforce = (torch.zeros((len(rows), width), dtype=torch.long) for _ in range(3))
    for line, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        ids[line, :length] = torch.tensor(row.ids[:length])
        mask[line, :length] = 1
        forget[line, :length] = torch.tensor(row.forget[:length], dtype=torch.long)
        reinforce[line, :length] = torch.tensor(row.reinforce[:length], dtype=torch.long)
    # the one shift: prediction t of a row judges token t+1
    real = mask[:, 1:].flatten().nonzero().flatten()
    in_span = (forget[:, 1:] | reinforce[:, 1:]).flatten()[real].bool()
    positions = real[in_span] if marked else real
    chosen = forget[:, 1:].flatten()[positions].bool()
    return Batch(
        role=role,
        tokens=tuple(rows),
        input_ids=ids,
        attention_mask=mask,
        positions=positions,
        labels=ids[:, 1:].flatten()[positions],
        row=positions // (width - 1),
        forget=chosen,
        reinforce=reinforce[:, 1:].flatten()[positions].bool(),
        rows=pairs or len(rows),
        forget_total=int(chosen.sum()),
        reinforce_total=int(reinforce[:, 1:].sum()),
        context_total=len(real) - int(chosen.sum()),
        padding_total=mask[:, 1:].numel() - len(real),
        pairs=pairs,
    )


def _last_marked(row: Tokens) -> int:
    """Index of the last token in a span; at least 1, so that the row has a prediction."""
    return max(
        (i for i in range(1, len(row.ids)) if row.forget[i] or row.reinforce[i]), default=min(1, len(row.ids) - 1)
    )


def split_step(
    rows: Sequence[Tokens],
    role: Role,
    micro_batch: int,
    *,
    pad_id: int,
    end_id: int | None = None,
    marked: bool = False,
) -> list[Batch]:
    """The rows of one optimizer step as micro-batches of like length, each carrying the totals of the whole step."""
    ordered = sorted(rows, key=lambda row: len(row.ids))
    parts = []
    for start in range(0, len(ordered), micro_batch):
        some = ordered[start : start + micro_batch]
        others = [row.counterpart for row in some if row.counterpart is not None]
        pairs = len(some) if others else 0
        parts.append(collate([*some, *others], role, pad_id=pad_id, end_id=end_id, marked=marked, pairs=pairs))
    return [
        replace(
            part,
            rows=len(rows),
            forget_total=sum(p.forget_total for p in parts),
            reinforce_total=sum(p.reinforce_total for p in parts),
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
    marked: bool = False,
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
        return split_step(rows, of, schedule.micro_batch, pad_id=pad_id, end_id=end_id, marked=marked)

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
