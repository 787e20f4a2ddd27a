"""A model that is not asked the same question twice while its weights stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scrubber.core.types import Encoding, Model, TokenScores


class Remembering:
    """The Model behind it, with its answers to ``generate`` and ``teacher_force`` kept in memory.

    For stages that follow one another: an audit and an evaluation ask for the same values. Ask the model itself once it
    has been trained.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._texts: dict[tuple[str, int], str] = {}
        self._scores: dict[tuple[int, ...], TokenScores] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def encode(self, text: str) -> Encoding:
        return self._model.encode(text)

    def generate(self, prompts: Sequence[str], *, max_new_tokens: int | Sequence[int]) -> list[str]:
        limits = [max_new_tokens] * len(prompts) if isinstance(max_new_tokens, int) else max_new_tokens
        questions = list(zip(prompts, limits, strict=True))
        new = [question for question in dict.fromkeys(questions) if question not in self._texts]
        answers = self._model.generate([p for p, _ in new], max_new_tokens=[n for _, n in new])
        self._texts.update(zip(new, answers, strict=True))
        return [self._texts[question] for question in questions]

    def teacher_force(self, sequences: Sequence[Sequence[int]]) -> list[TokenScores]:
        asked = [tuple(sequence) for sequence in sequences]
        new = [sequence for sequence in dict.fromkeys(asked) if sequence not in self._scores]
        self._scores.update(zip(new, self._model.teacher_force(new), strict=True))
        return [self._scores[sequence] for sequence in asked]
