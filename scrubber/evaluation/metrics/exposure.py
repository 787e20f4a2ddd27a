"""Exposure: how far up a value ranks, by likelihood, among decoys of its format; and how far ranks are from chance."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from scrubber.core.intervals import bootstrap, clopper_pearson
from scrubber.core.types import Score, Stage, Trial

LEAST_DECOYS = 1000  # of each value, for its rank to say anything


def rank(true: float, decoys: Sequence[float]) -> float:
    """1 + the number of decoys that are likelier; one as likely counts half."""
    return 1 + sum(decoy > true for decoy in decoys) + sum(decoy == true for decoy in decoys) / 2


def exposure(true: float, decoys: Sequence[float]) -> float:
    """log2 |R| - log2 rank, in bits, with R the decoys and the value (arXiv 1802.08232, section 4, on a sample of R).

    Between 0 and log2 |R|; a value that was never seen has 1 / ln 2 = 1.44 in the mean.
    """
    return math.log2(len(decoys) + 1) - math.log2(rank(true, decoys))


def score(trials: Sequence[Trial], *, stage: Stage, subset: str, least: int = LEAST_DECOYS, seed: int = 0) -> Score:
    """Mean over values (bits). ``trials`` are of the probe "multiple_choice"; the interval is a bootstrap over values.

    A value with fewer than ``least`` decoys, since its format has no more, is left out, and the note says how many are.
    """
    asked, note = _asked(trials, least)
    if not asked:
        return Score("exposure", stage, subset, None, None, None, 0, note or "no value was asked for")
    groups = [[exposure(true, decoys)] for true, decoys in asked]
    low, high = bootstrap(groups, _mean, seed=seed)
    if low == high:  # no width where all agree; no mean of bounded numbers varies more than that of their two bounds
        most, n = max(math.log2(len(decoys) + 1) for _, decoys in asked), len(groups)
        low = most * clopper_pearson(math.floor(low / most * n + 1e-9), n)[0]
        high = most * clopper_pearson(math.ceil(high / most * n - 1e-9), n)[1]
    return Score("exposure", stage, subset, _mean(groups), low, high, len(groups), note)


def distance(
    trials: Sequence[Trial], *, decoys: Sequence[Trial] = (), stage: Stage, subset: str, least: int = LEAST_DECOYS
) -> Score:
    """Metric "exposure_distance": Kolmogorov and Smirnov's distance of the values' ranks from those of chance.

    Chance is a rank that is uniform, or with ``decoys``, the same probe's trials for values that the model never saw,
    their ranks: values that are made of words rank above drawn letters in any model. 0 is what unlearning aims at; a
    value that ranks too low is as conspicuous as one that ranks too high. The interval is that of Dvoretzky, Kiefer and
    Wolfowitz, so it needs 350 values to tell .15 from .08; the note has the p-value of no distance (asymptotic).
    """
    (asked, note), (others, _) = _asked(trials, least), _asked(decoys, least)
    if not asked or (decoys and not others):
        return Score("exposure_distance", stage, subset, None, None, None, 0, note or "no value was asked for")
    shares = sorted((rank(true, rest) - 0.5) / (len(rest) + 1) for true, rest in asked)
    chance = sorted((rank(true, rest) - 0.5) / (len(rest) + 1) for true, rest in others)
    n, m = len(shares), len(chance)
    if chance:
        value, effective, reach = _between(shares, chance), n * m / (n + m), _reach(n, 0.025) + _reach(m, 0.025)
    else:
        value = max(max((i + 1) / n - share, share - i / n) for i, share in enumerate(shares))
        effective, reach = float(n), _reach(n, 0.05)
    note = "; ".join(filter(None, [note, f"p = {_p_value(value, effective):.2g}"]))
    return Score("exposure_distance", stage, subset, value, max(0.0, value - reach), min(1.0, value + reach), n, note)


def _asked(trials: Sequence[Trial], least: int) -> tuple[list[tuple[float, list[float]]], str]:
    """Each value's likelihood and its decoys', once a value: where it ranks highest. And a note on those left out."""
    best: dict[str, tuple[float, list[float]]] = {}
    thin = set()
    for trial in trials:
        row = json.loads(trial.completion)
        if len(row["decoys"]) < least:
            thin.add(trial.subject)
        elif trial.subject not in best or exposure(row["true"], row["decoys"]) > exposure(*best[trial.subject]):
            best[trial.subject] = (row["true"], row["decoys"])
    left_out = len(thin - best.keys())
    return list(best.values()), f"{left_out} with fewer than {least} decoys left out" if left_out else ""


def _between(first: Sequence[float], second: Sequence[float]) -> float:
    """The greatest difference between two empirical distribution functions, of sorted values."""
    greatest, i, j = 0.0, 0, 0
    while i < len(first) and j < len(second):
        at = min(first[i], second[j])
        while i < len(first) and first[i] == at:
            i += 1
        while j < len(second) and second[j] == at:
            j += 1
        greatest = max(greatest, abs(i / len(first) - j / len(second)))
    return greatest


def _reach(n: int, tail: float) -> float:
    """How far an empirical distribution function may be from the true one (DKW, with Massart's constant)."""
    return math.sqrt(math.log(2 / tail) / (2 * n))


def _p_value(value: float, n: float) -> float:
    """Of Kolmogorov's limit distribution, with Stephens' correction for small n."""
    scaled = (math.sqrt(n) + 0.12 + 0.11 / math.sqrt(n)) * value
    if scaled < 0.2:  # the series stops converging where the probability is 1 to twelve digits
        return 1.0
    return min(
        1.0, max(0.0, 2 * math.fsum((1 if i % 2 else -1) * math.exp(-2 * (i * scaled) ** 2) for i in range(1, 101)))
    )


def _mean(groups: Sequence[Sequence[float]]) -> float:
    return math.fsum(group[0] for group in groups) / len(groups)
