"""The share of answers that are code (``parse_rate``), and its paired difference: gibberish is not forgetting."""

from __future__ import annotations

from collections.abc import Sequence

from scrubber.core.intervals import clopper_pearson, tango
from scrubber.core.types import Score, Stage, Trial

METRIC = "parse_rate"


def score(trials: Sequence[Trial], *, stage: Stage, subset: str) -> Score:
    """With its Clopper-Pearson interval. ``trials`` are of the probe "line_completion", or answers to tasks; one a subject.

    Their outcome is 1.0 where the answer is code. A value asked for in several places counts as code where all are.
    """
    parsed = _parsed(trials)
    if not parsed:
        return Score(METRIC, stage, subset, None, None, None, 0, "nothing was asked")
    found, n = sum(parsed.values()), len(parsed)
    return Score(METRIC, stage, subset, found / n, *clopper_pearson(found, n), n)


def difference(before: Sequence[Trial], after: Sequence[Trial], *, subset: str) -> Score:
    """After minus before, paired by subject, with Tango's interval; not scored where the subjects differ."""
    first, second = _parsed(before), _parsed(after)
    if not first or first.keys() != second.keys():
        note = "before and after answered different questions" if first or second else "nothing was asked"
        return Score(METRIC, "difference", subset, None, None, None, min(len(first), len(second)), note)
    lost = sum(first[subject] and not second[subject] for subject in first)
    won = sum(second[subject] and not first[subject] for subject in first)
    return Score(METRIC, "difference", subset, (won - lost) / len(first), *tango(lost, won, len(first)), len(first))


def _parsed(trials: Sequence[Trial]) -> dict[str, bool]:
    parsed: dict[str, bool] = {}
    for trial in trials:
        parsed[trial.subject] = parsed.get(trial.subject, True) and trial.outcome == 1.0
    return parsed
