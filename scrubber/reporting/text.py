"""Findings and Reports as plain text for a terminal; a Report at most 78 columns wide."""

from __future__ import annotations

import textwrap

from scrubber.core.baseline import Mark
from scrubber.core.types import Finding, Report, RuleOutcome
from scrubber.reporting.rows import Row, headline, interval, limit, number, plain, reason, rule_name, side_by_side

WIDTH = 78
SUBSET, COUNT = 20, 9


def finding_line(finding: Finding, mark: Mark | None = None) -> str:
    """Where it is, what it is, its masked preview, and what a baseline says of it unless it is new."""
    state = f" ({mark.state})" if mark and mark.entry else ""
    place = f"{finding.document}:{finding.line}:{finding.column}"
    return plain(f"{place}: {finding.kind}/{finding.rule} {finding.preview}{state}")


def table(report: Report) -> str:
    """Scores before -> after with their 95 % intervals, differences on rows of their own, the rules, the verdict."""
    lines = [
        plain(report.name),
        "",
        "scores, with 95 % intervals",
        f"  {'subset':<{SUBSET}} {'n':>{COUNT}}  before -> after",
    ]
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
        lines += ["", "controls, none of which may pass"]
        lines += [
            f"  {verdict.outcome:<9}  exit {verdict.exit_code}  {plain(name)}" for name, verdict in report.controls
        ]
    if report.not_tested:
        lines += ["", "not tested", *(line for text in report.not_tested for line in _wrapped(text, "  - ", "    "))]
    lines += ["", *_wrapped(f"{report.verdict.outcome.upper()}: {headline(report)}", "", "  ")]
    return "\n".join(_cut(line, WIDTH) for line in lines) + "\n"


def _score(row: Row) -> list[str]:
    lines = []
    if row.before and row.after:
        lines.append(_line(row.subset, row.n, f"{interval(row.before)} -> {interval(row.after)}"))
        if len(lines[0]) > WIDTH:
            lines = [_line(row.subset, row.n, interval(row.before)), _line("", "", f"-> {interval(row.after)}")]
    elif row.before or row.after:
        lines.append(
            _line(row.subset, row.n, f"{'before' if row.before else 'after'} {interval(row.before or row.after)}")
        )
    if row.difference:
        # A subset of its own row, unless its before and after stand right above.
        name, said = ("  difference", "") if lines else (row.subset, "difference ")
        lines.append(_line(name, str(row.difference.n), said + interval(row.difference)))
    return lines + [line for note in row.notes for line in _wrapped(note, "      ", "      ")]


def _line(name: str, count: str, numbers: str) -> str:
    return f"  {_cut(plain(name), SUBSET):<{SUBSET}} {count:>{COUNT}}  {numbers}"


def _rule(outcome: RuleOutcome) -> list[str]:
    indent = " " * 13
    figures = f"{number(outcome.measured)}, bound {number(outcome.bound)}, limit {limit(outcome)}, n {outcome.n}"
    lines = [*_wrapped(rule_name(outcome.rule), f"  {outcome.outcome:<9}  ", indent), indent + figures]
    if outcome.outcome != "passed":
        lines += _wrapped(reason(outcome), indent, indent)
    return lines


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    return textwrap.wrap(plain(text), WIDTH, initial_indent=first, subsequent_indent=rest)


def _cut(text: str, width: int) -> str:
    return text.rstrip() if len(text) <= width else text[: width - 3] + "..."
