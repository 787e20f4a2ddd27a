"""SimNPO: negative preference optimization without a reference, on each row's mean log-likelihood.

Paper: "Simplicity Prevails: Rethinking Negative Preference Optimization for LLM Unlearning", arXiv 2410.07163,
here with the likelihood of texts to keep, as its experiments have it:

    L = gamma * -(2 / beta) mean_rows log sigmoid(beta * (NLL(y) / |y| - delta)) + alpha * NLL(x_r)

Dividing by a row's length |y| keeps long rows from counting for most. The margin delta stands within beta's factor, as in
the published code; the paper writes it outside. At its default of 0 they are the same.

What we changed, and why: ``positions`` = "span" takes NLL(y) and |y| over the tokens in spans only; this is our adaptation.
The likelihood of texts to keep is a mean over their tokens; alpha = 0 needs none.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import logsigmoid

from scrubber.core.batch import Batch
from scrubber.core.model.outputs import Outputs
from scrubber.core.model.reference import Before, Needs
from scrubber.unlearning import terms
from scrubber.unlearning.about import About

ABOUT = About(
    paper="arXiv 2410.07163",
    cost="one model; the cheapest of those that are bounded",
    reconstructed="spans instead of whole samples (an option)",
)


@dataclass(frozen=True)
class Settings:
    beta: float = 4.5  # how soon a row that has become unlikely counts less
    delta: float = 0.0  # the loss a token that a row must pass
    gamma: float = 0.125  # weight of the rows to forget
    alpha: float = 1.0  # weight of the likelihood of texts to keep; 0: none are needed
    positions: terms.Positions = "completion"  # span: sensitive tokens only


def needs(settings: Settings) -> Needs:
    return Needs(retain=settings.alpha > 0, positions=terms.asked(settings.positions))


def loss(outputs: Outputs, reference: Before, batch: Batch, *, settings: Settings) -> torch.Tensor:
    """One micro-batch's part of L. A row without positions adds a constant."""
    log_likelihood = outputs.log_likelihood(batch.labels)  # (P,)
    if batch.role == "retain":
        return -settings.alpha * terms.mean(log_likelihood, batch)
    chosen = terms.chosen(batch, settings.positions).to(log_likelihood.dtype)
    nll = -batch.by_row(log_likelihood * chosen) / batch.by_row(chosen).clamp_min(1)  # (B,)
    passed = logsigmoid(settings.beta * (nll - settings.delta))
    return -settings.gamma * 2 / settings.beta * passed.sum() / batch.rows
