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


def sampled(rows: dict[str, str]) -> list[Trial]:
    """Tasks and their answers, a digit each."""
    return [Trial("program", task, "b", "", "", "", float(digit)) for task, digits in rows.items() for digit in digits]


def test_samples_are_scored_by_the_mean_over_tasks_whatever_their_number() -> None:
    trials_ = sampled({"a": "1100", "b": "000000", "c": "11111"})
    one, two = (pass_at_k.score_samples(trials_, k, stage="after", subset="b") for k in (1, 2))
    assert (one.metric, one.value, one.n) == ("pass_at_1", pytest.approx((0.5 + 0 + 1) / 3), 3)
    assert (two.metric, two.value, two.n) == ("pass_at_2", pytest.approx((5 / 6 + 0 + 1) / 3), 3)
    for score in (one, two):
        assert score.low is not None
        assert score.high is not None
        assert 0 <= score.low < score.value < score.high <= 1  # type: ignore[operator]


def test_the_bootstrap_over_tasks_covers_the_mean_and_narrows_with_more_tasks() -> None:
    widths = []
    for copies in (10, 100):
        rows = {f"{i}-{digits}": digits for i in range(copies) for digits in ("1100", "0000", "1111", "1000")}
        score = pass_at_k.score_samples(sampled(rows), 1, stage="after", subset="b", seed=3)
        assert score == pass_at_k.score_samples(sampled(rows), 1, stage="after", subset="b", seed=3)
        assert score.value == 0.4375
        assert score.low < 0.4375 < score.high  # type: ignore[operator]
        widths.append(score.high - score.low)  # type: ignore[operator]
    assert widths[1] == pytest.approx(widths[0] / math.sqrt(10), rel=0.2)


def test_one_answer_a_task_has_the_exact_interval() -> None:
    score = pass_at_k.score_samples(sampled({"a": "1", "b": "0", "c": "1"}), 1, stage="after", subset="b")
    assert score == pass_at_k.score(sampled({"a": "1", "b": "0", "c": "1"}), stage="after", subset="b")


@pytest.mark.parametrize(("digits", "solved"), [("11", 20), ("00", 0), ("10", 10)])
def test_tasks_that_all_agree_still_leave_a_doubt(digits: str, solved: int) -> None:
    score = pass_at_k.score_samples(sampled({str(i): digits for i in range(20)}), 1, stage="after", subset="b")
    assert score.value == solved / 20
    assert (score.low, score.high) == clopper_pearson(solved, 20)


@pytest.mark.parametrize("rows", [{}, {"a": "11", "b": "1"}, {"a": "22"}])
def test_samples_that_do_not_suffice_are_not_scored(rows: dict[str, str]) -> None:
    score = pass_at_k.score_samples(sampled(rows), 2, stage="after", subset="b")
    assert (score.metric, score.value, score.low, score.high) == ("pass_at_2", None, None, None)
    assert score.note


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
