"""Verdicts and findings as JUnit XML: what is refused or new is a failure, undecided an error, accepted skipped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.etree import ElementTree

from scrubber.core.baseline import Marker
from scrubber.core.types import Finding, Report
from scrubber.reporting.rows import finding_order, limit, number, plain, rule_name

MOST_CASES = 2_000


def verdict_junit(report: Report) -> str:
    """One suite. A verdict without a rule is an error of its own, since an empty suite would read as green."""
    outcomes = [rule.outcome for rule in report.verdict.rules]
    empty = not outcomes
    suite = ElementTree.Element(
        "testsuite",
        name=plain(f"scrubber: {report.name}"),
        tests=str(len(outcomes) + empty),
        failures=str(outcomes.count("refused")),
        errors=str(outcomes.count("undecided") + empty),
        time=f"{sum(filter(math.isfinite, report.seconds.values())):.3f}",
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, digest in sorted(report.digests.items()):
        ElementTree.SubElement(properties, "property", name=plain(f"digest.{name}"), value=plain(digest))
    for outcome in report.verdict.rules:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=plain(f"scrubber.{report.policy}"),
            name=plain(f"{rule_name(outcome.rule)} {limit(outcome)}"),
        )
        if outcome.outcome != "passed":
            kind = "failure" if outcome.outcome == "refused" else "error"
            element = ElementTree.SubElement(case, kind, type=outcome.outcome, message=plain(outcome.reason))
            element.text = f"measured {number(outcome.measured)}, bound {number(outcome.bound)}, n {outcome.n}"
    if empty:
        case = ElementTree.SubElement(suite, "testcase", classname="scrubber", name="policy")
        ElementTree.SubElement(case, "error", type="undecided", message="the policy has no rule")
    return _document(suite)


def findings_junit(findings: Sequence[Finding], *, mark: Marker | None = None, unread: int = 0) -> str:
    """A failed case for each finding, skipped where a baseline accepts it; the count is whole where cases are left out.

    A scan without findings is one case that passes, and ``unread`` files are an error of their own.
    """
    marks = [(finding, mark(finding) if mark else None) for finding in sorted(findings, key=finding_order)]
    new = [(finding, told) for finding, told in marks if not told or told.state != "accepted"]
    accepted = [(finding, told) for finding, told in marks if told and told.state == "accepted"]
    suite = ElementTree.Element(
        "testsuite",
        name="scrubber: scan",
        tests=str(max(len(marks), 1) + bool(unread)),
        failures=str(len(new)),
        errors=str(int(bool(unread))),
        skipped=str(len(accepted)),
    )
    for finding, told in (new + accepted)[:MOST_CASES]:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=plain(f"{finding.kind}.{finding.rule}"),
            name=plain(f"{finding.document}:{finding.line}:{finding.column} {finding.fingerprint[:12]}"),
            file=plain(finding.document),
        )
        if told and told.entry and told.state == "accepted":
            ElementTree.SubElement(case, "skipped", message=plain(f"{told.entry.owner}: {told.entry.reason}"))
        else:
            state = f" ({told.state} in the baseline)" if told and told.entry else ""
            ElementTree.SubElement(case, "failure", type=finding.kind, message=plain(finding.preview + state))
    if len(marks) > MOST_CASES:
        case = ElementTree.SubElement(suite, "testcase", classname="scrubber", name="findings left out here")
        text = f"{len(marks) - MOST_CASES} more findings"
        ElementTree.SubElement(case, "failure" if len(new) > MOST_CASES else "skipped", message=text)
    if not marks:
        ElementTree.SubElement(suite, "testcase", classname="scrubber", name="no findings")
    if unread:
        case = ElementTree.SubElement(suite, "testcase", classname="scrubber", name="every file is read")
        ElementTree.SubElement(case, "error", type="unread", message=f"{unread} files were not read")
    return _document(suite)


def _document(suite: ElementTree.Element) -> str:
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'
