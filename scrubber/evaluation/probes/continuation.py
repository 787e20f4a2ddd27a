"""Probe "continuation": greedy continuations from every point inside a value to its end, for extraction likelihood."""

from __future__ import annotations

import json
from collections.abc import Sequence

from scrubber.core.types import Model, Sample, Trial
from scrubber.evaluation.slots import VALUE_TOKENS, slots


def ask(model: Model, samples: Sequence[Sample], *, subset: str, context_tokens: int) -> list[Trial]:
    """One Trial for each span to forget. ``expected`` and ``completion`` are JSON: the value's token ids, and for each
    number i of given value tokens the ids that the model continues with, forced to full length.
    """
    asked = [(s, s.ids[:VALUE_TOKENS]) for s in slots(model, samples, context_tokens=context_tokens)]
    forced = model.teacher_force([(*slot.context, *value) for slot, value in asked])

    # Where teacher forcing hits, the continuation is the true token and then the continuation from one further on:
    # only at a miss is there anything to generate.
    wanted = [
        (row, i)
        for row, ((slot, value), scores) in enumerate(zip(asked, forced, strict=True))
        for i in range(len(value))
        if len(slot.context) + i == 0 or not scores.hits[len(slot.context) + i - 1]
    ]
    made = model.continue_tokens(
        [(*asked[row][0].context, *asked[row][1][:i]) for row, i in wanted],
        [len(asked[row][1]) - i for row, i in wanted],
    )
    generated = dict(zip(wanted, made, strict=True))
    trials = []
    for row, (slot, value) in enumerate(asked):
        continuations: list[tuple[int, ...]] = [()]
        for i in reversed(range(len(value))):
            continuations.append(generated.get((row, i)) or (value[i], *continuations[-1]))
        answers = continuations[:0:-1]  # from i = 0 on
        whole = float(answers[0] == value)
        trials.append(
            Trial("continuation", slot.fingerprint, subset, "", json.dumps(answers), json.dumps(value), whole)
        )
    return trials
