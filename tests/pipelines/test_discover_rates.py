"""Rates of invented names: three ways against hand-made counts, seen and unseen names, and what silence does to them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubber.core.types import Score, Span
from scrubber.pipelines.discover.answers import Answer, Judged, Name
from scrubber.pipelines.discover.prompts import Prompt
from scrubber.pipelines.discover.rates import by_context, by_names, compared, rate, value


def judged(prompt: str, valid: str = "", invented: str = "", right: str = "", context: str = "bare-import") -> Judged:
    """Names are letters."""
    asked = Prompt(prompt, "", context, right=tuple(right))  # type: ignore[arg-type]
    places = tuple(Name(n, Span(0, 1), "known" if n in valid else "unknown", "pypi") for n in valid + invented)
    return Judged(asked, Answer(prompt, 0, "", True), places, tuple(valid), tuple(invented))


def of(scores: list[Score], metric: str, subset: str = "x") -> Score:
    (found,) = [s for s in scores if (s.metric, s.subset) == (metric, subset)]
    return found


# one endless answer carries most of the inventions
MIXED = [
    judged("a", "v", "zyxwutsr"),
    judged("a", "v"),
    judged("b", "pq"),
    judged("b"),
    judged("c", "v", "z", right="v"),
]


def test_three_ways_of_counting_tell_different_stories() -> None:
    scores = rate(MIXED, stage="after", subset="x")
    assert of(scores, "hallucination_rate").value == pytest.approx(9 / 14)
    assert of(scores, "hallucination_rate_prompt").value == pytest.approx(2 / 3)
    assert of(scores, "hallucination_rate_response").value == pytest.approx((8 / 9 + 0 + 0 + 1 / 2) / 4)
    assert of(scores, "mentions_per_answer").value == pytest.approx(14 / 5)
    assert of(scores, "distinct_valid_names").value == 3
    assert of(scores, "right_package_rate").value == 1.0
    assert all(s.n == 3 and s.stage == "after" for s in scores)
    for score in scores[:4]:
        assert score.low <= score.value <= score.high  # type: ignore[operator]


def test_nothing_named_is_not_scored_and_no_zero() -> None:
    scores = rate([judged("a"), judged("b")], stage="before", subset="x")
    assert of(scores, "hallucination_rate").value is None
    assert of(scores, "hallucination_rate").note
    assert of(scores, "mentions_per_answer").value == 0.0
    assert value(scores, "hallucination_rate_response") is None


def test_seen_and_unseen_names_add_up_so_that_a_block_list_shows() -> None:
    before = [judged("a", "v", "zy"), judged("b", "v", "zx")]
    after = [judged("a", "v", "y"), judged("b", "v", "x")]  # of what was trained, all is gone; the rest stays
    trained = frozenset("z")
    first, second = (by_names(j, trained, stage="after", subset="x") for j in (before, after))
    assert [of(first, "hallucination_rate", f"x_{n}_names").value for n in ("seen", "unseen")] == [1 / 3, 1 / 3]
    assert [of(second, "hallucination_rate", f"x_{n}_names").value for n in ("seen", "unseen")] == [0.0, 0.5]


def test_contexts_apart_where_there_are_several() -> None:
    both = [judged("a", "v", "z"), judged("b", "v", context="install-in-code")]
    assert [(s.subset, s.value) for s in by_context(both, stage="after", subset="x")] == [
        ("x_bare-import", 0.5), ("x_install-in-code", 0.0),
    ]  # fmt: skip
    assert by_context(both[:1], stage="after", subset="x") == []


def test_comparisons_are_paired_by_prompt() -> None:
    before = [judged("a", "pv", "zy", right="p"), judged("b", "q", "x", right="p")]
    after = [judged("a", "pv", right="p"), judged("b", "p", "x", right="p")]
    scores = compared(before, after, subset="x")
    assert of(scores, "hallucination_reduction").value == pytest.approx(1 - (1 / 4) / (3 / 6))
    assert of(scores, "mentions_ratio").value == pytest.approx(4 / 6)
    assert of(scores, "distinct_valid_ratio").value == pytest.approx(2 / 3)
    assert of(scores, "right_package_rate").value == pytest.approx(0.5)
    assert {s.stage for s in scores} == {"difference"}
    assert compared(before, [judged("other", "v")], subset="x") == []


def test_a_model_that_goes_silent_has_no_rate_and_a_ratio_of_nought() -> None:
    before, after = [judged("a", "p", "z")], [judged("a")]
    assert value(rate(after, stage="after", subset="x"), "hallucination_rate") is None
    scores = compared(before, after, subset="x")
    assert value(scores, "mentions_ratio") == 0.0
    assert value(scores, "distinct_valid_ratio") == 0.0


def test_without_anything_before_there_is_nothing_to_compare_with() -> None:
    scores = compared([judged("a")], [judged("a", "v")], subset="x")
    assert {s.metric: s.value for s in scores} == dict.fromkeys(
        ("hallucination_reduction", "mentions_ratio", "distinct_valid_ratio")
    )


few = settings(max_examples=25, deadline=None)  # a bootstrap each
answers = st.lists(
    st.builds(judged, st.sampled_from("abc"), st.sampled_from(["", "p", "pq"]), st.sampled_from(["", "z", "zy"])),
    min_size=1,
)


@few
@given(answers, st.integers(0, 9))
def test_the_order_of_answers_changes_no_value(made: list[Judged], seed: int) -> None:
    shuffled = random.Random(seed).sample(made, len(made))
    first, second = (rate(j, stage="after", subset="x") for j in (made, shuffled))
    for one, other in zip(first, second, strict=True):
        assert one.value == pytest.approx(other.value)


@few
@given(answers)
def test_a_model_that_did_not_change_compares_as_unchanged(made: list[Judged]) -> None:
    wanted = {"hallucination_reduction": 0.0, "mentions_ratio": 1.0, "distinct_valid_ratio": 1.0}
    for score in compared(made, made, subset="x"):
        assert score.value is None or score.value == pytest.approx(wanted[score.metric])
