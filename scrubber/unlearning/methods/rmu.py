"""Representation misdirection (RMU): turns the hidden states of texts to forget into one random direction.

Paper: "The WMDP Benchmark: Measuring and Reducing Malicious Use With Unlearning", arXiv 2403.03218, section 5:

    L = mean_{x_f} |h(x_f) - c u|^2 + alpha mean_{x_r} |h(x_r) - h_0(x_r)|^2

h: hidden states after one layer, h_0: those of the model before, u: a fixed random unit vector, its entries drawn
uniformly from [0, 1) before it is scaled, c: how long it is made, x_f and x_r: texts to forget and to keep.

What we changed, and why: squares are averaged over the hidden size as in the published code, not summed, and tokens
over the whole step rather than by text. The last token of a text predicts nothing and bears no loss. With
``positions = "span"`` (ours) the states are those that predict a token of a span to forget; the paper takes all, which
suits a topic better than a key.
The paper trains the down-projections of three layers alone; here it is whatever trains, and with an adapter on all
layers only those up to ``layer`` get a gradient. ``layer`` and c belong to a model: 7 and 6.5 are the paper's for one of
32 layers, and c must be large beside the model's own states there.
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
    paper="arXiv 2403.03218 (WMDP)",
    cost="one model, asked once more before; no logits at all",
    reconstructed="states of sensitive tokens only (an option)",
)


@dataclass(frozen=True)
class Settings:
    layer: int = 7  # after which hidden states are turned; 0 is the first, -1 the last
    c: float = 6.5  # length of the vector that they are turned into
    alpha: float = 1200.0  # weight of texts to keep
    positions: terms.Positions = "completion"  # of texts to forget
    seed: int = 0  # of u


def needs(settings: Settings) -> Needs:
    return Needs(retain=True, positions=terms.asked(settings.positions), layer=settings.layer)


def direction(size: int, seed: int) -> torch.Tensor:
    """u: (size,), of length 1."""
    drawn = torch.rand(size, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(drawn, dim=0)


def loss(outputs: Outputs, reference: Before, batch: Batch, *, settings: Settings) -> torch.Tensor:
    """One micro-batch's part of L."""
    assert outputs.states is not None
    assert reference.states is not None
    states = outputs.states.float()  # (P, H)
    if batch.role == "retain":
        far = (states - reference.states.float()).square().mean(-1)  # (P,)
        return settings.alpha * terms.mean(far, batch)
    target = settings.c * direction(states.shape[-1], settings.seed).to(states.device)
    far = (states - target).square().mean(-1)
    return terms.mean(far, batch, settings.positions)
