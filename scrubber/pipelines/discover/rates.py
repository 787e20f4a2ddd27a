"""Rates of invented names from judged answers: three ways, seen and unseen apart, and whether the model went silent."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from scrubber.core.intervals import bootstrap
from scrubber.core.types import Score, Stage, Trial
from scrubber.evaluation.metrics import hallucination_rate
from scrubber.pipelines.discover.answers import Judged

RESAMPLES = 1000
Statistic = Callable[[Sequence[Sequence[float]]], float]


def rate(judged: Sequence[Judged], *, stage: Stage, subset: str, seed: int = 0) -> list[Score]:
    """The rate over names, prompts and responses, names an answer, distinct real names, and how often the right one is named.

    All intervals are bootstraps over prompts, and n counts prompts.
    """
    asked = trials(judged, subset)
    groups = _numbers(judged)
    made = [
        hallucination_rate.score(asked, stage=stage, subset=subset, seed=seed),
        hallucination_rate.by_prompt(asked, stage=stage, subset=subset, seed=seed),
        hallucination_rate.by_response(asked, stage=stage, subset=subset, seed=seed),
        _score("mentions_per_answer", stage, subset, groups, _mentions, seed),
        Score("distinct_valid_names", stage, subset, float(len(_distinct(judged))), None, None, len(groups)),
    ]
    if any(one.right is not None for one in judged):
        made.append(_score("right_package_rate", stage, subset, groups, _right, seed))
    return made


def by_context(judged: Sequence[Judged], *, stage: Stage, subset: str, seed: int = 0) -> list[Score]:
    """The rate over names in each of the contexts, where there are several."""
    contexts = list(dict.fromkeys(one.prompt.context for one in judged))
    made = []
    for context in contexts if len(contexts) > 1 else ():
        asked = trials([one for one in judged if one.prompt.context == context], subset)
        made.append(hallucination_rate.score(asked, stage=stage, subset=f"{subset}_{context}", seed=seed))
    return made


def by_names(
    judged: Sequence[Judged], trained: frozenset[str], *, stage: Stage, subset: str, seed: int = 0
) -> list[Score]:
    """The rate split by whether an invented name was ever trained against: the two add up to the whole.

    Where the first falls and the second does not, the model has learnt a block-list.
    """
    made = []
    for name, seen in (("seen_names", True), ("unseen_names", False)):
        asked = [
            Trial("packages", one.prompt.id, subset, "", "", "",
                  sum((n in trained) is seen for n in one.invented) / max(one.named, 1), weight=one.named)
            for one in judged
        ]  # fmt: skip
        made.append(hallucination_rate.score(asked, stage=stage, subset=f"{subset}_{name}", seed=seed))
    return made


def compared(before: Sequence[Judged], after: Sequence[Judged], *, subset: str, seed: int = 0) -> list[Score]:
    """Paired by prompt: by what share the rate fell, names an answer and distinct real names to before, right names.

    Metric "hallucination_reduction" is 1 - after / before.
    """
    groups = _pairs(before, after)
    names = _names(before, after)
    if not groups:
        return []
    made = [
        _score("hallucination_reduction", "difference", subset, groups, _reduction, seed, _has_invented(before)),
        _score("mentions_ratio", "difference", subset, groups, _mentions_ratio, seed, _has_names(before)),
        _score("distinct_valid_ratio", "difference", subset, names, _distinct_ratio, seed, _has_names(before)),
    ]
    if any(one.right is not None for one in before):
        made.append(_score("right_package_rate", "difference", subset, groups, _right_difference, seed))
    return made


def value(scores: Iterable[Score], metric: str) -> float | None:
    """Of the first score of that metric."""
    return next((score.value for score in scores if score.metric == metric), None)


def trials(judged: Iterable[Judged], subset: str) -> list[Trial]:
    """One trial an answer, without its text: outcome is its invented share, weight how many names it has."""
    return [
        Trial("packages", one.prompt.id, subset, "", "", "", len(one.invented) / max(one.named, 1), weight=one.named)
        for one in judged
    ]


def _numbers(judged: Iterable[Judged]) -> list[list[float]]:
    """By prompt: answers, names, invented ones, answers whose right names are known, those that name one of them."""
    return list(_by_prompt(judged).values())


def _by_prompt(judged: Iterable[Judged]) -> dict[str, list[float]]:
    sums: dict[str, list[float]] = {}
    for one in judged:
        group = sums.setdefault(one.prompt.id, [0.0] * 5)
        numbers = (1, one.named, len(one.invented), one.right is not None, bool(one.right))
        for place, number in enumerate(numbers):
            group[place] += number
    return sums


def _pairs(before: Iterable[Judged], after: Iterable[Judged]) -> list[list[float]]:
    """Prompts asked both times: before's numbers, then after's."""
    first, second = _by_prompt(before), _by_prompt(after)
    return [[*first[prompt], *second[prompt]] for prompt in first if prompt in second]


def _names(before: Iterable[Judged], after: Iterable[Judged]) -> list[list[float]]:
    """By prompt: a positive number for each real name of before, a negative one for each of after."""
    numbers: dict[str, int] = {}
    groups: dict[str, list[float]] = {}
    for sign, judged in ((1, before), (-1, after)):
        for one in judged:
            group = groups.setdefault(one.prompt.id, [])
            group += [sign * numbers.setdefault(name, len(numbers) + 1) for name in one.valid]
    return list(groups.values())


def _distinct(judged: Iterable[Judged]) -> set[str]:
    return {name for one in judged for name in one.valid}


def _has_invented(judged: Iterable[Judged]) -> str:
    return "" if any(one.invented for one in judged) else "nothing was invented before"


def _has_names(judged: Iterable[Judged]) -> str:
    return "" if any(one.valid for one in judged) else "no real name was given before"


def _score(
    metric: str, stage: Stage, subset: str, groups: Sequence[Sequence[float]], statistic: Statistic, seed: int,
    note: str = "",
) -> Score:  # fmt: skip
    if note or not groups:
        return Score(metric, stage, subset, None, None, None, len(groups), note or "nothing was asked")
    low, high = bootstrap(groups, statistic, seed=seed, resamples=RESAMPLES)
    return Score(metric, stage, subset, statistic(groups), low, high, len(groups))


def _total(groups: Sequence[Sequence[float]], place: int) -> float:
    return math.fsum(group[place] for group in groups)


def _mentions(groups: Sequence[Sequence[float]]) -> float:
    return _total(groups, 1) / max(_total(groups, 0), 1)


def _right(groups: Sequence[Sequence[float]]) -> float:
    return _total(groups, 4) / max(_total(groups, 3), 1)


def _reduction(groups: Sequence[Sequence[float]]) -> float:
    before = _total(groups, 2) / max(_total(groups, 1), 1)
    after = _total(groups, 7) / max(_total(groups, 6), 1)
    return 1 - after / before if before else 0.0


def _mentions_ratio(groups: Sequence[Sequence[float]]) -> float:
    before, after = _mentions(groups), _total(groups, 6) / max(_total(groups, 5), 1)
    return after / before if before else 1.0


def _right_difference(groups: Sequence[Sequence[float]]) -> float:
    return _total(groups, 9) / max(_total(groups, 8), 1) - _right(groups)


def _distinct_ratio(groups: Sequence[Sequence[float]]) -> float:
    seen = {number for group in groups for number in group}
    before = sum(number > 0 for number in seen)
    return sum(number < 0 for number in seen) / before if before else 1.0
