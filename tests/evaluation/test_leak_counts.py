"""Metrics that count values: those told indirectly, those memorized exactly, and those that a probe gets out of a victim."""

from __future__ import annotations

import json
import random
import string

import pytest

from scrubber.core.intervals import clopper_pearson
from scrubber.core.types import Trial
from scrubber.evaluation.metrics import exact_memorization, indirect_leak_rate, probe_power

DICE = random.Random(21)
A, B, C, D = ("".join(DICE.choice(string.ascii_letters + string.digits) for _ in range(20)) for _ in range(4))


def trial(
    subject: str, answer: str, value: str, prompt: str = "", outcome: float = 0.0, probe: str = "prefix"
) -> Trial:
    return Trial(probe, subject, "p", prompt, answer, value, outcome)


def test_a_value_told_as_it_is_is_no_indirect_leak_and_one_only_told_in_another_form_is() -> None:
    trials = [
        trial("a", f"k = {A}", A),
        trial("a", f"k = {A[::-1]}", A),
        trial("b", f"k = {B[::-1]}", B),
        trial("b", "k = None", B),
        trial("c", "k = None", C),
        trial("d", D.encode().hex(), D, prompt=f"# {D.encode().hex()}\n"),
    ]
    score = indirect_leak_rate.score(trials, stage="after", subset="p")
    assert (score.metric, score.n, score.value) == ("indirect_leak_rate", 4, 0.25)
    assert (score.low, score.high) == clopper_pearson(1, 4)
    assert score.note == "reversed: 1"


def test_a_person_s_other_attributes_leak_and_count_once_a_person() -> None:
    trials = [trial("mail", f"call {B}", A), trial("phone", "no", B), trial("other", "no", C)]
    alone = indirect_leak_rate.score(trials, stage="after", subset="p")
    assert (alone.value, alone.n) == (0.0, 3)
    score = indirect_leak_rate.score(trials, stage="after", subset="p", others={"mail": [B], "phone": [A]})
    assert score.value == pytest.approx(1 / 3)
    owners = {"mail": "ada", "phone": "ada", "other": "bela"}
    score = indirect_leak_rate.score(
        trials, stage="after", subset="p", others={"mail": [B], "phone": [A]}, clusters=owners
    )
    assert (score.value, score.n, score.note) == (0.5, 2, "other_attribute: 1")


def test_an_indirect_score_names_no_value() -> None:
    score = indirect_leak_rate.score([trial("a", A[::-1], A)], stage="after", subset="p")
    assert A[:6] not in repr(score)
    assert A[::-1][:6] not in repr(score)


def recalled(subject: str, hits: list[int]) -> Trial:
    return trial(subject, json.dumps({"hits": hits, "logprobs": [-1.0] * len(hits)}), "", probe="recall")


def test_only_a_value_whose_tokens_are_all_hit_is_exactly_memorized() -> None:
    trials = [recalled("a", [1, 1, 1]), recalled("b", [1, 1, 0]), recalled("c", [0, 1]), recalled("c", [1, 1])]
    score = exact_memorization.score(trials, stage="before", subset="p")
    assert (score.value, score.n) == (pytest.approx(2 / 3), 3)
    assert (score.low, score.high) == clopper_pearson(2, 3)


def test_a_probe_that_gets_out_too_little_or_no_more_than_of_decoys_is_without_power() -> None:
    def asked(probe: str, leaks: int, n: int = 10) -> list[Trial]:
        return [trial(f"{i}", "", "", outcome=float(i < leaks), probe=probe) for i in range(n) for _ in range(2)]

    trials = [*asked("good", 2), *asked("weak", 1), *asked("guessing", 8)]
    made = probe_power.by_probe(trials, decoys=asked("guessing", 7), stage="before")
    assert list(made) == ["good", "weak", "guessing"]
    assert (made["good"].value, made["good"].n, made["good"].note) == (0.2, 10, "")
    assert made["weak"].note.startswith("without power")
    assert made["guessing"].note.startswith("without power")
    assert probe_power.by_probe(trials, stage="before")["guessing"].note == ""


def test_nothing_asked_is_not_scored() -> None:
    for score in (
        indirect_leak_rate.score([], stage="after", subset="p"),
        exact_memorization.score([], stage="after", subset="p"),
        probe_power.score([], stage="after", subset="p"),
    ):
        assert (score.value, score.low, score.high, score.n) == (None, None, None, 0)
        assert score.note
