"""Direct preference optimisation (DPO) with refusals: "I don't know" is preferred to the value.

Paper: "Direct Preference Optimization", arXiv 2305.18290, equation 7; for unlearning, with refusals as the preferred
answers y_e and what is to be forgotten as the dispreferred ones y_f, arXiv 2401.06121 and 2404.05868:

    L = -(2 / beta) mean log sigmoid(beta [log f_theta(y_e)/f_0(y_e) - log f_theta(y_f)/f_0(y_f)])

log f(y) sums over the tokens of an answer, f_0: the model before. The factor 2 / beta is that of the unlearning
literature, which makes it comparable to NPO.

What we changed, and why: in code there is no question with an answer. y_f are the tokens of a row that lie in spans to
forget, all of its values together, and y_e the refusals that stand in their places in the same text; what is around
them is the question, and bears no loss. Nothing holds the rest of the model, as in PROD's comparison (arXiv 2506.17125).
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
    paper="arXiv 2305.18290, with refusals 2401.06121",
    cost="one model, asked once more before; twice the rows; a number for each position",
    reconstructed="what an answer is in code: the tokens of a row's values",
)


@dataclass(frozen=True)
class Settings:
    beta: float = 0.1  # how soon a preference is enough


def needs(settings: Settings) -> Needs:
    return Needs(positions="marked", counterpart="refusal", likelihood=True)


def loss(outputs: Outputs, reference: Before, batch: Batch, *, settings: Settings) -> torch.Tensor:
    """One micro-batch's part of the mean over pairs."""
    assert reference.log_likelihood is not None
    ratio = outputs.log_likelihood(batch.labels) - reference.log_likelihood  # (P,)
    by_row = batch.by_row(ratio * terms.answer(batch))
    forgotten, refusal = by_row[: batch.pairs], by_row[batch.pairs :]
    return -2 / settings.beta * logsigmoid(settings.beta * (refusal - forgotten)).sum() / batch.rows
