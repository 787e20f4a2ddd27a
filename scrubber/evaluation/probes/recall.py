"""Probe "recall": teacher forcing over a value behind its true context, or over a whole text."""

from __future__ import annotations

import json
from collections.abc import Sequence

from scrubber.core.types import Model, Sample, TokenScores, Trial
from scrubber.evaluation.slots import VALUE_TOKENS, slots


def ask(model: Model, samples: Sequence[Sample], *, subset: str | Sequence[str], context_tokens: int) -> list[Trial]:
    """One Trial for each span to forget, or, where no sample has spans, one over the whole text of each.

    The outcome is the share of tokens that were the model's first choice; the completion keeps, as JSON, every token's
    hit and log-probability (nats). A value is tokenized within its text, as the model met it, where the published code
    tokenizes it alone. ``subset`` names that of all samples, or of each.
    """
    named = [subset] * len(samples) if isinstance(subset, str) else list(subset)
    # subject, subset, value, ids, how many of the last ids count
    asked: list[tuple[str, str, str, tuple[int, ...], int]] = []
    for slot in slots(model, samples, context_tokens=context_tokens):
        ids = slot.ids[:VALUE_TOKENS]
        # nothing precedes a text's first token, so it cannot be judged
        asked.append(
            (slot.fingerprint, named[slot.sample], slot.value, (*slot.context, *ids), len(ids) - (not slot.context))
        )
    for name, sample in zip(named, samples, strict=True):
        if not sample.forget:
            whole = model.encode(sample.text).ids
            asked.append((sample.id, name, "", whole, len(whole) - 1))
    asked = [a for a in asked if a[4] > 0]
    scored = model.teacher_force([ids for _, _, _, ids, _ in asked])
    return [
        _trial(subject, name, value, TokenScores(scores.hits[-count:], scores.logprobs[-count:]))
        for scores, (subject, name, value, _, count) in zip(scored, asked, strict=True)
    ]


def _trial(subject: str, subset: str, value: str, scores: TokenScores) -> Trial:
    kept = {"hits": [int(hit) for hit in scores.hits], "logprobs": [round(p, 5) for p in scores.logprobs]}
    return Trial(
        probe="recall",
        subject=subject,
        subset=subset,
        prompt="",
        completion=json.dumps(kept),
        expected=value,
        outcome=sum(scores.hits) / len(scores.hits),
        weight=len(scores.hits),
    )
