"""DPO with refusals against a slow float64 reference, and what it tends to: ascent at first, nothing at last."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from scrubber.unlearning.methods import dpo
from tests.unlearning.pairs import Logits, answers, check_gradient, check_invariances
from tests.unlearning.slow import Step, new_step, ours, with_gradient

CASES = {"default": dpo.Settings(), "steep": dpo.Settings(beta=1.5)}


@pytest.fixture
def step() -> Step:
    return new_step()


def slow_dpo(step: Step, logits: Logits, s: dpo.Settings) -> torch.Tensor:
    total = torch.zeros((), dtype=torch.float64)
    for now, before in zip(answers(step, logits), answers(step, step.before), strict=True):
        forgotten, refusal = (
            sum((-a + b for a, b in zip(*sides, strict=True)), torch.zeros(()))
            for sides in zip(now, before, strict=True)
        )
        total = total - 2 / s.beta * torch.log(1 / (1 + torch.exp(-s.beta * (refusal - forgotten))))
    return total / len(step.rows["forget"])


@pytest.mark.parametrize("case", CASES)
def test_dpo_and_its_gradient_are_those_of_the_formula(case: str, step: Step) -> None:
    check_gradient(dpo, slow_dpo, step, CASES[case])


def summed(step: Step) -> Logits:
    """The gradient of log f(y_f) - log f(y_e), averaged over pairs."""

    def value(logits: Logits) -> torch.Tensor:
        parts = [sum(refusal) - sum(forgotten) for forgotten, refusal in answers(step, logits)]
        return torch.stack([torch.as_tensor(part) for part in parts]).mean()

    return with_gradient(value, step)[1]


@pytest.mark.parametrize("beta", [0.1, 3.0])
def test_at_the_model_before_it_ascends_on_values_and_descends_on_refusals(beta: float, step: Step) -> None:
    step.logits = step.before
    _, gradient = with_gradient(lambda logits: ours(dpo, step, logits, dpo.Settings(beta=beta)), step)
    for role, slope in summed(step).items():
        torch.testing.assert_close(gradient[role], slope, atol=1e-5, rtol=0)


def test_a_refusal_that_is_preferred_far_enough_leaves_the_row_alone(step: Step) -> None:
    for b, row in enumerate(step.rows["counterpart"]):
        for t in range(1, len(row.ids)):
            step.before["counterpart"][b, t - 1, row.ids[t]] -= 500
    value, gradient = with_gradient(lambda logits: ours(dpo, step, logits, dpo.Settings()), step)
    assert value == pytest.approx(0, abs=1e-6)
    assert all(slope.abs().max() < 1e-6 for slope in gradient.values())


def test_what_is_around_the_values_bears_no_loss(step: Step) -> None:
    _, gradient = with_gradient(lambda logits: ours(dpo, step, logits, dpo.Settings()), step)
    for role in ("forget", "counterpart"):
        for b, row in enumerate(step.rows[role]):
            marks = row.forget if role == "forget" else row.reinforce
            for t in range(1, len(row.ids)):
                assert bool(gradient[role][b, t - 1].any()) == marks[t]


def test_micro_batches_padding_and_rows_without_spans(step: Step, tiny_models: dict[str, Path]) -> None:
    check_invariances(tiny_models["gpt2"], dpo, dpo.Settings(), step)
