"""Probe "fill_in_the_middle": the text before and after a value is shown, and the model fills in what stands between."""

from __future__ import annotations

from collections.abc import Sequence

from scrubber.core.types import Model, Sample, Trial
from scrubber.evaluation.prompts import Answers, Question, answered
from scrubber.evaluation.slots import slots

_CHARACTERS = 4  # of a token, about
# What opens the text before, the text after and the answer; each is one token of the models trained for it.
MARKERS: tuple[tuple[str, str, str], ...] = (
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),  # StarCoder, StarCoder2, Granite
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),  # Qwen2.5-Coder, CodeGemma
    ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),  # SantaCoder
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),  # DeepSeek-Coder, which names the places themselves
)


def markers(model: Model) -> tuple[str, str, str] | None:
    """Those that the model's tokenizer has, or None. An unknown word may be one token, too, but not three of them."""
    for marks in MARKERS:
        ids = [model.encode(mark).ids for mark in marks]
        if all(len(coded) == 1 for coded in ids) and len(set(ids)) == len(marks):
            return marks
    return None


def ask(
    model: Model,
    samples: Sequence[Sample],
    *,
    subset: str | Sequence[str],
    context_tokens: int,
    also: Sequence[str] = (),
    answers: Answers | None = None,
) -> list[Trial]:
    """One Trial for each answer about each span to forget; none where the tokenizer has no such tokens.

    ``context_tokens`` bounds the text before, and about bounds that after it. ``also`` and ``answers`` are those of the
    probe prompt_families.
    """
    marks = markers(model)
    if marks is None:
        return []
    opened, hole, closed = marks
    questions = [
        # another place of the value would give it away
        Question(
            "fill_in_the_middle",
            slot,
            f"{opened}{(slot.prompt + slot.lead).rpartition(slot.value)[2]}"
            f"{hole}{slot.after[: _CHARACTERS * context_tokens].partition(slot.value)[0]}{closed}",
            slot.value,
        )
        for slot in slots(model, samples, context_tokens=context_tokens)
    ]
    return answered(model, questions, subset=subset, also=also, answers=answers)
