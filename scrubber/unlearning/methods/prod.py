"""PROD: training towards what the model before would say if the true token were forbidden.

Paper: "Large Language Model Unlearning for Source Code", AAAI 2026, arXiv 2506.17125. At each position, with f_0 the
model before and y the true token: y is taken out of f_0, the rest is cut to its nucleus top_p and made to sum to 1, which
gives q; then q(y) = -alpha * f_0(y), and

    L_PROD = -mean_t sum_v q_t(v) log f_theta(v | x_<t)

With alpha = 0 the gradient at the logits is f_theta - q: bounded, so that the loss does not run away as ascent does. With
top_p = 1, too, it is UNDIAL with a penalty without end. Texts to keep are not needed, and not used.

What we changed, and why: the mean is over all positions of a step (the published code has rows of one at a time). Its
first position keeps the true token in the nucleus, which looks like an accident, and is not copied. The 1e-10 within its
logarithm guards softmax against log 0; log-softmax needs no guard, and the gradient stays f_theta - q where f_theta is
small. Targets depend on f_0 alone: asked once, and kept as lists of their few entries. Our adaptation: ``positions`` =
"span" takes the tokens in spans only, so that quotes and names around a value are not pushed away. The published
training covers whole samples, prompts included (they are empty there); where a sample has a prompt, mark the completion
as its span. Learning rates for LoRA are ours: the paper trains all weights at 5e-6.
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
    paper="arXiv 2506.17125 (AAAI 2026)",
    cost="one model, asked once more before; lists of each position's nucleus",
    reconstructed="spans instead of whole samples (an option); LoRA and its learning rate",
)


@dataclass(frozen=True)
class Settings:
    top_p: float = 0.8  # mass of the nucleus; 1: no cut
    alpha: float = 0.0  # above 0: also ascent on the true token, weighted by f_0; below 0: it keeps some mass
    max_n: int = 0  # the most tokens in a nucleus; 0: any number
    temperature: float = 1.0  # of what the cut leaves
    positions: terms.Positions = "completion"  # span: sensitive tokens only
    sparse: bool = True  # targets as lists; off: by their mean embedding, smaller where f_0 is unsure (LoRA only)


def needs(settings: Settings) -> Needs:
    target = functools.partial(
        terms.forbidden_out,
        top_p=settings.top_p,
        alpha=settings.alpha,
        max_n=settings.max_n,
        temperature=settings.temperature,
    )
    return Needs(positions=terms.asked(settings.positions), target=target, sparse=settings.sparse)


def loss(outputs: Outputs, reference: Before, batch: Batch, *, settings: Settings) -> torch.Tensor:
    """One micro-batch's part of L_PROD."""
    return terms.mean(terms.cross_entropy(outputs, reference), batch, settings.positions)
