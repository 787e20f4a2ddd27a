"""The area under a ROC curve and its interval: how well a number tells one set of values from another."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from statistics import NormalDist


def auc(members: Sequence[float], others: Sequence[float]) -> float:
    """Mann and Whitney's: the share of pairs in which the member scores higher; equal ones count half."""
    ordered = sorted(others)
    wins = sum(bisect_left(ordered, member) + bisect_right(ordered, member) for member in members)
    return wins / (2 * len(members) * len(ordered))


def auc_interval(value: float, members: int, others: int, confidence: float = 0.95) -> tuple[float, float]:
    """Score interval of an AUC (Newcombe 2006, Statistics in Medicine 25:559, method 5).

    It holds near 0 and 1, too, where resampling has no width. Raises ValueError without a member or another.
    """
    if min(members, others) < 1 or not 0 <= value <= 1:
        raise ValueError("needs members, others and an AUC in [0, 1]")
    z, mean = NormalDist().inv_cdf((1 + confidence) / 2), (members + others) / 2 - 1

    def reaches(theta: float) -> bool:
        spread = theta * (1 - theta) * (1 + mean * ((1 - theta) / (2 - theta) + theta / (1 + theta)))
        return abs(value - theta) <= z * math.sqrt(spread / (members * others))

    return _edge(reaches, value, 0.0), _edge(reaches, value, 1.0)


def _edge(holds: Callable[[float], bool], inside: float, outside: float) -> float:
    """Where ``holds`` ends between a point where it does and one where it may not."""
    if holds(outside) and outside != inside:
        # at 0 and 1 the variance vanishes, so there it only holds for that very value
        return outside
    for _ in range(60):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if holds(middle) else (inside, middle)
    return inside
