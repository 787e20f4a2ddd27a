"""Neighbourhood features: whether the loss round a value has another shape than round values never seen, as an AUC."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, pstdev

from scrubber.core.types import Score, Stage, Trial
from scrubber.evaluation.auc import auc, auc_interval

Moves = Sequence[tuple[float, float]]  # edits of a neighbour, and its loss less the true one


def slope(moves: Moves) -> float:
    """Of the loss against the number of edits (nats an edit), by least squares."""
    mean = fmean(edits for edits, _ in moves)
    spread = math.fsum((edits - mean) ** 2 for edits, _ in moves)
    return math.fsum((edits - mean) * loss for edits, loss in moves) / spread if spread else 0.0


FEATURES: Mapping[str, Callable[[Moves], float]] = {
    "mean": lambda moves: fmean(loss for _, loss in moves),
    "deviation": lambda moves: pstdev(loss for _, loss in moves),
    "slope": slope,
    "lower": lambda moves: fmean(float(loss < 0) for _, loss in moves),  # share of neighbours below the value
}


def score(
    trials: Sequence[Trial],
    *,
    decoys: Sequence[Trial] = (),
    edits: str = "value",
    feature: str = "mean",
    stage: Stage,
    subset: str,
) -> Score:
    """AUC of a feature over ``edits`` ("context" or "value"), metric "neighbourhood_<edits>_<feature>"; 0.5 tells nothing.

    ``trials`` and ``decoys`` are of the probe "neighbourhood", one counted for each value: the one of least loss. To be
    limited on both sides: a valley is residual memory, a plateau or a peak the scar of unlearning. n is the smaller count.
    Raises KeyError for a feature that is not in FEATURES.
    """
    metric, measure = f"neighbourhood_{edits}_{feature}", FEATURES[feature]
    rows = [_by_value(some) for some in (trials, decoys)]
    n = min(map(len, rows))
    moves = [[json.loads(trial.completion)[edits] for trial in some] for some in rows]
    if n == 0 or not all(row for some in moves for row in some):
        return Score(metric, stage, subset, None, None, None, 0, "no value, or no decoy, was asked for")
    members, others = ([measure(row) for row in some] for some in moves)
    if not all(map(math.isfinite, (*members, *others))):
        return Score(metric, stage, subset, None, None, None, n, "a likelihood is not finite")
    value = auc(members, others)
    return Score(metric, stage, subset, value, *auc_interval(value, len(members), len(others)), n)


def _by_value(trials: Sequence[Trial]) -> list[Trial]:
    best: dict[str, Trial] = {}
    for trial in trials:
        if trial.subject not in best or trial.outcome < best[trial.subject].outcome:
            best[trial.subject] = trial
    return list(best.values())
