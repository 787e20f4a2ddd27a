"""What all renderers share: scores put side by side, and how a number is written."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import NamedTuple, get_args

from scrubber.core.gate import rule_name as rule_name
from scrubber.core.types import Finding, Outcome, Report, RuleOutcome, Score, Stage

NOTHING = "-"
NOT_SCORED = "not scored"


class Row(NamedTuple):
    """One metric on one subset: before, after, and the paired difference where it was made."""

    metric: str
    subset: str
    before: Score | None
    after: Score | None
    difference: Score | None

    @property
    def n(self) -> str:
        """Independent units behind the row, as ``before/after`` where the two differ."""
        counts = [str(score.n) for score in (self.before, self.after) if score] or [
            str(score.n) for score in (self.difference,) if score
        ]
        return "/".join(dict.fromkeys(counts))

    @property
    def notes(self) -> tuple[str, ...]:
        notes = (score.note for score in (self.before, self.after, self.difference) if score and score.note)
        return tuple(dict.fromkeys(notes))


def side_by_side(scores: Iterable[Score]) -> list[Row]:
    """One row for each metric and subset, metrics kept together, all in order of first appearance."""
    found: dict[str, dict[str, dict[Stage, Score]]] = {}
    for score in scores:
        found.setdefault(score.metric, {}).setdefault(score.subset, {})[score.stage] = score
    return [
        Row(metric, subset, stages.get("before"), stages.get("after"), stages.get("difference"))
        for metric, subsets in found.items()
        for subset, stages in subsets.items()
    ]


def number(value: float | None) -> str:
    """Three decimals and no leading zero for shares, fewer decimals for larger numbers, one digit for tiny ones."""
    if value is None or not math.isfinite(value):
        return NOTHING
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    if 0 < size < 0.0005:
        return f"{value:.0e}"
    written = f"{value:.3f}"
    return written.replace("0.", ".", 1) if size < 1 else written


def interval(score: Score | None) -> str:
    """``.833 [.790, .871]``, or "not scored", or a dash where there is no such score."""
    if score is None:
        return NOTHING
    if score.value is None:
        return NOT_SCORED
    if score.low is None or score.high is None:
        return number(score.value)
    return f"{number(score.value)} [{number(score.low)}, {number(score.high)}]"


def limit(outcome: RuleOutcome) -> str:
    """The limit with its direction: ``<= .020`` or ``>= -.020``."""
    if outcome.rule.at_most is None and outcome.rule.at_least is None:
        return NOTHING
    # A rule with both limits is told by the one that its outcome rests on.
    upper = outcome.rule.at_least is None or outcome.limit == outcome.rule.at_most
    return f"{'<=' if upper else '>='} {number(outcome.limit)}"


def reason(outcome: RuleOutcome) -> str:
    """The gate's reason, without the rule's name and figures, which stand beside it."""
    return re.sub(r" \(measured [^)]*\)", "", outcome.reason.removeprefix(f"{rule_name(outcome.rule)}: "))


def size(count: int) -> str:
    """Bytes for a person: ``512 MiB``."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def duration(seconds: float) -> str:
    if not math.isfinite(seconds):
        return NOTHING
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{seconds:.1f} s"


def plain(text: str) -> str:
    """One line without control characters, so that no name or note can steer a terminal, a table or a parser."""
    return "".join(character if character.isprintable() else " " for character in text)


def finding_order(finding: Finding) -> tuple[str, int, int, str, str, str]:
    return (
        finding.document,
        finding.span.start,
        finding.span.end,
        finding.kind,
        finding.rule,
        finding.fingerprint,
    )


def headline(report: Report) -> str:
    """One sentence that says what the verdict is and what it rests on."""
    outcomes = [rule.outcome for rule in report.verdict.rules]
    told = [f"{outcomes.count(name)} {name}" for name in get_args(Outcome) if name in outcomes]
    return f"{len(outcomes)} rules of policy {report.policy}: {', '.join(told) or 'none to judge'}"
