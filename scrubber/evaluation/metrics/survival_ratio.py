"""Survival ratio: how much of an update of the weights is still there once they are quantised."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from scrubber.core.types import Score, Stage, Trial


def score(trials: Sequence[Trial], *, stage: Stage, subset: str) -> Score:
    """Cosine between the update and what it changes in the quantised weights, over all layers; n counts layers.

    ``trials``: one for each layer, outcome its own cosine, completion JSON of ``shared`` <d, D>, ``change`` |d|^2,
    ``update`` |D|^2 and ``changed``, with D the update and d the change between the quantised weights. All weights are
    counted, so the interval has no width. The note has |d| / |D|, the quotient that arXiv 2410.16454's argument
    suggests: it is 0 where nothing survives, but above 1 where rounding noise drowns the update, so it cannot be limited.
    """
    rows = [json.loads(trial.completion) for trial in trials]
    shared, change, update = (math.fsum(row[key] for row in rows) for key in ("shared", "change", "update"))
    if not rows or not math.isfinite(shared + change + update):
        note = "the weights are not finite" if rows else "no quantised layer was changed"
        return Score("survival_ratio", stage, subset, None, None, None, len(rows), note)
    value = shared / math.sqrt(change * update) if change else 0.0
    changed = math.fsum(row["changed"] for row in rows) / len(rows)
    worst = min(trials, key=lambda trial: trial.outcome)
    note = (
        f"|change| / |update| {math.sqrt(change / update):.3g}; {changed:.1%} of weights changed; "
        f"worst layer {worst.subject}: {worst.outcome:.3g}"
    )
    return Score("survival_ratio", stage, subset, value, value, value, len(rows), note)
