"""Reversed model guidance (arXiv 2505.24379): the models before and after, decoded together by whoever holds the pair."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from transformers.cache_utils import DynamicCache

from scrubber.core.model.causal import CausalModel
from scrubber.core.model.decode import batches
from scrubber.core.types import Encoding


class Guided:
    """Answers greedily by log q = log p_after + w (log p_before - log p_after).

    Only tokens with p_before >= least * max p_before are taken. With w = 0 that is the model after, with w = 1 the one
    before; beyond 1, away from what unlearning did. Both models must share a tokenizer. No context longer than the
    shorter of the two takes is shown.
    """

    def __init__(self, before: CausalModel, after: CausalModel, *, weight: float, least: float = 1e-5) -> None:
        if weight < 0 or not 0 < least <= 1:
            raise ValueError("needs weight >= 0 and 0 < least <= 1")
        self.before, self.after, self.weight, self.least = before, after, weight, least
        self.longest = min(before.longest, after.longest)

    def encode(self, text: str) -> Encoding:
        return self.after.encode(text)

    def generate(self, prompts: Sequence[str], *, max_new_tokens: int | Sequence[int]) -> list[str]:
        limits = [max_new_tokens] * len(prompts) if isinstance(max_new_tokens, int) else list(max_new_tokens)
        limits = [min(limit, self.longest - 1) for limit in limits]
        asked = [
            self.encode(prompt).ids[limit - self.longest :] or (self.after.pad_id,)
            for prompt, limit in zip(prompts, limits, strict=True)
        ]
        made = [""] * len(asked)
        for block in batches([len(ids) for ids in asked], self.after.batch_size):
            new = self._continued([asked[i] for i in block], max(limits[i] for i in block))
            for i, ids in zip(block, new, strict=True):
                made[i] = self.after.decode(_until(ids[: limits[i]], self.after.end_ids))
        return made

    @torch.inference_mode()
    def _continued(self, prompts: Sequence[Sequence[int]], steps: int) -> list[list[int]]:
        models = (self.before, self.after)
        for model in models:
            model.network.eval()
        device, width = self.after.device, max(map(len, prompts))
        pad = self.after.pad_id
        tokens = torch.tensor([[pad] * (width - len(p)) + list(p) for p in prompts], device=device)
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=device)
        caches = [DynamicCache(), DynamicCache()]
        new: list[torch.Tensor] = []
        for _ in range(steps):
            positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -tokens.shape[1] :]  # left padding has none of its own
            first, second = (
                model.network(
                    input_ids=tokens,
                    attention_mask=mask,
                    position_ids=positions,
                    past_key_values=cache,
                    use_cache=True,
                    logits_to_keep=1,
                )
                .logits[:, -1]
                .float()
                .log_softmax(-1)
                for model, cache in zip(models, caches, strict=True)
            )  # (B, V) each
            mixed = (1 - self.weight) * second + self.weight * first
            mixed[first < first.amax(-1, keepdim=True) + math.log(self.least)] = -torch.inf
            tokens = mixed.argmax(-1, keepdim=True)
            mask = torch.cat([mask, torch.ones_like(tokens)], 1)
            new.append(tokens)
        made: list[list[int]] = torch.cat(new, 1).tolist() if new else [[] for _ in prompts]
        return made


def _until(ids: Sequence[int], ends: Sequence[int]) -> list[int]:
    return list(ids[: next((i for i, token in enumerate(ids) if token in ends), len(ids))])
