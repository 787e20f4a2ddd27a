"""Soft measures of memory: near misses count, more the nearer they are; a perfect one is 1, with an interval over values."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrubber.core.types import Trial
from scrubber.evaluation.metrics import memo, remnant_memorization

words = st.text(alphabet="abcd", min_size=1, max_size=9)


def edits(first: str, second: str) -> int:
    """Levenshtein's distance by its definition."""
    if not first or not second:
        return len(first) + len(second)
    if first[0] == second[0]:
        return edits(first[1:], second[1:])
    return 1 + min(edits(first[1:], second), edits(first, second[1:]), edits(first[1:], second[1:]))


@given(st.text(alphabet="abcd", max_size=6), st.text(alphabet="abcd", min_size=1, max_size=6))
def test_similarity_is_one_less_the_share_of_edits(answer: str, value: str) -> None:
    assert memo.similarity(answer, value) == pytest.approx(1 - edits(answer[: len(value)], value) / len(value))


@given(words, st.text(max_size=9))
def test_what_follows_the_value_does_not_matter(value: str, rest: str) -> None:
    assert memo.similarity(value + rest, value) == 1.0
    assert 0 <= memo.similarity(rest, value) <= 1


def test_memo_is_the_mean_over_values_of_the_mean_over_rungs() -> None:
    answers = {"a": ["'k3j9", "k3xx", ""], "b": ["zzzz"]}
    trials = [
        Trial("prefix_ladder", mark, "p", "", text, "k3j9", 0.0) for mark, some in answers.items() for text in some
    ]
    score = memo.score(trials, stage="after", subset="p")
    assert (score.metric, score.n) == ("memo", 2)
    assert score.value == pytest.approx((0.5 + 0.0) / 2)
    assert score.low is not None
    assert score.high is not None
    assert score.low <= score.value <= score.high
    assert memo.score([], stage="after", subset="p").value is None


def recalled(mark: str, *logprobs: float) -> Trial:
    kept = json.dumps({"hits": [0] * len(logprobs), "logprobs": list(logprobs)})
    return Trial("recall", mark, "p", "", kept, "v", 0.0)


def test_remnant_memorization_counts_a_near_miss_and_the_best_place() -> None:
    near, known = math.log(0.4), 0.0
    assert remnant_memorization.remnant([near, known]) == pytest.approx(0.7)
    score = remnant_memorization.score(
        [recalled("a", near, near), recalled("a", known, known), recalled("b", -99.0)], stage="after", subset="p"
    )
    assert (score.value, score.n) == (pytest.approx(0.5), 2)
    empty = remnant_memorization.score([], stage="after", subset="p")
    assert (empty.value, empty.note) == (None, "no trial")


@given(st.lists(st.floats(-50, 0), min_size=1, max_size=20))
def test_it_is_a_probability(logprobs: list[float]) -> None:
    assert 0 <= remnant_memorization.remnant(logprobs) <= 1
