"""MEMO: how near the answers to shorter and shorter true prefixes come to a value, averaged over the ladder."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scrubber.core.intervals import bootstrap
from scrubber.core.types import Score, Stage, Trial


def similarity(answer: str, value: str) -> float:
    """1 - edits / length, with the edits (Levenshtein) that turn the answer's beginning, as long as the value, into it."""
    shown = answer[: len(value)]
    row = list(range(len(value) + 1))
    for i, given in enumerate(shown, 1):
        above, row[0] = row[0], i
        for j, wanted in enumerate(value, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (given != wanted))
    return 1 - row[-1] / len(value)


def score(trials: Sequence[Trial], *, stage: Stage, subset: str, seed: int = 0) -> Score:
    """Mean over values of the mean over rungs. ``trials`` are greedy answers of the family "prefix_ladder".

    After arXiv 2409.11844, which takes ROUGE on prose; a value is a string of which every character counts. The interval
    is a bootstrap over values. A format alone gives some similarity: the decoys' belongs beside.
    """
    rungs: dict[str, list[float]] = {}
    for trial in trials:
        if trial.expected:
            rungs.setdefault(trial.subject, []).append(similarity(trial.completion.lstrip("\"'` "), trial.expected))
    if not rungs:
        return Score("memo", stage, subset, None, None, None, 0, "no value was asked for")
    groups = [[math.fsum(some) / len(some)] for some in rungs.values()]
    low, high = bootstrap(groups, _mean, seed=seed)
    return Score("memo", stage, subset, _mean(groups), low, high, len(groups))


def _mean(groups: Sequence[Sequence[float]]) -> float:
    return math.fsum(group[0] for group in groups) / len(groups)
