"""The parts of the values that leak most: leak rates of single kinds, providers and lengths, the worst first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from scrubber.core.types import Report, RuleOutcome, Score
from scrubber.reporting.rows import Row, limit, side_by_side

ROBUST = "robust_"  # begins the subsets of the robustness checks
_LEAKS = re.compile(r"(indirect_)?leak_rate|leak_at_\d+")
_FAMILIES = ("planted_", "audited_", "found_")


class Stratum(NamedTuple):
    """One stratum of a leak metric; ``rule`` is the policy's rule that holds it to a limit, if one does."""

    metric: str
    subset: str
    before: Score | None
    after: Score | None
    rule: RuleOutcome | None

    @property
    def name(self) -> str:
        return self.subset if self.metric == "leak_rate" else f"{self.metric} of {self.subset}"

    @property
    def limit(self) -> float | None:
        """The highest rate that its rule allows; None where no rule does, or where the rule holds a difference."""
        return self.rule.rule.at_most if self.rule and not self.rule.rule.against else None


def is_stratum(row: Row) -> bool:
    return bool(_LEAKS.fullmatch(row.metric)) and row.subset.startswith(_FAMILIES)


def limit_on(outcome: RuleOutcome) -> str:
    """A rule's limit beside a score: where the rule has a baseline, it holds only what the score has more than that."""
    return limit(outcome) + (f", less {outcome.rule.against}" if outcome.rule.against else "")


def strata(report: Report) -> list[Stratum]:
    """All strata of leak metrics: highest rate first, then the one of which least is known; not scored ones last."""
    found = [
        Stratum(row.metric, row.subset, row.before, row.after, _rule(row, report.verdict.rules))
        for row in side_by_side(report.scores)
        if is_stratum(row)
    ]
    return sorted(found, key=_worst_first)


def _rule(row: Row, outcomes: Sequence[RuleOutcome]) -> RuleOutcome | None:
    """A rule that names the stratum itself goes before one that names its family."""
    fitting = [
        one
        for one in outcomes
        if (one.rule.metric, one.rule.stage) == (row.metric, "after") and fnmatchcase(row.subset, one.rule.subset)
    ]
    return min(fitting, key=lambda one: one.rule.subset != row.subset, default=None)


def _worst_first(one: Stratum) -> tuple[float, float, str]:
    score = one.after or one.before
    if score is None or score.value is None:
        return (1.0, 0.0, one.name)
    return (-score.value, -(score.value if score.high is None else score.high), one.name)
