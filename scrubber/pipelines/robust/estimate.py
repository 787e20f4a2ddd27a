"""What a check costs before it starts: tokens counted from the questions, and the machine's pace tried on a few."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from scrubber.core.model.causal import CausalModel
from scrubber.core.types import Sample
from scrubber.pipelines.robust.case import Case
from scrubber.pipelines.robust.plan import Cost

_CHARACTERS = 3  # of code a token, about: counting tokens would need the model
_BACKWARD = 3  # a training step takes about three forward passes
_TRIED = 16  # rows, each of ...
_LENGTH = 48  # tokens


class Pace(NamedTuple):
    """Tokens a second, and seconds to load the model."""

    read: float
    made: float
    load: float


def value_tokens(samples: Iterable[Sample]) -> int:
    return sum(-(-(span.end - span.start) // _CHARACTERS) for s in samples for span in s.forget)


def context_tokens(case: Case, samples: Iterable[Sample]) -> int:
    """Of true text shown before all of the values."""
    return sum(min(case.context_tokens, span.start // _CHARACTERS) for s in samples for span in s.forget)


def asked(case: Case, samples: Sequence[Sample]) -> Cost:
    """A greedy answer and a teacher-forced one for each value."""
    context, values = context_tokens(case, samples), value_tokens(samples)
    return Cost(read=2 * context + values, made=values)


def measure(model: CausalModel, loaded: float) -> Pace:
    """Tries the model on a few rows; ``loaded`` is how many seconds its loading took."""
    vocabulary = model.network.config.get_text_config().vocab_size
    rows = [[(7 * i + 31 * j) % vocabulary for j in range(min(_LENGTH, model.longest // 2))] for i in range(_TRIED)]
    model.teacher_force(rows[:1])  # the first pass pays for what is made once
    began = time.perf_counter()
    model.teacher_force(rows)
    read = time.perf_counter() - began
    began = time.perf_counter()
    model.continue_tokens([row[:8] for row in rows], [8] * _TRIED)
    made = time.perf_counter() - began
    return Pace(sum(map(len, rows)) / max(read, 1e-9), 8 * _TRIED / max(made, 1e-9), loaded)


def seconds(cost: Cost, pace: Pace) -> float:
    """About how long it takes; within a factor of two or three."""
    return (cost.read + _BACKWARD * cost.trained) / pace.read + cost.made / pace.made + cost.loads * pace.load
