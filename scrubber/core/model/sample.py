"""Sampled answers: several to each prompt at one temperature, each prompt read once, the same from the same seed."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from transformers import LogitsProcessorList
from transformers.cache_utils import DynamicCache

from scrubber.core.model.causal import CausalModel
from scrubber.core.model.decode import Greedy, Prompt, Question, batches

_STEPS = 8


class Sampler(Greedy):
    """``samples`` answers to each prompt, drawn from the model's whole distribution (no top-k, no top-p).

    An answer depends on the seed, its prompt and its number alone, not on what else is asked (up to rounding).
    """

    def __init__(self, model: CausalModel, *, samples: int, temperature: float, seed: int = 0) -> None:
        if samples < 1 or temperature <= 0:
            raise ValueError("needs samples >= 1 and temperature > 0")
        super().__init__(
            model.network, ends=model.end_ids, pad=model.pad_id, longest=model.longest, batch_size=model.batch_size
        )
        self.model, self.samples, self.temperature, self.seed = model, samples, temperature, seed

    def answers(self, prompts: Sequence[str], *, max_new_tokens: Sequence[int]) -> list[list[str]]:
        """For each prompt its answers, prompt excluded. A prompt that leaves no room for them loses its beginning."""
        limits = [min(limit, self.longest - 1) for limit in max_new_tokens]
        asked = [
            (self.model.encode(prompt).ids[self._steps(limit) - self.longest :] or (*self.ends, 0)[:1], limit)
            for prompt, limit in zip(prompts, limits, strict=True)
        ]
        groups: dict[int, list[Question]] = {}
        for question in dict.fromkeys(asked):
            groups.setdefault(self._steps(question[1]), []).append(question)
        made: dict[Question, list[str]] = {}
        for group in groups.values():
            for block in batches([len(prompt) for prompt, _ in group], self.batch_size):
                made.update(self._drawn([group[i] for i in block]))
        return [made[question] for question in asked]

    def _steps(self, limit: int) -> int:
        """Tokens made where ``limit`` are wanted: rounded up, so that values of like length share batches."""
        return min(-(-limit // _STEPS) * _STEPS, self.longest - 1)

    @torch.inference_mode()
    def _drawn(self, questions: Sequence[Question]) -> dict[Question, list[str]]:
        self.network.eval()
        rows = [row for row in range(len(questions)) for _ in range(self.samples)]
        chances = [self._chances(*question) for question in questions]
        keys = self._read([prompt for prompt, _ in questions])
        texts: list[str] = []
        for start in range(0, len(rows), self.batch_size):
            batch = rows[start : start + self.batch_size]
            asked = [questions[row] for row in batch]
            width = max(len(prompt) for prompt, _ in asked)
            cache = DynamicCache()
            chosen = torch.tensor(batch, device=self.device)
            for number, (key, value) in enumerate(keys or ()):
                cache.update(key[chosen, :, :width], value[chosen, :, :width], number)
            # Behind what was read, as in Greedy: what follows a shorter prompt is hidden, its last token asked again.
            if keys:
                ids = [[*prompt, *[self.pad] * (width - len(prompt)), prompt[-1]] for prompt, _ in asked]
                mask = [[1] * (len(prompt) - 1) + [0] * (width - len(prompt) + 1) + [1] for prompt, _ in asked]
            else:
                ids = [[self.pad] * (width - len(prompt)) + list(prompt) for prompt, _ in asked]
                mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt, _ in asked]
            drawn = [chances[row][(start + i) % self.samples] for i, row in enumerate(batch)]
            uniforms = torch.tensor(drawn, dtype=torch.float64)
            new = self._generate(
                [((number,), limit) for number, (_, limit) in enumerate(asked)],  # told apart by their numbers
                ids,
                mask,
                True,
                logits_processor=LogitsProcessorList([_Draw(uniforms.to(self.device), self.temperature)]),
                **({"past_key_values": cache} if keys else {}),
            )
            texts += [self.model.decode(tokens) for tokens in new.values()]
        return {q: texts[i * self.samples : (i + 1) * self.samples] for i, q in enumerate(questions)}

    def _chances(self, prompt: Prompt, limit: int) -> list[list[float]]:
        """A uniform number in [0, 1) for every new token of every answer."""
        dice = [random.Random(f"{self.seed}-{number}-{prompt}") for number in range(self.samples)]
        return [[die.random() for _ in range(self._steps(limit))] for die in dice]


class _Draw:
    """Leaves each row the one token that its uniform number of this step picks (inverse of the distribution function)."""

    def __init__(self, uniforms: torch.Tensor, temperature: float) -> None:
        self.uniforms, self.temperature, self.step = uniforms, temperature, 0  # uniforms: (rows, steps)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        below = (scores.double() / self.temperature).softmax(-1).cumsum(-1)  # (rows, V)
        wanted = self.uniforms[:, self.step, None] * below[:, -1:]
        self.step += 1
        # right: a token of probability 0 is never the first whose sum is above
        chosen = torch.searchsorted(below, wanted, right=True).clamp_(max=below.shape[-1] - 1)
        return torch.full_like(scores, -torch.inf).scatter_(1, chosen, 0.0)
