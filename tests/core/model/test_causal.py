"""Asking: batches change no answer, answers are greedy and nothing else, lengths are exact, long texts fit."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import MistralConfig, MistralForCausalLM

from scrubber.core.model import causal
from scrubber.core.model.adapters import add_lora
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.decode import Greedy
from scrubber.core.model.load import load
from scrubber.core.types import Model

Tiny = Callable[..., CausalModel]
ARCHITECTURES = ("gpt2", "llama", "qwen2")
PROMPTS = ["def add(left, right):\n    return", "f", "for name in sorted(names):\n", "", "class Client:", "key = 'é'"]


def plain_scores(model: CausalModel, ids: tuple[int, ...]) -> tuple[list[bool], list[float]]:
    """Hits and log-probabilities of one sequence alone, without padding."""
    with torch.no_grad():
        made = model.network(torch.tensor([ids])).logits[0, :-1].double()
    logs = made.log_softmax(-1)
    return (
        [int(made[t].argmax()) == ids[t + 1] for t in range(len(ids) - 1)],
        [float(logs[t, ids[t + 1]]) for t in range(len(ids) - 1)],
    )


def plain_greedy(model: CausalModel, ids: tuple[int, ...], length: int, never: tuple[int, ...] = ()) -> tuple[int, ...]:
    """One token after the other, without cache or padding."""
    given = list(ids)
    for _ in range(length):
        with torch.no_grad():
            last = model.network(torch.tensor([given])).logits[0, -1]
        last[list(never)] = -torch.inf
        given.append(int(last.argmax()))
    return tuple(given[len(ids) :])


@pytest.fixture
def changed(tiny_models: dict[str, Path], tmp_path: Path) -> Callable[..., CausalModel]:
    """The Llama with other values in its generation_config.json."""

    def loaded(**values: Any) -> CausalModel:
        folder = shutil.copytree(tiny_models["llama"], tmp_path / "model")
        settings = json.loads((folder / "generation_config.json").read_text())
        (folder / "generation_config.json").write_text(json.dumps({**settings, **values}))
        return load(str(folder), "fp32")

    return loaded


def test_it_is_a_model_as_the_house_understands_it(tiny: Tiny) -> None:
    assert isinstance(tiny(), Model)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_text_is_its_tokens_and_their_places(tiny: Tiny, architecture: str) -> None:
    model, text = tiny(architecture), "def add(left, right):\n\treturn left + right  # ok\n"
    coded = model.encode(text)
    assert model.decode(coded.ids) == text
    assert "".join(text[a:b] for a, b in coded.offsets) == text
    assert [model.decode([token]) for token in coded.ids] == [text[a:b] for a, b in coded.offsets]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_answers_in_a_batch_are_those_of_one_question_at_a_time(tiny: Tiny, architecture: str) -> None:
    model, limits = tiny(architecture, batch_size=4), [9, 3, 9, 5, 12, 1]
    together = model.generate(PROMPTS, max_new_tokens=limits)
    alone = [model.generate([p], max_new_tokens=n)[0] for p, n in zip(PROMPTS, limits, strict=True)]
    assert together == alone
    assert len(set(together)) > 3
    for prompt, limit, answer in zip(PROMPTS, limits, together, strict=True):
        ids = model.encode(prompt).ids or tuple(model.end_ids)
        made = plain_greedy(model, ids, limit)
        assert answer == model.decode([t for i, t in enumerate(made) if not set(made[: i + 1]) & set(model.end_ids)])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_forced_continuations_in_a_batch_are_the_plain_greedy_ones(tiny: Tiny, architecture: str) -> None:
    model = tiny(architecture, batch_size=3)
    prompts, lengths = [model.encode(p).ids for p in PROMPTS if p], [7, 4, 12, 1, 7]
    expected = [plain_greedy(model, p, n, tuple(model.end_ids)) for p, n in zip(prompts, lengths, strict=True)]
    assert model.continue_tokens(prompts, lengths) == expected


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("may_end", [False, True])
def test_prompts_that_begin_alike_are_read_once_and_answered_as_if_alone(
    architecture: str, may_end: bool, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny(architecture, batch_size=5)
    whole = [
        model.encode(text).ids for text in ("def add(left, right):\n    return left", "for name in names: f(name)")
    ]
    prompts = [ids[:end] for ids in whole for end in range(1, len(ids) + 1)] + [model.encode("key = 'é'").ids]
    lengths = [1 + 5 * number % 7 for number in range(len(prompts))]
    shown = count_positions(model, monkeypatch)
    made = model._continue(prompts, lengths, may_end=may_end)
    # both texts and the third prompt once, and then one position for each prompt and each new token
    assert sum(shown) <= sum(map(len, (*whole, prompts[-1]))) + 2 * 5 * 3 + (max(lengths) + 1) * (len(prompts) + 10)
    for prompt, length, answer in zip(prompts, lengths, made, strict=True):
        plain = plain_greedy(model, prompt, length, () if may_end else tuple(model.end_ids))
        stop = next((i for i, token in enumerate(plain) if may_end and token in model.end_ids), length)
        assert tuple(answer) == plain[:stop]


def count_positions(model: CausalModel, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Fills with the size of every forward pass from now on."""
    shown = list[int]()
    true_forward = model.network.forward

    @functools.wraps(true_forward)
    def counted(*inputs: Any, **options: Any) -> Any:
        shown.append((inputs[0] if inputs else options["input_ids"]).numel())
        return true_forward(*inputs, **options)

    monkeypatch.setattr(model.network, "forward", counted)
    return shown


def test_a_model_that_keeps_only_a_window_reads_every_prompt_by_itself(tmp_path: Path) -> None:
    config = MistralConfig(
        vocab_size=320, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=96, sliding_window=6,
    )  # fmt: skip
    torch.manual_seed(3)
    network = MistralForCausalLM(config).eval()
    ids = tuple(torch.randint(3, 320, (30,)).tolist())
    prompts, lengths = [ids[:end] for end in range(1, 31)], [6] * 30
    made = Greedy(network, ends=[2], pad=0, longest=96, batch_size=7)(prompts, lengths, may_end=False)
    for prompt, answer in zip(prompts, made, strict=True):
        with torch.no_grad():
            given = list(prompt)
            for _ in range(6):
                last = network(torch.tensor([given])).logits[0, -1]
                last[2] = -torch.inf
                given.append(int(last.argmax()))
        assert answer == given[len(prompt) :]


def test_the_beginning_of_a_sequence_is_judged_along_with_it(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    ids = model.encode("def add(left, right):\n    return left + right\n").ids
    asked = [ids[:end] for end in (4, len(ids), 1, 9)]
    alone = [model.teacher_force([sequence])[0] for sequence in asked]
    shown = count_positions(model, monkeypatch)
    assert [scores.hits for scores in model.teacher_force(asked)] == [scores.hits for scores in alone]
    assert sum(shown) == len(ids)


def test_a_question_that_is_asked_twice_is_answered_once(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = tiny(), list[int]()
    true_generate = model.network.generate

    def counted(**options: Any) -> Any:
        rows.append(len(options["input_ids"]))
        return true_generate(**options)

    monkeypatch.setattr(model.network, "generate", counted)
    answers = model.generate(["def f(", "x = 1", "def f(", "def f("], max_new_tokens=[6, 6, 6, 4])
    assert sum(rows) == 3  # the same prompt with another limit is another question
    assert answers[0] == answers[2]
    assert answers == [model.generate([p], max_new_tokens=n)[0] for p, n in
                       (("def f(", 6), ("x = 1", 6), ("def f(", 6), ("def f(", 4))]  # fmt: skip


def test_nothing_asked_is_nothing_answered(tiny: Tiny) -> None:
    model = tiny()
    assert model.generate([], max_new_tokens=4) == []
    assert model.generate(["def f(", "x"], max_new_tokens=0) == ["", ""]
    assert model.continue_tokens([], []) == []
    assert model.teacher_force([]) == []


def test_generation_ends_at_an_end_token_and_a_continuation_never_does(changed: Callable[..., CausalModel]) -> None:
    ends = list(range(0, 320, 2))  # every other token ends a text
    model = changed(eos_token_id=ends)
    assert model.end_ids == ends
    prompts = [model.encode(prompt).ids for prompt in PROMPTS if prompt]
    texts = model.generate([p for p in PROMPTS if p], max_new_tokens=12)
    for ids, text in zip(prompts, texts, strict=True):
        made = plain_greedy(model, ids, 12)
        stop = next((i for i, token in enumerate(made) if token in ends), 12)
        assert text == model.decode(made[:stop])
    lengths = [12, 1, 8, 5, 12]
    continued = model.continue_tokens(prompts, lengths)
    assert [len(ids) for ids in continued] == lengths
    assert not {token for ids in continued for token in ids} & set(ends)


@pytest.mark.parametrize(
    "values",
    [
        {"repetition_penalty": 1.9},
        {"do_sample": True, "temperature": 1.7, "top_k": 9, "top_p": 0.8},
        {"no_repeat_ngram_size": 1},
        {"suppress_tokens": list(range(20, 200))},
        {"num_beams": 3},
    ],
    ids=str,
)
def test_answers_are_greedy_whatever_the_model_recommends(
    values: dict[str, Any], tiny: Tiny, changed: Callable[..., CausalModel]
) -> None:
    assert changed(**values).generate(PROMPTS, max_new_tokens=12) == tiny("llama").generate(PROMPTS, max_new_tokens=12)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_teacher_forcing_is_a_plain_forward_pass(
    tiny: Tiny, architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny(architecture)
    monkeypatch.setattr(causal, "_LOGIT_BYTES", 4 * 320 * 30)  # thirty positions a batch: several batches
    sequences = [model.encode(text * 2).ids for text in PROMPTS if len(text) > 1]
    sequences += [(*sequences[0], *plain_greedy(model, sequences[0], 12))]  # which has hits
    scores = model.teacher_force(sequences)
    assert sum(sum(s.hits) for s in scores) > 8
    for ids, made in zip(sequences, scores, strict=True):
        hits, logprobs = plain_scores(model, ids)
        assert list(made.hits) == hits
        assert made.logprobs == pytest.approx(logprobs, abs=1e-4)


def test_one_token_alone_has_nothing_to_judge(tiny: Tiny) -> None:
    scores = tiny().teacher_force([(5,), (5, 6)])
    assert [len(s.hits) for s in scores] == [0, 1]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_no_more_is_made_than_the_window_holds(tiny: Tiny, architecture: str) -> None:
    model = tiny(architecture)
    made = model.continue_tokens([model.encode("def f(").ids], [model.longest + 40])
    assert len(made[0]) == model.longest - 1


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_a_prompt_longer_than_the_window_keeps_its_end(tiny: Tiny, architecture: str) -> None:
    model = tiny(architecture)
    ids = model.encode("def add(left, right):\n    return left + right\n" * 30).ids
    assert len(ids) > model.longest + 20
    text = model.generate([model.decode(ids), "def f("], max_new_tokens=6)[0]
    assert text == model.generate([model.decode(ids[-(model.longest - 6) :])], max_new_tokens=6)[0]
    assert model.continue_tokens([ids], [6])[0] == plain_greedy(
        model, ids[-(model.longest - 6) :], 6, tuple(model.end_ids)
    )


def test_a_text_longer_than_the_window_is_judged_in_windows(tiny: Tiny) -> None:
    model = tiny("gpt2")
    size = model.longest
    ids = model.encode("def add(left, right):\n    return left + right\n" * 30).ids[: 2 * size + 20]
    scores, short = model.teacher_force([ids, ids[:10]])
    assert len(scores.hits) == len(scores.logprobs) == len(ids) - 1
    assert scores.logprobs[: size - 1] == pytest.approx(plain_scores(model, ids[:size])[1], abs=1e-4)
    # the last token is judged with the whole window before it, the ones before with half a window at least
    assert scores.logprobs[-1] == pytest.approx(plain_scores(model, ids[-size:])[1][-1], abs=1e-4)
    second = plain_scores(model, ids[size // 2 : size + size // 2])[1]
    assert scores.logprobs[size - 1 : size + size // 2 - 1] == pytest.approx(second[-(size // 2) :], abs=1e-4)
    assert short.logprobs == pytest.approx(plain_scores(model, ids[:10])[1], abs=1e-4)


@pytest.mark.middle
def test_a_model_with_an_adapter_answers_in_batches_too(tiny: Tiny) -> None:
    model = tiny("gpt2")
    add_lora(model, rank=4, alpha=8, seed=0)
    together = model.generate(PROMPTS, max_new_tokens=6)
    assert together == tiny("gpt2").generate(PROMPTS, max_new_tokens=6)  # a new adapter changes nothing
    assert together == [model.generate([p], max_new_tokens=6)[0] for p in PROMPTS]
