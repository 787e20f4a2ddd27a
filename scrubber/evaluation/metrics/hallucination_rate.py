"""The share of named packages that do not exist (``hallucination_rate``): of all names, by prompt, and by response."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from scrubber.core.intervals import bootstrap
from scrubber.core.types import Score, Stage, Trial

METRIC = "hallucination_rate"
Statistic = Callable[[Sequence[Sequence[float]]], float]
NOTHING = "no answer names a package"


def score(trials: Sequence[Trial], *, stage: Stage, subset: str, seed: int = 0) -> Score:
    """Invented names among all names (arXiv 2406.10279's rate). A trial of the probe "packages" is one answer: its
    outcome is the invented share of the names in it, each counted once, its weight how many those are.

    The interval is a bootstrap over prompts, since answers to one prompt repeat names; n counts prompts.
    """
    return _scored(METRIC, _groups(trials), _by_name, stage, subset, seed)


def by_prompt(trials: Sequence[Trial], *, stage: Stage, subset: str, seed: int = 0) -> Score:
    """Metric "hallucination_rate_prompt": the share of prompts with an invented name in any of their answers."""
    return _scored(f"{METRIC}_prompt", _groups(trials), _any, stage, subset, seed)


def by_response(trials: Sequence[Trial], *, stage: Stage, subset: str, seed: int = 0) -> Score:
    """Metric "hallucination_rate_response": the mean over answers that name anything of their invented share.

    A few answers without end can carry most of all invented names: this figure does not follow them, the first one does.
    """
    return _scored(f"{METRIC}_response", _groups(trials), _by_answer, stage, subset, seed)


def _scored(metric: str, groups: list[list[float]], rate: Statistic, stage: Stage, subset: str, seed: int) -> Score:
    if not any(group[1] for group in groups):
        return Score(metric, stage, subset, None, None, None, len(groups), NOTHING)
    low, high = bootstrap(groups, rate, seed=seed, resamples=1000)
    return Score(metric, stage, subset, rate(groups), low, high, len(groups))


def _groups(trials: Sequence[Trial]) -> list[list[float]]:
    """By prompt: invented names, names, sum of shares, answers that name anything."""
    sums: dict[str, list[float]] = {}
    for trial in trials:
        group = sums.setdefault(trial.subject, [0.0] * 4)
        if trial.weight:
            for place, value in enumerate((trial.outcome * trial.weight, trial.weight, trial.outcome, 1.0)):
                group[place] += value
    return list(sums.values())


def _by_name(groups: Sequence[Sequence[float]]) -> float:
    return _ratio(groups, 0, 1)


def _by_answer(groups: Sequence[Sequence[float]]) -> float:
    return _ratio(groups, 2, 3)


def _any(groups: Sequence[Sequence[float]]) -> float:
    return sum(group[0] > 0 for group in groups) / len(groups)


def _ratio(groups: Sequence[Sequence[float]], top: int, bottom: int) -> float:
    return math.fsum(g[top] for g in groups) / max(math.fsum(g[bottom] for g in groups), 1e-12)
