"""Decoy tuning: learns values of the same format that exist nowhere in the places of the true ones.

Paper: "MEOW: MEMOry Supervised LLM Unlearning Via Inverted Facts", arXiv 2409.11844: fine-tuning by likelihood on
inverted facts in the place of those to be forgotten,

    L = -mean over tokens of d of log f_theta(d_t | x, d_<t)

What we changed, and why: the paper has a language model invert a fact in several ways; a secret has no contrary, so d
is a random value of the same length, character classes and provider's prefix, the same wherever the value stands. Only
the tokens of d bear a loss, for the text around is what the true value has, and need not be learnt. The paper's choice
of which samples to tune on (its score MEMO) is the audit's task here. With ``alpha`` the likelihood of texts to keep is
added (the paper has none). That decoys are given in this way is our reconstruction of the paper's idea for code.

The decoy takes the value's place in the model: a decoy that is then extracted is a false alarm, not a leak.
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
    paper="arXiv 2409.11844 (MEOW)",
    cost="one model; twice the rows",
    reconstructed="decoys in place of inverted facts, and a loss on their tokens alone",
)


@dataclass(frozen=True)
class Settings:
    alpha: float = 0.0  # weight of the likelihood of texts to keep; 0: none are needed


def needs(settings: Settings) -> Needs:
    return Needs(retain=settings.alpha > 0, positions="marked", counterpart="decoy")


def loss(outputs: Outputs, reference: Before, batch: Batch, *, settings: Settings) -> torch.Tensor:
    """One micro-batch's part of the mean over what is to be learnt: in counterparts, the decoys."""
    ce = -outputs.log_likelihood(batch.labels)  # (P,)
    if batch.role == "retain":
        return settings.alpha * terms.mean(ce, batch)
    return terms.share(ce, batch.reinforce, batch.reinforce_total)
