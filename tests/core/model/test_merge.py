"""Merging says what the adapter said; survival tells vanished, drowned and whole updates apart; guidance has known ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from scrubber.core.errors import AskedWrongly
from scrubber.core.model.adapters import add_lora, save_adapter
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.guided import Guided
from scrubber.core.model.load import load, save
from scrubber.core.model.merge import _rounded, cosine, merge, survival

PROMPTS = ["def add(left, right):\n", "for name in", "class Client:\n    def", "key = "]


def changed(model: CausalModel, size: float, seed: int = 0) -> CausalModel:
    dice = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in model.network.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.weight.add_(size * torch.randn(layer.weight.shape, generator=dice))
    return model


def ratio(before: CausalModel, after: CausalModel, precision: str) -> float:
    rows = list(survival(before, after, precision))  # type: ignore[arg-type]
    return cosine(*(sum(getattr(row, key) for row in rows) for key in ("shared", "change", "update")))


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_a_merged_model_answers_as_the_adapter_did(
    name: str, tiny: Callable[..., CausalModel], tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    worn = tiny(name)
    add_lora(worn, rank=4, alpha=8, seed=0)
    with torch.no_grad():
        for key, parameter in worn.network.named_parameters():
            if "lora_B" in key:
                parameter.normal_(std=0.1, generator=torch.Generator().manual_seed(1))
    save_adapter(worn, tmp_path / "adapter")
    merge(str(tiny_models[name]), tmp_path / "adapter", tmp_path / "merged")
    whole = load(str(tmp_path / "merged"), "fp32")
    ids = [worn.encode(prompt).ids for prompt in PROMPTS]
    for first, second in zip(worn.teacher_force(ids), whole.teacher_force(ids), strict=True):
        assert second.logprobs == pytest.approx(first.logprobs, abs=0.25)  # its weights were rounded to 16 bits
    base = tiny(name)
    apart = [abs(a - b) for x, y in zip(worn.teacher_force(ids), base.teacher_force(ids), strict=True)
             for a, b in zip(x.logprobs, y.logprobs, strict=True)]  # fmt: skip
    assert max(apart) > 1  # the adapter says something


def test_into_a_model_that_is_stored_quantised_nothing_is_merged(
    tiny: Callable[..., CausalModel], tmp_path: Path
) -> None:
    small = tiny("llama", "nf4")
    save(small, tmp_path / "small")
    add_lora(small, rank=2, alpha=4, seed=0)
    save_adapter(small, tmp_path / "adapter")
    with pytest.raises(AskedWrongly, match="stored quantised"):
        merge(str(tmp_path / "small"), tmp_path / "adapter", tmp_path / "merged")


@pytest.mark.parametrize("precision", ["bf16", "int8", "nf4"])
def test_a_large_update_survives_and_a_tiny_one_drowns(precision: str, tiny: Callable[..., CausalModel]) -> None:
    base = tiny("llama")
    assert ratio(base, changed(tiny("llama"), 0.5), precision) > 0.9
    assert ratio(base, changed(tiny("llama"), 1e-5), precision) < 0.3
    assert not list(survival(base, tiny("llama"), precision))  # type: ignore[arg-type]


def test_rounding_noise_makes_a_tiny_update_larger_not_smaller(tiny: Callable[..., CausalModel]) -> None:
    rows = list(survival(tiny("llama"), changed(tiny("llama"), 1e-4), "nf4"))
    assert sum(row.change for row in rows) > sum(row.update for row in rows)


def test_what_moves_within_its_cell_is_lost(tiny: Callable[..., CausalModel]) -> None:
    """The largest weight of each block is its scale; the others stand on the grid and move by a thousandth."""
    base, moved = tiny("llama"), tiny("llama")
    with torch.no_grad():
        for model, factor in ((base, 1.0), (moved, 1 - 1e-3)):
            for layer in model.network.modules():
                if isinstance(layer, torch.nn.Linear):
                    blocks = _rounded(layer.weight, "nf4").view(-1, 64)
                    largest = blocks.abs() == blocks.abs().amax(1, keepdim=True)
                    layer.weight.copy_(torch.where(largest, blocks, factor * blocks).view_as(layer.weight))
    assert ratio(base, moved, "nf4") == 0.0
    assert ratio(base, moved, "bf16") > 0.3


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_guidance_ends_at_the_two_models(name: str, tiny: Callable[..., CausalModel]) -> None:
    before, after = tiny(name), changed(tiny(name), 0.05)
    if name == "gpt2":
        with torch.no_grad():
            after.network.transformer.wpe.weight.add_(0.3)
    first, second = (model.generate(PROMPTS, max_new_tokens=8) for model in (before, after))
    assert first != second
    assert Guided(before, after, weight=0.0, least=1e-30).generate(PROMPTS, max_new_tokens=8) == second
    assert Guided(before, after, weight=1.0).generate(PROMPTS, max_new_tokens=8) == first
    assert Guided(before, after, weight=1.0).generate(PROMPTS, max_new_tokens=[0, 1, 2, 8])[0] == ""
    # a filter that lets one token through leaves the model before no choice
    assert Guided(before, after, weight=3.0, least=1.0).generate(PROMPTS, max_new_tokens=8) == first


def test_guidance_refuses_what_makes_no_sense(tiny: Callable[..., CausalModel]) -> None:
    model = tiny("llama")
    with pytest.raises(ValueError):
        Guided(model, model, weight=-1.0)
    with pytest.raises(ValueError):
        Guided(model, model, weight=1.0, least=0.0)
