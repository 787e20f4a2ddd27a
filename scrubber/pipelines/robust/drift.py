"""Report only, the unlearning trace: how far what the model says of unrelated code has moved, which shows its treatment."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from scrubber.core.model.causal import CausalModel
from scrubber.core.types import Sample, Score, Trial
from scrubber.evaluation.metrics import drift_kl
from scrubber.pipelines.robust.case import Bench, Case
from scrubber.pipelines.robust.plan import Cost, Part

_TOKENS = 256  # of each text


def parts(case: Case) -> list[Part]:
    if not case.unrelated:
        return []
    read = 2 * _TOKENS * min(case.settings.texts, len(case.unrelated))
    return [Part("drift", "drift", Cost(read=read), (case.settings.texts,), _drift)]


def _drift(bench: Bench) -> list[Score]:
    case = bench.case
    texts = some_texts(case.unrelated, case.settings.texts)
    return [divergence(bench.before(), bench.release(), texts, subset="robust_unrelated")]


@torch.inference_mode()
def divergence(before: CausalModel, after: CausalModel, texts: Sequence[Sample], *, subset: str) -> Score:
    """KL(before || after) in nats a token over ``texts``; the interval is a bootstrap over texts, n counts them."""
    trials = []
    for text in texts:
        ids = before.encode(text.text).ids[: min(_TOKENS, before.longest)]
        if not ids:
            continue
        first, second = (
            model.network(input_ids=torch.tensor([ids], device=model.device), use_cache=False)
            .logits[0]
            .float()
            .log_softmax(-1)
            for model in (before, after)
        )  # (T, V) each
        apart = (first.exp() * (first - second)).sum(-1).mean()
        trials.append(Trial("drift", text.id, subset, "", "", "", float(apart), weight=len(ids)))
    return drift_kl.score(trials, stage="difference", subset=subset)


def some_texts(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Evenly spread over the list, the same for every model."""
    step = max(1, len(samples) // count)
    return list(samples[::step][:count])
