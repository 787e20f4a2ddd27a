"""The share of programming tasks solved (``pass_at_1``), its paired difference, and the estimator of pass@k."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from scrubber.core.intervals import clopper_pearson, tango
from scrubber.core.types import Score, Stage, Trial

METRIC = "pass_at_1"


def pass_at_k(n: int, c: int, k: int) -> float:
    """Unbiased estimate of pass@k from n samples of a task, c of them right: 1 - C(n-c, k) / C(n, k).

    Chen et al. 2021 (arXiv 2107.03374, equation 1) in their product form, which does not overflow.
    Raises ValueError unless 0 <= c <= n and 1 <= k <= n.
    """
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError("needs 0 <= c <= n and 1 <= k <= n")
    if n - c < k:
        return 1.0
    return 1.0 - math.prod(1.0 - k / i for i in range(n - c + 1, n + 1))


def score(trials: Sequence[Trial], *, stage: Stage, subset: str) -> Score:
    """Share of tasks solved by one greedy answer each (outcome 1 or 0), with its Clopper-Pearson interval."""
    solved, note = _outcomes(trials)
    if note:
        return Score(METRIC, stage, subset, None, None, None, len(trials), note)
    successes, n = sum(solved.values()), len(solved)
    low, high = clopper_pearson(successes, n)
    return Score(METRIC, stage, subset, successes / n, low, high, n)


def difference(before: Sequence[Trial], after: Sequence[Trial], *, subset: str) -> Score:
    """pass_at_1 after minus before, paired by subject, with Tango's interval; not scored where the subjects differ."""
    (first, first_note), (second, second_note) = _outcomes(before), _outcomes(after)
    note = first_note or second_note
    if not note and first.keys() != second.keys():
        note = "before and after answered different tasks"
    if note:
        return Score(METRIC, "difference", subset, None, None, None, min(len(before), len(after)), note)
    n = len(first)
    only_first = sum(first[subject] and not second[subject] for subject in first)
    only_second = sum(second[subject] and not first[subject] for subject in first)
    low, high = tango(only_first, only_second, n)
    return Score(METRIC, "difference", subset, (only_second - only_first) / n, low, high, n)


def _outcomes(trials: Sequence[Trial]) -> tuple[Mapping[str, bool], str]:
    """Solved or not by subject, or the reason why these trials cannot be scored."""
    solved = {trial.subject: trial.outcome == 1.0 for trial in trials}
    if not trials:
        return solved, "no task was asked"
    if any(trial.outcome not in (0.0, 1.0) for trial in trials):
        return solved, "an answer was neither right nor wrong"
    if len(solved) != len(trials):
        return solved, "a task was asked more than once"
    return solved, ""
