"""A Verdict as JUnit XML: one test case for each rule, refused as failure, undecided as error."""

from __future__ import annotations

import math
from xml.etree import ElementTree

from scrubber.core.types import Report
from scrubber.reporting.rows import limit, number, plain


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
    for outcome in report.verdict.rules:
        rule = outcome.rule
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=plain(f"scrubber.{report.policy}"),
            name=plain(f"{rule.metric} {rule.subset} {rule.stage} {limit(outcome)}"),
        )
        if outcome.outcome != "passed":
            kind = "failure" if outcome.outcome == "refused" else "error"
            element = ElementTree.SubElement(case, kind, type=outcome.outcome, message=plain(outcome.reason))
            element.text = f"measured {number(outcome.measured)}, bound {number(outcome.bound)}, n {outcome.n}"
    if empty:
        case = ElementTree.SubElement(suite, "testcase", classname="scrubber", name="policy")
        ElementTree.SubElement(case, "error", type="undecided", message="the policy has no rule")
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'
