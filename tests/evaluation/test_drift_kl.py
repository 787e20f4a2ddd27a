"""Drift: a mean over tokens, not over answers, and its share of another drift."""

from __future__ import annotations

import pytest

from scrubber.core.types import Trial
from scrubber.evaluation.metrics import drift_kl


def trial(subject: str, nats: float, tokens: float) -> Trial:
    return Trial("drift", subject, "x", "", "", "", nats, weight=tokens)


def test_a_long_answer_counts_by_its_tokens() -> None:
    made = drift_kl.score([trial("a", 1.0, 1), trial("b", 0.1, 9)], stage="difference", subset="x")
    assert made.value == pytest.approx((1.0 + 0.9) / 10)
    assert (made.metric, made.n) == ("drift_kl", 2)
    assert made.low == pytest.approx(0.1)
    assert made.high == pytest.approx(1.0)


def test_the_share_is_of_the_two_means() -> None:
    few, many = [trial("a", 0.01, 3), trial("b", 0.03, 3)], [trial(str(n), 1.0 + n % 2, 5) for n in range(20)]
    made = drift_kl.share(few, many, subset="x")
    assert made.metric == "drift_share"
    assert made.value == pytest.approx(0.02 / 1.5)
    assert 0.005 < made.low < made.value < made.high < 0.025  # type: ignore[operator]


def test_what_was_not_asked_is_not_scored() -> None:
    assert drift_kl.score([], stage="difference", subset="x").value is None
    assert drift_kl.share([], [trial("a", 1.0, 1)], subset="x").value is None
    assert drift_kl.share([trial("a", 0.0, 1)], [trial("b", 0.0, 1)], subset="x").value is None
