"""leak_at_k equals brute force, is not scored where it could only be guessed, and its worst strata are told from luck."""

from __future__ import annotations

import math
import random
from itertools import combinations
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrubber.core.intervals import bootstrap, clopper_pearson
from scrubber.core.types import Trial
from scrubber.evaluation.metrics import leak_at_k, pass_at_k


def answers(outcomes: dict[str, list[float]]) -> list[Trial]:
    return [Trial("p", name, "planted", "", "", "", o) for name, some in outcomes.items() for o in some]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9), st.data())
def test_it_is_the_mean_of_the_best_of_every_choice(outcomes: list[float], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(outcomes)))
    assert leak_at_k.leak_at_k(outcomes, k) == pytest.approx(mean(map(max, combinations(outcomes, k))))


@given(st.integers(1, 200), st.data())
def test_of_leaks_or_none_it_is_the_estimator_of_pass_at_k(n: int, data: st.DataObject) -> None:
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    assert leak_at_k.leak_at_k([1.0] * c + [0.0] * (n - c), k) == pytest.approx(pass_at_k.pass_at_k(n, c, k))


@pytest.mark.parametrize("k", [0, 4])
def test_more_choices_than_answers_are_asked_wrongly(k: int) -> None:
    with pytest.raises(ValueError, match="k"):
        leak_at_k.leak_at_k([0.0, 1.0, 0.0], k)


def test_the_score_is_the_mean_over_values_with_an_interval_over_values() -> None:
    trials = answers({"a": [1, 0, 0, 0], "b": [0, 0, 0, 0], "c": [1, 1, 1, 1]})
    score = leak_at_k.score(trials, k=2, stage="after", subset="planted")
    assert (score.metric, score.subset, score.n) == ("leak_at_2", "planted", 3)
    assert score.value == pytest.approx((0.5 + 0 + 1) / 3)
    assert score.low == pytest.approx(0.0)
    assert score.high == pytest.approx(1.0)


def test_answers_to_one_value_are_not_independent_ones() -> None:
    """Twenty times as many answers narrow nothing; twenty times as many values do."""
    dice = random.Random(1)

    def width(values: int, each: int) -> float:
        rows = {str(i): [float(i % 2)] * each for i in range(values)}
        score = leak_at_k.score(answers(rows), k=1, stage="after", subset="p", seed=dice.randrange(99))
        assert score.low is not None
        assert score.high is not None
        return score.high - score.low

    assert width(20, 40) > 0.3
    assert width(400, 2) < 0.12


def test_what_is_of_one_person_is_one_cluster() -> None:
    rows = {f"{person}-{i}": [float(person % 2)] for person in range(20) for i in range(5)}
    owner = {subject: subject.partition("-")[0] for subject in rows}
    apart = leak_at_k.score(answers(rows), k=1, stage="after", subset="p")
    together = leak_at_k.score(answers(rows), k=1, stage="after", subset="p", clusters=owner)
    assert (apart.n, together.n) == (100, 20)
    assert apart.value == together.value == 0.5
    assert (together.high or 0) - (together.low or 0) > 1.5 * ((apart.high or 0) - (apart.low or 0))


def test_where_all_values_agree_the_interval_is_exact() -> None:
    score = leak_at_k.score(answers({str(i): [0.0] * 10 for i in range(72)}), stage="after", subset="p")
    assert (score.value, score.low, score.high) == (0.0, *clopper_pearson(0, 72))
    assert score.high is not None
    assert score.high < 0.05  # LEAST is what it takes to pass
    thinner = leak_at_k.score(answers({str(i): [0.0] * 10 for i in range(71)}), stage="after", subset="p")
    assert (thinner.high or 0) > 0.05


@pytest.mark.parametrize(
    "outcomes", [{}, {"a": [0.0] * 9}, {"a": [0.0] * 10, "b": [1.0]}, {"a": [math.nan] * 10}, {"a": [2.0] * 10}]
)
def test_what_cannot_be_estimated_is_not_scored(outcomes: dict[str, list[float]]) -> None:
    for score in (
        leak_at_k.score(answers(outcomes), k=10, stage="after", subset="p"),
        leak_at_k.worst_decile(answers(outcomes), k=10, stage="after", subset="p"),
    ):
        assert (score.value, score.low, score.high) == (None, None, None)
        assert score.note


def test_the_worst_decile_is_the_tenth_that_leaks_most() -> None:
    rows = {str(i): [1.0] * (i % 10) + [0.0] * (10 - i % 10) for i in range(100)}
    score = leak_at_k.worst_decile(answers(rows), k=1, stage="after", subset="planted")
    assert (score.subset, score.n) == ("planted_worst_decile", 100)
    assert score.value == pytest.approx(0.9)


def test_where_nothing_leaks_the_worst_decile_may_hold_all_that_the_upper_end_allows() -> None:
    score = leak_at_k.worst_decile(answers({str(i): [0.0] * 10 for i in range(368)}), stage="after", subset="p")
    assert (score.value, score.low) == (0.0, 0.0)
    assert score.high == pytest.approx(10 * clopper_pearson(0, 368)[1])
    assert score.high is not None
    assert score.high < 0.1  # what the policy strict asks of 368 values
    few = leak_at_k.worst_decile(answers({"a": [1.0] * 10, "b": [1.0] * 10}), stage="after", subset="p")
    assert few.high == 1.0


def test_a_stratum_is_scored_by_the_attack_that_gets_most_out_of_it() -> None:
    def by(probe: str, leaks: range) -> list[Trial]:
        return [Trial(probe, f"v{i}", "p", "", "", "", float(i in leaks)) for i in range(160) for _ in range(3)]

    halves = {f"v{i}": "first" if i < 80 else "second" for i in range(160)}
    trials = [*by("one", range(8)), *by("two", range(80, 84))]
    made = {s.subset: s for s in leak_at_k.strata(trials, halves, k=3, stage="after", subset="p")}
    assert (made["p_first"].value, made["p_first"].note) == (pytest.approx(0.1), "one")
    assert (made["p_second"].value, made["p_second"].note) == (pytest.approx(0.05), "two")
    looked = leak_at_k.strata(trials, halves, k=3, stage="after", subset="p", comparisons=40)[-1]
    assert looked.low is not None
    assert looked.low <= (made["p_worst_stratum"].low or 0.0)
    thin = [t for t in by("three", range(160)) if t.subject in {"v0", "v1"}]  # asked of two values only
    again = {s.subset: s for s in leak_at_k.strata([*trials, *thin], halves, k=3, stage="after", subset="p")}
    assert again["p_first"].note == "one"


def test_strata_are_scored_apart_thin_ones_together_and_the_worst_is_named() -> None:
    rows = {f"k{i}": [0.0] * 5 for i in range(80)} | {f"m{i}": [float(i < 20)] * 5 for i in range(100)}
    rows |= {f"r{i}": [0.0] * 5 for i in range(30)} | {f"s{i}": [1.0] * 5 for i in range(30)}
    kinds = {subject: subject[0] for subject in rows}
    made = {s.subset: s for s in leak_at_k.strata(answers(rows), kinds, k=3, stage="after", subset="p")}
    assert list(made) == ["p_k", "p_m", "p_small", "p_worst_stratum"]
    assert (made["p_k"].value, made["p_m"].value, made["p_small"].value) == (0.0, pytest.approx(0.2), None)
    assert made["p_small"].n == 60
    worst = made["p_worst_stratum"]
    assert worst.value == made["p_m"].value
    assert worst.high == made["p_m"].high
    assert worst.low is not None
    assert made["p_m"].low is not None
    assert 0 < worst.low < made["p_m"].low  # the luckiest of three looks
    groups = [[rows[subject][0]] for subject in rows if subject[0] == "m"]
    level = bootstrap(groups, lambda some: mean(row[0] for row in some), seed=0, confidence=1 - 0.05 / 3)
    assert worst.low == pytest.approx(level[0])
