"""What a report's figures cover: what was asked of the model, how far that is robust, and what nobody asked."""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase

from scrubber.core.types import Report, RuleOutcome
from scrubber.reporting.points import leak_subset
from scrubber.reporting.rows import NOTHING, Row, interval, plain, reason, rule_name, side_by_side
from scrubber.reporting.strata import ROBUST, is_stratum, limit_on
from scrubber.reporting.words import meaning, subsets_meant

Cells = tuple[str, ...]
DECOYS = "_decoys"
# Each check of the robust suite, and how the names of its conditions begin.
CHECKS = {
    "shipped precision": ("as_trained", "merged"),
    "relearning": ("relearn",),
    "sampled prompts": ("prompts",),
    "guided extraction": ("guided", "public"),
    "residual memory": ("residual",),
    "drift": ("unrelated",),
}


def tested(report: Report) -> list[Cells]:
    """For each metric: what it means, of what it was taken with how many units, and what the policy's rules said."""
    rows: dict[str, list[Row]] = {}
    for row in side_by_side(report.scores):
        if any(score is not None and score.value is not None for score in (row.before, row.after, row.difference)):
            rows.setdefault(row.metric, []).append(row)
    return [(metric, meaning(metric), _asked_of(found), _judged(metric, report)) for metric, found in rows.items()]


def glossary(report: Report) -> list[tuple[str, str]]:
    return subsets_meant({score.subset for score in report.scores})


def untested(report: Report) -> list[str]:
    """What the run lists, then what the scores show to be missing: robustness checks, and scores that were not made."""
    told = list(report.not_tested)
    ran = {check(row.subset) for row in _robust(report)}
    if missing := [name for name in CHECKS if name not in ran]:
        told.append(f"robustness checks that were not run: {', '.join(missing)}")
    absent = [one for one in report.scores if one.value is None]
    told += [f"{one.metric} of {one.subset}, {one.stage}: {one.note or 'not scored'}" for one in absent]
    known = {(one.metric, one.subset, one.stage) for one in absent}
    told += [
        f"{rule_name(one.rule)}: {reason(one)}"
        for one in report.verdict.rules
        if one.measured is None and (one.rule.metric, one.rule.subset, one.rule.stage) not in known
    ]
    return told


def check(subset: str) -> str:
    """The check that a subset of the robust suite belongs to; its condition's own name for one that is not ours."""
    condition = subset.removeprefix(ROBUST)
    return next((name for name, starts in CHECKS.items() if condition.startswith(starts)), condition)


def robustness(report: Report) -> list[Cells]:
    """One row for each score of the robust suite, beside the same metric of the model as it was evaluated.

    What made-up values give under the condition stands beside it, not in a row of its own. A probe's power is that on the
    model before.
    """
    released = {(row.metric, row.subset): row.after for row in side_by_side(report.scores)}
    rows = {(row.metric, row.subset): row for row in _robust(report)}
    made: list[Cells] = []
    for (metric, subset), row in rows.items():
        if (metric, subset.removesuffix(DECOYS)) != (metric, subset) and (metric, subset.removesuffix(DECOYS)) in rows:
            continue
        chance = rows.get((metric, subset + DECOYS))
        made.append(
            (
                check(subset),
                plain(subset.removeprefix(ROBUST)),
                metric,
                row.n,
                interval(released.get((metric, "audited")) or released.get((metric, leak_subset(report)))),
                interval(row.after or row.difference or row.before),
                interval(chance.after or chance.difference) if chance else NOTHING,
                *_held(row, report.verdict.rules),
                "; ".join(row.notes),
            )
        )
    return made


def other_scores(report: Report) -> list[Row]:
    """Scores that are neither strata of a leak metric nor of the robust suite, each of which has its own table."""
    return [row for row in side_by_side(report.scores) if not is_stratum(row) and not row.subset.startswith(ROBUST)]


def _robust(report: Report) -> list[Row]:
    order = list(CHECKS)
    rows = [row for row in side_by_side(report.scores) if row.subset.startswith(ROBUST)]
    return sorted(rows, key=lambda row: order.index(check(row.subset)) if check(row.subset) in order else len(order))


def _held(row: Row, outcomes: tuple[RuleOutcome, ...]) -> tuple[str, str]:
    """Limit and outcome of the rule about this score."""
    for one in outcomes:
        if one.rule.metric == row.metric and fnmatchcase(row.subset, one.rule.subset):
            return limit_on(one), one.outcome
    return NOTHING, NOTHING


def _asked_of(rows: list[Row]) -> str:
    whole = [f"{row.subset} ({row.n})" for row in rows if not is_stratum(row) and not row.subset.startswith(ROBUST)]
    strata = sum(map(is_stratum, rows))
    conditions = sum(row.subset.startswith(ROBUST) and not row.subset.endswith(DECOYS) for row in rows)
    whole += [f"{strata} strat{'a' if strata > 1 else 'um'}"] if strata else []
    return ", ".join(whole + ([f"{conditions} robustness condition{'s' * (conditions > 1)}"] if conditions else []))


def _judged(metric: str, report: Report) -> str:
    outcomes = Counter(one.outcome for one in report.verdict.rules if one.rule.metric == metric)
    return ", ".join(f"{count} {name}" for name, count in outcomes.items()) or "no rule"
