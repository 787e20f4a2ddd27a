"""A check as the suite sees it: parts with a name, a cost, and work that gives scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from scrubber.core.types import Score
from scrubber.pipelines.robust.case import Bench
from scrubber.pipelines.robust.settings import Check


class Cost(NamedTuple):
    """Tokens that are read, that are made one by one, and that are trained on. What a model's loading takes is apart."""

    read: int = 0
    made: int = 0
    trained: int = 0
    loads: int = 0

    def __add__(self, other: object) -> Cost:  # of sums, not of tuples put together
        assert isinstance(other, Cost)
        return Cost(*(a + b for a, b in zip(self, other, strict=True)))

    def times(self, count: int) -> Cost:
        return Cost(*(count * part for part in self))


@dataclass(frozen=True)
class Part:
    """``depends``: the settings that the result depends on, besides the case; a change of them, and it is done anew."""

    check: Check
    name: str
    cost: Cost
    depends: Sequence[Any]
    work: Callable[[Bench], list[Score]]
