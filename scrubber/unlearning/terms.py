"""Loss terms and target distributions that several methods share."""

from __future__ import annotations

import torch

from scrubber.core.batch import Batch


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
