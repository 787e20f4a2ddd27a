"""UNDIAL: training towards the model before with the true token's logit lowered.

Paper: "UNDIAL: Self-Distillation with Adjusted Logits for Robust Unlearning in Large Language Models", NAACL 2025,
arXiv 2402.10052. With z_0 the logits of the model before and y the true token,

    L = -mean_t sum_v q_t(v) log f_theta(v | x_<t),   q_t = softmax(z_0 - beta * onehot(y_t))

What we changed, and why: the mean is over the real positions chosen, where open-unlearning's port also averages over
prompt and padding, and lowers the logit of token V - 100 there, since its labels hold -100 (no label of ours does).
``positions`` = "span" is our adaptation. The target needs the model before once; no text to keep is used, as in the paper.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch

from scrubber.core.batch import Batch
from scrubber.core.model.outputs import Outputs
from scrubber.core.model.reference import Before, Needs
from scrubber.unlearning import terms
from scrubber.unlearning.about import About

ABOUT = About(
    paper="arXiv 2402.10052 (NAACL 2025)",
    cost="one model, asked once more before; one vector of the hidden size for each position",
    reconstructed="spans instead of whole samples (an option)",
)


@dataclass(frozen=True)
class Settings:
    beta: float = 10.0  # how far the true token's logit is lowered; the paper tries 3, 10 and 30
    positions: terms.Positions = "completion"  # span: sensitive tokens only


def lowered(logits: torch.Tensor, labels: torch.Tensor, *, beta: float) -> torch.Tensor:
    """softmax(z_0 - beta * onehot(y)). logits (n, V), labels (n,) -> (n, V)."""
    true = labels[:, None]
    return logits.scatter(-1, true, logits.gather(-1, true) - beta).softmax(-1)


def needs(settings: Settings) -> Needs:
    return Needs(positions=terms.asked(settings.positions), target=functools.partial(lowered, beta=settings.beta))


def loss(outputs: Outputs, reference: Before, batch: Batch, *, settings: Settings) -> torch.Tensor:
    """One micro-batch's part of L."""
    return terms.mean(terms.cross_entropy(outputs, reference), batch, settings.positions)
