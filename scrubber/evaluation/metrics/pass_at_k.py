"""The share of programming tasks solved (``pass_at_k``), its paired difference, and its unbiased estimator."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from scrubber.core.intervals import bootstrap, clopper_pearson, tango
from scrubber.core.types import Score, Stage, Trial

METRIC = "pass_at_1"


def pass_at_k(n: int, c: int, k: int) -> float:
    """Unbiased estimate of pass@k from n samples of a task, c of them right: 1 - C(n-c, k) / C(n, k).

    Chen et al. 2021 (arXiv 2107.03374, equation 1), in whole numbers up to the last division, so that a half is a half.
    Raises ValueError unless 0 <= c <= n and 1 <= k <= n.
    """
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError("needs 0 <= c <= n and 1 <= k <= n")
    draws = math.comb(n, k)
    return (draws - math.comb(n - c, k)) / draws


def score(trials: Sequence[Trial], *, stage: Stage, subset: str) -> Score:
    """Share of tasks solved by one greedy answer each (outcome 1 or 0), with its Clopper-Pearson interval."""
    solved, note = _outcomes(trials)
    if note:
        return Score(METRIC, stage, subset, None, None, None, len(trials), note)
    successes, n = sum(solved.values()), len(solved)
    low, high = clopper_pearson(successes, n)
    return Score(METRIC, stage, subset, successes / n, low, high, n)


def score_samples(trials: Sequence[Trial], k: int, *, stage: Stage, subset: str, seed: int = 0) -> Score:
    """Mean over tasks of pass@k from several answers each; n counts tasks. Not scored where a task has fewer than k.

    The interval is Clopper-Pearson where each task has one answer, else a bootstrap over tasks. Where all tasks agree
    that has no width; Clopper-Pearson is then an honest bound, since no rate varies more than one of zeros and ones.
    """
    metric = f"pass_at_{k}"
    answers: dict[str, list[float]] = {}
    for trial in trials:
        answers.setdefault(trial.subject, []).append(trial.outcome)
    note = "no task was asked" if not answers else ""
    if any(outcome not in (0.0, 1.0) for outcomes in answers.values() for outcome in outcomes):
        note = "an answer was neither right nor wrong"
    elif any(len(outcomes) < k for outcomes in answers.values()):
        note = f"a task has fewer than {k} answers"
    if note:
        return Score(metric, stage, subset, None, None, None, len(answers), note)
    n = len(answers)
    rates = [pass_at_k(len(outcomes), round(sum(outcomes)), k) for outcomes in answers.values()]
    value = math.fsum(rates) / n
    if len(set(rates)) == 1 or max(map(len, answers.values())) == 1:
        low = clopper_pearson(math.floor(value * n + 1e-9), n)[0]
        high = clopper_pearson(math.ceil(value * n - 1e-9), n)[1]
    else:
        low, high = bootstrap([[rate] for rate in rates], _mean, seed=seed)
    return Score(metric, stage, subset, value, low, high, n)


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


def _mean(groups: Sequence[Sequence[float]]) -> float:
    return math.fsum(group[0] for group in groups) / len(groups)


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
