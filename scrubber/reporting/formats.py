"""Which renderer a ``--format`` means."""

from __future__ import annotations

import json
from collections.abc import Sequence

from scrubber.core.types import Finding, Report

FINDINGS = ("text", "sarif", "markdown")
VERDICT = ("text", "json", "junit", "markdown")


def findings(format: str, found: Sequence[Finding], *, version: str) -> str:
    """Findings as ``format``, one of FINDINGS."""
    if format == "sarif":
        from scrubber.reporting.sarif import findings_sarif

        return json.dumps(findings_sarif(found, version=version), indent=1)
    if format == "markdown":
        from scrubber.reporting.markdown import findings_markdown

        return findings_markdown(found)
    return "\n".join(f"{f.document}:{f.line}:{f.column}: {f.kind}/{f.rule} {f.preview}" for f in found)


def verdict(format: str, report: Report) -> str:
    """A report as ``format``, one of VERDICT."""
    if format == "json":
        from scrubber.reporting.result import to_json

        return json.dumps(to_json(report, report.verdict.exit_code), indent=1)
    if format == "junit":
        from scrubber.reporting.junit import verdict_junit

        return verdict_junit(report)
    if format == "markdown":
        from scrubber.reporting.markdown import report_markdown

        return report_markdown(report)
    from scrubber.reporting.text import table

    return table(report)
