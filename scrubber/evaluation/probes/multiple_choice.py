"""Probe "multiple_choice": the likelihood of a value behind its true context, beside those of others of its format."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Protocol

from scrubber.core.decoys import same_format
from scrubber.core.types import Model, Sample, Trial
from scrubber.evaluation.slots import slots


class Likelihoods(Protocol):
    """The log-likelihood (nats) of each continuation behind a context, in tokens, such as core.model.likelihood has."""

    def __call__(self, context: Sequence[int], continuations: Sequence[Sequence[int]]) -> list[float]: ...


def ask(
    model: Model,
    samples: Sequence[Sample],
    *,
    subset: str | Sequence[str],
    context_tokens: int,
    choices: int = 1000,
    like: Callable[[str, random.Random], str] = same_format,
    likelihoods: Likelihoods | None = None,
    seed: int = 0,
) -> list[Trial]:
    """One Trial for each span to forget; outcome 1.0 where no other choice is as likely as the value.

    The completion is JSON: ``true``, the log-likelihood of the value, and ``decoys``, those of ``choices`` different values
    that ``like`` draws (fewer where a format has no more). All are tokenized alike, behind the tokens of the context. A
    value that its format does not describe, such as a name made of words, is likelier than drawn letters to a model
    that never saw it: hold such values against those of other samples, not against chance.
    """
    judge = likelihoods or _teacher_forced(model)
    trials = []
    for slot in slots(model, samples, context_tokens=context_tokens):
        dice = random.Random(f"choices-{seed}-{samples[slot.sample].id}-{len(slot.after)}")
        others = _drawn(slot.value, choices, like, dice)
        ids = [model.encode(f"{slot.lead}{value}{slot.trail}").ids for value in (slot.value, *others)]
        true, *decoys = judge(slot.context, ids)
        trials.append(
            Trial(
                probe="multiple_choice",
                subject=slot.fingerprint,
                subset=subset if isinstance(subset, str) else subset[slot.sample],
                prompt=slot.prompt,
                completion=json.dumps({"true": round(true, 5), "decoys": [round(value, 5) for value in decoys]}),
                expected=slot.value,
                outcome=float(bool(decoys) and true > max(decoys)),
            )
        )
    return trials


def _drawn(value: str, count: int, like: Callable[[str, random.Random], str], dice: random.Random) -> list[str]:
    found: dict[str, None] = {}
    for _ in range(3 * count):  # a format of few values repeats itself
        other = like(value, dice)
        if other != value:
            found[other] = None
        if len(found) == count:
            break
    return list(found)


def _teacher_forced(model: Model) -> Likelihoods:
    def judge(context: Sequence[int], continuations: Sequence[Sequence[int]]) -> list[float]:
        forced = model.teacher_force([(*context, *tokens) for tokens in continuations])
        return [sum(scores.logprobs[max(len(context) - 1, 0) :]) for scores in forced]

    return judge
