"""CodeEraser: selective unlearning of sensitive spans, with their context and the rest of the model held.

Paper: "Scrub It Out! Erasing Sensitive Memorization in Code Language Models via Machine Unlearning", ICSE 2026,
arXiv 2509.13755, section 4:

    L_SU = L_GA(s_f) + gamma * L_LM(c_f) + lambda * L_KL(s_f, x_r)
    L_GA(s) = -L_LM(s),   L_KL(s_f, x_r) = -KL(f_0(s_f) || f_theta(s_f)) + alpha * KL(f_0(x_r) || f_theta(x_r))

s_f: the tokens in sensitive spans, c_f: the other tokens of the sample, x_r: a sample to keep, f_0: the model before.

What we changed, and why: every term is a mean over its own positions, where the published code sums the retain
divergence over tokens and divides by rows only, and counts padding among the context; both quirks are options. f_0 is
the same weights with the adapter off; the published LoRA variant trained the object that it called its reference.
gamma is 0.5 in the paper's text and 0.1 in its commands and code; we follow the paper. With ``split`` off (all tokens
are s_f) this is CU; with gamma and lambda zero as well it is GA. Learning rates for LoRA are ours: the paper fine-tunes
all weights at 3e-6.
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
    paper="arXiv 2509.13755 (ICSE 2026), section 4",
    cost="one model, asked once more before; one vector of the hidden size for each position",
    reconstructed="LoRA and its learning rate; means over each term's own positions",
)


@dataclass(frozen=True)
class Settings:
    gamma: float = 0.5  # weight of the context's likelihood
    lambda_: float = 0.1  # weight of both divergences
    alpha: float = 1.0  # weight of the retain divergence within them
    split: bool = True  # off: the whole sample is treated as sensitive
    retain_sum: bool = False  # published quirk: retain divergence summed over tokens, divided by rows
    padding_in_context: bool = False  # published quirk: padding counts, with loss 0, in the context's mean


def needs(settings: Settings) -> Needs:
    return Needs(retain=True, target=terms.same, retain_target=terms.same)


def loss(outputs: Outputs, reference: Before, batch: Batch, *, settings: Settings) -> torch.Tensor:
    """One micro-batch's part of L_SU."""
    kl = reference.divergence(outputs)  # (P,)
    if batch.role == "retain":
        total = batch.rows if settings.retain_sum else batch.context_total
        return settings.lambda_ * settings.alpha * kl.sum() / max(total, 1)
    ce = -outputs.log_likelihood(batch.labels)  # (P,)
    sensitive = batch.forget if settings.split else torch.ones_like(batch.forget)
    sensitive_total = batch.forget_total if settings.split else batch.forget_total + batch.context_total
    context_total = (batch.context_total if settings.split else 0) + (
        batch.padding_total if settings.padding_in_context else 0
    )
    return (
        -terms.share(ce, sensitive, sensitive_total)
        + settings.gamma * terms.share(ce, ~sensitive, context_total)
        - settings.lambda_ * terms.share(kl, sensitive, sensitive_total)
    )
