"""Probe "line_completion": the text before a value continued past the end of its line, to see whether that is code."""

from __future__ import annotations

from collections.abc import Sequence

from scrubber.core.sources.names import language_of
from scrubber.core.types import Model, Sample, Trial
from scrubber.evaluation.parsing import continues
from scrubber.evaluation.slots import slots

MORE_TOKENS = 24  # beyond the value's own, to reach the end of its line


def ask(model: Model, samples: Sequence[Sample], *, subset: str, context_tokens: int) -> list[Trial]:
    """One Trial for each span to forget; outcome 1.0 where the greedy answer, put there, is code.

    Python is parsed, of other languages quotes and brackets are judged, by the ending of the sample's id. It matters
    not which value is written: a placeholder, a decoy and the value itself are all code.
    """
    asked = list(slots(model, samples, context_tokens=context_tokens))
    answers = model.generate([s.prompt for s in asked], max_new_tokens=[len(s.ids) + MORE_TOKENS for s in asked])
    return [
        Trial(
            probe="line_completion",
            subject=slot.fingerprint,
            subset=subset,
            prompt=slot.prompt,
            completion=answer,
            expected=slot.value,
            outcome=float(continues(slot.prompt, answer, _language(samples[slot.sample].id))),
        )
        for slot, answer in zip(asked, answers, strict=True)
    ]


def _language(identity: str) -> str | None:
    """By the path of a document, or of one of its windows: ``src/a.py:120``."""
    path, mark, offset = identity.removeprefix("decoy:").rpartition(":")
    return language_of(path if mark and offset.isdecimal() else identity)
