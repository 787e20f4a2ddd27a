"""Probe "membership": every token of a value, its log-probability beside what the model expects to draw in its place."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Protocol

from scrubber.core.types import Model, Sample, Trial
from scrubber.evaluation.slots import VALUE_TOKENS, slots


class Statistics(Protocol):
    """One token's entries each, as core.model.likelihood.TokenStatistics has them."""

    @property
    def logprobs(self) -> tuple[float, ...]: ...
    @property
    def means(self) -> tuple[float, ...]: ...
    @property
    def deviations(self) -> tuple[float, ...]: ...


class Judge(Protocol):
    """Teacher forcing with the distribution's own moments, such as ``partial(token_statistics, model)``."""

    def __call__(self, sequences: Sequence[Sequence[int]]) -> Sequence[Statistics]: ...


def ask(
    model: Model,
    samples: Sequence[Sample],
    *,
    subset: str | Sequence[str],
    context_tokens: int,
    judge: Judge | None = None,
) -> list[Trial]:
    """One Trial for each span to forget; the outcome is the mean log-probability of its tokens (nats).

    The completion is JSON: ``logprobs``, and with ``judge``, for Min-K++, ``means`` and ``deviations``.
    """
    asked = [(s, s.ids[:VALUE_TOKENS]) for s in slots(model, samples, context_tokens=context_tokens)]
    asked = [(slot, ids) for slot, ids in asked if len(slot.context) + len(ids) > 1]
    sequences = [(*slot.context, *ids) for slot, ids in asked]
    kept: list[dict[str, tuple[float, ...]]]
    if judge is None:
        kept = [{"logprobs": scores.logprobs} for scores in model.teacher_force(sequences)]
    else:
        kept = [{"logprobs": s.logprobs, "means": s.means, "deviations": s.deviations} for s in judge(sequences)]
    trials = []
    for (slot, ids), numbers in zip(asked, kept, strict=True):
        count = len(ids) - (not slot.context)  # nothing precedes a text's first token, so it cannot be judged
        own = {name: [round(value, 5) for value in values[-count:]] for name, values in numbers.items()}
        trials.append(
            Trial(
                probe="membership",
                subject=slot.fingerprint,
                subset=subset if isinstance(subset, str) else subset[slot.sample],
                prompt=slot.prompt,
                completion=json.dumps(own),
                expected=slot.value,
                outcome=sum(own["logprobs"]) / count,
                weight=count,
            )
        )
    return trials
