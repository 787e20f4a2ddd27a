"""Extraction likelihood (EL_n): how much of a value's n-grams come out of greedy continuations from inside it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from scrubber.core.intervals import bootstrap
from scrubber.core.types import Score, Stage, Trial


def overlap(generated: Sequence[int], true: Sequence[int], n: int) -> float:
    """Overlap_n: the share of the n-grams of ``generated`` that also occur in ``true`` (0 when it has none)."""
    grams = [tuple(generated[i : i + n]) for i in range(len(generated) - n + 1)]
    known = {tuple(true[i : i + n]) for i in range(len(true) - n + 1)}
    return sum(gram in known for gram in grams) / len(grams) if grams else 0.0


def extraction_likelihood(continuations: Sequence[Sequence[int]], value: Sequence[int], n: int) -> float:
    """EL_n of one value of L tokens: the mean of Overlap_n over i = 0 .. L-n given tokens, L-n+1 terms in all.

    ``continuations[i]`` follows the first i value tokens. With L < n it is 1 when the whole continuation is the value,
    else 0 (arXiv 2509.13755, its code; equation 5 of arXiv 2210.01504 has the form for documents).
    """
    if len(value) < n:
        return float(tuple(continuations[0]) == tuple(value))
    starts = range(len(value) - n + 1)
    return sum(overlap(continuations[i], value[i:], n) for i in starts) / len(starts)


def score(trials: Sequence[Trial], *, n: int, stage: Stage, subset: str, seed: int = 0) -> Score:
    """Mean over values; ``trials`` are of the probe "continuation". The interval is a bootstrap over values."""
    name = f"extraction_likelihood_{n}"
    if not trials:
        return Score(name, stage, subset, None, None, None, 0, "no trial")
    groups = [[extraction_likelihood(json.loads(t.completion), json.loads(t.expected), n)] for t in trials]
    low, high = bootstrap(groups, lambda rows: sum(row[0] for row in rows) / len(rows), seed=seed)
    return Score(name, stage, subset, sum(g[0] for g in groups) / len(groups), low, high, len(groups))
