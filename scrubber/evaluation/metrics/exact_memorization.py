"""Exact memorization (EM): the share of values all of whose tokens are the model's first choice behind the true ones."""

from __future__ import annotations

import json
from collections.abc import Sequence

from scrubber.core.intervals import clopper_pearson
from scrubber.core.types import Score, Stage, Trial


def score(trials: Sequence[Trial], *, stage: Stage, subset: str) -> Score:
    """With its Clopper-Pearson interval. ``trials`` are of the probe "recall"; n counts values, by subject.

    A value that stands in several places is exact where it is in one of them. The share of tokens that arXiv 2506.12618
    calls exact memorization is memorization_accuracy here.
    """
    exact: dict[str, bool] = {}
    for trial in trials:
        exact[trial.subject] = exact.get(trial.subject, False) or all(json.loads(trial.completion)["hits"])
    if not exact:
        return Score("exact_memorization", stage, subset, None, None, None, 0, "no trial")
    found, n = sum(exact.values()), len(exact)
    return Score("exact_memorization", stage, subset, found / n, *clopper_pearson(found, n), n)
