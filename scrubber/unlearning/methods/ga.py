"""Gradient ascent (GA): raises the loss of whole samples; the field's bluntest baseline.

Paper: "Knowledge Unlearning for Mitigating Privacy Risks in Language Models", arXiv 2210.01504, equation 2: the
language-modelling loss with its sign turned, over all real tokens. Nothing holds the rest of the model, and nothing
bounds the ascent: it needs a stopping rule. It is CodeEraser with gamma = lambda = 0 and no split.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from scrubber.core.batch import Batch
from scrubber.core.model.outputs import Outputs
from scrubber.core.model.reference import Before, Needs
from scrubber.unlearning.about import About

ABOUT = About(
    paper="arXiv 2210.01504, equation 2",
    cost="one model; the cheapest of all, and nothing bounds it",
)


@dataclass(frozen=True)
class Settings:
    """Gradient ascent has none."""


def needs(settings: Settings) -> Needs:
    return Needs()


def loss(outputs: Outputs, reference: Before, batch: Batch, *, settings: Settings) -> torch.Tensor:
    """-mean CE over every position."""
    return outputs.log_likelihood(batch.labels).sum() / max(batch.forget_total + batch.context_total, 1)
