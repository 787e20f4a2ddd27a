from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

from scrubber.core.types import Report, Verdict
from scrubber.reporting.junit import verdict_junit


def suite(report: Report) -> ElementTree.Element:
    found = ElementTree.fromstring(verdict_junit(report).encode()).find("testsuite")
    assert found is not None
    return found


def test_each_rule_is_a_case(report: Report) -> None:
    shown = suite(report)
    assert (shown.get("tests"), shown.get("failures"), shown.get("errors")) == ("4", "0", "0")
    assert next(case.get("name") for case in shown) == "leak_rate planted after <= .020"
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
