"""LoRA adapters: put one on, switch it off to get the model as it was before, save it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from scrubber.core.model.causal import CausalModel


def add_lora(model: CausalModel, *, rank: int, alpha: int, seed: int) -> None:
    """LoRA (arXiv 2106.09685) on every linear layer but the output head; nothing else stays trainable.

    Bias is "none" and dropout 0: only then is the model with its adapter off exactly the model before.
    """
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


@contextmanager
def reference(model: CausalModel) -> Iterator[None]:
    """Within it ``model`` is the model before unlearning: the same weights with the adapter off, no second copy."""
    with torch.no_grad(), model.network.disable_adapter():
        yield


def has_adapter(model: CausalModel) -> bool:
    return hasattr(model.network, "disable_adapter")


def save_adapter(model: CausalModel, folder: Path) -> None:
    model.network.save_pretrained(folder)
