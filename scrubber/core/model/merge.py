"""An adapter made part of the weights, as releases often ship, and how much of a change of weights survives quantisation."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch

from scrubber.core.errors import AskedWrongly
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.load import Precision, load

_NF4_BLOCK = 64  # weights that share a scale, as bitsandbytes quantises by default


class Survival(NamedTuple):
    """One linear layer. With D the update, and d the change between the quantised weights before and after:"""

    layer: str
    shared: float  # <d, D>
    change: float  # |d|^2
    update: float  # |D|^2
    changed: float  # share of the weights that are others once quantised


def merge(name: str, adapter: Path, folder: Path) -> None:
    """Writes model ``name`` with the adapter merged into bfloat16 weights, and its tokenizer.

    Merged in float32 on the full-precision base, whatever precision the adapter was trained on: into quantised weights
    nothing can be merged without rounding twice. Raises AskedWrongly where the base is stored quantised.
    """
    worn = load(name, "fp32", adapter=adapter)
    if getattr(worn.network.get_base_model().config, "quantization_config", None) is not None:
        raise AskedWrongly(
            "the model is stored quantised, and an adapter can be merged into full-precision weights only",
            where=name,
            mend="Give the full-precision model as model.path, or leave the check precision out: robust.checks.",
        )
    network = worn.network.merge_and_unload().to(torch.bfloat16)
    network.save_pretrained(folder)
    worn.tokenizer.save_pretrained(folder)


def survival(before: CausalModel, after: CausalModel, precision: Precision) -> Iterator[Survival]:
    """Of each linear layer that is quantised at ``precision`` (bf16, int8 or nf4), where its weights were changed.

    Both models in full precision and without an adapter. The output head and the embeddings are never quantised.
    """
    others = dict(after.network.named_modules())
    head = before.network.get_output_embeddings()
    for name, layer in before.network.named_modules():
        transposed = type(layer).__name__ == "Conv1D"  # GPT-2's
        if layer is head or not (isinstance(layer, torch.nn.Linear) or transposed):
            continue
        first, second = (part.weight.detach().float() for part in (layer, others[name]))
        if transposed:
            first, second = first.T, second.T
        update = second - first
        size = float(update.square().sum())
        if size == 0:
            continue
        rounded = _rounded(second, precision) - _rounded(first, precision)
        yield Survival(
            name,
            float((rounded * update).sum()),
            float(rounded.square().sum()),
            size,
            float((rounded != 0).float().mean()),
        )


def cosine(shared: float, change: float, update: float) -> float:
    """How far what changed in the quantised weights is the update: 1 all of it, 0 nothing is left, or noise alone."""
    return shared / math.sqrt(change * update) if change and update else 0.0


def _rounded(weights: torch.Tensor, precision: Precision) -> torch.Tensor:
    """Weights (out, in) as they come back from ``precision``."""
    if precision == "bf16":
        return weights.bfloat16().float()
    if precision == "int8":  # LLM.int8() (arXiv 2208.07339): one scale a row
        scale = weights.abs().amax(1, keepdim=True).clamp_min(1e-12) / 127
        return (weights / scale).round() * scale
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    codes, state = quantize_4bit(
        weights.contiguous(), blocksize=_NF4_BLOCK, quant_type="nf4", compress_statistics=False
    )
    back: torch.Tensor = dequantize_4bit(codes, state)
    return back
