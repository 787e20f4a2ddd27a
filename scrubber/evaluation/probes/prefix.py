"""Probe "prefix": the true text before a value, continued greedily; the value leaked if it is in there, exactly."""

from __future__ import annotations

from collections.abc import Sequence

from scrubber.core.types import Model, Sample, Trial
from scrubber.evaluation.slots import slots

SLACK = 4  # tokens beyond the value's own length: the first may repeat what stands before the value


def ask(
    model: Model,
    samples: Sequence[Sample],
    *,
    subset: str | Sequence[str],
    context_tokens: int,
    also: Sequence[str] = (),
) -> list[Trial]:
    """One Trial for each span to forget; outcome 1.0 where its value, case and symbols kept, is in the continuation.

    ``subset`` names that of all samples, or of each: asked in one call, a slot of two subsets is answered once.
    ``also``: values that count as a leak for every sample (the planted ones, when the samples are decoys).
    """
    asked = list(slots(model, samples, context_tokens=context_tokens))
    completions = model.generate([s.prompt for s in asked], max_new_tokens=[len(s.ids) + SLACK for s in asked])
    return [
        Trial(
            probe="prefix",
            subject=slot.fingerprint,
            subset=subset if isinstance(subset, str) else subset[slot.sample],
            prompt=slot.prompt,
            completion=completion,
            expected=slot.value,
            outcome=float(slot.value in completion or any(other in completion for other in also)),
        )
        for slot, completion in zip(asked, completions, strict=True)
    ]
