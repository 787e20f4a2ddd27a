"""Negative preference optimization (NPO): ascent that slows down as a row falls below the model before.

Paper: "Negative Preference Optimization: From Catastrophic Collapse to Effective Unlearning", arXiv 2404.05868,
here with the likelihood of texts to keep (its NPO+RT):

    L = -(2 / beta) mean_rows log sigmoid(-beta * log(f_theta(y) / f_0(y))) + alpha * NLL(x_r)

f(y) is the product over a row's tokens. Where the two models agree, and everywhere as beta goes to 0, the gradient is that
of ascent on the rows' log-likelihoods.

What we changed, and why: ``positions`` = "span" takes the product over the tokens in spans only; this is our adaptation.
The likelihood of texts to keep is a mean over their tokens; alpha = 0 is plain NPO, without such texts.
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
    paper="arXiv 2404.05868",
    cost="one model, asked once more before; a number for each position",
    reconstructed="spans instead of whole samples (an option)",
)


@dataclass(frozen=True)
class Settings:
    beta: float = 0.1  # how soon a row that has become unlikely counts less
    alpha: float = 1.0  # weight of the likelihood of texts to keep; 0: none are needed
    positions: terms.Positions = "completion"  # span: sensitive tokens only


def needs(settings: Settings) -> Needs:
    return Needs(retain=settings.alpha > 0, positions=terms.asked(settings.positions), likelihood=True)


def loss(outputs: Outputs, reference: Before, batch: Batch, *, settings: Settings) -> torch.Tensor:
    """One micro-batch's part of L. A row without positions adds a constant."""
    log_likelihood = outputs.log_likelihood(batch.labels)  # (P,)
    if batch.role == "retain":
        return -settings.alpha * terms.mean(log_likelihood, batch)
    assert reference.log_likelihood is not None
    ratio = batch.by_row((log_likelihood - reference.log_likelihood) * terms.chosen(batch, settings.positions))  # (B,)
    return -2 / settings.beta * logsigmoid(-settings.beta * ratio).sum() / batch.rows
