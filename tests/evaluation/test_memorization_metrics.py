"""Memorization accuracy, extraction likelihood and perplexity on numbers worked out by hand."""

from __future__ import annotations

import json
import math

import pytest

from scrubber.core.types import Trial
from scrubber.evaluation.metrics import (
    extraction_likelihood,
    extraction_strength,
    finding_rate,
    memorization_accuracy,
    perplexity,
)
from scrubber.evaluation.metrics.extraction_likelihood import overlap


def recalled(subject: str, hits: list[int], logprobs: list[float] | None = None) -> Trial:
    logs = [-1.0] * len(hits) if logprobs is None else logprobs
    kept = json.dumps({"hits": hits, "logprobs": logs})
    return Trial("recall", subject, "s", "", kept, "", sum(hits) / len(hits), weight=len(hits))


def text(subject: str, *logprobs: float) -> Trial:
    return recalled(subject, [0] * len(logprobs), list(logprobs))


def continued(subject: str, value: list[int], continuations: list[list[int]]) -> Trial:
    return Trial("continuation", subject, "s", "", json.dumps(continuations), json.dumps(value), 0.0)


def test_six_hits_of_eleven_are_the_papers_toy_example() -> None:
    score = memorization_accuracy.score([recalled("a", [1] * 6 + [0] * 5)], stage="before", subset="s")
    assert score.value == pytest.approx(0.5455, abs=5e-5)
    assert score.n == 1


def test_accuracy_is_a_mean_over_values_not_over_tokens() -> None:
    trials = [recalled("a", [1] * 30), recalled("b", [0, 0])]
    score = memorization_accuracy.score(trials, stage="after", subset="s")
    assert (score.metric, score.stage, score.value, score.n) == ("memorization_accuracy", "after", 0.5, 2)
    assert score.low is not None
    assert score.high is not None
    assert (score.low, score.high) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("generated", "true", "n", "share"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4], 3, 1.0),
        ([1, 2, 3, 9], [1, 2, 3, 4], 3, 0.5),
        ([2, 3, 4, 1, 2], [1, 2, 3, 4], 2, 3 / 4),  # n-grams may stand elsewhere: 23, 34, 12 are known, 41 is not
        ([7, 7, 7, 7], [7, 7, 1, 2], 2, 1.0),  # repeats count each time, as in the papers' code
        ([9, 9, 9], [1, 2, 3], 1, 0.0),
        ([1, 2], [1, 2, 3], 3, 0.0),  # none long enough
    ],
)
def test_overlap_is_the_share_of_generated_n_grams_that_are_true(
    generated: list[int], true: list[int], n: int, share: float
) -> None:
    assert overlap(generated, true, n) == pytest.approx(share)


def test_extraction_likelihood_is_the_mean_over_all_starts_that_leave_n_tokens() -> None:
    value = [1, 2, 3, 4, 5]
    said = [
        [1, 2, 9, 9, 9],  # 12 of 12, 29, 99, 99: a quarter
        [2, 3, 4, 9],  # 23, 34 of three
        [3, 4, 5],  # all
        [9, 5],  # none
        [5],  # leaves fewer than two tokens: does not count
    ]
    made = extraction_likelihood.extraction_likelihood(said, value, 2)
    assert made == pytest.approx((1 / 4 + 2 / 3 + 1 + 0) / 4)


@pytest.mark.parametrize(("said", "expected"), [([1, 2, 3], 1.0), ([1, 2, 4], 0.0)])
def test_a_value_shorter_than_n_comes_out_whole_or_not_at_all(said: list[int], expected: float) -> None:
    trial = continued("a", [1, 2, 3], [said, [2, 3], [3]])
    assert extraction_likelihood.score([trial], n=5, stage="before", subset="s").value == expected


def test_extraction_likelihood_is_a_mean_over_values() -> None:
    whole = continued("a", [1, 2, 3], [[1, 2, 3], [2, 3], [3]])
    nothing = continued("b", [1, 2, 3, 4], [[9, 9, 9, 9], [9, 9, 9], [9, 9], [9]])
    score = extraction_likelihood.score([whole, nothing, nothing], n=3, stage="after", subset="s")
    assert (score.metric, score.value, score.n) == ("extraction_likelihood_3", pytest.approx(1 / 3), 3)
    assert score.low is not None
    assert score.high is not None
    assert 0 <= score.low <= 1 / 3 <= score.high <= 1


def test_perplexity_is_exp_of_the_mean_loss_over_all_tokens() -> None:
    trials = [text("a", -1.0, -2.0, -3.0), text("b", -0.5)]
    score = perplexity.score(trials, stage="before", subset="held_out")
    assert score.value == pytest.approx(math.exp(6.5 / 4))
    assert score.n == 2


def test_a_model_that_is_broken_has_a_finite_perplexity() -> None:
    score = perplexity.score([text("a", -1e6, -1e6)], stage="after", subset="held_out")
    assert score.value is not None
    assert math.isfinite(score.value)


def test_the_ratio_is_of_the_same_texts() -> None:
    before, after = [text("a", -1.0, -2.0), text("b", -1.0)], [text("a", -1.5, -2.5), text("b", -0.7)]
    score = perplexity.difference(before, after, subset="held_out")
    assert (score.metric, score.stage, score.n) == ("perplexity_ratio", "difference", 2)
    assert score.value == pytest.approx(math.exp((1.0 - 0.3) / 3))
    one = perplexity.score(before, stage="before", subset="s"), perplexity.score(after, stage="after", subset="s")
    assert one[0].value is not None
    assert one[1].value is not None
    assert score.value == pytest.approx(one[1].value / one[0].value)


def test_pairs_make_the_ratio_much_surer_than_two_perplexities() -> None:
    before = [text(str(i), -0.1 * i, -0.1 * i) for i in range(1, 40)]
    after = [text(str(i), -0.1 * i - 0.02, -0.1 * i - 0.02) for i in range(1, 40)]
    score = perplexity.difference(before, after, subset="held_out")
    assert (score.low, score.high) == (pytest.approx(math.exp(0.02)), pytest.approx(math.exp(0.02)))
    single = perplexity.score(before, stage="before", subset="held_out")
    assert single.low is not None
    assert single.high is not None
    assert single.high - single.low > 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], []),
        ([text("a", -1.0)], [text("b", -1.0)]),
        ([text("a", -1.0)], []),
        ([text("a", -1.0)], [text("a", -1.0)] * 2),
    ],
)
def test_other_texts_are_not_compared(before: list[Trial], after: list[Trial]) -> None:
    score = perplexity.difference(before, after, subset="held_out")
    assert (score.value, score.low, score.high) == (None, None, None)
    assert score.note


def test_nothing_asked_is_not_scored() -> None:
    for score in (
        memorization_accuracy.score([], stage="before", subset="s"),
        extraction_likelihood.score([], n=10, stage="before", subset="s"),
        perplexity.score([], stage="before", subset="s"),
        finding_rate.score([], stage="before", subset="s"),
    ):
        assert (score.value, score.low, score.high, score.n) == (None, None, None, 0)
        assert score.note


@pytest.mark.parametrize(
    ("hits", "value"),
    [
        ([1, 1, 1, 1], 1.0),
        ([0, 1, 1, 1], 0.75),  # the first token must be given
        ([1, 1, 0, 1], 0.25),  # what is known before a gap does not help
        ([1, 1, 1, 0], 0.0),  # not 1/4, as in the field's code: the last token was never given
        ([0, 0], 0.0),
    ],
)
def test_extraction_strength_counts_what_follows_the_last_miss_and_reaches_nought(
    hits: list[int], value: float
) -> None:
    score = extraction_strength.score([recalled("a", hits)], stage="after", subset="s")
    assert (score.metric, score.value, score.n) == ("extraction_strength", value, 1)


def test_extraction_strength_of_nothing_is_not_scored() -> None:
    assert extraction_strength.score([], stage="after", subset="s").value is None
