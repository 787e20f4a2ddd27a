"""A causal language model that can be asked: greedy generation and teacher forcing, in padded, length-sorted batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from scrubber.core.model.decode import Greedy, Prompt, batches, longest_extensions
from scrubber.core.types import Encoding, TokenScores

_LOGIT_BYTES = 256 << 20  # the most that the float32 logits of one batch may take
_CPU_TOKENS = 4096  # of one batch: more at once is slower, since it falls out of the processor's caches
_WINDOW = 2048  # tokens judged at once; a longer text is judged in windows, each with half of one before it


class CausalModel:
    """A ``transformers`` model and its tokenizer behind the Model Protocol.

    ``network`` and ``tokenizer`` are the library's own objects, for the training loop and the adapters.
    """

    capabilities = frozenset({"generate", "tokens", "logits", "weights"})

    def __init__(self, name: str, precision: str, network: Any, tokenizer: Any, *, batch_size: int = 64) -> None:
        self.name = name
        self.precision = precision
        self.network = network
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self.device = next(network.parameters()).device
        ends = network.generation_config.eos_token_id
        ends = tokenizer.eos_token_id if ends is None else ends
        self.end_ids: list[int] = [] if ends is None else list(ends) if isinstance(ends, (list, tuple)) else [ends]
        # A missing pad token is never added: that would resize the embeddings. Padding is masked, so any id serves.
        self.pad_id: int = next((i for i in (tokenizer.pad_token_id, *self.end_ids) if i is not None), 0)
        self.longest: int = getattr(network.config, "max_position_embeddings", None) or 1 << 20

    def encode(self, text: str) -> Encoding:
        coded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        return Encoding(tuple(coded["input_ids"]), tuple((a, b) for a, b in coded["offset_mapping"]))

    def decode(self, ids: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def generate(self, prompts: Sequence[str], *, max_new_tokens: int | Sequence[int]) -> list[str]:
        limits = [max_new_tokens] * len(prompts) if isinstance(max_new_tokens, int) else list(max_new_tokens)
        asked = [self.encode(prompt).ids for prompt in prompts]
        return [self.decode(ids) for ids in self._continue(asked, limits, may_end=True)]

    def continue_tokens(self, prompts: Sequence[Sequence[int]], lengths: Sequence[int]) -> list[tuple[int, ...]]:
        return [tuple(ids) for ids in self._continue(prompts, lengths, may_end=False)]

    @torch.inference_mode()
    def teacher_force(self, sequences: Sequence[Sequence[int]]) -> list[TokenScores]:
        heads = longest_extensions(list(map(tuple, sequences)))  # the beginning of another is judged along with it
        distinct = list(dict.fromkeys(heads.values()))
        whole: dict[Prompt, tuple[list[bool], list[float]]] = {head: ([], []) for head in distinct}
        pieces = list(self._windows(distinct))
        scores: dict[int, tuple[list[bool], list[float]]] = {}
        self.network.eval()
        most_tokens = _LOGIT_BYTES // (4 * self.network.config.get_text_config().vocab_size)
        if self.device.type == "cpu":
            most_tokens = min(most_tokens, _CPU_TOKENS)
        for batch in batches([len(ids) for _, ids, _ in pieces], self.batch_size, most_tokens):
            width = max(len(pieces[i][1]) for i in batch)
            ids = torch.full((len(batch), width), self.pad_id)
            mask = torch.zeros((len(batch), width), dtype=torch.long)
            for line, i in enumerate(batch):
                ids[line, : len(pieces[i][1])] = torch.tensor(pieces[i][1])
                mask[line, : len(pieces[i][1])] = 1
            ids, mask = ids.to(self.device), mask.to(self.device)
            answers = self.network(input_ids=ids, attention_mask=mask, use_cache=False).logits  # (B,T,V)
            for line, i in enumerate(batch):  # row by row: what is computed of logits takes as much memory as they do
                real = len(pieces[i][1]) - 1
                new = slice(real - pieces[i][2], real)
                logits, labels = answers[line, new].float(), ids[line, 1:][new]
                true = logits.gather(-1, labels[:, None])[:, 0]
                scores[i] = (logits.argmax(-1) == labels).tolist(), (true - logits.logsumexp(-1)).tolist()
        for i, (row, _, _) in enumerate(pieces):
            whole[distinct[row]][0].extend(scores[i][0])
            whole[distinct[row]][1].extend(scores[i][1])
        return [
            TokenScores(tuple(hits[: max(len(sequence) - 1, 0)]), tuple(logprobs[: max(len(sequence) - 1, 0)]))
            for sequence in sequences
            for hits, logprobs in [whole[heads[tuple(sequence)]]]
        ]

    def _windows(self, sequences: Sequence[Sequence[int]]) -> Iterator[tuple[int, Sequence[int], int]]:
        """The row, the tokens to show, and how many of the last of them are judged: all but the first, where all fit."""
        size = min(self.longest, _WINDOW)
        for row, sequence in enumerate(sequences):
            end = min(size, len(sequence))
            yield row, sequence[:end], end - 1
            while end < len(sequence):
                start, end = end, min(end + size // 2, len(sequence))
                yield row, sequence[end - size : end], end - start

    def _continue(self, prompts: Sequence[Sequence[int]], limits: Sequence[int], *, may_end: bool) -> list[list[int]]:
        greedy = Greedy(
            self.network, ends=self.end_ids, pad=self.pad_id, longest=self.longest, batch_size=self.batch_size
        )
        return greedy(prompts, limits, may_end=may_end)
