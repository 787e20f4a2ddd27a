"""Sampled answers follow the model's distribution, come again from the same seed, and do not depend on their company."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest
import torch

from scrubber.core.model.load import load
from scrubber.core.model.sample import Sampler

PROMPTS = ["def add(left, right):\n    return", "key = read_key('", "for name in"]


@pytest.mark.parametrize("name", ["llama", "gpt2", "qwen2"])
def test_answers_are_the_same_from_the_same_seed_whatever_else_is_asked(
    tiny_models: dict[str, Path], name: str
) -> None:
    model = load(str(tiny_models[name]), "fp32", batch_size=4)
    sampler = Sampler(model, samples=3, temperature=0.8, seed=5)
    together = sampler.answers(PROMPTS, max_new_tokens=[6, 9, 6])
    assert [len(texts) for texts in together] == [3, 3, 3]
    for prompt, limit, texts in zip(PROMPTS, [6, 9, 6], together, strict=True):
        assert sampler.answers([prompt], max_new_tokens=[limit]) == [texts]
    more = Sampler(model, samples=7, temperature=0.8, seed=5).answers(PROMPTS, max_new_tokens=[6, 9, 6])
    assert [texts[:3] for texts in more] == together
    other = Sampler(model, samples=3, temperature=0.8, seed=6).answers(PROMPTS, max_new_tokens=[6, 9, 6])
    assert other != together


def test_a_prompt_asked_twice_is_answered_once(tiny_models: dict[str, Path]) -> None:
    model = load(str(tiny_models["llama"]), "fp32")
    sampler = Sampler(model, samples=2, temperature=1.0)
    first, second, short = sampler.answers([PROMPTS[0]] * 3, max_new_tokens=[8, 8, 3])
    assert first == second
    assert all(whole.startswith(cut) for whole, cut in zip(first, short, strict=True))


def test_near_zero_the_answers_are_the_greedy_one(tiny_models: dict[str, Path]) -> None:
    model = load(str(tiny_models["qwen2"]), "fp32", batch_size=5)
    greedy = model.generate(PROMPTS, max_new_tokens=12)
    cold = Sampler(model, samples=4, temperature=1e-4).answers(PROMPTS, max_new_tokens=[12] * 3)
    assert cold == [[text] * 4 for text in greedy]


@pytest.mark.parametrize("temperature", [0.7, 1.5])
def test_the_first_token_has_the_model_s_own_distribution(tiny_models: dict[str, Path], temperature: float) -> None:
    """Of 3,000 draws each likely token's share is within four standard errors of what the logits say."""
    model = load(str(tiny_models["llama"]), "fp32", batch_size=500)
    ids = torch.tensor([model.encode(PROMPTS[0]).ids])
    with torch.no_grad():
        chances = (model.network(ids).logits[0, -1] / (temperature * 4)).softmax(-1)
    drawn = Sampler(model, samples=3000, temperature=temperature * 4, seed=1).answers([PROMPTS[0]], max_new_tokens=[1])
    counts = Counter(drawn[0])
    likely = [i for i in chances.topk(8).indices.tolist() if model.decode([i]) and i not in model.end_ids]
    for token in likely:
        p = float(chances[token])
        same = [i for i in range(len(chances)) if model.decode([i]) == model.decode([token])]
        if len(same) == 1:
            assert abs(counts[model.decode([token])] / 3000 - p) < 4 * math.sqrt(p * (1 - p) / 3000) + 1e-3
    assert len(counts) > 3


def test_a_long_or_empty_prompt_is_answered_and_an_answer_ends_at_the_end(tiny_models: dict[str, Path]) -> None:
    model = load(str(tiny_models["gpt2"]), "fp32")
    sampler = Sampler(model, samples=2, temperature=3.0, seed=2)
    answers = sampler.answers(["x = 1\n" * 200, "", PROMPTS[0]], max_new_tokens=[10, 10, 80])
    assert [len(texts) for texts in answers] == [2, 2, 2]
    assert not any("<|endoftext|>" in text for texts in answers for text in texts)
    assert sampler.answers([], max_new_tokens=[]) == []


@pytest.mark.parametrize(("samples", "temperature"), [(0, 1.0), (1, 0.0), (1, -1.0)])
def test_no_samples_and_no_temperature_are_asked_wrongly(
    tiny_models: dict[str, Path], samples: int, temperature: float
) -> None:
    model = load(str(tiny_models["llama"]), "fp32")
    with pytest.raises(ValueError, match="temperature"):
        Sampler(model, samples=samples, temperature=temperature)


def test_a_cache_that_keeps_less_than_the_prompt_is_done_without(
    tiny_models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(str(tiny_models["llama"]), "fp32", batch_size=4)
    sampler = Sampler(model, samples=3, temperature=0.8, seed=5)
    shared = sampler.answers(PROMPTS, max_new_tokens=[6] * 3)
    monkeypatch.setattr(Sampler, "_read", lambda self, heads: None)
    assert sampler.answers(PROMPTS, max_new_tokens=[6] * 3) == shared
