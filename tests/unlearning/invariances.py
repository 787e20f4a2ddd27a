"""What no loss may depend on, asked of a method through a real, tiny model: micro-batches, padding, rows without spans."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any

import torch

from scrubber.core.batch import Batch, Role, Tokens, collate, split_step
from scrubber.core.model.adapters import add_lora
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.load import load
from scrubber.core.model.outputs import forward
from scrubber.core.model.reference import References
from tests.unlearning.slow import Step, ours, rows, with_gradient

LENGTHS: dict[Role, list[int]] = {"forget": [5, 9, 3, 12, 7, 2, 6, 10], "retain": [4, 8, 8, 3, 11, 6, 2, 5]}


def adapted(folder: Path) -> CausalModel:
    """With an adapter that has been trained, as far as a random one has."""
    made = load(str(folder), "fp32")
    add_lora(made, rank=4, alpha=8, seed=0)
    torch.manual_seed(1)
    for name, parameter in made.network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    return made


def some_rows(role: Role, seed: int = 4) -> list[Tokens]:
    """Tokens of rows to forget that are in no span to forget are in one to reinforce, every third of them."""
    made = rows(LENGTHS[role], seed, forget=role == "forget", vocabulary=300)
    if role == "retain":
        return made
    return [
        dataclasses.replace(row, reinforce=tuple(not f and t % 3 == 2 for t, f in enumerate(row.forget)))
        for row in made
    ]


def gradient(model: CausalModel, method: Any, batches: list[Batch], settings: Any) -> torch.Tensor:
    """Of one step, over all trained weights, flat."""
    model.network.zero_grad(set_to_none=True)
    needs = method.needs(settings)
    references = References(model, needs)
    for batch in batches:
        outputs = forward(model, batch, layer=needs.layer)
        torch.autograd.backward(method.loss(outputs, references(batch), batch, settings=settings))
    return torch.cat([p.grad.flatten() for p in model.network.parameters() if p.grad is not None])


def check_parts_add_up(folder: Path, method: Any, settings: Any) -> None:
    """1 x 8 = 8 x 1 = 3 x 3 (of which the last is short)."""
    model, needs = adapted(folder), method.needs(settings)

    def total(size: int) -> torch.Tensor:
        parts = split_step(some_rows("forget"), "forget", size, pad_id=0, marked=needs.positions == "marked")
        if needs.retain:
            parts += split_step(some_rows("retain"), "retain", size, pad_id=0)
        return gradient(model, method, parts, settings)

    whole = total(8)
    assert whole.norm() > 1e-2
    for size in (1, 3):
        torch.testing.assert_close(total(size), whole, atol=1e-5 * float(whole.norm()), rtol=1e-4)


def check_padding_changes_nothing(folder: Path, method: Any, settings: Any) -> None:
    model, needs = adapted(folder), method.needs(settings)
    roles: tuple[Role, ...] = ("forget", "retain") if needs.retain else ("forget",)
    for role in roles:
        batch = collate(some_rows(role)[:3], role, pad_id=0, marked=needs.positions == "marked")
        narrow, wide = batch.input_ids.shape[1], batch.input_ids.shape[1] + 7
        wider = dataclasses.replace(
            batch,
            input_ids=torch.nn.functional.pad(batch.input_ids, (0, 7), value=299),
            attention_mask=torch.nn.functional.pad(batch.attention_mask, (0, 7), value=0),
            positions=batch.positions // (narrow - 1) * (wide - 1) + batch.positions % (narrow - 1),
            padding_total=batch.padding_total + 3 * 7,
        )
        expected = gradient(model, method, [batch], settings)
        torch.testing.assert_close(
            gradient(model, method, [wider], settings), expected, atol=1e-5 * float(expected.norm()), rtol=1e-4
        )


def check_a_step_without_marks_is_finite(method: Any, step: Step, settings: Any) -> None:
    """All rows without a marked token, then one of them only."""
    bare = [
        dataclasses.replace(r, forget=(False,) * len(r.ids), reinforce=(False,) * len(r.ids))
        for r in step.rows["forget"]
    ]
    for some in (bare, [*step.rows["forget"][:-1], bare[-1]]):
        emptied = dataclasses.replace(step, rows={**step.rows, "forget": some})
        value, slopes = with_gradient(functools.partial(ours, method, emptied, settings=settings), emptied)
        assert torch.isfinite(torch.tensor(value))
        assert all(torch.isfinite(slope).all() for slope in slopes.values())


def check_tokens_to_reinforce_are_ignored(method: Any, step: Step, settings: Any) -> None:
    """By a method that only forgets, when it is asked for spans alone."""
    forget = step.rows["forget"]
    marked = [dataclasses.replace(row, reinforce=tuple(not f for f in row.forget)) for row in forget]
    values = [
        with_gradient(functools.partial(ours, method, of, settings=settings), of)[1]["forget"]
        for of in (step, dataclasses.replace(step, rows={**step.rows, "forget": marked}))
    ]
    assert values[0].any()
    torch.testing.assert_close(values[1], values[0], atol=1e-7, rtol=0)
