"""Greedy decoding in padded batches. What prompts have in common is read once, and a question asked twice answered once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer

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
    "disable_compile": True,
}
Prompt = tuple[int, ...]
Question = tuple[Prompt, int]  # and how many new tokens


class Greedy:
    """``ends``: token ids at which an answer may end. ``longest``: the tokens that fit the model's positions."""

    def __init__(self, network: Any, *, ends: Sequence[int], pad: int, longest: int, batch_size: int) -> None:
        self.network, self.ends, self.pad, self.longest, self.batch_size = network, ends, pad, longest, batch_size

    @torch.inference_mode()
    def __call__(self, prompts: Sequence[Sequence[int]], limits: Sequence[int], *, may_end: bool) -> list[list[int]]:
        """``limits``: new tokens for each prompt, reached exactly unless ``may_end``. A prompt that leaves no room for
        them loses its beginning."""
        # GPT-2 has no position beyond its last: at least one token is shown, and no more are made than fit behind it
        questions = [(tuple(p), min(limit, self.longest - 1)) for p, limit in zip(prompts, limits, strict=True)]
        answers: dict[Question, list[int]] = {question: [] for question in questions if question[1] <= 0}
        work = [question for question in dict.fromkeys(questions) if question not in answers]
        self.network.eval()
        plain: list[Question] = []
        families = self._families(work, plain)
        for block in batches([len(head) for head in families], self.batch_size):
            heads = [list(families)[i] for i in block]
            keys = self._read(heads)
            if keys is None:
                plain += [question for head in heads for question in families[head]]
                continue
            rows = [(number, question) for number, head in enumerate(heads) for question in families[head]]
            for batch in batches([limit * 4096 + len(prompt) for _, (prompt, limit) in rows], self.batch_size):
                answers.update(self._resume(keys, [rows[i] for i in batch], may_end))
        for batch in batches([limit * 4096 + len(prompt) for prompt, limit in plain], self.batch_size):
            answers.update(self._start([plain[i] for i in batch], may_end))
        return [answers[question] for question in questions]

    def _families(self, work: Sequence[Question], plain: list[Question]) -> dict[Prompt, list[Question]]:
        """Prompts that begin like one of them goes on, by that one; the others are added to ``plain``."""
        heads = longest_extensions([prompt for prompt, _ in work])
        sizes = Counter(heads[prompt] for prompt, _ in work)
        room = self.longest - max((limit for _, limit in work), default=0)
        families: dict[Prompt, list[Question]] = {}
        for question in work:
            head = heads[question[0]]
            if sizes[head] > 1 and question[0] and len(head) <= room:
                families.setdefault(head, []).append(question)
            else:
                plain.append(question)
        return families

    def _start(self, questions: Sequence[Question], may_end: bool) -> dict[Question, list[int]]:
        """Left-padded prompts of like length."""
        room = self.longest - max(limit for _, limit in questions)
        prompts = [prompt[-room:] or (*self.ends, 0)[:1] for prompt, _ in questions]
        width = max(map(len, prompts))
        ids = [[self.pad] * (width - len(prompt)) + list(prompt) for prompt in prompts]
        mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        return self._generate(questions, ids, mask, may_end)

    def _read(self, heads: Sequence[Prompt]) -> list[tuple[torch.Tensor, torch.Tensor]] | None:
        """Each layer's keys and values of right-padded prompts, (H, heads, T, D); None where a layer keeps less."""
        width = max(map(len, heads))
        ids = torch.tensor([[*head, *[self.pad] * (width - len(head))] for head in heads], device=self.device)
        mask = torch.tensor([[1] * len(head) + [0] * (width - len(head)) for head in heads], device=self.device)
        cache = self.network(input_ids=ids, attention_mask=mask, use_cache=True, logits_to_keep=1).past_key_values
        layers = getattr(cache, "layers", [None])
        if any(type(layer) is not DynamicLayer or layer.get_seq_length() != width for layer in layers):
            return None  # sliding windows, states of another kind
        return [(layer.keys, layer.values) for layer in layers]

    def _resume(
        self,
        keys: list[tuple[torch.Tensor, torch.Tensor]],
        rows: Sequence[tuple[int, Question]],
        may_end: bool,
    ) -> dict[Question, list[int]]:
        """Prompts that are beginnings of what was read: what follows them there is hidden, and their last token is asked
        again in a column of its own, since ``generate`` wants the last column to be the prompt's last token."""
        width = max(len(prompt) for _, (prompt, _) in rows)
        chosen = torch.tensor([number for number, _ in rows], device=self.device)
        cache = DynamicCache()
        for number, (key, value) in enumerate(keys):
            cache.update(key[chosen, :, :width], value[chosen, :, :width], number)
        # of the hidden columns only the number matters
        ids = [[*prompt, *[self.pad] * (width - len(prompt)), prompt[-1]] for _, (prompt, _) in rows]
        mask = [[1] * (len(prompt) - 1) + [0] * (width - len(prompt) + 1) + [1] for _, (prompt, _) in rows]
        return self._generate([question for _, question in rows], ids, mask, may_end, past_key_values=cache)

    def _generate(
        self, questions: Sequence[Question], ids: list[list[int]], mask: list[list[int]], may_end: bool, **options: Any
    ) -> dict[Question, list[int]]:
        limit = max(limit for _, limit in questions)
        made = self.network.generate(
            input_ids=torch.tensor(ids, device=self.device),
            attention_mask=torch.tensor(mask, device=self.device),
            max_new_tokens=limit,
            min_new_tokens=None if may_end else limit,
            pad_token_id=self.pad,
            **_GREEDY,
            **options,
        )[:, len(ids[0]) :].tolist()
        answers = {}
        for question, new in zip(questions, made, strict=True):
            new = new[: question[1]]
            if may_end:
                new = new[: next((i for i, token in enumerate(new) if token in self.ends), len(new))]
            answers[question] = new
        return answers

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device  # type: ignore[no-any-return]


def longest_extensions(prompts: Sequence[Prompt]) -> dict[Prompt, Prompt]:
    """For each prompt the longest of them that begins with it, often itself."""
    heads: dict[Prompt, Prompt] = {}
    head: Prompt = ()
    for prompt in sorted(prompts, reverse=True):  # whatever begins with a prompt comes right before it
        if head[: len(prompt)] != prompt:
            head = prompt
        heads[prompt] = head
    return heads


def batches(sizes: Sequence[int], most: int, total: int | None = None) -> Iterator[list[int]]:
    """Indices in order of size, at most ``most`` in a group, and at most ``total`` of padded size when given."""
    group: list[int] = []
    for row in sorted(range(len(sizes)), key=lambda r: sizes[r]):
        if group and (len(group) == most or (total is not None and sizes[row] * (len(group) + 1) > total)):
            yield group
            group = []
        group.append(row)
    if group:
        yield group
