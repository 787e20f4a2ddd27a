"""Confidence intervals: Clopper-Pearson for a rate, Tango for paired rates, bootstrap for whatever repeats a value.

And what the gate makes of them: differences of two scores, many comparisons at once, and how many units would decide.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from statistics import NormalDist

MOST_SAMPLES = 1_000_000  # beyond this "ask more" is no advice
Z = NormalDist().inv_cdf(0.975)  # of a two-sided 95 % interval
_TAIL = 0.025
_SAME = 1e-6  # numbers of a stored result that differ less are one number
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


def mover(
    value: float, low: float, high: float, baseline: float, baseline_low: float, baseline_high: float
) -> tuple[float, float]:
    """Interval of value - baseline from the two intervals (Zou and Donner 2008, Statistics in Medicine 27:1693).

    For rates this is Newcombe's square-and-add. It takes the two as independent: of the same units asked twice, which
    mostly answer alike, it is wider than a paired interval would be.
    """
    # A percentile bootstrap may leave its own estimate outside: that end then has no arm.
    down, up = max(0.0, value - low), max(0.0, high - value)
    baseline_down, baseline_up = max(0.0, baseline - baseline_low), max(0.0, baseline_high - baseline)
    difference = value - baseline
    return difference - math.hypot(down, baseline_up), difference + math.hypot(up, baseline_down)


def holm(distances: Sequence[float]) -> list[bool]:
    """Which of several one-sided tests hold together at 2.5 % (Holm 1979), given each one's standard normal distance.

    The farthest must clear the level divided by the count of tests, the next by one less; the first that does not ends it.
    """
    held = [False] * len(distances)
    by_distance = sorted(range(len(distances)), key=lambda i: -distances[i])
    for rank, i in enumerate(by_distance):
        if not distances[i] > critical_distance(len(distances) - rank):
            break
        held[i] = True
    return held


def critical_distance(tests: int) -> float:
    """The standard normal distance that the farthest of so many one-sided tests must clear, at 2.5 % in all."""
    return NormalDist().inv_cdf(1 - _TAIL / tests)


def rate_counts(value: float, low: float, high: float, n: int) -> int | None:
    """The successes behind a rate, when (low, high) is its Clopper-Pearson interval; None for everything else."""
    successes = round(value * n)
    if not 0 <= successes <= n or not _close((successes / n,), (value,)):
        return None
    return successes if _close(clopper_pearson(successes, n), (low, high)) else None


def pair_counts(value: float, low: float, high: float, n: int) -> tuple[int, int] | None:
    """(only_first, only_second) behind a paired difference, when (low, high) is Tango's interval; else None."""
    gain = round(value * n)
    if abs(gain) > n or not _close((gain / n,), (value,)):
        return None
    # Pairs that changed to and fro leave the difference as it is and widen its interval: so many of them fit the low end.
    fewest, most = max(0, -gain), max(0, -gain) + (n - abs(gain)) // 2
    while fewest < most:
        middle = (fewest + most) // 2
        if tango(middle, middle + gain, n)[0] > low + _SAME:
            fewest = middle + 1
        else:
            most = middle
    return (fewest, fewest + gain) if _close(tango(fewest, fewest + gain, n), (low, high)) else None


def if_it_held(value: float, low: float, high: float, n: int) -> Callable[[int], tuple[float, float]]:
    """The interval by the count of units, had all of them gone on to give the same value.

    Rates and paired differences are known by their own intervals, and computed; every other interval is taken to narrow
    with the square root of n, as that of a mean does. Counts that are no whole numbers are rounded against the reader.
    """
    successes = rate_counts(value, low, high, n)
    if successes is not None:

        def of_rate(size: int) -> tuple[float, float]:
            fewest, most = _rounded(successes * size / n)
            return _lower_limit(fewest, size, _TAIL), 1 - _lower_limit(size - most, size, _TAIL)

        return of_rate
    pairs = pair_counts(value, low, high, n)
    if pairs is not None:

        def of_pairs(size: int) -> tuple[float, float]:
            (least_lost, most_lost), (least_won, most_won) = (_rounded(count * size / n) for count in pairs)
            return (
                tango(most_lost, min(least_won, size - most_lost), size)[0],
                tango(min(least_lost, size - most_won), most_won, size)[1],
            )

        return of_pairs

    def of_mean(size: int) -> tuple[float, float]:
        narrower = math.sqrt(n / size)
        return value - (value - low) * narrower, value + (high - value) * narrower

    return of_mean


def least_size(holds: Callable[[int], bool], start: int) -> int | None:
    """A count from ``start`` on at which ``holds`` turns true, to a thousandth; None when that takes over MOST_SAMPLES."""
    if holds(start):
        return start
    below, size = start, start
    while not holds(size):
        if size >= MOST_SAMPLES:
            return None
        below, size = size, min(2 * size, MOST_SAMPLES)
    while size - below > max(1, size // 1000):
        middle = (below + size) // 2
        below, size = (below, middle) if holds(middle) else (middle, size)
    return size


def _rounded(count: float) -> tuple[int, int]:
    return math.floor(count + _SAME), math.ceil(count - _SAME)


def _close(first: Sequence[float], second: Sequence[float]) -> bool:
    return all(abs(a - b) <= _SAME for a, b in zip(first, second, strict=True))


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
