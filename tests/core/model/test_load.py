"""Loading: every architecture at every precision, what is wrong with a folder in our own words, and adapters."""

from __future__ import annotations

import json
import shutil
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from scrubber.core.errors import AskedWrongly, ModelUnusable, ScrubberError
from scrubber.core.model.adapters import add_lora, has_adapter, save_adapter
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.load import Precision, load, save

Tiny = Callable[..., CausalModel]
STORED = {"fp32": torch.float32, "bf16": torch.bfloat16, "nf4": torch.uint8, "int8": torch.int8}
LOADER_WORDS = ("Traceback", "safetensors_rust", "torch.Size", "size mismatch", "Error(s) in", "HFValidation", "http")


def logits(model: CausalModel) -> torch.Tensor:
    with torch.no_grad():
        made: torch.Tensor = model.network(torch.tensor([[5, 250, 17, 99, 42]])).logits
        return made


def perturb(model: CausalModel, seed: int = 1) -> None:
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.network.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.1)


@pytest.fixture
def folder(tiny_models: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the Llama's folder, to be damaged."""
    return shutil.copytree(tiny_models["llama"], tmp_path / "model")


def refused(name: str | Path, capfd: pytest.CaptureFixture[str], **options: object) -> ScrubberError:
    """The error that loading raises, which must hold no word of the loader, and come without any on the side."""
    capfd.readouterr()
    with pytest.raises(ScrubberError) as caught:
        load(str(name), "fp32", **options)  # type: ignore[arg-type]
    printed = capfd.readouterr()
    assert printed.out + printed.err == ""
    shown = "".join(traceback.format_exception_only(caught.value))
    assert not [word for word in LOADER_WORDS if word in shown]
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert caught.value.where == str(name) or options
    assert caught.value.mend
    return caught.value


@pytest.mark.parametrize("precision", ["fp32", "bf16", "nf4", "int8"])
@pytest.mark.parametrize("architecture", ["gpt2", "llama", "qwen2"])
def test_every_architecture_loads_and_answers_at_every_precision(
    tiny: Tiny,
    architecture: str,
    precision: Precision,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    capfd.readouterr()
    model = tiny(architecture, precision)
    answers = model.generate(["def add(", "for name in names:"], max_new_tokens=5)
    assert len(answers) == 2
    assert any(answers)
    assert model.precision == precision
    assert not [p for p in model.network.parameters() if p.requires_grad]
    linear = next(p for n, p in model.network.named_parameters() if n.endswith(("c_attn.weight", "q_proj.weight")))
    assert linear.dtype == STORED[precision]
    assert torch.isfinite(logits(model)).all()
    printed = capfd.readouterr()
    assert printed.out + printed.err == ""
    assert not caplog.records


def test_a_model_without_a_pad_token_keeps_its_vocabulary(tiny: Tiny) -> None:
    model = tiny("gpt2")
    assert model.tokenizer.pad_token_id is None
    assert model.pad_id == model.end_ids[0]
    assert model.network.get_input_embeddings().num_embeddings == model.network.config.vocab_size == 320


def test_an_nf4_model_that_has_answered_learns_as_one_that_has_not(tiny: Tiny) -> None:
    def gradient(asked_first: bool) -> torch.Tensor:
        model = tiny("llama", "nf4")
        if asked_first:
            model.generate(["def add("], max_new_tokens=3)
        add_lora(model, rank=4, alpha=8, seed=0)
        perturb(model)
        ids = torch.tensor([list(range(20, 40))])
        model.network(input_ids=ids, labels=ids).loss.backward()
        return torch.cat([p.grad.flatten() for p in model.network.parameters() if p.grad is not None])

    torch.testing.assert_close(gradient(True), gradient(False))


def test_what_was_saved_loads_as_the_same_model(tiny: Tiny, tmp_path: Path) -> None:
    model = tiny("qwen2")
    save(model, tmp_path / "copy")
    again = load(str(tmp_path / "copy"), "fp32")
    assert torch.equal(logits(again), logits(model))
    assert again.encode("def add(left)") == model.encode("def add(left)")


# -- what is wrong with a folder


@pytest.mark.parametrize("name", ["/nowhere/at/all", "./nowhere", "~/no-model-of-this-name", "nowhere", "a/b/c"])
def test_a_missing_folder_is_asked_wrongly(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert isinstance(refused(name, capfd), AskedWrongly)


def test_an_unknown_precision_is_asked_wrongly(folder: Path) -> None:
    with pytest.raises(AskedWrongly, match="nf4, int8, bf16, fp32"):
        load(str(folder), "fp8")  # type: ignore[arg-type]


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_folder_that_lacks_a_file_is_unusable(missing: str, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / missing).unlink()
    assert isinstance(refused(folder, capfd), ModelUnusable)


@pytest.mark.parametrize("keep", [0, 4, 200, -100])
def test_cut_off_weights_are_unusable(keep: int, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    assert isinstance(refused(folder, capfd), ModelUnusable)


@pytest.mark.parametrize(
    "change",
    [{"intermediate_size": 96}, {"vocab_size": 321}, {"num_hidden_layers": 3}, {"model_type": "nothing"}],
    ids=str,
)
def test_weights_of_another_model_are_unusable(
    change: dict[str, object], folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    assert isinstance(refused(folder, capfd), ModelUnusable)


def test_a_configuration_that_is_no_json_is_unusable(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "config.json").write_text("{ no")
    assert isinstance(refused(folder, capfd), ModelUnusable)


# -- adapters


@pytest.mark.parametrize(("architecture", "precision"), [("gpt2", "fp32"), ("llama", "fp32"), ("qwen2", "nf4")])
def test_an_adapter_makes_the_round_trip(
    tiny: Tiny, tiny_models: dict[str, Path], tmp_path: Path, architecture: str, precision: Precision
) -> None:
    model = tiny(architecture, precision)
    before = logits(model)
    assert not has_adapter(model)
    add_lora(model, rank=4, alpha=8, seed=0)
    assert has_adapter(model)
    perturb(model)
    save_adapter(model, tmp_path / "adapter")
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)  # nobody can mend what a library says of another
        again = load(str(tiny_models[architecture]), precision, adapter=tmp_path / "adapter")
    torch.testing.assert_close(logits(again), logits(model), atol=1e-6, rtol=1e-6)
    assert (logits(again) - before).abs().max() > 1e-2
    assert not [p for p in again.network.parameters() if p.requires_grad]
    assert again.generate(["def add("], max_new_tokens=4) == model.generate(["def add("], max_new_tokens=4)


def test_lora_sits_on_every_linear_layer_but_the_head_and_is_drawn_by_seed(tiny: Tiny) -> None:
    def adapted(seed: int) -> dict[str, torch.Tensor]:
        model = tiny("llama")
        add_lora(model, rank=4, alpha=8, seed=seed)
        return {n: p.detach() for n, p in model.network.named_parameters() if p.requires_grad}

    first = adapted(0)
    layers = {name.split(".lora_")[0].rsplit(".", 1)[1] for name in first}
    assert layers == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert len(first) == 2 * 7 * 2  # A and B, seven layers, two blocks
    assert all(torch.equal(first[name], weights) for name, weights in adapted(0).items())
    assert not all(torch.equal(first[name], weights) for name, weights in adapted(1).items())


@pytest.mark.parametrize("damage", ["missing", "no config", "no weights", "cut off", "of another model"])
def test_an_adapter_that_does_not_fit_is_refused(
    tiny: Tiny, folder: Path, tmp_path: Path, damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    adapter = tmp_path / "adapter"
    if damage != "missing":
        model = tiny("gpt2" if damage == "of another model" else "llama")
        add_lora(model, rank=4, alpha=8, seed=0)
        save_adapter(model, adapter)
    weights = adapter / "adapter_model.safetensors"
    if damage == "no config":
        (adapter / "adapter_config.json").unlink()
    elif damage == "no weights":
        weights.unlink()
    elif damage == "cut off":
        weights.write_bytes(weights.read_bytes()[:-50])
    error = refused(folder, capfd, adapter=adapter)
    assert isinstance(error, AskedWrongly if damage == "missing" else ModelUnusable)
    assert error.where == str(adapter)
