"""Decoy tuning against a slow float64 reference: it learns what stands in the values' places, and nothing around it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from scrubber.unlearning.methods import decoy_tuning
from tests.unlearning.pairs import Logits, answers, check_gradient, check_invariances
from tests.unlearning.slow import Step, mean, new_step, ours, slow_loss, with_gradient

CASES = {"default": decoy_tuning.Settings(), "with texts to keep": decoy_tuning.Settings(alpha=0.7)}


@pytest.fixture
def step() -> Step:
    return new_step()


def slow_decoy_tuning(step: Step, logits: Logits, s: decoy_tuning.Settings) -> torch.Tensor:
    decoys = [ce for _, side in answers(step, logits) for ce in side]
    kept = [
        slow_loss(logits["retain"][b, t - 1], row.ids[t])
        for b, row in enumerate(step.rows["retain"])
        for t in range(1, len(row.ids))
    ]
    return mean(decoys) + s.alpha * mean(kept)


@pytest.mark.parametrize("case", CASES)
def test_decoy_tuning_and_its_gradient_are_those_of_the_formula(case: str, step: Step) -> None:
    check_gradient(decoy_tuning, slow_decoy_tuning, step, CASES[case])


def test_the_true_values_and_the_text_around_bear_no_loss(step: Step) -> None:
    _, gradient = with_gradient(lambda logits: ours(decoy_tuning, step, logits, CASES["default"]), step)
    assert not gradient["forget"].any()
    for b, row in enumerate(step.rows["counterpart"]):
        for t in range(1, len(row.ids)):
            assert bool(gradient["counterpart"][b, t - 1].any()) == row.reinforce[t]


def test_texts_to_keep_are_needed_only_where_they_count() -> None:
    assert [decoy_tuning.needs(settings).retain for settings in CASES.values()] == [False, True]
    assert not decoy_tuning.needs(CASES["default"]).reference


@pytest.mark.parametrize("case", CASES)
def test_micro_batches_padding_and_rows_without_spans(case: str, step: Step, tiny_models: dict[str, Path]) -> None:
    check_invariances(tiny_models["gpt2"], decoy_tuning, CASES[case], step)
