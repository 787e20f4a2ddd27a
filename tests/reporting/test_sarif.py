from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from scrubber.core.types import Finding
from scrubber.reporting.sarif import MOST_RESULTS, findings_sarif


def test_a_result_has_rule_place_level_and_fingerprints(make_finding: Callable[..., Finding]) -> None:
    finding = make_finding(document="src/a b#1.py")
    log = findings_sarif([finding], version="0.1.0")
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    (result,) = run["results"]
    assert result["ruleId"] == run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "secret/aws-key"
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "src/a%20b%231.py"
    assert place["region"] == {"startLine": 3, "startColumn": 5}
    assert result["level"] == "error"
    assert finding.preview in result["message"]["text"]
    assert result["partialFingerprints"]["scrubberValue/v1"] == finding.fingerprint


def test_an_empty_scan_is_a_valid_log() -> None:
    (run,) = findings_sarif([], version="0.1.0")["runs"]
    assert run["results"] == run["tool"]["driver"]["rules"] == []
    assert run["invocations"] == [{"executionSuccessful": True}]


def test_the_order_of_findings_does_not_matter(make_finding: Callable[..., Finding]) -> None:
    findings = [make_finding("pii", "email"), make_finding(line=9), make_finding(), make_finding("package", "npm")]
    log = findings_sarif(findings, version="1")
    assert log == findings_sarif(findings[::-1], version="1")
    assert [result["level"] for result in log["runs"][0]["results"]] == ["error", "error", "warning", "warning"]


def test_the_cap_keeps_errors_and_counts_what_is_left_out(make_finding: Callable[..., Finding]) -> None:
    many = [make_finding("pii", "email")] * MOST_RESULTS + [make_finding(document="z.py")]
    (run,) = findings_sarif(many, version="1")["runs"]
    assert len(run["results"]) == MOST_RESULTS
    assert run["properties"] == {"findings": MOST_RESULTS + 1, "leftOut": 1}
    assert run["results"][0]["ruleId"] == "secret/aws-key"


def test_one_value_in_two_places_shares_the_value_fingerprint_only(make_finding: Callable[..., Finding]) -> None:
    here = make_finding()
    there = replace(here, document="other.py")
    one, two = (r["partialFingerprints"] for r in findings_sarif([here, there], version="1")["runs"][0]["results"])
    assert one["scrubberValue/v1"] == two["scrubberValue/v1"]
    assert one["scrubberPlace/v1"] != two["scrubberPlace/v1"]


def test_a_path_that_is_no_text_is_still_written(make_finding: Callable[..., Finding]) -> None:
    log = findings_sarif([make_finding(document="/caf\udce9.py")], version="1")
    assert '"uri": "caf%E9.py"' in json.dumps(log)
