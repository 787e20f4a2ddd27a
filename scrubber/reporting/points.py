"""What the plot of leak rate against utility shows: points with their intervals, and the region a policy allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from scrubber.core.types import Report, Stage, Verdict
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


class Allowed(NamedTuple):
    """Where the policy lets a model be: at most this leak rate, at least this pass rate."""

    leak: float
    utility: float


def leak_subset(report: Report) -> str:
    """Planted values are the strongest evidence; what an audit found stands in where nothing was planted."""
    scored = {score.subset for score in report.scores if score.metric == LEAK and score.value is not None}
    return "planted" if "planted" in scored else "audited"


def points(report: Report, others: Sequence[Report] = ()) -> Iterator[Point]:
    """Before, after, the controls (from their rules, since a Report holds no scores of them), the other reports."""
    subset, tasks = leak_subset(report), _tasks(report)
    wanted: list[tuple[Report, Stage, str, str, str]] = [
        (report, "before", "before", "before", subset),
        (report, "after", "after", "after", subset),
        *((other, "after", "other", plain(other.name), leak_subset(other)) for other in others),
    ]
    for source, stage, role, name, values in wanted:
        leak, utility = _range(source, LEAK, stage, values), _range(source, UTILITY, stage, tasks)
        if leak and utility:
            yield Point(name, role, leak, utility)
    start = _range(report, UTILITY, "before", tasks)
    for name, verdict in report.controls:
        leak, utility = _judged(verdict, LEAK, subset, None), _judged(verdict, UTILITY, tasks, start)
        if leak and utility:
            yield Point(f"control: {plain(name)}", "control", leak, utility)


def allowed(report: Report) -> Allowed | None:
    """The corner that the policy's leak and pass rules leave; None when one of the two sets no limit."""
    leaks, floors = [], []
    start = _range(report, UTILITY, "before", _tasks(report))
    for outcome in report.verdict.rules:
        rule = outcome.rule
        if rule.against:  # a difference is no rate
            continue
        if (rule.metric, rule.stage, rule.subset) == (LEAK, "after", leak_subset(report)) and rule.at_most is not None:
            leaks.append(rule.at_most)
        if rule.metric == UTILITY and rule.at_least is not None and rule.subset == _tasks(report):
            if rule.stage == "after":
                floors.append(rule.at_least)
            elif start:
                floors.append(start.value + rule.at_least)
    return Allowed(min(leaks), max(floors)) if leaks and floors else None


def _tasks(report: Report) -> str:
    """The benchmark of the plot: the one that the policy judges, else the first that was scored."""
    judged = [outcome.rule.subset for outcome in report.verdict.rules if outcome.rule.metric == UTILITY]
    return next(iter(judged + [score.subset for score in report.scores if score.metric == UTILITY]), "")


def _range(report: Report, metric: str, stage: Stage, subset: str) -> Range | None:
    for score in report.scores:
        if (score.metric, score.stage, score.subset) == (metric, stage, subset) and score.value is not None:
            low = score.value if score.low is None else score.low
            return Range(score.value, low, score.value if score.high is None else score.high)
    return None


def _judged(verdict: Verdict, metric: str, subset: str, start: Range | None) -> Range | None:
    for outcome in verdict.rules:
        rule = outcome.rule
        if (rule.metric, rule.subset, rule.against) == (metric, subset, "") and outcome.measured is not None:
            shift = start.value if start and rule.stage == "difference" else 0.0
            value = outcome.measured + shift
            bound = value if outcome.bound is None else outcome.bound + shift
            return Range(value, min(value, bound), max(value, bound))
    return None
