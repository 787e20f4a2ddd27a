"""What no loss may depend on, for methods whose rows to forget have counterparts: micro-batches, padding, bare rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from scrubber.core.batch import Tokens, collate, split_step
from tests.unlearning.invariances import LENGTHS, adapted, gradient
from tests.unlearning.slow import Step, ours, rows, slow_loss, with_gradient

Logits = dict[str, torch.Tensor]


def answers(step: Step, logits: Logits) -> list[tuple[list[torch.Tensor], list[torch.Tensor]]]:
    """Of each pair of rows, -log f of the tokens to forget and of those that stand in their place, one after the other."""

    def of(role: str, b: int) -> list[torch.Tensor]:
        row = step.rows[role][b]
        marks = row.forget if role == "forget" else row.reinforce
        return [slow_loss(logits[role][b, t - 1], row.ids[t]) for t in range(1, len(row.ids)) if marks[t]]

    return [(of("forget", b), of("counterpart", b)) for b in range(len(step.rows["forget"]))]


def check_gradient(method: Any, slow: Any, step: Step, settings: Any) -> None:
    """Value and gradient of ``method`` are those of ``slow(step, logits, settings)``, and the gradient is not nought."""
    value, gradients = with_gradient(lambda logits: ours(method, step, logits, settings), step)
    expected, slopes = with_gradient(lambda logits: slow(step, logits, settings), step)
    assert abs(value - expected) < 1e-5 * max(1, abs(expected))
    for role in gradients:
        torch.testing.assert_close(gradients[role], slopes[role], atol=1e-5, rtol=0)
    assert max(slope.abs().max() for slope in slopes.values()) > 1e-3


def with_counterparts() -> list[Tokens]:
    """Rows to forget, each with one of other tokens and another length beside it."""
    beside = rows([7, 6, 9, 4, 12, 5, 3, 8], 11, forget=True, vocabulary=300)
    return [
        replace(row, counterpart=Tokens(other.ids, (False,) * len(other.ids), other.forget))
        for row, other in zip(rows(LENGTHS["forget"], 4, forget=True, vocabulary=300), beside, strict=True)
    ]


def check_invariances(folder: Path, method: Any, settings: Any, step: Step) -> None:
    """1 x 8 = 8 x 1 = 3 x 3, of which the last is short; padding changes nothing; rows without marks are finite."""
    model, needs = adapted(folder), method.needs(settings)
    kept = rows(LENGTHS["retain"], 5, forget=False, vocabulary=300)

    def total(size: int) -> torch.Tensor:
        parts = split_step(with_counterparts(), "forget", size, pad_id=0, marked=True)
        return gradient(
            model, method, parts + (split_step(kept, "retain", size, pad_id=0) if needs.retain else []), settings
        )

    whole = total(8)
    assert whole.norm() > 1e-3
    for size in (1, 3):
        torch.testing.assert_close(total(size), whole, atol=1e-5 * float(whole.norm()), rtol=1e-4)

    (batch,) = split_step(with_counterparts()[:3], "forget", 3, pad_id=0, marked=True)
    wider = collate(batch.tokens, "forget", pad_id=299, marked=True, pairs=3)
    assert wider.labels.tolist() == batch.labels.tolist()
    narrow, wide = batch.input_ids.shape[1], batch.input_ids.shape[1] + 7
    wider = replace(
        wider,
        input_ids=torch.nn.functional.pad(wider.input_ids, (0, 7), value=299),
        attention_mask=torch.nn.functional.pad(wider.attention_mask, (0, 7), value=0),
        positions=batch.positions // (narrow - 1) * (wide - 1) + batch.positions % (narrow - 1),
        padding_total=batch.padding_total + 6 * 7,
    )
    expected = gradient(model, method, [batch], settings)
    torch.testing.assert_close(
        gradient(model, method, [wider], settings), expected, atol=1e-5 * float(expected.norm()), rtol=1e-4
    )

    for role in ("forget", "counterpart"):  # the one side without marks, then both
        step.rows[role] = [
            replace(r, forget=(False,) * len(r.ids), reinforce=(False,) * len(r.ids)) for r in step.rows[role]
        ]
        value, slopes = with_gradient(lambda logits: ours(method, step, logits, settings), step)
        assert torch.isfinite(torch.tensor(value))
        assert all(torch.isfinite(slope).all() for slope in slopes.values())
