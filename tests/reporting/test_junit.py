from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

from scrubber.core.baseline import Entry, Mark
from scrubber.core.types import Finding, Report, Verdict
from scrubber.reporting.junit import MOST_CASES, findings_junit, verdict_junit


def parsed(text: str) -> ElementTree.Element:
    """The suite, whose counts are those of its cases unless some are left out."""
    found = ElementTree.fromstring(text.encode()).find("testsuite")
    assert found is not None
    return found


def suite(report: Report) -> ElementTree.Element:
    return parsed(verdict_junit(report))


def test_each_rule_is_a_case(report: Report) -> None:
    shown = suite(report)
    assert (shown.get("tests"), shown.get("failures"), shown.get("errors")) == ("4", "0", "0")
    assert next(case.get("name") for case in shown.iter("testcase")) == "leak_rate of planted, after <= .020"
    assert ("digest.model", "0f3a5c7e9b1d2f40") in [(p.get("name"), p.get("value")) for p in shown.iter("property")]
    assert shown.get("time") == "498.750"


def test_refused_is_a_failure_and_undecided_an_error(make_report: Callable[..., Report]) -> None:
    shown = suite(make_report(leak=(0.3, 0.2, 0.4), change=(-0.04, -0.06, -0.02)))
    assert (shown.get("failures"), shown.get("errors")) == ("2", "1")
    failure = shown.find("testcase/failure")
    assert failure is not None
    assert "outside the limit" in str(failure.get("message"))


def test_a_policy_without_rules_is_not_green(report: Report) -> None:
    assert suite(replace(report, verdict=Verdict("undecided", ()))).get("errors") == "1"


def test_odd_characters_and_times_stay_valid_xml(report: Report) -> None:
    odd = suite(replace(report, name='a<b>&"\x00\x1b\ud800é', seconds={"scan": math.nan}))
    assert odd.get("name") == 'scrubber: a<b>&"   é'
    assert odd.get("time") == "0.000"


def test_a_finding_fails_and_an_accepted_one_is_skipped(make_finding: Callable[..., Finding]) -> None:
    new, known = make_finding(line=1), make_finding("pii", "email", line=2)

    def mark(finding: Finding) -> Mark:
        return Mark("accepted", Entry("", "", "", "a test value", "ana")) if finding == known else Mark("new")

    shown = parsed(findings_junit([known, new], mark=mark))
    assert [shown.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["2", "1", "0", "1"]
    failed, skipped = shown.iter("testcase")
    assert (failed.get("classname"), failed.get("file")) == ("secret.aws-key", "src/app.py")
    assert failed.find("failure") is not None
    told = skipped.find("skipped")
    assert told is not None
    assert told.get("message") == "ana: a test value"


def test_a_clean_scan_is_a_case_that_passes_unless_files_are_unread() -> None:
    assert [len(case) for case in parsed(findings_junit([])).iter("testcase")] == [0]
    unread = parsed(findings_junit([], unread=3))
    assert (unread.get("tests"), unread.get("errors")) == ("2", "1")
    assert len(unread.findall("testcase/error")) == 1


def test_many_findings_are_cut_and_the_rest_still_fails(make_finding: Callable[..., Finding]) -> None:
    shown = parsed(findings_junit([make_finding(line=line) for line in range(1, MOST_CASES + 11)]))
    assert shown.get("failures") == str(MOST_CASES + 10)
    assert [e.get("message") for e in shown.findall("testcase/failure")][-1] == "10 more findings"
