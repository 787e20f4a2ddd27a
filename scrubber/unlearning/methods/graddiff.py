"""Gradient difference (GradDiff): ascent on rows to forget, descent on texts to keep, by likelihood or by divergence.

Papers: "Continual Learning and Private Unlearning", arXiv 2203.12817, which has the difference; "TOFU", arXiv 2401.06121,
which has both forms for language models; arXiv 2502.05739 tries them on code models (GA+GD and GA+KL):

    L = -gamma * NLL(x_f) + alpha * NLL(x_r)      or      L = -gamma * NLL(x_f) + alpha * KL(f_0(x_r) || f_theta(x_r))

What we changed, and why: each term is a mean over its real tokens, where open-unlearning's divergence also averages over
prompt and padding, so that its weight hangs on the batch. ``positions`` = "span" is our adaptation. With alpha = 0 it is GA.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from scrubber.core.batch import Batch
from scrubber.core.model.outputs import Outputs
from scrubber.core.model.reference import Before, Needs
from scrubber.unlearning import terms
from scrubber.unlearning.about import About

ABOUT = About(
    paper="arXiv 2203.12817 and 2401.06121",
    cost="one model; with a divergence one vector of the hidden size for each position to keep",
    reconstructed="spans instead of whole samples (an option)",
)


@dataclass(frozen=True)
class Settings:
    gamma: float = 1.0  # weight of the ascent
    alpha: float = 1.0  # weight of what texts to keep say
    retain: Literal["nll", "kl"] = "nll"  # what they say: their likelihood, or the divergence from the model before
    positions: terms.Positions = "completion"  # span: ascent on sensitive tokens only


def needs(settings: Settings) -> Needs:
    return Needs(
        retain=True,
        positions=terms.asked(settings.positions),
        retain_target=terms.same if settings.retain == "kl" else None,
    )


def loss(outputs: Outputs, reference: Before, batch: Batch, *, settings: Settings) -> torch.Tensor:
    """One micro-batch's part of L."""
    if batch.role == "retain" and settings.retain == "kl":
        return settings.alpha * terms.mean(reference.divergence(outputs), batch)
    log_likelihood = outputs.log_likelihood(batch.labels)  # (P,)
    if batch.role == "retain":
        return -settings.alpha * terms.mean(log_likelihood, batch)
    return settings.gamma * terms.mean(log_likelihood, batch, settings.positions)
