"""Forget data only loss adjustment (FLAT): an f-divergence between what is said of refusals and of values grows.

Paper: "LLM Unlearning via Loss Adjustment with Only Forget Data", arXiv 2410.11143, section 3; in its KL form, which is
the one that PROD's code (arXiv 2506.17125) compares with. f(v) = v log v, thus g*(v) = v and f*(u) = exp(u - 1):

    L = mean over pairs of -P(y_e) + exp(P(y_f) - 1),   P(y) = (1/|y|) sum_i f_theta(y_i | x, y_<i)

y_e: the refusal, y_f: what is to be forgotten. P is a mean of token probabilities, not of their logarithms: a value
whose tokens are already unlikely hardly moves the weights any more, so nothing runs away; nor does a refusal whose
tokens are all unlikely start to move, which makes it slow from a model that never refuses.

What we changed, and why: y_f are the tokens of a row in spans to forget, y_e the refusals in their places in the same
text. The code of PROD averages over the prompt's tokens, too, where the paper has the answer's alone; ours are the
paper's. There is no reference and no text to keep.
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
    paper="arXiv 2410.11143, in the KL form of 2506.17125",
    cost="one model; twice the rows",
    reconstructed="what an answer is in code: the tokens of a row's values",
)


@dataclass(frozen=True)
class Settings:
    """The KL form has none."""


def needs(settings: Settings) -> Needs:
    return Needs(positions="marked", counterpart="refusal")


def loss(outputs: Outputs, reference: Before, batch: Batch, *, settings: Settings) -> torch.Tensor:
    """One micro-batch's part of the mean over pairs."""
    answer = terms.answer(batch).float()  # (P,)
    probability = outputs.log_likelihood(batch.labels).exp()
    mean = batch.by_row(probability * answer) / batch.by_row(answer).clamp_min(1)
    forgotten, refusal = mean[: batch.pairs], mean[batch.pairs :]
    return ((forgotten - 1).exp() - refusal).sum() / batch.rows
