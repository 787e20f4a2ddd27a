"""NPO against a slow float64 reference, and what it tends to: ascent at first, nothing at last."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from scrubber.unlearning.methods import ga, npo
from tests.unlearning import invariances
from tests.unlearning.slow import Step, mean, new_step, ours, slow_loss, with_gradient

CASES = {
    "default": npo.Settings(),
    "plain": npo.Settings(alpha=0.0),
    "span": npo.Settings(positions="span"),
    "steep": npo.Settings(beta=2.0, alpha=0.4, positions="span"),
}


@pytest.fixture
def step() -> Step:
    return new_step()


def slow_npo(step: Step, logits: dict[str, torch.Tensor], s: npo.Settings) -> torch.Tensor:
    by_row, kept = [], []
    for b, row in enumerate(step.rows["forget"]):
        ratio = torch.zeros(())
        for t in range(1, len(row.ids)):
            if s.positions == "completion" or row.forget[t]:
                z, z0 = logits["forget"][b, t - 1], step.before["forget"][b, t - 1]
                ratio = ratio - slow_loss(z, row.ids[t]) + slow_loss(z0, row.ids[t])
        by_row.append(-2 / s.beta * torch.log(1 / (1 + torch.exp(s.beta * ratio))))
    for b, row in enumerate(step.rows["retain"]):
        kept += [slow_loss(logits["retain"][b, t - 1], row.ids[t]) for t in range(1, len(row.ids))]
    return mean(by_row) + s.alpha * mean(kept)


@pytest.mark.parametrize("case", CASES)
def test_npo_and_its_gradient_are_those_of_the_formula(case: str, step: Step) -> None:
    value, gradient = with_gradient(lambda logits: ours(npo, step, logits, CASES[case]), step)
    expected, slope = with_gradient(lambda logits: slow_npo(step, logits, CASES[case]), step)
    assert value == pytest.approx(expected, rel=1e-5, abs=1e-5)
    for role in ("forget", "retain"):
        torch.testing.assert_close(gradient[role], slope[role], atol=1e-5, rtol=0)
    assert slope["forget"].abs().max() > 1e-3


def ascent(step: Step) -> torch.Tensor:
    """The gradient of the rows' summed log-likelihoods, averaged over rows: GA's, but for its count of tokens."""
    _, slope = with_gradient(lambda logits: ours(ga, step, logits, ga.Settings()), step)
    tokens = sum(len(row.ids) - 1 for row in step.rows["forget"])
    return slope["forget"] * tokens / len(step.rows["forget"])


def test_as_beta_goes_to_nought_it_becomes_gradient_ascent(step: Step) -> None:
    def distance(beta: float) -> float:
        s = npo.Settings(beta=beta, alpha=0.0)
        _, gradient = with_gradient(lambda logits: ours(npo, step, logits, s), step)
        return float((gradient["forget"] - ascent(step)).norm() / ascent(step).norm())

    assert distance(1e-1) > distance(1e-2) > distance(1e-4)
    assert distance(1e-4) < 1e-3


@pytest.mark.parametrize("beta", [0.1, 3.0])
def test_at_the_model_before_it_is_gradient_ascent_for_any_beta(beta: float, step: Step) -> None:
    step.logits["forget"] = step.before["forget"]
    s = npo.Settings(beta=beta, alpha=0.0)
    _, gradient = with_gradient(lambda logits: ours(npo, step, logits, s), step)
    torch.testing.assert_close(gradient["forget"], ascent(step), atol=1e-5, rtol=0)


def test_a_row_that_has_become_unlikely_is_left_alone(step: Step) -> None:
    for b, row in enumerate(step.rows["forget"]):
        for t in range(1, len(row.ids)):
            step.logits["forget"][b, t - 1, row.ids[t]] -= 300
    s = npo.Settings(alpha=0.0)
    value, gradient = with_gradient(lambda logits: ours(npo, step, logits, s), step)
    assert value == pytest.approx(0, abs=1e-6)
    assert gradient["forget"].abs().max() < 1e-6


def test_texts_to_keep_are_needed_where_they_count() -> None:
    assert npo.needs(npo.Settings()).retain
    assert not npo.needs(npo.Settings(alpha=0.0)).retain
    assert npo.needs(npo.Settings()).likelihood
    assert npo.needs(npo.Settings()).target is None


def test_tokens_to_reinforce_are_none_of_its_business(step: Step) -> None:
    invariances.check_tokens_to_reinforce_are_ignored(npo, step, CASES["span"])


@pytest.mark.parametrize("case", ["default", "span"])
def test_micro_batches_padding_and_rows_without_spans(case: str, step: Step, tiny_models: dict[str, Path]) -> None:
    invariances.check_parts_add_up(tiny_models["gpt2"], npo, CASES[case])
    invariances.check_padding_changes_nothing(tiny_models["gpt2"], npo, CASES[case])
    invariances.check_a_step_without_marks_is_finite(npo, step, CASES[case])
