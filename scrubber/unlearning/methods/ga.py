"""Gradient ascent (GA): raises the loss of whole samples; the field's bluntest baseline.

Paper: "Knowledge Unlearning for Mitigating Privacy Risks in Language Models", arXiv 2210.01504, equation 2: the
language-modelling loss with its sign turned, over all real tokens. Nothing holds the rest of the model, and nothing
bounds the ascent: it needs a stopping rule. It is CodeEraser with gamma = lambda = 0 and no split.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from scrubber.core.batch import Batch
from scrubber.core.train import Outputs
from scrubber.unlearning import terms

NEEDS_RETAIN = False
NEEDS_REFERENCE = False


@dataclass(frozen=True)
class Settings:
    """Gradient ascent has none."""


def loss(outputs: Outputs, reference: Outputs | None, batch: Batch, *, settings: Settings) -> torch.Tensor:
    """-mean CE over every position. ``outputs.logits``: (P, V)."""
    ce = terms.cross_entropy(outputs.logits, batch.labels)
    return -ce.sum() / max(batch.forget_total + batch.context_total, 1)
