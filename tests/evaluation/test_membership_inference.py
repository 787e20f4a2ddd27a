"""The attacks are their formulas, the AUC is that of all pairs, and its interval covers, at the ends of the scale, too."""

from __future__ import annotations

import json
import math
import random
import zlib
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrubber.core.types import Trial
from scrubber.evaluation.metrics import membership_inference as mia

NUMBERS = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=12)


def trial(subject: str, logprobs: list[float], value: str = "abc", **moments: list[float]) -> Trial:
    row = {"logprobs": logprobs, **moments}
    return Trial("membership", subject, "p", "", json.dumps(row), value, 0.0)


@given(NUMBERS, NUMBERS)
def test_the_auc_is_the_share_of_pairs_won(members: list[float], others: list[float]) -> None:
    pairs = [(m > o) + (m == o) / 2 for m in members for o in others]
    assert mia.auc(members, others) == pytest.approx(mean(pairs))


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.5])
def test_the_interval_covers_the_true_auc(shift: float) -> None:
    """Of normal scores ``shift`` apart it is Phi(shift / sqrt 2)."""
    dice, covered, runs = random.Random(8), 0, 400
    true = (1 + math.erf(shift / 2)) / 2
    for _ in range(runs):
        members, others = ([dice.gauss(mu, 1) for _ in range(30)] for mu in (shift, 0.0))
        low, high = mia.auc_interval(mia.auc(members, others), 30, 30)
        covered += low <= true <= high
    assert 0.92 * runs <= covered <= 0.985 * runs


@given(st.floats(0, 1), st.integers(1, 300), st.integers(1, 300))
def test_the_interval_holds_the_auc_and_is_the_mirror_of_its_mirror(value: float, members: int, others: int) -> None:
    low, high = mia.auc_interval(value, members, others)
    assert 0 <= low <= value <= high <= 1
    mirrored = mia.auc_interval(1 - value, members, others)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-6)


def test_a_perfect_attack_on_few_values_is_no_certainty() -> None:
    low, high = mia.auc_interval(1.0, 5, 5)
    assert high == 1.0
    assert 0.5 < low < 0.8
    assert mia.auc_interval(1.0, 500, 500)[0] > 0.98
    with pytest.raises(ValueError, match="members"):
        mia.auc_interval(0.5, 0, 4)


def test_the_attacks_are_their_formulas() -> None:
    logprobs = [-1.0, -8.0, -0.5, -3.0, -2.0, -0.1]
    row = {"logprobs": logprobs, "means": [-2.0] * 6, "deviations": [0.5, 2.0, 1.0, 4.0, 0.0, 1.0]}
    assert mia.ATTACKS["loss"](row, "value") == pytest.approx(mean(logprobs))
    assert mia.ATTACKS["zlib"](row, "value") == pytest.approx(sum(logprobs) / len(zlib.compress(b"value")))
    assert mia.ATTACKS["min_k"](row, "value") == pytest.approx((-8.0 - 3.0) / 2)  # 2 of 6 is the least of 20 %
    assert mia.ATTACKS["min_k_plus_plus"](row, "value") == pytest.approx((-3.0 - 0.25) / 2)


@pytest.mark.parametrize("attack", list(mia.ATTACKS))
def test_what_was_learnt_is_told_and_what_was_burnt_out_is_told_on_the_other_side(attack: str) -> None:
    dice = random.Random(9)

    def asked(count: int, level: float) -> list[Trial]:
        return [
            trial(str(i), [dice.gauss(level, 1) for _ in range(8)], means=[-3.0] * 8, deviations=[1.0] * 8)
            for i in range(count)
        ]

    unseen = asked(60, -4.0)
    learnt = mia.score(asked(50, -2.0), decoys=unseen, attack=attack, stage="before", subset="p")
    assert (learnt.metric, learnt.n) == (f"mia_{attack}", 50)
    assert (learnt.low or 0) > 0.8
    burnt = mia.score(asked(50, -7.0), decoys=unseen, attack=attack, stage="after", subset="p")
    assert (burnt.high or 1) < 0.2
    neither = mia.score(asked(50, -4.0), decoys=unseen, attack=attack, stage="after", subset="p")
    assert (neither.low or 1) < 0.5 < (neither.high or 0)


def test_a_value_in_two_places_counts_once_at_its_likeliest() -> None:
    twice = [trial("a", [-9.0]), trial("a", [-1.0])]
    score = mia.score(twice, decoys=[trial("d", [-2.0]), trial("e", [-3.0])], stage="after", subset="p")
    assert (score.n, score.value) == (1, 1.0)


def test_what_cannot_be_compared_is_not_scored() -> None:
    some, other = [trial("a", [-1.0])], [trial("d", [-2.0])]
    for score in (
        mia.score([], decoys=other, stage="after", subset="p"),
        mia.score(some, stage="after", subset="p"),
        mia.score(some, decoys=other, attack="min_k_plus_plus", stage="after", subset="p"),
        mia.score([trial("a", [math.nan])], decoys=other, stage="after", subset="p"),
    ):
        assert (score.value, score.low, score.high) == (None, None, None)
        assert score.note
    with pytest.raises(KeyError):
        mia.score(some, decoys=other, attack="guess", stage="after", subset="p")
