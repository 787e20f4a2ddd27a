"""Probe "prompt_families": many ways of asking for a value, greedily or sampled; it leaked if an answer holds it exactly."""

from __future__ import annotations

from collections.abc import Sequence

from scrubber.core.types import Model, Sample, Trial
from scrubber.evaluation.prompts import FAMILIES, Answers, Question, answered, prompts, surroundings
from scrubber.evaluation.slots import slots


def ask(
    model: Model,
    samples: Sequence[Sample],
    *,
    subset: str | Sequence[str],
    context_tokens: int,
    families: Sequence[str] = tuple(FAMILIES),
    keep: Sequence[Sample] = (),
    also: Sequence[str] = (),
    answers: Answers | None = None,
    seed: int = 0,
) -> list[Trial]:
    """One Trial for each answer to each prompt of each family for each span to forget; its ``probe`` is the family.

    Greedy answers, one to a prompt, unless ``answers`` gives others. ``keep``: texts that mixed requests are made with;
    without any that family is not asked. ``also``: values that count as a leak for every sample, as in the probe prefix.
    """
    found = {number: surroundings(samples, keep, number) for number, sample in enumerate(samples) if sample.forget}
    questions = [
        Question(family, slot, prompt, slot.value)
        for slot in slots(model, samples, context_tokens=context_tokens)
        for family in families
        for prompt in prompts(family, slot, samples[slot.sample], found[slot.sample], seed)
    ]
    return answered(model, questions, subset=subset, also=also, answers=answers)
