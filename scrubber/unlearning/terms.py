"""Loss terms and target distributions that several methods share."""

from __future__ import annotations

from typing import Literal

import torch

from scrubber.core.batch import Batch
from scrubber.core.model.outputs import Outputs
from scrubber.core.model.reference import Before

Positions = Literal["completion", "span"]  # of rows to forget: the whole row, or the tokens in its spans to forget


def same(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """f_0 itself as the target, so that the divergence from it is KL(f_0 || f_theta). logits (n, V) -> (n, V)."""
    return logits.softmax(-1)


def share(values: torch.Tensor, mask: torch.Tensor, total: float) -> torch.Tensor:
    """This micro-batch's part of a mean over the whole step: sum over ``mask`` divided by the step's ``total``.

    An empty set contributes zero, with a gradient of zero.
    """
    return (values * mask).sum() / max(total, 1)


def context(batch: Batch) -> torch.Tensor:
    """(P,) bool: tokens in no span."""
    return ~(batch.forget | batch.reinforce)


def asked(positions: Positions) -> Literal["all", "marked"]:
    """What Needs must ask for, so that ``positions`` are there."""
    return "marked" if positions == "span" else "all"


def chosen(batch: Batch, positions: Positions) -> torch.Tensor:
    """(P,) bool: the positions that a loss is about."""
    return batch.forget if positions == "span" else torch.ones_like(batch.forget)


def mean(values: torch.Tensor, batch: Batch, positions: Positions = "completion") -> torch.Tensor:
    """This micro-batch's part of the mean of values (P,) over all the step's positions of that sort."""
    total = batch.forget_total if positions == "span" else batch.forget_total + batch.context_total
    return share(values, chosen(batch, positions), total)


def cross_entropy(outputs: Outputs, reference: Before) -> torch.Tensor:
    """-sum_v q(v) log f_theta(v), q being the target that the method declares: (P,)."""
    assert reference.targets is not None, "the method declares no target"
    return reference.targets.cross_entropy(outputs)


def forbidden_out(
    logits: torch.Tensor, labels: torch.Tensor, *, top_p: float, alpha: float, max_n: int, temperature: float
) -> torch.Tensor:
    """PROD's target: f_0 without the true token, cut to a nucleus; the true token's entry is -alpha * f_0(y).

    logits (n, V) in float32, labels (n,) -> q (n, V), whose other entries sum to 1. The largest of them always stays.
    """
    true = labels[:, None]
    rest = logits.scatter(-1, true, -torch.inf)
    shares, order = rest.softmax(-1).sort(-1)
    # From the least likely up: a token goes if those above it hold more than top_p. Summed from that end, rounding
    # loses nothing of the tail, and top_p = 1 keeps all of it.
    outside = shares.cumsum(-1) < 1 - top_p
    if max_n:
        outside[:, :-max_n] = True
    outside[:, -1] = False
    rest = rest.masked_fill(torch.zeros_like(outside).scatter(-1, order, outside), -torch.inf)
    return (rest / temperature).softmax(-1).scatter(-1, true, -alpha * logits.softmax(-1).gather(-1, true))


def answer(batch: Batch) -> torch.Tensor:
    """(P,) bool: the values in rows to forget, and in their counterparts what stands there instead."""
    return torch.where(batch.row < batch.pairs, batch.forget, batch.reinforce)
