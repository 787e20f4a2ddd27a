"""The paper's stopping rule, on histories made by hand: T_MA = 0.5, T_EL10 = 0.1, margin 0.1, patience 3."""

from __future__ import annotations

import pytest

from scrubber.core.train import Decision
from scrubber.core.types import Score
from scrubber.unlearning.stopping import Fenced, ThresholdRule

Check = tuple[float | None, float | None]  # MA, EL_10


def rule() -> ThresholdRule:
    return ThresholdRule(0.5, 0.1, margin=0.1, patience=3)


def walk(*checks: Check) -> list[Decision]:
    made = rule()
    return [made(step, scores(check)) for step, check in enumerate(checks, 1)]


def scores(check: Check) -> list[Score]:
    names = ("memorization_accuracy", "extraction_likelihood_10")
    return [
        Score(name, "after", "audited", value, None, None, 9)
        for name, value in zip(names, check, strict=True)
        if value is not None
    ]


def stops(*checks: Check) -> list[bool]:
    return [decision.stop for decision in walk(*checks)]


def best(*checks: Check) -> list[int]:
    """The checks that were the best so far, counted from 1."""
    return [step for step, decision in enumerate(walk(*checks), 1) if decision.best]


@pytest.mark.parametrize(("accuracy", "near"), [(0.61, False), (0.6, True), (0.2, True)])
def test_extraction_is_worth_its_price_once_accuracy_is_within_the_margin(accuracy: float, near: bool) -> None:
    assert rule().near(accuracy) is near


def test_it_stops_when_both_are_under_their_thresholds() -> None:
    assert stops((0.9, None), (0.58, 0.4), (0.45, 0.2), (0.4, 0.09)) == [False, False, False, True]


@pytest.mark.parametrize("check", [(0.5, 0.05), (0.45, 0.1), (0.5, 0.1)])
def test_a_threshold_that_is_just_reached_is_enough(check: Check) -> None:
    assert stops(check) == [True]


@pytest.mark.parametrize("check", [(0.51, 0.05), (0.45, 0.11), (0.45, None), (None, 0.05), (None, None)])
def test_a_threshold_that_is_missed_or_not_measured_does_not_stop(check: Check) -> None:
    assert stops(check) == [False]


def test_three_checks_without_a_lower_likelihood_are_enough_under_the_accuracy() -> None:
    falling = [(0.45, 0.5), (0.44, 0.4), (0.43, 0.3), (0.42, 0.25), (0.41, 0.24)]
    assert not any(stops(*falling))
    assert stops(*falling, (0.4, 0.24), (0.4, 0.3), (0.4, 0.24)) == [False] * 7 + [True]


def test_a_lower_likelihood_starts_the_patience_again() -> None:
    stuck = [(0.45, 0.5), (0.45, 0.5), (0.45, 0.5)]
    assert stops(*stuck, (0.45, 0.49), (0.45, 0.5), (0.45, 0.5)) == [False] * 6
    assert stops(*stuck, (0.45, 0.5)) == [False, False, False, True]


def test_patience_alone_does_not_stop_above_the_accuracy() -> None:
    assert not any(stops(*[(0.55, 0.5)] * 9))
    assert stops(*[(0.55, 0.5)] * 9, (0.49, 0.5))[-1]


def test_the_lowest_accuracy_is_the_best_while_no_likelihood_is_measured() -> None:
    assert best((0.9, None), (0.95, None), (0.8, None), (0.8, None), (0.7, None)) == [1, 3, 5]


def test_the_first_likelihood_makes_a_new_best_and_from_then_on_both_count() -> None:
    history = [(0.7, None), (0.58, 0.4), (0.52, 0.45), (0.57, 0.3), (0.55, 0.35), (0.65, None)]
    assert best(*history) == [1, 2, 4]
    assert best(*history, (0.56, 0.3)) == [1, 2, 4, 7]


def test_weights_that_end_the_run_are_its_best() -> None:
    assert best((0.4, 0.12), (0.45, 0.09)) == [1, 2]


def test_a_check_without_accuracy_decides_nothing() -> None:
    assert walk((None, 0.05)) == [Decision(best=False, stop=False)]


def test_a_rule_that_holds_needs_so_many_checks_in_a_row_and_keeps_the_last() -> None:
    made = ThresholdRule(0.5, 0.1, hold=3)
    history: list[Check] = [(0.4, 0.0), (0.45, 0.0), (0.7, None), (0.3, 0.05), (0.48, 0.1), (0.49, 0.0)]
    decisions = [made(step, scores(check)) for step, check in enumerate(history, 1)]
    assert [decision.stop for decision in decisions] == [False] * 5 + [True]
    assert [decision.best for decision in decisions] == [True, True, False, True, True, True]


def ratio(value: float) -> Score:
    return Score("perplexity_ratio", "difference", "kept", value, value, value, 16)


def accuracy(value: float) -> Score:
    return Score("memorization_accuracy", "after", "audited", value, value, value, 32)


def test_memorization_alone_decides_where_likelihood_does_not_count() -> None:
    rule = ThresholdRule(0.3, 0.0, hold=2, likelihood_counts=False)
    assert not rule.near(0.1)
    said = [rule(step, [accuracy(value)]) for step, value in enumerate((0.9, 0.5, 0.6, 0.2, 0.4, 0.3, 0.1))]
    assert [decision.best for decision in said] == [True, True, False, True, False, True, True]
    assert [decision.stop for decision in said] == [False] * 6 + [True]


def test_outside_its_budget_no_weights_are_the_best_and_it_ends_after_some_checks() -> None:
    fenced = Fenced(ThresholdRule(0.3, 0.0, likelihood_counts=False), budget=1.1, patience=2)
    said = [
        fenced(step, [accuracy(memory), ratio(perplexity)])
        for step, (memory, perplexity) in enumerate([(0.9, 1.0), (0.5, 1.2), (0.4, 1.1), (0.2, 1.3), (0.1, 1.2)])
    ]
    assert [decision.best for decision in said] == [True, False, True, False, False]
    assert [decision.stop for decision in said] == [False, False, False, False, True]


def test_without_a_measured_perplexity_there_is_no_fence() -> None:
    fenced = Fenced(ThresholdRule(0.3, 0.0, likelihood_counts=False), budget=1.1)
    assert fenced(1, [accuracy(0.2)]) == Decision(best=True, stop=True)
