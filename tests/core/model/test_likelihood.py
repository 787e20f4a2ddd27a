"""Likelihoods behind a context that is read once are those of whole sequences; moments are those of the distribution."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from scrubber.core.model.likelihood import Likelihoods, token_statistics
from scrubber.core.model.load import load

TEXT = "def add(left, right):\n    return left + right\n"


@pytest.mark.parametrize("name", ["llama", "gpt2", "qwen2"])
@pytest.mark.parametrize("given", [0, 1, 2, 20])
def test_they_are_those_of_teacher_forcing(tiny_models: dict[str, Path], name: str, given: int) -> None:
    model = load(str(tiny_models[name]), "fp32", batch_size=3)
    context = model.encode(TEXT).ids[:given]
    continuations = [model.encode(text).ids for text in ("abc", "7f3a9x01", "k", "port=443", "'name'")]
    made = Likelihoods(model)(context, continuations)
    for value, tokens in zip(made, continuations, strict=True):
        scores = model.teacher_force([(*context, *tokens)])[0]
        assert value == pytest.approx(sum(scores.logprobs[max(len(context) - 1, 0) :]), abs=1e-3)
    assert Likelihoods(model)(context, []) == []


def test_a_context_longer_than_the_window_loses_its_beginning(tiny_models: dict[str, Path]) -> None:
    model = load(str(tiny_models["gpt2"]), "fp32")
    context, value = model.encode(TEXT * 20).ids, model.encode("port=443").ids
    assert len(context) > model.longest
    made = Likelihoods(model)(context, [value])
    room = model.longest - len(value)
    scores = model.teacher_force([(*context[-room:], *value)])[0]
    assert made[0] == pytest.approx(sum(scores.logprobs[-len(value) :]), abs=1e-3)


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_moments_are_those_of_the_distribution_at_each_token(tiny_models: dict[str, Path], name: str) -> None:
    model = load(str(tiny_models[name]), "fp32", batch_size=2)
    sequences = [model.encode(text).ids for text in (TEXT, "key = 7", "x")]
    made = token_statistics(model, sequences)
    for ids, found in zip(sequences, made, strict=True):
        assert len(found.logprobs) == len(found.means) == len(found.deviations) == len(ids) - 1
        for t in range(len(ids) - 1):
            with torch.no_grad():
                logs = model.network(torch.tensor([ids[: t + 1]])).logits[0, -1].double().log_softmax(-1)
            mean = float((logs.exp() * logs).sum())
            spread = float((logs.exp() * (logs - mean) ** 2).sum()) ** 0.5
            assert found.logprobs[t] == pytest.approx(float(logs[ids[t + 1]]), abs=1e-3)
            assert found.means[t] == pytest.approx(mean, abs=1e-3)
            assert found.deviations[t] == pytest.approx(spread, abs=2e-3)
