"""Remnant memorization accuracy (RMA): the mean probability of a value's tokens, so that a near miss counts, too."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from scrubber.core.intervals import bootstrap
from scrubber.core.types import Score, Stage, Trial

METRIC = "remnant_memorization_accuracy"


def remnant(logprobs: Sequence[float]) -> float:
    """The mean of the probabilities of a value's tokens, each behind the true ones (arXiv 2406.14091)."""
    return math.fsum(map(math.exp, logprobs)) / len(logprobs)


def score(trials: Sequence[Trial], *, stage: Stage, subset: str, seed: int = 0) -> Score:
    """Mean over values, each where it is best known. ``trials`` are of the probe "recall"; a bootstrap over values."""
    best: dict[str, float] = {}
    for trial in trials:
        found = remnant(json.loads(trial.completion)["logprobs"])
        best[trial.subject] = max(found, best.get(trial.subject, 0.0))
    if not best:
        return Score(METRIC, stage, subset, None, None, None, 0, "no trial")
    groups = [[value] for value in best.values()]
    low, high = bootstrap(groups, _mean, seed=seed)
    return Score(METRIC, stage, subset, _mean(groups), low, high, len(groups))


def _mean(groups: Sequence[Sequence[float]]) -> float:
    return math.fsum(group[0] for group in groups) / len(groups)
