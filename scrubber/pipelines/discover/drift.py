"""How far a model has moved from itself before: KL(before || now) at each token of before's answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from scrubber.core.batch import collate
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.outputs import forward
from scrubber.core.model.reference import Needs, References
from scrubber.core.types import Trial
from scrubber.pipelines.discover.samples import plain_rows
from scrubber.unlearning import terms

ROWS = 16  # that go through the model at once


@torch.no_grad()
def ask(
    model: CausalModel, texts: Sequence[tuple[str, str, str]], *, subset: str,
    progress: Callable[[int], None] = lambda count: None,
) -> list[Trial]:  # fmt: skip
    """One trial of probe "drift" for each (id, prompt, answer of the model before) that has an answer.

    ``outcome``: mean KL in nats over the answer's tokens, from all of the vocabulary; ``weight``: how many those are. The
    model before is the same weights with the adapter off.
    """
    references = References(model, Needs(retain_target=terms.same))
    model.network.eval()
    made = []
    rows = [
        (name, row)
        for name, prompt, answer in texts
        for row in plain_rows([(prompt, answer)], model.encode, max_length=model.longest, marked=True)
    ]
    rows.sort(key=lambda pair: len(pair[1].ids))
    for start in range(0, len(rows), ROWS):
        block = rows[start : start + ROWS]
        batch = collate([row for _, row in block], "retain", pad_id=model.pad_id)
        outputs = forward(model, batch)
        kl = references(batch).divergence(outputs).cpu().clamp_min(0.0)  # below nought by rounding only
        counts = batch.by_row(batch.reinforce.float()).tolist()
        sums = batch.by_row(kl * batch.reinforce).tolist()
        made += [
            Trial("drift", name, subset, "", "", "", total / count, weight=count)
            for (name, _), total, count in zip(block, sums, counts, strict=True)
        ]
        progress(len(block))
    return made
