"""A remembered answer is the model's own, and the model is asked once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from scrubber.core.model.causal import CausalModel
from scrubber.core.model.remembering import Remembering
from scrubber.core.types import Model, TokenScores


def test_only_new_questions_reach_the_model(tiny: Callable[..., CausalModel], monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    asked: list[object] = []
    true_generate, true_force = model.generate, model.teacher_force

    def generate(prompts: Sequence[str], *, max_new_tokens: Sequence[int]) -> list[str]:
        asked.extend(zip(prompts, max_new_tokens, strict=True))
        return true_generate(prompts, max_new_tokens=max_new_tokens)

    def teacher_force(sequences: Sequence[Sequence[int]]) -> list[TokenScores]:
        asked.extend(sequences)
        return true_force(sequences)

    monkeypatch.setattr(model, "generate", generate)
    monkeypatch.setattr(model, "teacher_force", teacher_force)
    remembering = Remembering(model)
    assert isinstance(remembering, Model)
    first = remembering.generate(["def f(", "x = 1"], max_new_tokens=6)
    assert remembering.generate(["x = 1", "def f(", "def f("], max_new_tokens=[6, 6, 3]) == [
        first[1], first[0], true_generate(["def f("], max_new_tokens=3)[0],
    ]  # fmt: skip
    scores = remembering.teacher_force([(5, 6, 7)])
    assert remembering.teacher_force([[5, 6, 7], [7, 8]]) == [*scores, *true_force([(7, 8)])]
    assert asked == [("def f(", 6), ("x = 1", 6), ("def f(", 3), (5, 6, 7), (7, 8)]


def test_everything_else_is_the_model_s(tiny: Callable[..., CausalModel]) -> None:
    model = tiny()
    remembering = Remembering(model)
    assert (remembering.name, remembering.precision, remembering.longest) == (
        model.name,
        model.precision,
        model.longest,
    )
    assert remembering.encode("x = 1") == model.encode("x = 1")
    assert remembering.decode((5, 6)) == model.decode((5, 6))
    assert remembering.continue_tokens([(5, 6)], [3]) == model.continue_tokens([(5, 6)], [3])
