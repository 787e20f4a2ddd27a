"""Loads a causal language model from a folder or by hub id, at a precision, with or without an adapter."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from scrubber.core.errors import AskedWrongly, ModelUnusable
from scrubber.core.model.causal import CausalModel

Precision = Literal["nf4", "int8", "bf16", "fp32"]


def load(name: str, precision: Precision = "nf4", *, adapter: Path | None = None, batch_size: int = 64) -> CausalModel:
    """The model of folder ``name``, or of that hub id (the one case that reaches the network, unless cached).

    nf4 uses double quantisation and computes in float32 on a CPU (float16 there is ten times slower), bfloat16 on a
    GPU. Raises AskedWrongly for a folder that is not there, ModelUnusable for files that are no usable model.
    """
    if precision not in get_args(Precision):
        raise AskedWrongly(
            f"unknown precision {precision!r}", mend="Use one of: " + ", ".join(get_args(Precision)) + "."
        )
    if name.startswith(("http://", "https://")):
        raise AskedWrongly("this wants the model's own weights, and a server gives only its answers",
                           mend="Give the folder of its files, or its hub id.")  # fmt: skip
    _check_path(name, "config.json", "model")
    _quieten()
    from transformers import AutoModelForCausalLM, AutoTokenizer

    device = "cuda" if torch.cuda.is_available() else "cpu"
    options = _options(precision, device)
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        network, info = AutoModelForCausalLM.from_pretrained(
            name, trust_remote_code=False, device_map=device, output_loading_info=True, **options
        )
    except Exception as error:
        # Loaders raise anything from OSError to SafetensorError; their texts may quote file content.
        raise ModelUnusable(
            f"the model cannot be loaded ({type(error).__name__})",
            where=name,
            mend="Check that config.json, the weights (safetensors) and the tokenizer files are complete and of one model.",
        ) from None
    if info["missing_keys"] or info.get("mismatched_keys"):
        raise ModelUnusable(
            f"{len(info['missing_keys']) + len(info.get('mismatched_keys', ()))} weights are missing or of another shape",
            where=name,
            mend="The weights do not belong to this config.json; download or save the model again.",
        )
    if not tokenizer.is_fast:
        raise ModelUnusable(
            "its tokenizer gives no character offsets", where=name, mend="Save it with a fast tokenizer."
        )
    _keep_gradients(network)
    if adapter is not None:
        network = _with_adapter(network, adapter)
    network.requires_grad_(False)
    return CausalModel(name, precision, network.eval(), tokenizer, batch_size=batch_size)


def save(model: CausalModel, folder: Path) -> None:
    """Ordinary ``transformers`` files: weights as safetensors, configuration, tokenizer."""
    model.network.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)


def use_threads(count: int) -> None:
    """How many CPU threads torch may use in one operation. More than idle cores makes it slower, not faster."""
    torch.set_num_threads(count)


def has_bfloat16() -> bool:
    """Whether this machine multiplies bfloat16 matrices in hardware; elsewhere they are slower than float32."""
    return torch.cuda.is_available() or bool(torch.cpu.get_capabilities().get("avx512_bf16"))


def adamw_8bit(parameters: Sequence[torch.nn.Parameter], options: dict[str, Any]) -> torch.optim.Optimizer:
    """AdamW whose state takes a byte a number. Raises AskedWrongly without a GPU: bitsandbytes has it for those alone."""
    if not torch.cuda.is_available():
        raise AskedWrongly("the optimizer adamw_8bit wants a GPU", mend="Use adamw.")
    import bitsandbytes

    made: torch.optim.Optimizer = bitsandbytes.optim.AdamW8bit(parameters, **options)
    return made


def _options(precision: Precision, device: str) -> dict[str, Any]:
    compute = torch.bfloat16 if device == "cuda" else torch.float32
    if precision in ("nf4", "int8"):
        from transformers import BitsAndBytesConfig

        quantised = (
            BitsAndBytesConfig(
                load_in_4bit=True,
                bnb_4bit_quant_type="nf4",
                bnb_4bit_use_double_quant=True,
                bnb_4bit_compute_dtype=compute,
            )
            if precision == "nf4"
            else BitsAndBytesConfig(load_in_8bit=True)
        )
        return {"quantization_config": quantised, "dtype": compute}
    return {"dtype": torch.bfloat16 if precision == "bf16" else torch.float32}


def _keep_gradients(network: Any) -> None:
    """On CPUs with AVX512-BF16, bitsandbytes repacks a 4-bit layer when it first answers in evaluation mode. From then
    on it computes in bfloat16 and passes no gradient, so that a model which was asked could not be trained any more."""
    for layer in network.modules():
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False


def _with_adapter(network: Any, adapter: Path) -> Any:
    for file in ("adapter_config.json", "adapter_model.safetensors"):  # peft would look for a missing one on the hub
        _check_path(str(adapter), file, "adapter")
    from peft import PeftModel

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of peft's own calls into transformers
            return PeftModel.from_pretrained(network, str(adapter))
    except Exception as error:
        raise ModelUnusable(
            f"the adapter cannot be loaded ({type(error).__name__})",
            where=str(adapter),
            mend="Check that it was made for this model and is complete.",
        ) from None


def _check_path(name: str, file: str, what: str) -> None:
    path = Path(name).expanduser()
    looks_local = path.is_absolute() or name.startswith((".", "~")) or name.count("/") != 1 or path.parent.is_dir()
    if path.exists():
        if not (path / file).is_file():
            raise ModelUnusable(f"the folder holds no {file}", where=name, mend=f"Give the folder of a saved {what}.")
    elif looks_local:
        raise AskedWrongly(
            f"there is no {what} here", where=name, mend="Give a folder that exists, or a hub id ORG/NAME."
        )


def _quieten() -> None:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("BITSANDBYTES_NOWELCOME", "1")
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    # bitsandbytes on a CPU repeats one cast warning for every forward pass, and misses kernels of which it has its own
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"bitsandbytes\..*")
