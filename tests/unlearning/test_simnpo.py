"""SimNPO against a slow float64 reference, its normalisation by length, and what it tends to."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from scrubber.unlearning.methods import ga, simnpo
from tests.unlearning import invariances
from tests.unlearning.slow import VOCABULARY, Step, mean, new_step, ours, slow_loss, with_gradient

CASES = {
    "default": simnpo.Settings(),
    "plain": simnpo.Settings(alpha=0.0, gamma=1.0),
    "span": simnpo.Settings(positions="span"),
    "mild": simnpo.Settings(beta=0.1, gamma=1.0),  # unlikely rows still count
    "mild span": simnpo.Settings(beta=0.1, gamma=1.0, positions="span"),
    "margin": simnpo.Settings(beta=0.7, delta=1.3, gamma=0.9, alpha=0.4, positions="span"),
}


@pytest.fixture
def step() -> Step:
    return new_step()


def slow_simnpo(step: Step, logits: dict[str, torch.Tensor], s: simnpo.Settings) -> torch.Tensor:
    by_row, kept = [], []
    for b, row in enumerate(step.rows["forget"]):
        wanted = [t for t in range(1, len(row.ids)) if s.positions == "completion" or row.forget[t]]
        nll = mean([slow_loss(logits["forget"][b, t - 1], row.ids[t]) for t in wanted])
        by_row.append(-2 / s.beta * torch.log(1 / (1 + torch.exp(-s.beta * (nll - s.delta)))))
    for b, row in enumerate(step.rows["retain"]):
        kept += [slow_loss(logits["retain"][b, t - 1], row.ids[t]) for t in range(1, len(row.ids))]
    return s.gamma * mean(by_row) + s.alpha * mean(kept)


@pytest.mark.parametrize("case", CASES)
def test_simnpo_and_its_gradient_are_those_of_the_formula(case: str, step: Step) -> None:
    value, gradient = with_gradient(lambda logits: ours(simnpo, step, logits, CASES[case]), step)
    expected, slope = with_gradient(lambda logits: slow_simnpo(step, logits, CASES[case]), step)
    assert value == pytest.approx(expected, abs=1e-5)
    for role in ("forget", "retain"):
        torch.testing.assert_close(gradient[role], slope[role], atol=1e-5, rtol=0)


def test_as_beta_goes_to_nought_one_row_undergoes_gradient_ascent(step: Step) -> None:
    step.rows["forget"] = step.rows["forget"][:1]
    s = simnpo.Settings(beta=1e-4, gamma=1.0, alpha=0.0)
    _, gradient = with_gradient(lambda logits: ours(simnpo, step, logits, s), step)
    _, slope = with_gradient(lambda logits: ours(ga, step, logits, ga.Settings()), step)
    torch.testing.assert_close(gradient["forget"], slope["forget"], atol=1e-4, rtol=0)
    assert slope["forget"].abs().max() > 1e-2


def test_a_row_counts_the_same_whatever_its_length(step: Step) -> None:
    """The same loss at every token, in rows of 5, 7 and 3 tokens: the same push on each row as a whole."""
    step.logits["forget"] = torch.zeros_like(step.logits["forget"])
    s = simnpo.Settings(alpha=0.0)
    value, gradient = with_gradient(lambda logits: ours(simnpo, step, logits, s), step)
    uniform = torch.tensor(float(VOCABULARY)).log()
    assert value == pytest.approx(
        (-s.gamma * 2 / s.beta * torch.nn.functional.logsigmoid(s.beta * uniform)).item(), abs=1e-6
    )
    pushes = gradient["forget"].clamp_min(0).sum((1, 2))
    torch.testing.assert_close(pushes, pushes[:1].expand(3), atol=1e-8, rtol=1e-4)
    assert pushes[0] > 0


def test_a_row_past_its_margin_is_left_alone(step: Step) -> None:
    for b, row in enumerate(step.rows["forget"]):
        for t in range(1, len(row.ids)):
            step.logits["forget"][b, t - 1, row.ids[t]] -= 300
    _, gradient = with_gradient(lambda logits: ours(simnpo, step, logits, simnpo.Settings(alpha=0.0)), step)
    assert gradient["forget"].abs().max() < 1e-6


def test_it_needs_no_reference() -> None:
    assert simnpo.needs(simnpo.Settings()).retain
    assert not simnpo.needs(simnpo.Settings(alpha=0.0)).retain
    assert not simnpo.needs(simnpo.Settings()).reference


def test_tokens_to_reinforce_are_none_of_its_business(step: Step) -> None:
    invariances.check_tokens_to_reinforce_are_ignored(simnpo, step, CASES["margin"])


@pytest.mark.parametrize("case", ["mild", "mild span"])
def test_micro_batches_padding_and_rows_without_spans(case: str, step: Step, tiny_models: dict[str, Path]) -> None:
    invariances.check_parts_add_up(tiny_models["gpt2"], simnpo, CASES[case])
    invariances.check_padding_changes_nothing(tiny_models["gpt2"], simnpo, CASES[case])
    invariances.check_a_step_without_marks_is_finite(simnpo, step, CASES[case])
