"""What a model says at the positions that a loss uses, without logits of (batch, time, vocabulary).

Logits are linear in the last hidden state h (z = W h + b), so a fixed distribution q enters a cross-entropy only through
its mean output embedding:

    -sum_v q(v) log f(v) = sum_v q(v) * logsumexp(W h + b) - (sum_v q(v) W_v) . h - sum_v q(v) b_v

What is left to compute in training is one logsumexp a position, whose gradient (softmax(z) @ W) is computed along with
it, chunk by chunk. The identity is exact; the derivation is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import torch
from torch.nn.functional import linear
from torch.utils.checkpoint import checkpoint

from scrubber.core.batch import Batch, Tokens, collate
from scrubber.core.errors import AskedWrongly, ModelUnusable
from scrubber.core.model.causal import CausalModel

CHUNK_BYTES = 32 << 20  # of float32 logits that exist at once


class Head(NamedTuple):
    """The output projection: logits = hidden @ weight.T + bias."""

    weight: torch.Tensor  # (V, H)
    bias: torch.Tensor | None = None  # (V,)

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        return linear(hidden, self.weight, self.bias).float()

    @property
    def trains(self) -> bool:
        return self.weight.requires_grad

    def chunks(self, count: int) -> Iterator[slice]:
        size = max(1, CHUNK_BYTES // (4 * len(self.weight)))
        return (slice(start, start + size) for start in range(0, max(count, 1), size))


class Targets(Protocol):
    """A fixed distribution q for each of P positions, kept in one form or another (core/model/reference.py)."""

    def cross_entropy(self, outputs: Outputs) -> torch.Tensor:
        """-sum_v q(v) log f(v) at each position: (P,)."""
        ...


class Outputs:
    """The model at P positions. ``hidden``: (P, H), after the last norm; ``states``: (P, H) after the layer asked for."""

    def __init__(self, hidden: torch.Tensor, head: Head, states: torch.Tensor | None = None) -> None:
        self.hidden, self.head, self.states = hidden, head, states

    @classmethod
    def of_logits(cls, logits: torch.Tensor) -> Outputs:
        """With logits (P, V) for hidden states; for formulas checked on given logits."""
        return cls(logits, Head(torch.eye(logits.shape[-1], dtype=logits.dtype)))

    @cached_property
    def normalizer(self) -> torch.Tensor:
        """logsumexp of the logits: (P,)."""
        if self.head.trains:
            return self.each(lambda logits: logits.logsumexp(-1))
        made: torch.Tensor = _Normalizer.apply(self.hidden, self.head)  # type: ignore[no-untyped-call]
        return made

    def log_likelihood(self, labels: torch.Tensor) -> torch.Tensor:
        """log f(y) of labels (P,): (P,)."""
        if self.head.trains:
            return self.each(lambda z, y: -torch.nn.functional.cross_entropy(z, y, reduction="none"), labels)
        true = (self.hidden.float() * self.head.weight[labels].float()).sum(-1)
        return (true if self.head.bias is None else true + self.head.bias[labels].float()) - self.normalizer

    def each(self, function: Callable[..., torch.Tensor], *others: torch.Tensor) -> torch.Tensor:
        """``function(logits (n, V), *rows of others) -> (n, ...)`` over chunks of positions, put together.

        Where there are several chunks, each is computed again in the backward pass, so that none is kept.
        """

        def part(hidden: torch.Tensor, *rows: torch.Tensor) -> torch.Tensor:
            return function(self.head(hidden), *rows)

        chunks = list(self.head.chunks(len(self.hidden)))
        if len(chunks) == 1 or not torch.is_grad_enabled():
            return torch.cat([part(self.hidden[c], *(o[c] for o in others)) for c in chunks])
        rows: Any = [(self.hidden[c], *(o[c] for o in others)) for c in chunks]
        return torch.cat([checkpoint(part, *r, use_reentrant=False) for r in rows])


class _Normalizer(torch.autograd.Function):
    """logsumexp(W h + b) with a frozen head. As a position's value depends on its own h alone, the slope is known at once."""

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, head: Head) -> torch.Tensor:
        slope = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        found = []
        for chunk in head.chunks(len(hidden)):
            logits = head(hidden[chunk])
            found.append(logits.logsumexp(-1))
            if slope is not None:
                share = logits.sub_(found[-1][:, None]).exp_().to(head.weight.dtype)
                slope[chunk] = share @ head.weight
        ctx.save_for_backward(slope)
        return torch.cat(found)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        (slope,) = ctx.saved_tensors
        return grad[:, None].to(slope.dtype) * slope, None


def forward(model: CausalModel, batch: Batch, *, layer: int | None = None) -> Outputs:
    """The model at the positions of a batch; with ``layer`` its hidden states after that layer, too (0 is the first)."""
    network = _causal(model.network)
    seen: list[torch.Tensor] = []
    body = getattr(network, network.base_model_prefix)
    hook = None
    if layer is not None:
        hook = _layer(body, layer).register_forward_hook(
            lambda module, given, made: seen.append(made[0] if isinstance(made, tuple) else made)
        )
    try:
        last = body(
            input_ids=batch.input_ids.to(model.device),
            attention_mask=batch.attention_mask.to(model.device),
            use_cache=False,
        ).last_hidden_state  # (B, T, H)
    finally:
        if hook is not None:
            hook.remove()
    positions = batch.positions.to(model.device)

    def at(states: torch.Tensor) -> torch.Tensor:
        return states[:, :-1].flatten(0, 1)[positions]

    output = network.get_output_embeddings()
    return Outputs(at(last), Head(output.weight, getattr(output, "bias", None)), at(seen[0]) if seen else None)


@contextmanager
def recomputing(model: CausalModel, wanted: bool) -> Iterator[None]:
    """Within it, where ``wanted``, layers keep no activations but compute them again in the backward pass.

    transformers does so for layers in training mode alone; theirs is set without that of what they hold, so that no
    dropout comes along.
    """
    layers = [m for m in model.network.modules() if hasattr(m, "gradient_checkpointing")] if wanted else []
    if wanted:
        _causal(model.network).gradient_checkpointing_enable({"use_reentrant": False})
    try:
        for layer in layers:
            layer.training = True
        yield
    finally:
        for layer in layers:
            layer.training = False
        if wanted:
            _causal(model.network).gradient_checkpointing_disable()


def check_head(model: CausalModel) -> None:
    """Raises ModelUnusable where the architecture does more between hidden states and logits than project them."""
    row = Tokens((0, 0, 0), (False,) * 3, (False,) * 3)
    batch = collate([row], "retain", pad_id=model.pad_id)
    with torch.no_grad():
        made = forward(model, batch)
        true = model.network(input_ids=batch.input_ids.to(model.device), use_cache=False).logits[0, :-1].float()
        if not torch.allclose(made.head(made.hidden), true, rtol=0.02, atol=0.02 * float(true.abs().max())):
            raise ModelUnusable(
                "its logits are not a plain projection of its last hidden states (they are scaled or capped)",
                where=model.name,
                mend="Use a model of an architecture without logit scaling, such as Llama, Qwen2, GPT-2 or StarCoder2.",
            )


def _causal(network: Any) -> Any:
    """The causal model itself, out of what peft wrapped it in."""
    return network.get_base_model() if hasattr(network, "get_base_model") else network


def _layer(body: Any, number: int) -> torch.nn.Module:
    """Of the decoder's list of layers, whatever the architecture calls it."""
    layers: Any = next(module for module in body.children() if isinstance(module, torch.nn.ModuleList))
    if number >= len(layers):
        raise AskedWrongly(
            f"the model has no layer {number}", where="unlearn.settings.layer", mend=f"It has 0 to {len(layers) - 1}."
        )
    return layers[number]  # type: ignore[no-any-return]
