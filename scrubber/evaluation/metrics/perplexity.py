"""Perplexity on texts to keep, and its ratio after to before, paired by text."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from scrubber.core.intervals import bootstrap
from scrubber.core.types import Score, Stage, Trial


def score(trials: Sequence[Trial], *, stage: Stage, subset: str, seed: int = 0) -> Score:
    """exp(-sum of log-probabilities / tokens) over ``trials`` of the probe "recall" on whole texts.

    The interval is a bootstrap over texts; n counts texts.
    """
    if not trials:
        return Score("perplexity", stage, subset, None, None, None, 0, "no text")
    groups = [[_nats(trial), trial.weight] for trial in trials]
    low, high = bootstrap(groups, _perplexity, seed=seed)
    return Score("perplexity", stage, subset, _perplexity(groups), low, high, len(groups))


def difference(before: Sequence[Trial], after: Sequence[Trial], *, subset: str, seed: int = 0) -> Score:
    """Metric "perplexity_ratio": after / before, on the same texts; 1 is unchanged, above 1 is worse."""
    if not before or [t.subject for t in before] != [t.subject for t in after]:
        return Score("perplexity_ratio", "difference", subset, None, None, None, 0, "not asked on the same texts")
    groups = [[_nats(b), _nats(a), b.weight] for b, a in zip(before, after, strict=True)]
    low, high = bootstrap(groups, _ratio, seed=seed)
    return Score("perplexity_ratio", "difference", subset, _ratio(groups), low, high, len(groups))


def _nats(trial: Trial) -> float:
    return -math.fsum(json.loads(trial.completion)["logprobs"])


def _perplexity(rows: Sequence[Sequence[float]]) -> float:
    return math.exp(min(700.0, sum(row[0] for row in rows) / sum(row[1] for row in rows)))


def _ratio(rows: Sequence[Sequence[float]]) -> float:
    return math.exp(min(700.0, sum(row[1] - row[0] for row in rows) / sum(row[2] for row in rows)))
