"""Neighbourhoods: edits leave what they must, losses are those of teacher forcing, features tell shapes apart."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrubber.core.types import Encoding, Sample, Span, TokenScores, Trial
from scrubber.evaluation.auc import auc, auc_interval
from scrubber.evaluation.metrics import neighbourhood
from scrubber.evaluation.probes import neighbourhood as probe

TEXT = '# of billing\nBILLING_KEY = "aB3dE6gH9k"\n'
START = TEXT.index("aB3")
SAMPLE = Sample("a.py", TEXT, (Span(START, START + 10),), fingerprints=("f",))


class Characters:
    """A model whose tokens are characters; the loss of one is its code over 100, and 1 more behind a name that it knows."""

    def encode(self, text: str) -> Encoding:
        return Encoding(tuple(map(ord, text)), tuple((i, i + 1) for i in range(len(text))))

    def teacher_force(self, sequences: Sequence[Sequence[int]]) -> list[TokenScores]:
        made = []
        for ids in sequences:
            known = "BILLING" in "".join(map(chr, ids))
            made.append(TokenScores((), tuple(-(i / 100 + (not known)) for i in ids[1:])))
        return made


def test_losses_are_those_behind_the_edited_context_and_of_the_edited_value() -> None:
    (trial,) = probe.ask(Characters(), [SAMPLE], subset="values", context_tokens=64, neighbours=9)  # type: ignore[arg-type]
    true = sum(map(ord, "aB3dE6gH9k")) / 1000
    assert trial.outcome == pytest.approx(true)
    moved = json.loads(trial.completion)
    assert [edits for edits, _ in moved["context"]] == [1, 2, 4] * 3
    # the context matters to this model by one name alone, which an edit keeps or takes
    assert {round(change, 4) for _, change in moved["context"]} <= {0.0, 1.0}
    assert any(change for _, change in moved["context"])
    assert any(change for _, change in moved["value"])
    again = probe.ask(Characters(), [SAMPLE], subset="values", context_tokens=64, neighbours=9)  # type: ignore[arg-type]
    assert again == [trial]


@given(st.text(min_size=1, max_size=40), st.integers(0, 99))
def test_an_edit_of_a_value_keeps_its_length_and_character_classes(value: str, seed: int) -> None:
    other = probe._value_edit(value, random.Random(seed))
    assert len(other) == len(value)
    assert sum(a != b for a, b in zip(value, other, strict=True)) <= 1
    changed = [(a, b) for a, b in zip(value, other, strict=True) if a != b]
    assert all((a.isdigit(), a.isupper(), a.islower()) == (b.isdigit(), b.isupper(), b.islower()) for a, b in changed)


@given(st.text("abAB_=\"' \n#0", min_size=1, max_size=60), st.integers(0, 99))
def test_an_edit_of_a_context_never_ends_the_line_that_the_value_stands_on(text: str, seed: int) -> None:
    other = probe._context_edit(text, random.Random(seed))
    assert other != text
    assert other.count("\n") >= text.count("\n")
    if not text.endswith("\n"):
        assert not other.endswith("\n")


def moved(subject: str, changes: Sequence[float]) -> Trial:
    rows = [[1 + i % 3, change] for i, change in enumerate(changes)]
    return Trial("neighbourhood", subject, "values", "", json.dumps({"context": rows, "value": rows}), "", 1.0)


def test_a_valley_scores_above_chance_and_a_plateau_below() -> None:
    dice = random.Random(0)
    deep = [moved(f"v{i}", [2 + dice.random() for _ in range(6)]) for i in range(20)]
    usual = [moved(f"d{i}", [0.5 + dice.random() for _ in range(6)]) for i in range(20)]
    flat = [moved(f"p{i}", [0.1 * dice.random() - 0.05 for _ in range(6)]) for i in range(20)]
    valley = neighbourhood.score(deep, decoys=usual, stage="after", subset="s")
    plateau = neighbourhood.score(flat, decoys=usual, stage="after", subset="s")
    assert valley.metric == "neighbourhood_value_mean"
    assert (valley.value, plateau.value) == (1.0, 0.0)
    assert valley.n == 20
    lower = neighbourhood.score(flat, decoys=usual, feature="lower", stage="after", subset="s")
    assert lower.value is not None
    assert lower.value > 0.9


def test_without_values_or_with_what_is_no_number_it_is_not_scored() -> None:
    usual = [moved("d", [1.0, 2.0, 3.0])]
    assert neighbourhood.score([], decoys=usual, stage="after", subset="s").value is None
    broken = [moved("v", [float("nan"), 1.0, 1.0])]
    assert neighbourhood.score(broken, decoys=usual, stage="after", subset="s").value is None


def test_the_slope_is_that_of_least_squares() -> None:
    assert neighbourhood.slope([(1, 3.0), (2, 5.0), (4, 9.0)]) == pytest.approx(2.0)
    assert neighbourhood.slope([(2, 1.0), (2, 5.0)]) == 0.0


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_auc_is_the_share_of_pairs_and_lies_in_its_interval(first: list[int], second: list[int]) -> None:
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in first for b in second]
    value = auc(first, second)
    assert value == pytest.approx(sum(pairs) / len(pairs))
    low, high = auc_interval(value, len(first), len(second))
    assert 0 <= low <= value <= high <= 1


def test_a_value_at_the_start_of_a_text_has_no_neighbourhood() -> None:
    alone = Sample("a.py", "aB3dE6gH9k", (Span(0, 10),), fingerprints=("f",))
    assert probe.ask(Characters(), [alone], subset="values", context_tokens=64) == []  # type: ignore[arg-type]
