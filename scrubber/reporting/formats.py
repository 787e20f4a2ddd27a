"""Which renderer a ``--format`` means."""

from __future__ import annotations

import json
from collections.abc import Sequence

from scrubber.core.baseline import Marker
from scrubber.core.types import Finding, Report
from scrubber.reporting.places import Places

FINDINGS = ("text", "sarif", "junit", "markdown")
VERDICT = ("text", "json", "sarif", "junit", "markdown")


def findings(
    format: str,
    found: Sequence[Finding],
    *,
    version: str,
    mark: Marker | None = None,
    place: Places = Places(),  # noqa: B008 (it is frozen)
    unread: int = 0,
) -> str:
    """Findings as ``format``, one of FINDINGS, with what a baseline says of each. ``unread``: files not read."""
    if format == "sarif":
        from scrubber.reporting.sarif import dump, findings_sarif

        return dump(findings_sarif(found, version=version, mark=mark, place=place, unread=unread))
    if format == "junit":
        from scrubber.reporting.junit import findings_junit

        return findings_junit(found, mark=mark, unread=unread)
    if format == "markdown":
        from scrubber.reporting.markdown import findings_markdown

        return findings_markdown(found, mark=mark, unread=unread)
    from scrubber.reporting.text import finding_line

    return "\n".join(finding_line(finding, mark(finding) if mark else None) for finding in found)


def verdict(format: str, report: Report, *, version: str = "", file: str = "result.json") -> str:
    """A report as ``format``, one of VERDICT. ``file``: the stored result that was judged, to which SARIF points."""
    if format == "json":
        from scrubber.reporting.result import to_json

        return json.dumps(to_json(report, report.verdict.exit_code), indent=1)
    if format == "sarif":
        from scrubber.reporting.sarif import dump, verdict_sarif

        return dump(verdict_sarif(report, version=version, file=file))
    if format == "junit":
        from scrubber.reporting.junit import verdict_junit

        return verdict_junit(report)
    if format == "markdown":
        from scrubber.reporting.markdown import report_markdown

        return report_markdown(report)
    from scrubber.reporting.text import table

    return table(report)
