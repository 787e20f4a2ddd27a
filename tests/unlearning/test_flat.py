"""FLAT against a slow float64 reference, and what its means of probabilities bring: bounds, and little for the unlikely."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scrubber.unlearning.methods import flat
from tests.unlearning.pairs import Logits, answers, check_gradient, check_invariances
from tests.unlearning.slow import Step, new_step, ours, with_gradient

SETTINGS = flat.Settings()


@pytest.fixture
def step() -> Step:
    return new_step()


def slow_flat(step: Step, logits: Logits, s: flat.Settings) -> torch.Tensor:
    total = torch.zeros((), dtype=torch.float64)
    for sides in answers(step, logits):
        forgotten, refusal = (sum((torch.exp(-ce) for ce in side), torch.zeros(())) / len(side) for side in sides)
        total = total - refusal + torch.exp(forgotten - 1)
    return total / len(step.rows["forget"])


def test_flat_and_its_gradient_are_those_of_the_formula(step: Step) -> None:
    check_gradient(flat, slow_flat, step, SETTINGS)


def certain(step: Step, role: str, by: float) -> None:
    """The true tokens' logits moved by so much."""
    for b, row in enumerate(step.rows[role]):
        for t in range(1, len(row.ids)):
            step.logits[role][b, t - 1, row.ids[t]] += by


@pytest.mark.parametrize(
    ("value", "refusal", "expected"),
    [(100, -100, 1.0), (-100, 100, math.exp(-1) - 1), (100, 100, 0.0), (-100, -100, math.exp(-1))],
)
def test_it_is_bounded_at_both_ends(value: float, refusal: float, expected: float, step: Step) -> None:
    certain(step, "forget", value)
    certain(step, "counterpart", refusal)
    assert ours(flat, step, step.logits, SETTINGS).item() == pytest.approx(expected, abs=1e-6)


def test_a_value_that_has_become_unlikely_is_left_alone(step: Step) -> None:
    certain(step, "forget", -100)
    _, gradient = with_gradient(lambda logits: ours(flat, step, logits, SETTINGS), step)
    assert gradient["forget"].abs().max() < 1e-12
    assert gradient["counterpart"].abs().max() > 1e-3


def test_a_long_answer_counts_as_much_as_a_short_one(step: Step) -> None:
    """A mean over the tokens of an answer, then over pairs: not one over all tokens of all pairs."""
    first, *others = step.rows["counterpart"]
    step.rows["counterpart"] = [replace(first, reinforce=(False,) + (True,) * (len(first.ids) - 1)), *others]
    assert sum(step.rows["counterpart"][0].reinforce) > sum(others[0].reinforce)
    certain(step, "forget", -100)
    certain(step, "counterpart", -100)
    for t, token in enumerate(step.rows["counterpart"][0].ids[1:]):  # the long one alone is known
        step.logits["counterpart"][0, t, token] += 200
    pairs = len(step.rows["forget"])
    assert ours(flat, step, step.logits, SETTINGS).item() == pytest.approx(math.exp(-1) - 1 / pairs, abs=1e-6)


def test_it_needs_neither_a_reference_nor_texts_to_keep() -> None:
    needs = flat.needs(SETTINGS)
    assert not needs.reference
    assert not needs.retain


def test_micro_batches_padding_and_rows_without_spans(step: Step, tiny_models: dict[str, Path]) -> None:
    check_invariances(tiny_models["gpt2"], flat, SETTINGS, step)
