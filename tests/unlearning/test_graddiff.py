"""GradDiff in both forms against a slow float64 reference, and the methods that it contains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scrubber.unlearning.methods import ga, graddiff
from tests.unlearning import invariances
from tests.unlearning.slow import Step, mean, new_step, ours, slow_divergence, slow_loss, with_gradient

CASES = {
    "nll": graddiff.Settings(),
    "kl": graddiff.Settings(retain="kl"),
    "span": graddiff.Settings(gamma=0.6, alpha=1.7, positions="span"),
    "span, kl": graddiff.Settings(gamma=0.6, alpha=1.7, positions="span", retain="kl"),
}


@pytest.fixture
def step() -> Step:
    return new_step()


def slow_graddiff(step: Step, logits: dict[str, torch.Tensor], s: graddiff.Settings) -> torch.Tensor:
    lost, kept = [], []
    for b, row in enumerate(step.rows["forget"]):
        wanted = [t for t in range(1, len(row.ids)) if s.positions == "completion" or row.forget[t]]
        lost += [slow_loss(logits["forget"][b, t - 1], row.ids[t]) for t in wanted]
    for b, row in enumerate(step.rows["retain"]):
        for t in range(1, len(row.ids)):
            z, z0 = logits["retain"][b, t - 1], step.before["retain"][b, t - 1]
            kept.append(slow_loss(z, row.ids[t]) if s.retain == "nll" else slow_divergence(z0, z))
    return -s.gamma * mean(lost) + s.alpha * mean(kept)


@pytest.mark.parametrize("case", CASES)
def test_graddiff_and_its_gradient_are_those_of_the_formula(case: str, step: Step) -> None:
    value, gradient = with_gradient(lambda logits: ours(graddiff, step, logits, CASES[case]), step)
    expected, slope = with_gradient(lambda logits: slow_graddiff(step, logits, CASES[case]), step)
    assert value == pytest.approx(expected, abs=1e-5)
    for role in ("forget", "retain"):
        torch.testing.assert_close(gradient[role], slope[role], atol=1e-5, rtol=0)
        assert slope[role].abs().max() > 1e-3


def test_without_texts_to_keep_it_is_gradient_ascent(step: Step) -> None:
    value = ours(graddiff, step, step.logits, graddiff.Settings(alpha=0.0)).item()
    assert value == pytest.approx(ours(ga, step, step.logits, ga.Settings()).item(), abs=1e-6)


def test_at_the_model_before_the_divergence_pulls_nowhere(step: Step) -> None:
    step.logits["retain"] = step.before["retain"]
    _, gradient = with_gradient(lambda logits: ours(graddiff, step, logits, CASES["kl"]), step)
    assert gradient["retain"].abs().max() < 1e-6
    _, gradient = with_gradient(lambda logits: ours(graddiff, step, logits, CASES["nll"]), step)
    assert gradient["retain"].abs().max() > 1e-2


def test_only_the_divergence_needs_the_reference() -> None:
    assert not graddiff.needs(CASES["nll"]).reference
    assert graddiff.needs(CASES["kl"]).reference
    assert graddiff.needs(CASES["kl"]).target is None  # rows to forget ask nothing of it
    assert all(graddiff.needs(s).retain for s in CASES.values())


def test_tokens_to_reinforce_are_none_of_its_business(step: Step) -> None:
    invariances.check_tokens_to_reinforce_are_ignored(graddiff, step, CASES["span"])


@pytest.mark.parametrize("case", CASES)
def test_micro_batches_and_padding(case: str, tiny_models: dict[str, Path]) -> None:
    invariances.check_parts_add_up(tiny_models["gpt2"], graddiff, CASES[case])
    invariances.check_padding_changes_nothing(tiny_models["gpt2"], graddiff, CASES[case])


@pytest.mark.parametrize("retain", ["nll", "kl"])
def test_rows_without_spans_are_finite(retain: str, step: Step) -> None:
    invariances.check_a_step_without_marks_is_finite(graddiff, step, replace(CASES["span"], retain=retain))  # type: ignore[arg-type]
