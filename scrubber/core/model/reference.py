"""The model before unlearning, as far as a method declared to need it: asked once for each row, and kept.

With LoRA it is the same weights with the adapter off, so no second copy exists. What is kept of it is small: a number
or a vector of the hidden size for each position, never logits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

import torch

from scrubber.core.batch import Batch, Role, Tokens, collate
from scrubber.core.model.adapters import has_adapter, reference
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.outputs import Head, Outputs, forward

Distribution = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Needs:
    """What the loop must give a method. It gives just that, and computes nothing that no one declared."""

    retain: bool = False  # batches of texts to keep
    positions: Literal["all", "marked"] = "all"  # of rows to forget; marked: in spans to forget or to reinforce
    counterpart: Literal["", "refusal", "decoy"] = ""  # each row to forget once more, with that in place of its values
    likelihood: bool = False  # log f_0 of each label
    target: Distribution | None = None  # logits (n, V) of f_0 and labels (n,) -> q (n, V), for the rows to forget
    retain_target: Distribution | None = None  # the same for texts to keep
    sparse: bool = False  # q is nought almost everywhere: kept as lists
    layer: int | None = None  # hidden states after this layer, of both models

    @property
    def reference(self) -> bool:
        return self.likelihood or bool(self.target or self.retain_target) or self.layer is not None


NONE = Needs()


class Mean(NamedTuple):
    """q by its mean output embedding: exact while the head is frozen."""

    embedding: torch.Tensor  # (P, H): sum_v q(v) W_v
    mass: torch.Tensor  # (P,): sum_v q(v)
    offset: torch.Tensor  # (P,): sum_v q(v) b_v
    entropy: torch.Tensor  # (P,): -sum_v q(v) log q(v)

    def cross_entropy(self, outputs: Outputs) -> torch.Tensor:
        explained = (self.embedding * outputs.hidden.float()).sum(-1) + self.offset
        return self.mass * outputs.normalizer - explained


class Lists(NamedTuple):
    """q by its entries that are not nought: N of them over P positions."""

    ids: torch.Tensor  # (N,)
    shares: torch.Tensor  # (N,): q
    counts: torch.Tensor  # (P,): how many belong to each position
    entropy: torch.Tensor  # (P,)

    def cross_entropy(self, outputs: Outputs) -> torch.Tensor:
        starts = self.counts.cumsum(0) - self.counts
        used, places = torch.unique(self.ids, return_inverse=True)  # so that only those rows are ever cast

        def bag(weight: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.embedding_bag(
                places, weight[used].float(), starts, mode="sum", per_sample_weights=self.shares
            )

        explained = (bag(outputs.head.weight) * outputs.hidden.float()).sum(-1)
        if outputs.head.bias is not None:
            explained = explained + bag(outputs.head.bias[:, None])[:, 0]
        mass = torch.zeros_like(self.entropy).index_add(
            0, torch.arange(len(self.counts), device=starts.device).repeat_interleave(self.counts), self.shares
        )
        return mass * outputs.normalizer - explained


class Before(NamedTuple):
    """f_0 at the P positions of a batch. What was not declared is None."""

    log_likelihood: torch.Tensor | None = None  # (P,): log f_0 of the labels
    targets: Mean | Lists | None = None
    states: torch.Tensor | None = None  # (P, H)

    def divergence(self, outputs: Outputs) -> torch.Tensor:
        """KL(q || f_theta) at each position: (P,). Not below nought but for rounding."""
        assert self.targets is not None, "the method declares no target"
        return self.targets.cross_entropy(outputs) - self.targets.entropy


class References:
    """Answers of f_0 by row. ``fill`` is for full fine-tuning, where f_0 is gone after the first step."""

    def __init__(self, model: CausalModel, needs: Needs) -> None:
        self._model, self._needs = model, needs
        self._kept: dict[tuple[str, Tokens], Before] = {}

    def fill(self, rows: Sequence[Tokens], role: Role, size: int = 16) -> None:
        ordered = sorted(rows, key=lambda row: len(row.ids))
        for start in range(0, len(ordered), size):
            self(self._batch(ordered[start : start + size], role))

    def __call__(self, batch: Batch) -> Before:
        missing = [row for row in batch.tokens if (batch.role, row) not in self._kept]
        if missing:
            self._ask(batch if len(missing) == len(batch.tokens) else self._batch(missing, batch.role))
        return _join([self._kept[batch.role, row] for row in batch.tokens], self._model.device)

    def _batch(self, rows: Sequence[Tokens], role: Role) -> Batch:
        return collate(rows, role, pad_id=self._model.pad_id, marked=self._needs.positions == "marked")

    def _ask(self, batch: Batch) -> None:
        model, needs = self._model, self._needs
        off: AbstractContextManager[None] = reference(model) if has_adapter(model) else nullcontext()
        with torch.no_grad(), off:
            outputs = forward(model, batch, layer=needs.layer)
            labels = batch.labels.to(model.device)
            target = needs.retain_target if batch.role == "retain" else needs.target
            whole = Before(
                outputs.log_likelihood(labels) if needs.likelihood else None,
                None if target is None else distribution(outputs, labels, target, sparse=needs.sparse),
                outputs.states,
            )
        for row, part in zip(batch.tokens, _split(whole, batch.counts), strict=True):
            self._kept[batch.role, row] = part


def distribution(outputs: Outputs, labels: torch.Tensor, target: Distribution, *, sparse: bool) -> Mean | Lists:
    """What a cross-entropy needs of q = ``target(logits, labels)``, chunk by chunk."""
    head = outputs.head
    parts: list[Mean | Lists] = []
    for chunk in head.chunks(len(labels)):
        q = target(head(outputs.hidden[chunk]), labels[chunk])  # (n, V)
        entropy = -torch.special.xlogy(q.clamp_min(0), q.clamp_min(0)).sum(-1)
        parts.append(_lists(q, entropy) if sparse else _mean(q, entropy, head))
    return _cat(parts)


def _lists(q: torch.Tensor, entropy: torch.Tensor) -> Lists:
    where = q != 0
    return Lists(where.nonzero()[:, 1], q[where], where.sum(-1), entropy)


def _mean(q: torch.Tensor, entropy: torch.Tensor, head: Head) -> Mean:
    embedding = q.to(head.weight.dtype) @ head.weight
    offset = torch.zeros(len(q), device=q.device) if head.bias is None else q @ head.bias.float()
    return Mean(embedding.float(), q.sum(-1), offset, entropy)


Fields = TypeVar("Fields", Mean, Lists)


def _cat(parts: Sequence[Mean | Lists]) -> Mean | Lists:
    return type(parts[0])(*map(torch.cat, zip(*parts, strict=True)))


def _split(whole: Before, counts: Sequence[int]) -> list[Before]:
    """Row by row; ``counts`` of positions. Kept in the computer's memory, which is the larger one."""

    def pieces(values: torch.Tensor | None, sizes: Sequence[int]) -> list[torch.Tensor | None]:
        return [None] * len(sizes) if values is None else [v.cpu().clone() for v in torch.split(values, list(sizes))]

    targets: list[Mean | Lists | None] = [None] * len(counts)
    if isinstance(whole.targets, Mean):
        targets = [Mean(*part) for part in zip(*(pieces(field, counts) for field in whole.targets), strict=True)]
    elif whole.targets is not None:
        entries = [int(part.sum()) for part in torch.split(whole.targets.counts, list(counts))]
        ids, shares, *by_position = whole.targets
        columns = [pieces(ids, entries), pieces(shares, entries), *(pieces(field, counts) for field in by_position)]
        targets = [Lists(*part) for part in zip(*columns, strict=True)]
    numbers, states = pieces(whole.log_likelihood, counts), pieces(whole.states, counts)
    return [Before(*part) for part in zip(numbers, targets, states, strict=True)]


def _join(rows: Sequence[Before], device: torch.device) -> Before:
    def whole(values: Sequence[torch.Tensor | None]) -> torch.Tensor | None:
        known = [value for value in values if value is not None]
        return torch.cat(known).to(device) if known else None

    kept = [row.targets for row in rows if row.targets is not None]
    targets = None if not kept else type(kept[0])(*(field.to(device) for field in _cat(kept)))
    return Before(whole([r.log_likelihood for r in rows]), targets, whole([r.states for r in rows]))
