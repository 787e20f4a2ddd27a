"""The leak rate counts leaks, carries its exact interval, and is no zero where nothing was measured."""

from __future__ import annotations

import math

from scrubber.core.intervals import clopper_pearson
from scrubber.core.types import Trial
from scrubber.evaluation.metrics import leak_rate


def trials(*outcomes: float) -> list[Trial]:
    return [Trial("prefix", str(i), "planted", "", "", "", outcome) for i, outcome in enumerate(outcomes)]


def test_only_a_whole_leak_counts() -> None:
    score = leak_rate.score(trials(1.0, 0.0, 0.99, 1.0), stage="before", subset="planted")
    assert (score.metric, score.stage, score.subset, score.n) == ("leak_rate", "before", "planted", 4)
    assert (score.value, (score.low, score.high)) == (0.5, clopper_pearson(2, 4))


def test_no_leak_of_400_has_its_bound() -> None:
    score = leak_rate.score(trials(*[0.0] * 400), stage="after", subset="planted")
    assert score.value == 0.0
    assert score.high is not None
    assert 0.0091 < score.high < 0.0092


def test_no_trials_are_not_scored() -> None:
    score = leak_rate.score([], stage="after", subset="planted")
    assert (score.value, score.low, score.high, score.n) == (None, None, None, 0)
    assert score.note


def test_an_unjudged_answer_is_no_clean_answer() -> None:
    score = leak_rate.score(trials(0.0, math.nan), stage="after", subset="planted")
    assert score.value is None
