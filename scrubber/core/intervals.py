"""Confidence intervals: Clopper-Pearson for a rate, Tango for paired rates, bootstrap for whatever repeats a value."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from statistics import NormalDist

MOST_SAMPLES = 10_000_000  # beyond this "ask more" is no advice
_HALVINGS = 60  # of an interval no longer than 2: far below the spacing that any report shows


def clopper_pearson(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of a binomial rate (Clopper and Pearson 1934, Biometrika 26:404).

    Returns (low, high) in [0, 1]; nothing measured (``n == 0``) says nothing: (0, 1).
    Raises ValueError unless 0 <= successes <= n and 0 < confidence < 1.
    """
    if not 0 <= successes <= n or not 0 < confidence < 1:
        raise ValueError("needs 0 <= successes <= n and 0 < confidence < 1")
    tail = (1 - confidence) / 2
    return _lower_limit(successes, n, tail), 1 - _lower_limit(n - successes, n, tail)


def tango(only_first: int, only_second: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Score interval of p_second - p_first for n pairs (Tango 1998, Statistics in Medicine 17:891).

    ``only_first`` and ``only_second`` count the discordant pairs: a success on one side only. Without any the
    interval is +-z^2 / (n + z^2), not a point; no pairs at all give (-1, 1). Raises ValueError if the counts do not
    fit into n.
    """
    if min(only_first, only_second) < 0 or only_first + only_second > n or not 0 < confidence < 1:
        raise ValueError("needs 0 <= only_first + only_second <= n and 0 < confidence < 1")
    if n == 0:
        return -1.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    estimate = (only_second - only_first) / n
    low = _root(lambda delta: tango_score(only_first, only_second, n, delta) > z, -1.0, estimate)
    high = _root(lambda delta: tango_score(only_first, only_second, n, delta) > -z, estimate, 1.0)
    return low, high


def tango_score(only_first: int, only_second: int, n: int, delta: float) -> float:
    """Tango's score statistic of p_second - p_first = delta: standard normal if that is so, and falling in delta."""
    distance = only_second - only_first - n * delta
    # The nuisance q, the rate of only-first pairs, is replaced by its maximum likelihood estimate under delta.
    b = (2 * n - only_second + only_first) * delta - only_second - only_first
    q = (math.sqrt(max(0.0, b * b + 8 * n * only_first * delta * (1 - delta))) - b) / (4 * n)
    variance = n * (2 * q + delta * (1 - delta))
    if variance <= 0:  # only at delta = +-1 and, rounded, beside 0
        return 0.0 if distance == 0 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)


def bootstrap(
    groups: Sequence[Sequence[float]],
    statistic: Callable[[Sequence[Sequence[float]]], float],
    *,
    seed: int,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of ``statistic`` under resampling of whole groups (Davison and Hinkley 1997, section 3.8).

    A group holds what is not independent: all answers about one value, all tokens of one document. ``statistic`` takes
    the groups, so a ratio of sums or a mean of means is equally at home. One group alone gives an interval without
    width: the count of groups belongs beside it. Raises ValueError on no groups.
    """
    if not groups or resamples < 1 or not 0 < confidence < 1:
        raise ValueError("needs at least one group, one resample, and 0 < confidence < 1")
    draw = random.Random(seed).choices
    values = sorted(statistic(draw(groups, k=len(groups))) for _ in range(resamples))
    return _quantile(values, (1 - confidence) / 2), _quantile(values, (1 + confidence) / 2)


def samples_to_clear(rate: float, limit: float, confidence: float = 0.95) -> int | None:
    """The smallest n at which ceil(rate * n) successes have a Clopper-Pearson upper bound of at most ``limit``.

    None when the rate itself is not under the limit, or when more than MOST_SAMPLES would be needed.
    """
    if not 0 <= rate < limit < 1:
        return None
    tail = (1 - confidence) / 2

    def least_n(successes: int) -> int:
        # The bound is at most the limit where so few successes are improbable enough at the limit itself.
        # Below successes / limit samples the rate is over the limit, and the sum of the tail would not hold.
        start = max(1, math.ceil(successes / limit))
        return _least(lambda n: _upper_tail(n - successes, n, 1 - limit) <= tail, start)

    def fits(successes: int) -> bool:  # is n so small that the rate brings no more than these successes?
        return math.ceil(rate * least_n(successes) - 1e-9) <= successes

    if rate == 0:
        n = least_n(0)
    else:
        if not fits(math.ceil(rate * MOST_SAMPLES)):
            return None
        n = least_n(_least(fits, 1))
    return n if n <= MOST_SAMPLES else None


def _least(holds: Callable[[int], bool], start: int) -> int:
    """The smallest integer from ``start`` (and at most MOST_SAMPLES above it) from which on ``holds`` is true."""
    low, high, step = start, start, 1
    while not holds(high) and high - start < MOST_SAMPLES:
        low, high, step = high + 1, high + step, step * 2
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return high


def _lower_limit(successes: int, n: int, tail: float) -> float:
    """The p at which ``successes`` or more of n have probability ``tail``."""
    if successes == 0:
        return 0.0
    return _root(lambda p: _upper_tail(successes, n, p) < tail, 0.0, successes / n)


def _upper_tail(k: int, n: int, p: float) -> float:
    """P(X >= k) of a binomial X, for p <= k / n: there the terms only fall, so the sum can stop early."""
    if p <= 0:
        return 0.0
    if p >= 1:
        return 1.0
    log_first = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    term = math.exp(log_first + k * math.log(p) + (n - k) * math.log1p(-p))
    total, odds = term, p / (1 - p)
    while k < n and term > total * 1e-17:
        term *= (n - k) / (k + 1) * odds
        total += term
        k += 1
    return total


def _root(before: Callable[[float], bool], low: float, high: float) -> float:
    """Where ``before`` turns from true to false between low and high, by bisection."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if before(middle) else (low, middle)
    return (low + high) / 2


def _quantile(ordered: Sequence[float], share: float) -> float:
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)
