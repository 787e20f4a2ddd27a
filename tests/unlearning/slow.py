"""Formulas of the papers one token after the other in float64, and our losses on the same logits: what tests compare."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from scrubber.core.batch import Batch, Tokens, collate
from scrubber.core.model.outputs import Outputs
from scrubber.core.model.reference import Before, Needs, distribution

VOCABULARY = 11
LONGEST = 7  # tokens of a row


def rows(lengths: list[int], seed: int, *, forget: bool, vocabulary: int = VOCABULARY) -> list[Tokens]:
    """Random token rows; about half of the tokens of a row to forget lie in a span, and at least one does not."""
    dice = random.Random(seed)
    made = []
    for length in lengths:
        ids = tuple(dice.randrange(vocabulary) for _ in range(length))
        marks = tuple(forget and (i == 1 or (i > 2 and dice.random() < 0.5)) for i in range(length))
        made.append(Tokens(ids, marks, (False,) * length))
    return made


@dataclass
class Step:
    """Rows of one optimizer step and, for each role, logits (B, T-1, V) of the model and of the model before."""

    rows: dict[str, list[Tokens]]
    logits: dict[str, torch.Tensor]
    before: dict[str, torch.Tensor]


def new_step(seed: int = 1) -> Step:
    """The rows to forget have counterparts: other tokens, in number too, whose spans are marked to reinforce."""
    made = {
        "forget": rows([5, 7, 3], seed, forget=True),
        "counterpart": [
            Tokens(row.ids, (False,) * len(row.ids), row.forget) for row in rows([4, 6, 5], seed + 3, forget=True)
        ],
        "retain": rows([4, 6], seed + 1, forget=False),
    }
    dice = torch.Generator().manual_seed(seed + 2)

    def logits(role: str) -> torch.Tensor:
        return 3 * torch.randn((len(made[role]), LONGEST - 1, VOCABULARY), generator=dice, dtype=torch.float64)

    return Step(made, {role: logits(role) for role in made}, {role: logits(role) for role in made})


# -- the slow way: one token after the other, from the formulas of the papers


def slow_loss(z: torch.Tensor, token: int) -> torch.Tensor:
    """L_LM of one token: -log f(token)."""
    return -torch.log(torch.exp(z[token]) / sum(torch.exp(z[v]) for v in range(VOCABULARY)))


def slow_divergence(before: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """KL(f_0 || f_theta) of one position."""
    p = [torch.exp(before[v]) / sum(torch.exp(before[u]) for u in range(VOCABULARY)) for v in range(VOCABULARY)]
    q = [torch.exp(z[v]) / sum(torch.exp(z[u]) for u in range(VOCABULARY)) for v in range(VOCABULARY)]
    return sum((p[v] * torch.log(p[v] / q[v]) for v in range(VOCABULARY)), torch.zeros(()))


def mean(values: list[torch.Tensor]) -> torch.Tensor:
    return sum(values, torch.zeros(())) / max(len(values), 1)


# -- our way


def before_of(logits: torch.Tensor, batch: Batch, needs: Needs) -> Before:
    """What the loop would hand down if the model before gave ``logits`` (P, V)."""
    outputs = Outputs.of_logits(logits)
    target = needs.retain_target if batch.role == "retain" else needs.target
    return Before(
        outputs.log_likelihood(batch.labels) if needs.likelihood else None,
        None if target is None else distribution(outputs, batch.labels, target, sparse=needs.sparse),
    )


def ours(method: Any, step: Step, logits: dict[str, torch.Tensor], settings: Any) -> torch.Tensor:
    """The method's loss over the whole step in one micro-batch for each role."""
    needs: Needs = method.needs(settings)
    total = torch.zeros(())
    for role in ("forget", "retain") if needs.retain else ("forget",):
        beside = needs.counterpart and role == "forget"
        made, z, z0 = step.rows[role], logits[role], step.before[role]
        if beside:
            made = made + step.rows["counterpart"]
            z, z0 = (torch.cat([of[role], of["counterpart"]]) for of in (logits, step.before))
        pairs = len(step.rows[role]) if beside else 0
        batch = collate(made, role, pad_id=0, marked=needs.positions == "marked", pairs=pairs)  # type: ignore[arg-type]
        column = batch.positions % (batch.input_ids.shape[1] - 1)
        before = before_of(z0[batch.row, column].float(), batch, needs)
        outputs = Outputs.of_logits(z[batch.row, column].float())
        total = total + method.loss(outputs, before, batch, settings=settings)
    return total


def with_gradient(
    loss: Callable[[dict[str, torch.Tensor]], torch.Tensor], step: Step
) -> tuple[float, dict[str, torch.Tensor]]:
    leaves = {role: values.clone().requires_grad_() for role, values in step.logits.items()}
    value = loss(leaves)
    value.backward()
    return value.item(), {
        role: torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for role, leaf in leaves.items()
    }
