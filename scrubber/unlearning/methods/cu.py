"""Constrained unlearning (CU): gradient ascent on whole samples, with divergences from the model before.

The baseline of arXiv 2509.13755 (CodeEraser), section 2: L_CU = L_GA(x_f) + lambda * L_KL(x_f, x_r). It is CodeEraser
without the split into sensitive spans and context. Means over positions, as in our CodeEraser.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from scrubber.core.batch import Batch
from scrubber.core.model.outputs import Outputs
from scrubber.core.model.reference import Before, Needs
from scrubber.unlearning import terms
from scrubber.unlearning.about import About

ABOUT = About(
    paper="arXiv 2509.13755, section 2",
    cost="one model, asked once more before; one vector of the hidden size for each position",
    reconstructed="means over positions",
)


@dataclass(frozen=True)
class Settings:
    lambda_: float = 0.1
    alpha: float = 1.0


def needs(settings: Settings) -> Needs:
    return Needs(retain=True, target=terms.same, retain_target=terms.same)


def loss(outputs: Outputs, reference: Before, batch: Batch, *, settings: Settings) -> torch.Tensor:
    """One micro-batch's part of L_CU."""
    total = max(batch.forget_total + batch.context_total, 1)
    kl = reference.divergence(outputs).sum() / total
    if batch.role == "retain":
        return settings.lambda_ * settings.alpha * kl
    return outputs.log_likelihood(batch.labels).sum() / total - settings.lambda_ * kl
