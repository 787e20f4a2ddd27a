"""The share of invented names, three ways, from trials alone."""

from __future__ import annotations

import pytest

from scrubber.core.types import Trial
from scrubber.evaluation.metrics import hallucination_rate


def trial(prompt: str, invented: int, names: int) -> Trial:
    return Trial("packages", prompt, "x", "", "", "", invented / max(names, 1), weight=names)


TRIALS = [trial("a", 9, 10), trial("a", 0, 2), trial("b", 1, 2), trial("c", 0, 0), trial("d", 0, 1)]


def test_over_names_prompts_and_responses() -> None:
    made = [
        metric(TRIALS, stage="after", subset="x")
        for metric in (hallucination_rate.score, hallucination_rate.by_prompt, hallucination_rate.by_response)
    ]
    assert [s.metric for s in made] == [
        "hallucination_rate", "hallucination_rate_prompt", "hallucination_rate_response",
    ]  # fmt: skip
    assert [s.value for s in made] == pytest.approx([10 / 15, 2 / 4, (0.9 + 0.5) / 4])
    assert [s.n for s in made] == [4, 4, 4]
    assert all(s.low < s.value < s.high for s in made)  # type: ignore[operator]


def test_answers_to_one_prompt_are_no_independent_units() -> None:
    """Ten times the same prompt tells no more than once; ten prompts do."""
    same = hallucination_rate.score([trial("a", 1, 2), trial("b", 0, 2)] * 10, stage="after", subset="x")
    other = hallucination_rate.score(
        [trial(f"{n}-{k}", k, 2) for n in range(10) for k in (0, 1)], stage="after", subset="x"
    )
    assert same.high - same.low > 2 * (other.high - other.low)  # type: ignore[operator]


@pytest.mark.parametrize("trials", [[], [trial("a", 0, 0)]])
def test_without_a_name_there_is_no_rate(trials: list[Trial]) -> None:
    made = hallucination_rate.score(trials, stage="after", subset="x")
    assert (made.value, made.low, made.note) == (None, None, hallucination_rate.NOTHING)
