"""Methods that edit weights once, besides or instead of descending a loss: what such an edit is given, and how it is made.

Beside the rest of a method their modules have

    TRAINED: bool                                          whether ``loss`` is descended before the edit
    edit(weights, statistics, *, settings) -> weights      pure; by name, the weights that may be trained
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from scrubber.core.batch import Role, Tokens, collate
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.outputs import check_head, forward
from scrubber.core.model.reference import Before, Needs
from scrubber.core.train import LossFunction

Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Statistics:
    """What an edit may look at, by the name of a weight. Importances are there where the method is not trained."""

    before: Weights  # the weights before any step
    forget: Weights = field(default_factory=dict)  # mean squared gradients on texts to forget
    retain: Weights = field(default_factory=dict)  # and on texts to keep


def trainable(model: CausalModel) -> dict[str, torch.Tensor]:
    """Copies of the weights that require a gradient."""
    return {name: p.detach().clone() for name, p in model.network.named_parameters() if p.requires_grad}


def apply(
    model: CausalModel, method: Any, settings: Any, *, before: Weights, forget: Sequence[Tokens], keep: Sequence[Tokens]
) -> None:
    """Edits the weights of ``model`` that may be trained, in place. ``before``: what they were before any step."""
    statistics = Statistics(before)
    if not method.TRAINED:
        loss, needs = functools.partial(method.loss, settings=settings), method.needs(settings)
        statistics = Statistics(
            before,
            importances(model, forget, "forget", loss, needs),
            importances(model, keep, "retain", loss, needs),
        )
    edited = method.edit(trainable(model), statistics, settings=settings)
    with torch.no_grad():
        for name, parameter in model.network.named_parameters():
            if name in edited:
                parameter.copy_(edited[name])


def importances(
    model: CausalModel, rows: Sequence[Tokens], role: Role, loss: LossFunction, needs: Needs
) -> dict[str, torch.Tensor]:
    """Each trainable weight's squared gradient of ``loss``, in mean over the rows: the diagonal of the empirical Fisher.

    A row at a time, since the square of a sum is not the sum of squares. Of a ``loss`` that looks at no reference.
    """
    check_head(model)
    model.network.eval()  # without dropout
    wanted = {name: p for name, p in model.network.named_parameters() if p.requires_grad}
    sums = {name: torch.zeros_like(p, dtype=torch.float32) for name, p in wanted.items()}
    for row in rows:
        batch = collate([row], role, pad_id=model.pad_id, marked=needs.positions == "marked").to(model.device)
        gradients = torch.autograd.grad(
            loss(forward(model, batch), Before(), batch), list(wanted.values()), allow_unused=True
        )
        for total, slope in zip(sums.values(), gradients, strict=True):
            if slope is not None:
                total.add_(slope.float().square())
    return {name: total / max(len(rows), 1) for name, total in sums.items()}
