"""What the plot of leak rate against utility shows: points with their intervals, and the region a policy allows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from scrubber.core.types import Report, Rule, Score, Stage, Verdict
from scrubber.reporting.rows import plain

LEAK, UTILITY = "leak_rate", "pass_at_1"


class Range(NamedTuple):
    """A measured value with the two ends of its interval."""

    value: float
    low: float
    high: float


class Point(NamedTuple):
    name: str
    role: str  # before, after, control, other
    leak: Range
    utility: Range
    number: int = 0  # of another run: 1 for the first


class Allowed(NamedTuple):
    """Where the policy lets a model be: at most this leak rate, at least this pass rate."""

    leak: float
    utility: float


def leak_subset(report: Report, like: Report | None = None) -> str:
    """Whose leak rate is shown: ``like``'s, if it was scored here; what the policy holds to a limit; planted; audited.

    Planted values are the strongest evidence; what an audit found stands in where nothing was planted.
    """
    scored = {score.subset for score in report.scores if score.metric == LEAK and score.value is not None}
    if like is not None and leak_subset(like) in scored:
        return leak_subset(like)
    judged = {one.rule.subset for one in report.verdict.rules if one.rule.metric == LEAK and _holds_a_rate(one.rule)}
    wanted = [name for name in ("planted", "audited") if name in scored]
    return next((name for name in wanted if name in judged), wanted[0] if wanted else "audited")


def points(report: Report, others: Sequence[Report] = ()) -> Iterator[Point]:
    """Before, after, the controls (from their rules, since a Report holds no scores of them), the other reports."""
    subset, benchmark = leak_subset(report), tasks(report)
    wanted: list[tuple[Report, Stage, str, str, int]] = [
        (report, "before", "before", "before", 0),
        (report, "after", "after", "after", 0),
        *((other, "after", "other", plain(other.name), place) for place, other in enumerate(others, 1)),
    ]
    for source, stage, role, name, number in wanted:
        leak, utility = (
            _range(source, LEAK, stage, leak_subset(source, report)),
            _range(source, UTILITY, stage, benchmark),
        )
        if leak and utility:
            yield Point(name, role, leak, utility, number)
    start = _range(report, UTILITY, "before", benchmark)
    for name, verdict in report.controls:
        leak, utility = _judged(verdict, LEAK, subset, None), _judged(verdict, UTILITY, benchmark, start)
        if leak and utility:
            yield Point(f"control: {plain(name)}", "control", leak, utility)


def allowed(report: Report) -> Allowed | None:
    """The corner that the policy's leak and pass rules leave; None when one of the two sets no limit."""
    leaks, floors = [], []
    start = _range(report, UTILITY, "before", tasks(report))
    for outcome in report.verdict.rules:
        rule = outcome.rule
        if (
            (rule.metric, rule.subset) == (LEAK, leak_subset(report))
            and _holds_a_rate(rule)
            and rule.at_most is not None
        ):
            leaks.append(rule.at_most)
        if not rule.against and rule.metric == UTILITY and rule.at_least is not None and rule.subset == tasks(report):
            if rule.stage == "after":
                floors.append(rule.at_least)
            elif start:
                floors.append(start.value + rule.at_least)
    return Allowed(min(leaks), max(floors)) if leaks and floors else None


def _holds_a_rate(rule: Rule) -> bool:
    return rule.stage == "after" and not rule.against and rule.at_most is not None


def tasks(report: Report) -> str:
    """The benchmark of the plot: the one that the policy judges, else the first that was scored."""
    judged = [outcome.rule.subset for outcome in report.verdict.rules if outcome.rule.metric == UTILITY]
    return next(iter(judged + [score.subset for score in report.scores if score.metric == UTILITY]), "")


def ranged(score: Score | None) -> Range | None:
    """What can be drawn of a score: nothing where it is missing, not scored or not finite."""
    if score is None or score.value is None:
        return None
    ends = (score.value if end is None else end for end in (score.low, score.high))
    found = Range(score.value, *ends)
    return found if all(map(math.isfinite, found)) else None


def _range(report: Report, metric: str, stage: Stage, subset: str) -> Range | None:
    wanted = (metric, stage, subset)
    return ranged(next((one for one in report.scores if (one.metric, one.stage, one.subset) == wanted), None))


def _judged(verdict: Verdict, metric: str, subset: str, start: Range | None) -> Range | None:
    for outcome in verdict.rules:
        rule = outcome.rule
        if (rule.metric, rule.subset, rule.against) == (metric, subset, "") and outcome.measured is not None:
            shift = start.value if start and rule.stage == "difference" else 0.0
            value = outcome.measured + shift
            bound = value if outcome.bound is None else outcome.bound + shift
            return Range(value, min(value, bound), max(value, bound))
    return None
