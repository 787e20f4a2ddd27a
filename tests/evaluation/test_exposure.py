"""Exposure ranks a value among its decoys, and its distance from chance is Kolmogorov's, with an honest interval."""

from __future__ import annotations

import json
import math
import random
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrubber.core.types import Trial
from scrubber.evaluation.metrics import exposure


def trial(subject: str, true: float, decoys: list[float]) -> Trial:
    return Trial("multiple_choice", subject, "p", "", json.dumps({"true": true, "decoys": decoys}), "", 0.0)


def ranked(count: int, draw: random.Random, shift: float = 0.0) -> list[Trial]:
    """Values that score like one of their fifty decoys, or ``shift`` standard deviations above."""
    return [trial(str(i), draw.gauss(shift, 1), [draw.gauss(0, 1) for _ in range(50)]) for i in range(count)]


@given(st.floats(-9, 9), st.lists(st.floats(-9, 9), min_size=1, max_size=30))
def test_a_rank_is_a_place_in_the_sorted_list(true: float, decoys: list[float]) -> None:
    places = [i for i, v in enumerate(sorted([true, *decoys], reverse=True), 1) if v == true]
    assert exposure.rank(true, decoys) == mean(places)
    assert 0 <= exposure.exposure(true, decoys) <= math.log2(len(decoys) + 1)


def test_the_likeliest_of_1000_decoys_has_ten_bits() -> None:
    score = exposure.score([trial("a", -1.0, [-2.0] * 1000)], stage="before", subset="p")
    assert score.value == pytest.approx(math.log2(1001))
    assert (score.metric, score.n) == ("exposure", 1)
    assert score.high == pytest.approx(math.log2(1001))
    many = exposure.score([trial(str(i), -1.0, [-2.0] * 1000) for i in range(100)], stage="before", subset="p")
    assert (score.low or 9) < 1 < 9.5 < (many.low or 0) < (many.value or 0)  # one value is no certainty, nor are many


def test_a_value_never_seen_has_1_44_bits_and_no_distance() -> None:
    trials = ranked(2000, random.Random(1))
    score = exposure.score(trials, stage="before", subset="p", least=50)
    assert score.value == pytest.approx(1 / math.log(2), abs=0.1)
    apart = exposure.distance(trials, stage="before", subset="p", least=50)
    assert apart.metric == "exposure_distance"
    assert (apart.value or 1) < 0.05
    assert apart.low == 0.0
    assert (apart.high or 0) < 0.15
    assert float(apart.note.removeprefix("p = ")) > 0.001


@pytest.mark.parametrize("shift", [1.0, -1.0])
def test_values_that_rank_too_high_or_too_low_are_told(shift: float) -> None:
    apart = exposure.distance(ranked(300, random.Random(2), shift), stage="after", subset="p", least=50)
    # of two normal distributions one deviation apart: 2 * Phi(1/2) - 1
    assert apart.value == pytest.approx(0.383, abs=0.08)
    assert (apart.low or 0) > 0.15
    assert float(apart.note.removeprefix("p = ")) < 1e-6


def test_values_made_of_words_are_held_against_unseen_ones_of_words() -> None:
    values, unseen = ranked(400, random.Random(3), 1.0), ranked(400, random.Random(4), 1.0)
    assert (exposure.distance(values, stage="after", subset="p", least=50).value or 0) > 0.3
    beside = exposure.distance(values, decoys=unseen, stage="after", subset="p", least=50)
    assert (beside.value or 1) < 0.12
    assert beside.low == 0.0


def test_the_distance_and_its_p_value_are_those_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    trials, others = ranked(150, random.Random(5), 0.2), ranked(120, random.Random(6))
    shares = [
        [(exposure.rank(row["true"], row["decoys"]) - 0.5) / 51 for row in (json.loads(t.completion) for t in some)]
        for some in (trials, others)
    ]
    one = stats.kstest(shares[0], "uniform")
    score = exposure.distance(trials, stage="after", subset="p", least=50)
    assert score.value == pytest.approx(one.statistic)
    assert float(score.note.removeprefix("p = ")) == pytest.approx(one.pvalue, rel=0.3)
    two = stats.ks_2samp(*shares)
    assert exposure.distance(trials, decoys=others, stage="after", subset="p", least=50).value == pytest.approx(
        two.statistic
    )


def test_a_value_in_two_places_counts_once_where_it_ranks_highest() -> None:
    trials = [trial("a", 0.0, [1.0, 1.0]), trial("a", 2.0, [1.0, 1.0])]
    score = exposure.score(trials, stage="before", subset="p", least=2)
    assert (score.n, score.value) == (1, pytest.approx(math.log2(3)))


def test_too_few_decoys_are_not_scored() -> None:
    thin = [trial("a", 0.0, [1.0] * 9)]
    for score in (
        exposure.score(thin, stage="after", subset="p"),
        exposure.distance(thin, stage="after", subset="p"),
        exposure.score([], stage="after", subset="p"),
        exposure.distance(ranked(3, random.Random(1)), decoys=thin, stage="after", subset="p", least=50),
    ):
        assert (score.value, score.low, score.high, score.n) == (None, None, None, 0)
        assert score.note
    mixed = exposure.score([*thin, trial("b", 2.0, [1.0] * 1000)], stage="after", subset="p")
    assert (mixed.n, mixed.note) == (1, "1 with fewer than 1000 decoys left out")
