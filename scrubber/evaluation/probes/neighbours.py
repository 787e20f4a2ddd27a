"""Probe "neighbours": texts like those with values to forget, other values in their places, judged near these."""

from __future__ import annotations

import json
from collections.abc import Sequence

from scrubber.core.types import Model, Sample, Trial


def ask(model: Model, samples: Sequence[Sample], *, subset: str, context_tokens: int) -> list[Trial]:
    """One Trial for each text, in the form of the probe recall, so that perplexity and its difference score it.

    ``samples`` hold the other values at their spans. The tokens of a value itself are not judged, since any model finds
    a random one unlikely: those at most ``context_tokens`` before or behind one are.
    """
    asked = []
    for sample in samples:
        coded = model.encode(sample.text)
        inside = {
            i for i, (a, b) in enumerate(coded.offsets) for span in sample.forget if a < span.end and b > span.start
        }
        near = {j for i in inside for j in range(i - context_tokens, i + context_tokens + 1)} - inside
        judged = [i - 1 for i in sorted(near) if 0 < i < len(coded.ids)]  # entry t judges token t+1
        if judged:
            asked.append((sample.id, coded.ids, judged))
    trials = []
    for (subject, _, judged), scores in zip(asked, model.teacher_force([ids for _, ids, _ in asked]), strict=True):
        hits, logprobs = [int(scores.hits[i]) for i in judged], [round(scores.logprobs[i], 5) for i in judged]
        kept = json.dumps({"hits": hits, "logprobs": logprobs})
        trials.append(Trial("neighbours", subject, subset, "", kept, "", sum(hits) / len(hits), weight=len(hits)))
    return trials
