"""Likelihoods beyond teacher forcing: of many continuations of one context, and of tokens beside their distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer

from scrubber.core.model.causal import CausalModel
from scrubber.core.model.decode import batches

_LOGIT_BYTES = 256 << 20  # the most that the float32 logits of one batch may take


class TokenStatistics(NamedTuple):
    """T-1 entries, as TokenScores has: each token's log-probability (nats), and the mean and the standard deviation of
    the log-probability of a token that the model itself would draw there."""

    logprobs: tuple[float, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]


class Likelihoods:
    """A CausalModel's likelihood of continuations, the context read once."""

    def __init__(self, model: CausalModel) -> None:
        self.model = model

    @torch.inference_mode()
    def __call__(self, context: Sequence[int], continuations: Sequence[Sequence[int]]) -> list[float]:
        """The log-likelihood (nats) of each behind ``context``; without one their first token is given, not judged."""
        model, device = self.model, self.model.device
        longest = max(map(len, continuations), default=0)
        layers = self._read(context[-model.longest + longest :][:-1]) if len(context) > 1 else []
        if not layers:
            forced = model.teacher_force([(*context, *tokens) for tokens in continuations])
            return [
                sum(s.logprobs[max(len(context) - 1, 0) :]) for s, tokens in zip(forced, continuations, strict=True)
            ]
        made = [0.0] * len(continuations)
        most = max(longest, _LOGIT_BYTES // (4 * model.network.config.get_text_config().vocab_size))
        for block in batches([len(tokens) for tokens in continuations], model.batch_size, most):
            width = max(len(continuations[i]) for i in block)
            rows = [[*continuations[i], *[model.pad_id] * (width - len(continuations[i]))] for i in block]
            labels = torch.tensor(rows, device=device)
            ids = torch.cat([torch.full((len(block), 1), context[-1], device=device), labels[:, :-1]], 1)
            cache = DynamicCache()
            for number, (key, value) in enumerate(layers):
                cache.update(key.expand(len(block), -1, -1, -1), value.expand(len(block), -1, -1, -1), number)
            # padding stands last, where nothing real can attend to it
            logits = model.network(input_ids=ids, past_key_values=cache, use_cache=True).logits.float()  # (B, T, V)
            true = logits.gather(-1, labels[..., None])[..., 0] - logits.logsumexp(-1)
            for line, i in enumerate(block):
                made[i] = float(true[line, : len(continuations[i])].sum())
        return made

    def _read(self, context: Sequence[int]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Each layer's keys and values, (1, heads, T, D); none where a layer keeps less than all of the context."""
        ids = torch.tensor([list(context)], device=self.model.device)
        self.model.network.eval()
        cache = self.model.network(input_ids=ids, use_cache=True, logits_to_keep=1).past_key_values
        layers = getattr(cache, "layers", [None])
        if any(type(layer) is not DynamicLayer or layer.get_seq_length() != len(context) for layer in layers):
            return []
        return [(layer.keys, layer.values) for layer in layers]


@torch.inference_mode()
def token_statistics(model: CausalModel, sequences: Sequence[Sequence[int]]) -> list[TokenStatistics]:
    """Of each sequence, of which the last ``model.longest`` tokens are read; nothing is known of those before."""
    model.network.eval()
    kept = [tuple(sequence)[-model.longest :] for sequence in sequences]
    made = [TokenStatistics((), (), ())] * len(kept)
    # a distribution and its logarithm are made beside the logits
    most = _LOGIT_BYTES // (3 * 4 * model.network.config.get_text_config().vocab_size)
    rows = [i for i, ids in enumerate(kept) if len(ids) > 1]
    for block in batches([len(kept[i]) for i in rows], model.batch_size, most):
        chosen = [rows[i] for i in block]
        width = max(len(kept[i]) for i in chosen)
        ids = torch.tensor([[*kept[i], *[model.pad_id] * (width - len(kept[i]))] for i in chosen], device=model.device)
        logits = model.network(input_ids=ids[:, :-1], use_cache=False).logits.float()
        logs = logits.log_softmax(-1)  # (B, T-1, V)
        share = logs.exp()
        means = (share * logs).sum(-1)
        deviations = ((share * logs.square()).sum(-1) - means.square()).clamp_(min=0).sqrt()
        true = logs.gather(-1, ids[:, 1:, None])[..., 0]
        for line, i in enumerate(chosen):
            real = slice(0, len(kept[i]) - 1)
            made[i] = TokenStatistics(*(tuple(t[line, real].tolist()) for t in (true, means, deviations)))
    return made
