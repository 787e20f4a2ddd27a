"""A causal language model that can be asked: greedy generation and teacher forcing, in padded, length-sorted batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from scrubber.core.types import Encoding, TokenScores

_LOGIT_BYTES = 256 << 20  # the most that the float32 logits of one batch may take
_WINDOW = 2048  # tokens judged at once; a longer text is judged in windows, each with half of one before it
# Over whatever a model's generation_config.json says: penalties and bans (Qwen's have some) are not the model's choice.
_GREEDY: dict[str, Any] = {
    "do_sample": False,
    "num_beams": 1,
    "temperature": None,
    "top_p": None,
    "top_k": None,
    "repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "bad_words_ids": None,
    "suppress_tokens": None,
}


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
        asked = [list(self.encode(prompt).ids) for prompt in prompts]
        return [self.decode(ids) for ids in self._continue(asked, limits, may_end=True)]

    def continue_tokens(self, prompts: Sequence[Sequence[int]], lengths: Sequence[int]) -> list[tuple[int, ...]]:
        return [tuple(ids) for ids in self._continue([list(p) for p in prompts], list(lengths), may_end=False)]

    @torch.inference_mode()
    def teacher_force(self, sequences: Sequence[Sequence[int]]) -> list[TokenScores]:
        distinct = list(dict.fromkeys(map(tuple, sequences)))  # a sequence that is asked twice is judged once
        whole: dict[tuple[int, ...], tuple[list[bool], list[float]]] = {sequence: ([], []) for sequence in distinct}
        pieces = list(self._windows(distinct))
        scores: dict[int, tuple[list[bool], list[float]]] = {}
        self.network.eval()
        vocabulary = self.network.config.get_text_config().vocab_size
        for batch in self._batches([len(ids) for _, ids, _ in pieces], tokens=_LOGIT_BYTES // (4 * vocabulary)):
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
        done = {sequence: TokenScores(tuple(hits), tuple(logprobs)) for sequence, (hits, logprobs) in whole.items()}
        return [done[tuple(sequence)] for sequence in sequences]

    def _windows(self, sequences: Sequence[Sequence[int]]) -> Iterator[tuple[int, Sequence[int], int]]:
        """The row, the tokens to show, and how many of the last of them are judged: all but the first, where all fit."""
        size = min(self.longest, _WINDOW)
        for row, sequence in enumerate(sequences):
            end = min(size, len(sequence))
            yield row, sequence[:end], end - 1
            while end < len(sequence):
                start, end = end, min(end + size // 2, len(sequence))
                yield row, sequence[end - size : end], end - start

    @torch.inference_mode()
    def _continue(self, prompts: list[list[int]], limits: list[int], *, may_end: bool) -> list[list[int]]:
        """Greedy. Left-padded batches of prompts of like length, so that little is spent on padding; a question that is
        asked twice is answered once."""
        keys = [(limit, tuple(prompt)) for prompt, limit in zip(prompts, limits, strict=True)]
        first = {key: row for row, key in reversed(list(enumerate(keys)))}
        answers: dict[int, list[int]] = {row: [] for row, limit in enumerate(limits) if limit <= 0}
        work = [row for row in sorted(first.values()) if row not in answers]
        self.network.eval()
        for batch in self._batches([limits[row] * 4096 + len(prompts[row]) for row in work]):
            rows = [work[i] for i in batch]
            limit = max(limits[row] for row in rows)
            room = max(1, self.longest - limit)
            cut = [prompts[row][-room:] or (self.end_ids or [0])[:1] for row in rows]
            width = max(map(len, cut))
            ids = torch.tensor([[self.pad_id] * (width - len(p)) + p for p in cut], device=self.device)
            mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in cut], device=self.device)
            made = self.network.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=limit,
                min_new_tokens=None if may_end else limit,
                pad_token_id=self.pad_id,
                disable_compile=True,
                **_GREEDY,
            )[:, width:].tolist()
            for row, new in zip(rows, made, strict=True):
                new = new[: limits[row]]
                if may_end:
                    new = new[: next((i for i, token in enumerate(new) if token in self.end_ids), len(new))]
                answers[row] = new
        return [answers[row] if row in answers else answers[first[key]] for row, key in enumerate(keys)]

    def _batches(self, sizes: list[int], tokens: int | None = None) -> Iterator[list[int]]:
        """Indices grouped by size, at most ``batch_size`` each, and at most ``tokens`` of padded size when given."""
        group: list[int] = []
        for row in sorted(range(len(sizes)), key=lambda r: sizes[r]):
            if group and (
                len(group) == self.batch_size or (tokens is not None and sizes[row] * (len(group) + 1) > tokens)
            ):
                yield group
                group = []
            group.append(row)
        if group:
            yield group
