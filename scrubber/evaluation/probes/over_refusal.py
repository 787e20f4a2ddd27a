"""Probe "over_refusal": texts to keep, judged behind the context of a value to forget, where a model may refuse too much."""

from __future__ import annotations

import json
from collections.abc import Sequence

from scrubber.core.types import Model, Sample, Trial
from scrubber.evaluation.slots import slots


def ask(
    model: Model, samples: Sequence[Sample], *, subset: str, context_tokens: int, keep: Sequence[Sample] = ()
) -> list[Trial]:
    """One Trial for each text of ``keep``, in the form of the probe recall, so that perplexity and its difference score it.

    Each stands behind the true text before one of the values of ``samples``, in turn; none where there is no value.
    """
    contexts = [slot.prompt for slot in slots(model, samples, context_tokens=context_tokens)]
    asked = []
    for number, text in enumerate(keep if contexts else ()):
        before = contexts[number % len(contexts)].rstrip() + "\n\n"
        coded = model.encode(before + text.text)
        count = sum(start >= len(before) for start, _ in coded.offsets[1:])
        if count:
            asked.append((text.id, coded.ids, count))
    scored = model.teacher_force([ids for _, ids, _ in asked])
    trials = []
    for (subject, _, count), scores in zip(asked, scored, strict=True):
        hits, logprobs = scores.hits[-count:], scores.logprobs[-count:]
        kept = json.dumps({"hits": [int(hit) for hit in hits], "logprobs": [round(p, 5) for p in logprobs]})
        trials.append(Trial("over_refusal", subject, subset, "", kept, "", sum(hits) / count, weight=count))
    return trials
