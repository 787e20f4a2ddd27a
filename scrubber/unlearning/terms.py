"""Loss terms that several methods share, each over the positions of a Batch."""

from __future__ import annotations

import torch


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """-log f(y_t | x_<t) at each position. logits (P, V), labels (P,) -> (P,)."""
    return torch.nn.functional.cross_entropy(logits, labels, reduction="none")


def divergence(reference: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """KL(f_0 || f_theta) at each position, reference first. Both (P, V) -> (P,)."""
    before = reference.log_softmax(-1)
    return (before.exp() * (before - logits.log_softmax(-1))).sum(-1)


def share(values: torch.Tensor, mask: torch.Tensor, total: float) -> torch.Tensor:
    """This micro-batch's part of a mean over the whole step: sum over ``mask`` divided by the step's ``total``.

    An empty set contributes zero, with a gradient of zero.
    """
    return (values * mask).sum() / max(total, 1)
