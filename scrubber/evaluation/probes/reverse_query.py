"""Probe "reverse_query": the value is given, and the model is asked what it is called, or whose it is."""

from __future__ import annotations

from collections.abc import Sequence

from scrubber.core.types import Model, Sample, Trial
from scrubber.evaluation.prompts import Answers, Question, answered, name_before
from scrubber.evaluation.slots import slots

TEMPLATES = ("# {value} is the value of ", '{{"value": "{value}", "name": "')
_LEAST_NAME = 4  # characters: a shorter one stands in any answer


def ask(
    model: Model,
    samples: Sequence[Sample],
    *,
    subset: str | Sequence[str],
    context_tokens: int,
    answers: Answers | None = None,
) -> list[Trial]:
    """One Trial for each answer about each value with a name before it on its line; ``expected`` is that name.

    Names can be guessed, as ``password`` can: only more of them than for decoys is knowledge of the values.
    """
    questions = [
        Question("reverse_query", slot, template.format(value=slot.value), name)
        for slot in slots(model, samples, context_tokens=context_tokens)
        if len(name := name_before(slot)) >= _LEAST_NAME and name not in slot.value
        for template in TEMPLATES
    ]
    return answered(model, questions, subset=subset, answers=answers)
