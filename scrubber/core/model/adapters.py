"""LoRA adapters: put one on, switch it off to get the model as it was before, save it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from scrubber.core.errors import AskedWrongly
from scrubber.core.model.causal import CausalModel


def add_lora(model: CausalModel, *, rank: int, alpha: int, seed: int) -> None:
    """LoRA (arXiv 2106.09685) on every linear layer but the output head; nothing else stays trainable.

    Bias is "none" and dropout 0: only then is the model with its adapter off exactly the model before. A model that wears
    an adapter already goes on with that one, whatever its rank.
    """
    if has_adapter(model):
        for name, parameter in model.network.named_parameters():
            parameter.requires_grad_("lora_" in name)
        return
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)  # LoRA's A matrices are drawn at random
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # GPT-2's transposed layers: peft sets fan_in_fan_out itself and says so
        model.network = get_peft_model(
            model.network,
            LoraConfig(
                r=rank,
                lora_alpha=alpha,
                lora_dropout=0.0,
                bias="none",
                target_modules="all-linear",
                task_type="CAUSAL_LM",
            ),
        )


def train_all(model: CausalModel) -> None:
    """Full fine-tuning: every weight but the embeddings and the output head trains.

    Those stay as they are, since the model before is known by its output head (core/model/reference.py). Raises
    AskedWrongly for quantised weights, through which a gradient passes, but to which none can be applied.
    """
    if model.precision in ("nf4", "int8"):
        raise AskedWrongly(
            f"weights in {model.precision} cannot be trained themselves",
            where="unlearn.weights",
            mend='Use weights = "lora", or precision bf16 or fp32.',
        )
    model.network.requires_grad_(True)
    for part in (model.network.get_input_embeddings(), model.network.get_output_embeddings()):
        part.requires_grad_(False)


@contextmanager
def reference(model: CausalModel) -> Iterator[None]:
    """Within it ``model`` is the model before unlearning: the same weights with the adapter off, no second copy."""
    with torch.no_grad(), model.network.disable_adapter():
        yield


def has_adapter(model: CausalModel) -> bool:
    return hasattr(model.network, "disable_adapter")


def save_adapter(model: CausalModel, folder: Path) -> None:
    model.network.save_pretrained(folder)
