"""Selective synaptic dampening (SSD): shrinks the weights that matter to texts to forget far more than to others.

Paper: "Fast Machine Unlearning Without Retraining Through Selective Synaptic Dampening", arXiv 2308.07707, equations 5
to 7. F_f and F_D: the diagonal of the Fisher information, that is each weight's mean squared gradient of a sample's log
likelihood, on the samples to forget and on the training data; of the weights theta_i

    theta_i <- min(lambda F_D,i / F_f,i, 1) theta_i   where F_f,i > alpha F_D,i

and the others stay. Nothing is trained. alpha = 10 and lambda = 1 are the paper's for image classifiers.

What we changed, and why: F_D is taken on the texts to keep, which the training data is but for a few samples. A
sample's likelihood is the mean over its tokens, so that long and short texts count alike; with ``positions = "span"``
(ours) of the tokens in spans to forget. Squares are taken sample by sample; the published code squares the gradient of
a batch, which depends on what else is in it. Only weights that hold the memory can be dampened: those of the model, or
of an adapter that learnt it. In a new LoRA adapter there is nothing to find (B = 0), and that is an error.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from scrubber.core.batch import Batch
from scrubber.core.errors import AskedWrongly
from scrubber.core.model.outputs import Outputs
from scrubber.core.model.reference import Before, Needs
from scrubber.unlearning import terms
from scrubber.unlearning.about import About
from scrubber.unlearning.edits import Statistics, Weights

TRAINED = False  # squared gradients of ``loss`` are the statistics


ABOUT = About(
    paper="arXiv 2308.07707",
    cost="one pass forward and backward for each text; nothing is trained",
    reconstructed="texts to keep stand for the training data",
)


@dataclass(frozen=True)
class Settings:
    alpha: float = 10.0  # how many times more a weight must matter to texts to forget
    lambda_: float = 1.0  # how little is left of it
    positions: terms.Positions = "completion"  # of texts to forget


def needs(settings: Settings) -> Needs:
    return Needs(retain=True, positions=terms.asked(settings.positions))


def loss(outputs: Outputs, reference: Before, batch: Batch, *, settings: Settings) -> torch.Tensor:
    """The mean CE over the positions asked for."""
    positions = settings.positions if batch.role == "forget" else "completion"
    return terms.mean(-outputs.log_likelihood(batch.labels), batch, positions)


def edit(weights: Weights, statistics: Statistics, *, settings: Settings) -> Weights:
    """The dampened weights. Raises AskedWrongly for an adapter that holds nothing."""
    adapter = [values for name, values in weights.items() if "lora_B" in name]
    if adapter and not any(bool(values.any()) for values in adapter):
        raise AskedWrongly(
            "dampening shrinks weights that hold a memory, and a new adapter holds none",
            where="unlearn.method",
            mend="Train all weights instead of an adapter, or give the adapter that learnt it.",
        )
    made = {}
    for name, values in weights.items():
        forget, retain = statistics.forget[name], statistics.retain[name]
        left = (settings.lambda_ * retain / forget).clamp(max=1)
        made[name] = torch.where(forget > settings.alpha * retain, values * left, values)
    return made
