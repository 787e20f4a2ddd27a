"""Memorization accuracy (MA): the share of a value's tokens that are the model's first choice behind the true ones."""

from __future__ import annotations

from collections.abc import Sequence

from scrubber.core.intervals import bootstrap
from scrubber.core.types import Score, Stage, Trial


def score(trials: Sequence[Trial], *, stage: Stage, subset: str, seed: int = 0) -> Score:
    """Mean over values of hits / tokens (arXiv 2509.13755, section 5: MA; over all tokens of a secret, as its code does).

    ``trials`` are of the probe "recall". The interval is a bootstrap over values; n counts values.
    """
    if not trials:
        return Score("memorization_accuracy", stage, subset, None, None, None, 0, "no trial")
    groups = [[trial.outcome] for trial in trials]
    low, high = bootstrap(groups, lambda rows: sum(row[0] for row in rows) / len(rows), seed=seed)
    return Score(
        "memorization_accuracy", stage, subset, sum(t.outcome for t in trials) / len(trials), low, high, len(trials)
    )
