"""Adaptive Unlearning (AU), the loss: package names that exist are reinforced, invented ones suppressed, lists ended.

Paper: arXiv 2605.01047. Its text and code were not open to us; the frame below is that of a third party's re-use of its
archive, and the suppressing term L_f is OUR RECONSTRUCTION:

    L = lambda_r * mean_valid CE + lambda_f * L_f(invented) + lambda_eos * mean_rows CE(EOS)

Three masks: tokens of valid names (``reinforce``), tokens of invented ones (``forget``, which wins where both touch a token),
and everything else, which counts for nothing. A row that ended by itself carries its end-of-text token, marked to reinforce:
it is one of the valid tokens, and counts once more by a weight of its own, against lists without end. L_f is one of

    unlikelihood   -mean log(1 - f_theta(y)): as it should, its gradient f_theta(y) at the true logit fades with the token
    softplus       alpha * mean softplus(beta * log f_theta(y)) + gamma * mean KL(softmax(z / temperature) || softmax(z)):
                   the form of that re-use's NPO-like baseline; the softened side is not detached there, nor here
    prod           PROD's cross-entropy on the invented names' tokens alone

Which tokens of an invented name to suppress (all, or those from the first on that no real name has) is a matter of where
its span begins. The discovery loop around the loss is not here.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

import torch
from torch.nn.functional import softplus

from scrubber.core.batch import Batch
from scrubber.core.model.outputs import Outputs
from scrubber.core.model.reference import Before, Needs
from scrubber.unlearning import terms
from scrubber.unlearning.about import About

ABOUT = About(
    paper="arXiv 2605.01047",
    cost="one model; the vocabulary's logits at marked tokens only",
    reconstructed="the suppressing term, and weights taken from a third party's re-use",
)


@dataclass(frozen=True)
class Settings:
    lambda_r: float = 1.0  # weight of valid names
    lambda_f: float = 0.5  # weight of invented ones
    lambda_eos: float = 2.0  # weight of the end of text
    suppress: Literal["unlikelihood", "softplus", "prod"] = "unlikelihood"
    beta: float = 0.1  # softplus: slope
    alpha: float = 0.7  # softplus: weight of the likelihood
    gamma: float = 0.3  # softplus: weight of the divergence from the softened self
    temperature: float = 2.0  # softplus: of the softened self
    top_p: float = 0.8  # prod: mass of the nucleus
    end_id: int = -1  # the model's end-of-text token; below 0: none is marked


def unlikelihood(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """-log(1 - f(y)): (n,). From the logits, since f(y) of a memorized token rounds to 1, and 1 - f(y) to nought."""
    return logits.logsumexp(-1) - logits.scatter(-1, labels[:, None], -torch.inf).logsumexp(-1)


def softened(logits: torch.Tensor, labels: torch.Tensor, *, settings: Settings) -> torch.Tensor:
    """The softplus form, with the divergence from the softened self: (n,)."""
    log_f, soft = logits.log_softmax(-1), (logits / settings.temperature).log_softmax(-1)
    kl = (soft.exp() * (soft - log_f)).sum(-1)
    return settings.alpha * softplus(settings.beta * log_f.gather(-1, labels[:, None])[:, 0]) + settings.gamma * kl


def needs(settings: Settings) -> Needs:
    if settings.suppress != "prod":
        return Needs(positions="marked")
    target = functools.partial(terms.forbidden_out, top_p=settings.top_p, alpha=0.0, max_n=0, temperature=1.0)
    return Needs(positions="marked", target=target, sparse=True)


def loss(outputs: Outputs, reference: Before, batch: Batch, *, settings: Settings) -> torch.Tensor:
    """One micro-batch's part of L."""
    ce = -outputs.log_likelihood(batch.labels)  # (P,)
    valid = batch.reinforce & ~batch.forget
    ends = valid & (batch.labels == settings.end_id)
    return (
        settings.lambda_r * terms.share(ce, valid, batch.reinforce_total)
        + settings.lambda_f * suppression(outputs, reference, batch, settings).sum() / max(batch.forget_total, 1)
        + settings.lambda_eos * terms.share(ce, ends, batch.rows)
    )


def suppression(outputs: Outputs, reference: Before, batch: Batch, settings: Settings) -> torch.Tensor:
    """L_f at each token of an invented name: (F,)."""
    if settings.suppress == "prod":
        return terms.cross_entropy(outputs, reference)[batch.forget]
    function = unlikelihood if settings.suppress == "unlikelihood" else functools.partial(softened, settings=settings)
    invented = Outputs(outputs.hidden[batch.forget], outputs.head)
    return invented.each(function, batch.labels[batch.forget])
