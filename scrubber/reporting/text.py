"""A Report as plain text for a terminal, at most 78 columns wide."""

from __future__ import annotations

import textwrap

from scrubber.core.types import Report, RuleOutcome
from scrubber.reporting.rows import NOTHING, Row, headline, interval, limit, number, plain, side_by_side

WIDTH = 78
SUBSET, COUNT = 20, 9


def table(report: Report) -> str:
    """Scores before -> after with their 95 % intervals, differences on rows of their own, the rules, the verdict."""
    lines = [plain(report.name), "", "scores, with 95 % intervals", f"  {'subset':<{SUBSET}} {'n':>{COUNT}}  before -> after"]
    metric = ""
    for row in side_by_side(report.scores):
        if row.metric != metric:
            metric = row.metric
            lines.append(plain(metric))
        lines += _score(row)
    lines += ["", "rules"]
    for outcome in report.verdict.rules:
        lines += _rule(outcome)
    if report.controls:
        lines += ["", "controls, which should be refused"]
        lines += [f"  {verdict.outcome:<9}  {plain(name)}" for name, verdict in report.controls]
    if report.not_tested:
        lines += ["", "not tested", *(line for text in report.not_tested for line in _wrapped(text, "  - ", "    "))]
    lines += ["", *_wrapped(f"{report.verdict.outcome.upper()}: {headline(report)}", "", "  ")]
    return "\n".join(_cut(line, WIDTH) for line in lines) + "\n"


def _score(row: Row) -> list[str]:
    lines = []
    if row.before or row.after:
        numbers = [interval(row.before), interval(row.after)]
        shown = f"{numbers[0]} -> {numbers[1]}" if NOTHING not in numbers else f"{row.before and 'before' or 'after'} "
        if NOTHING in numbers:
            shown += next(text for text in numbers if text != NOTHING)
        lines.append(f"  {_cut(plain(row.subset), SUBSET):<{SUBSET}} {row.n:>{COUNT}}  {shown}")
    if row.difference:
        name = "  difference" if lines else row.subset
        lines.append(
            f"  {_cut(plain(name), SUBSET):<{SUBSET}} {row.difference.n:>{COUNT}}  "
            f"{'' if name.startswith(' ') else 'difference '}{interval(row.difference)}"
        )
    for note in row.notes:
        lines += _wrapped(note, "      ", "      ")
    return lines


def _rule(outcome: RuleOutcome) -> list[str]:
    rule = outcome.rule
    told = (
        f"{rule.metric} of {rule.subset}, {rule.stage}: {number(outcome.measured)}, "
        f"bound {number(outcome.bound)} {limit(outcome)}, n {outcome.n}"
    )
    lines = _wrapped(told, f"  {outcome.outcome:<9}  ", " " * 13)
    if outcome.outcome != "passed":
        more = f" About {outcome.more_needed} more would decide it." if outcome.more_needed else ""
        lines += _wrapped(outcome.reason + more, " " * 13, " " * 13)
    return lines


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    return textwrap.wrap(plain(text), WIDTH, initial_indent=first, subsequent_indent=rest)


def _cut(text: str, width: int) -> str:
    return text.rstrip() if len(text) <= width else text[: width - 3] + "..."
