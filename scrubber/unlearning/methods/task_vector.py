"""Task vector negation: learns the texts to forget by heart, then goes as far in the other direction.

Paper: "Editing Models with Task Arithmetic", arXiv 2212.04089, section 3:

    theta = theta_0 - scale * tau,   tau = theta_ft - theta_0

theta_0: the weights before, theta_ft: those after training on the texts to forget, by plain likelihood, until they are
known too well. The paper finds ``scale`` on held-out data, between 0 and 1; so must a user.

What we changed, and why: with LoRA a weight's change is the product B A, with B = 0 before. To negate both would leave
the product as it is, and theta_0 - scale (theta_ft - theta_0) for A by itself would be another product altogether; so A
stays as it was trained and B is negated, which is exactly -scale B A. The published codes of our field hold none of
this method: learning rate and epochs are our reconstruction.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from scrubber.core.batch import Batch
from scrubber.core.errors import AskedWrongly
from scrubber.core.model.outputs import Outputs
from scrubber.core.model.reference import Before, Needs
from scrubber.unlearning import terms
from scrubber.unlearning.about import About
from scrubber.unlearning.edits import Statistics, Weights

TRAINED = True  # the weights to edit are those after descending ``loss``


ABOUT = About(
    paper="arXiv 2212.04089",
    cost="one model; training once and one edit, which no stopping rule ends",
    reconstructed="learning rate and epochs; of an adapter B alone is negated",
)


@dataclass(frozen=True)
class Settings:
    scale: float = 1.0  # how far to go the other way


def needs(settings: Settings) -> Needs:
    return Needs()


def loss(outputs: Outputs, reference: Before, batch: Batch, *, settings: Settings) -> torch.Tensor:
    """One micro-batch's part of the mean CE over every position: descent, where forgetting ascends."""
    return terms.mean(-outputs.log_likelihood(batch.labels), batch)


def edit(weights: Weights, statistics: Statistics, *, settings: Settings) -> Weights:
    """theta from theta_ft and theta_0 (``statistics.before``). Raises AskedWrongly for an adapter that was not new."""
    made = {}
    for name, tuned in weights.items():
        before = statistics.before[name]
        if "lora_B" in name and bool(before.any()):
            raise AskedWrongly(
                "task_vector negates an adapter as a whole, and this one held something before",
                where="unlearn.method",
                mend="Merge the adapter into the model first.",
            )
        made[name] = tuned if "lora_A" in name else before - settings.scale * (tuned - before)
    return made
