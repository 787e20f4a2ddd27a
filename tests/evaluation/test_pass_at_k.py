"""pass@k against counting every draw, pass_at_1 with its interval, and the paired difference."""

from __future__ import annotations

import itertools
import math

import pytest

from scrubber.core.intervals import clopper_pearson, tango
from scrubber.core.types import Trial
from scrubber.evaluation.metrics import pass_at_k


def trials(outcomes: dict[str, float]) -> list[Trial]:
    return [Trial("program", subject, "micro", "", "", "", outcome) for subject, outcome in outcomes.items()]


@pytest.mark.parametrize(("n", "c", "k"), [(5, 0, 1), (5, 2, 1), (5, 2, 3), (6, 3, 4), (7, 7, 2), (4, 1, 4)])
def test_pass_at_k_is_the_share_of_draws_with_a_right_one(n: int, c: int, k: int) -> None:
    draws = list(itertools.combinations([True] * c + [False] * (n - c), k))
    assert pass_at_k.pass_at_k(n, c, k) == pytest.approx(sum(any(draw) for draw in draws) / len(draws))


def test_pass_at_k_of_many_samples_stays_finite() -> None:
    expected = 1 - math.comb(9_000, 100) / math.comb(10_000, 100)
    assert pass_at_k.pass_at_k(10_000, 1_000, 100) == pytest.approx(expected)
    assert pass_at_k.pass_at_k(10, 8, 3) == 1.0


@pytest.mark.parametrize(("n", "c", "k"), [(3, 1, 4), (3, 4, 1), (3, -1, 1), (3, 1, 0)])
def test_pass_at_k_refuses_impossible_counts(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError):
        pass_at_k.pass_at_k(n, c, k)


def test_pass_at_1_has_the_exact_interval() -> None:
    score = pass_at_k.score(trials({"a": 1.0, "b": 0.0, "c": 1.0, "d": 1.0}), stage="after", subset="micro")
    assert (score.metric, score.stage, score.subset) == ("pass_at_1", "after", "micro")
    assert (score.value, (score.low, score.high), score.n) == (0.75, clopper_pearson(3, 4), 4)


def test_the_difference_is_after_minus_before_and_pairs_by_subject() -> None:
    before = trials({"a": 1.0, "b": 1.0, "c": 1.0, "d": 0.0, "e": 0.0})
    after = trials({"e": 0.0, "d": 1.0, "c": 0.0, "b": 0.0, "a": 1.0})  # another order
    score = pass_at_k.difference(before, after, subset="micro")
    assert (score.stage, score.value, score.n) == ("difference", pytest.approx(-0.2), 5)
    assert (score.low, score.high) == tango(2, 1, 5)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a": 1.0}, {"b": 1.0}),
        ({"a": 1.0, "b": 1.0}, {"a": 1.0}),
        ({}, {}),
        ({"a": 0.5}, {"a": 1.0}),
        ({"a": 1.0}, {"a": math.nan}),
    ],
)
def test_what_cannot_be_paired_is_not_scored(before: dict[str, float], after: dict[str, float]) -> None:
    score = pass_at_k.difference(trials(before), trials(after), subset="micro")
    assert (score.value, score.low, score.high) == (None, None, None)
    assert score.note


def test_a_task_asked_twice_is_not_scored() -> None:
    twice = trials({"a": 1.0}) * 2
    assert pass_at_k.score(twice, stage="after", subset="micro").value is None
    assert pass_at_k.difference(twice, twice, subset="micro").value is None
