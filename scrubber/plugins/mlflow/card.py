"""What a model version's page says of its verdict: a short Markdown table, kept apart from a person's own words."""

from __future__ import annotations

import re

from scrubber.core.types import Report
from scrubber.reporting.rows import limit, number, plain

MOST_ROWS = 8  # MLflow takes 5000 characters
_OURS = re.compile(r"\s*<!-- scrubber -->.*?<!-- /scrubber -->", re.DOTALL)


def described(text: str, report: Report) -> str:
    """A version's description with the report's table at its end, in place of an earlier one."""
    own = _OURS.sub("", text).rstrip()
    return f"{own}\n\n<!-- scrubber -->\n{table(report)}\n<!-- /scrubber -->".lstrip()


def table(report: Report) -> str:
    """The verdict, then a row for each rule: what was measured before and after, the bound, its limit, the outcome."""
    before = {(score.metric, score.subset): score for score in report.scores if score.stage == "before"}
    lines = [
        f"**Scrubber: {report.verdict.outcome}** by policy {_cell(report.policy)}",
        "",
        "| | before | measured | bound | limit | n | |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for outcome in report.verdict.rules[:MOST_ROWS]:
        rule = outcome.rule
        first = before.get((rule.metric, rule.subset)) if rule.stage == "after" and not rule.against else None
        less = f", less {rule.against}" if rule.against else ""
        cells = (
            f"{rule.metric} of {rule.subset}{less}" + ", difference" * (rule.stage == "difference"),
            number(first.value if first else None),
            number(outcome.measured),
            number(outcome.bound),
            limit(outcome),
            str(outcome.n),
            outcome.outcome,
        )
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    if (more := len(report.verdict.rules) - MOST_ROWS) > 0:
        lines.append(f"\nand {more} more rules, in the run's report")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>|#~!&])", r"\\\1", plain(text)[:80])
