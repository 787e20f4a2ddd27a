"""How far a model has moved from itself before on answers of its own: mean KL(before || after) a token (``drift_kl``)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scrubber.core.intervals import bootstrap, mover
from scrubber.core.types import Score, Stage, Trial

METRIC = "drift_kl"


def score(trials: Sequence[Trial], *, stage: Stage, subset: str, seed: int = 0) -> Score:
    """Nats a token over ``trials`` of the probe "drift", whose outcome is the mean over one answer's tokens and whose
    weight is their count. The interval is a bootstrap over subjects; n counts subjects."""
    groups = _groups(trials)
    if not groups:
        return Score(METRIC, stage, subset, None, None, None, 0, "no answer")
    return Score(METRIC, stage, subset, _mean(groups), *bootstrap(groups, _mean, seed=seed), len(groups))


def share(few: Sequence[Trial], many: Sequence[Trial], *, subset: str, seed: int = 0) -> Score:
    """Metric "drift_share": the drift on ``few`` (which should not move) divided by that on ``many`` (which should).

    Nothing pairs the two, so the interval is made of theirs, on the logarithms.
    """
    first, second = (score(trials, stage="difference", subset=subset, seed=seed) for trials in (few, many))
    if not first.value or not second.value or not first.low or not second.low:
        note = "nothing moved, or nothing was asked"
        return Score("drift_share", "difference", subset, None, None, None, first.n, note)
    logs = [math.log(number) for one in (first, second) for number in (one.value, one.low, one.high) if number]
    low, high = map(math.exp, mover(*logs))
    return Score("drift_share", "difference", subset, first.value / second.value, low, high, first.n)


def _groups(trials: Sequence[Trial]) -> list[list[float]]:
    """(sum of nats, tokens) by subject."""
    sums: dict[str, list[float]] = {}
    for trial in trials:
        group = sums.setdefault(trial.subject, [0.0, 0.0])
        group[0] += trial.outcome * trial.weight
        group[1] += trial.weight
    return list(sums.values())


def _mean(groups: Sequence[Sequence[float]]) -> float:
    return math.fsum(g[0] for g in groups) / max(math.fsum(g[1] for g in groups), 1e-12)
