"""Reports and findings as Markdown, for the job summary of a CI run or a merge request."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from scrubber.core.baseline import Marker
from scrubber.core.types import Finding, Report
from scrubber.reporting.rows import finding_order, headline, interval, limit, number, plain, reason, side_by_side

SHOWN = 500  # a job summary may have 1 MiB: what is beyond a person's patience is left to SARIF


def report_markdown(report: Report) -> str:
    """Verdict, rules, scores, controls and what was not tested."""
    parts = [
        f"## {_cell(report.name)}: {report.verdict.outcome}",
        _headline(report),
        "### Rules",
        _table(
            ("metric", "subset", "stage", "measured", "bound", "limit", "n", "outcome", "reason"),
            (
                (
                    outcome.rule.metric,
                    outcome.rule.subset + (f", less {outcome.rule.against}" if outcome.rule.against else ""),
                    outcome.rule.stage,
                    number(outcome.measured),
                    number(outcome.bound),
                    limit(outcome),
                    str(outcome.n),
                    outcome.outcome,
                    reason(outcome),
                )
                for outcome in report.verdict.rules
            ),
        ),
        "### Scores",
        _table(
            ("metric", "subset", "n", "before", "after", "difference", "note"),
            (
                (
                    row.metric,
                    row.subset,
                    row.n,
                    interval(row.before),
                    interval(row.after),
                    interval(row.difference),
                    "; ".join(row.notes),
                )
                for row in side_by_side(report.scores)
            ),
        ),
    ]
    if report.controls:
        controls = ((name, verdict.outcome) for name, verdict in report.controls)
        parts += ["### Controls, none of which may pass", _table(("model", "outcome"), controls)]
    if report.not_tested:
        parts += ["### Not tested", "\n".join(f"- {_cell(text)}" for text in report.not_tested)]
    if report.findings:
        counts = ((name, str(count)) for name, count in sorted(report.findings.items()))
        parts += ["### Findings", _table(("kind/rule", "count"), counts)]
    return "\n\n".join(parts) + "\n"


def _headline(report: Report) -> str:
    return f"**{report.verdict.outcome.upper()}** {_cell(headline(report))}. Intervals are two-sided 95 %."


def findings_markdown(findings: Sequence[Finding], *, mark: Marker | None = None, unread: int = 0) -> str:
    """Counts by kind and rule, then where each finding is, with its masked preview; values are not in a Finding.

    With a baseline, what it does not accept stands first. ``unread``: how many files were not read.
    """
    missing = [f"**{unread} files were not read.**"] if unread else []
    if not findings:
        return "\n\n".join(["## Findings: none", *missing]) + "\n"
    counts = Counter(f"{finding.kind}/{finding.rule}" for finding in findings)
    told = {id(finding): mark(finding).state if mark else "" for finding in findings}
    states = Counter(told.values())
    ordered = sorted(findings, key=lambda finding: (told[id(finding)] == "accepted", finding_order(finding)))
    title = f": {', '.join(f'{count} {state}' for state, count in sorted(states.items()))}" if mark else ""
    parts = [
        f"## Findings: {len(findings)}{title}",
        *missing,
        _table(("kind/rule", "count"), ((name, str(count)) for name, count in sorted(counts.items()))),
        _table(
            ("place", "kind/rule", "confidence", "preview", "fingerprint", *(("baseline",) if mark else ())),
            (
                (
                    f"{finding.document}:{finding.line}:{finding.column}",
                    f"{finding.kind}/{finding.rule}",
                    f"{finding.confidence:.2f}",
                    finding.preview,
                    finding.fingerprint[:12],
                    *((told[id(finding)],) if mark else ()),
                )
                for finding in ordered[:SHOWN]
            ),
        ),
    ]
    if len(ordered) > SHOWN:
        parts.append(f"The first {SHOWN} of {len(ordered)} are shown.")
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(text: str) -> str:
    """Text that stays text: no markup, no HTML, no link and no second column comes out of a name, a path or a note."""
    return re.sub(r"([\\`*_{}\[\]<>|#~!&])", r"\\\1", plain(text))
