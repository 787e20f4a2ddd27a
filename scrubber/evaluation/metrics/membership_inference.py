"""Membership inference (MIA): how well an attack on likelihoods tells values that were learnt from decoys, as an AUC."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from scrubber.core.types import Score, Stage, Trial
from scrubber.evaluation.auc import auc, auc_interval

SHARE = 0.2  # of the tokens, the least likely ones, that Min-K and Min-K++ look at
Row = Mapping[str, Sequence[float]]


def loss(row: Row, value: str) -> float:
    """Mean log-probability of the tokens (nats): arXiv 1709.01604."""
    return math.fsum(row["logprobs"]) / len(row["logprobs"])


def zlib_ratio(row: Row, value: str) -> float:
    """Log-likelihood over the length of the compressed value (nats a byte): arXiv 2012.07805."""
    return math.fsum(row["logprobs"]) / len(zlib.compress(value.encode("utf-8", "surrogatepass")))


def min_k(row: Row, value: str) -> float:
    """Mean log-probability of the least likely tokens (nats): arXiv 2310.16789."""
    return _least(row["logprobs"])


def min_k_plus_plus(row: Row, value: str) -> float:
    """The same of log-probabilities in standard deviations from what the model expects: arXiv 2404.02936."""
    rows = zip(row["logprobs"], row["means"], row["deviations"], strict=True)
    # where the model is certain, no token says anything
    return _least([(true - mean) / deviation if deviation > 1e-6 else 0.0 for true, mean, deviation in rows])


ATTACKS: Mapping[str, Callable[[Row, str], float]] = {
    "loss": loss,
    "zlib": zlib_ratio,
    "min_k": min_k,
    "min_k_plus_plus": min_k_plus_plus,
}


def score(
    trials: Sequence[Trial], *, attack: str = "loss", decoys: Sequence[Trial] = (), stage: Stage, subset: str
) -> Score:
    """AUC of an attack, metric "mia_<attack>": the chance that a value scores above a decoy; 0.5 tells nothing.

    ``trials`` and ``decoys`` are of the probe "membership" (or "recall", without means and deviations: no Min-K++), one
    counted for each value: the likeliest. To be limited on both sides, since a value that scores below decoys is as
    conspicuous. The interval takes values as independent; n is the smaller of the two counts.
    Raises KeyError for an attack that is not in ATTACKS.
    """
    metric = f"mia_{attack}"
    judge = ATTACKS[attack]
    rows = [[(t.subject, json.loads(t.completion), t.expected) for t in some] for some in (trials, decoys)]
    n = min(len({subject for subject, *_ in some}) for some in rows)
    if n == 0:
        return Score(metric, stage, subset, None, None, None, 0, "no value, or no decoy, was asked for")
    if attack == "min_k_plus_plus" and any("means" not in row for some in rows for _, row, _ in some):
        return Score(metric, stage, subset, None, None, None, n, "the model gives no distribution at a token")
    members, others = ([*_best((s, judge(row, value)) for s, row, value in some).values()] for some in rows)
    if not all(map(math.isfinite, (*members, *others))):
        return Score(metric, stage, subset, None, None, None, n, "a likelihood is not finite")
    value = auc(members, others)
    return Score(metric, stage, subset, value, *auc_interval(value, len(members), len(others)), n)


def _least(values: Sequence[float]) -> float:
    count = max(1, math.ceil(SHARE * len(values)))
    return math.fsum(sorted(values)[:count]) / count


def _best(rows: Iterable[tuple[str, float]]) -> dict[str, float]:
    best: dict[str, float] = {}
    for subject, value in rows:
        best[subject] = max(value, best.get(subject, -math.inf))
    return best
