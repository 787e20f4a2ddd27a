from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubber.core.baseline import Entry, Mark, Marker
from scrubber.core.types import Finding, Report, Span, Verdict
from scrubber.reporting.places import Places
from scrubber.reporting.sarif import MOST_BYTES, MOST_RESULTS, dump, findings_sarif, verdict_sarif

VALIDATOR = jsonschema.Draft7Validator(
    json.loads((Path(__file__).parent / "sarif-2.1.0-part.schema.json").read_text()),
    format_checker=jsonschema.FormatChecker(),
)


def run_of(log: dict[str, Any]) -> dict[str, Any]:
    """The one run of a log, which is valid and of stable references."""
    VALIDATOR.validate(json.loads(dump(log)))
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    assert isinstance(run, dict)
    return run


def accepting(*fingerprints: str, expires: date | None = None) -> Marker:
    """A baseline that knows these, on 2030-06-01."""
    known = {fingerprint: Entry(fingerprint, "", "", "a test value", "ana", expires) for fingerprint in fingerprints}

    def mark(finding: Finding) -> Mark:
        entry = known.get(finding.fingerprint)
        return Mark(entry.state(date(2030, 6, 1)), entry) if entry else Mark("new")

    return mark


def test_a_result_has_rule_place_level_and_fingerprints(make_finding: Callable[..., Finding]) -> None:
    finding = make_finding(document="src/a b#1x.py")
    (result,) = run_of(findings_sarif([finding], version="0.1.0"))["results"]
    assert result["ruleId"] == "secret/aws-key"
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "src/a%20b%231x.py"
    assert place["region"] == {"startLine": 3, "startColumn": 5}
    assert result["level"] == "error"
    assert finding.preview in result["message"]["text"]
    assert result["partialFingerprints"]["scrubberValue/v1"] == finding.fingerprint
    assert "baselineState" not in result


def test_an_empty_scan_is_a_valid_log() -> None:
    run = run_of(findings_sarif([], version="0.1.0"))
    assert run["results"] == run["tool"]["driver"]["rules"] == []
    assert run["invocations"] == [{"executionSuccessful": True}]


def test_unread_files_are_no_success() -> None:
    (invocation,) = run_of(findings_sarif([], version="1", unread=2))["invocations"]
    assert invocation["executionSuccessful"] is False
    assert "2 files" in invocation["toolExecutionNotifications"][0]["message"]["text"]


def test_the_order_of_findings_does_not_matter(make_finding: Callable[..., Finding]) -> None:
    findings = [make_finding("pii", "email"), make_finding(line=9), make_finding(), make_finding("package", "npm")]
    log = findings_sarif(findings, version="1")
    assert log == findings_sarif(findings[::-1], version="1")
    assert [result["level"] for result in log["runs"][0]["results"]] == ["error", "error", "warning", "warning"]


@pytest.mark.middle
def test_the_cap_keeps_errors_and_counts_what_is_left_out(make_finding: Callable[..., Finding]) -> None:
    many = [make_finding("pii", "email", line=line) for line in range(1, MOST_RESULTS + 1)]
    run = run_of(findings_sarif([*many, make_finding(document="z.py")], version="1"))
    assert len(run["results"]) <= MOST_RESULTS
    assert run["properties"] == {"findings": MOST_RESULTS + 1, "leftOut": MOST_RESULTS + 1 - len(run["results"])}
    assert run["results"][0]["ruleId"] == "secret/aws-key"
    assert "left out" in run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]


@pytest.mark.middle
def test_a_hundred_thousand_findings_with_long_paths_stay_below_two_megabytes(
    make_finding: Callable[..., Finding],
) -> None:
    path = "/".join(["a" * 40] * 9)
    many = [make_finding(document=f"{path}/{number}.py", line=number + 1) for number in range(100_000)]
    log = findings_sarif(many, version="1", mark=accepting(many[0].fingerprint))
    assert MOST_BYTES - 10_000 < len(dump(log)) < 2_000_000
    assert all(result["baselineState"] == "new" for result in log["runs"][0]["results"])  # what is accepted goes first


def test_what_a_baseline_accepts_is_marked_last_and_not_dropped(make_finding: Callable[..., Finding]) -> None:
    accepted, new = make_finding(line=1), make_finding("pii", "email", line=2)
    run = run_of(findings_sarif([accepted, new], version="1", mark=accepting(accepted.fingerprint)))
    assert [result["baselineState"] for result in run["results"]] == ["new", "unchanged"]
    assert "suppressions" not in run["results"][0]
    (suppression,) = run["results"][1]["suppressions"]
    assert suppression == {"kind": "external", "status": "accepted", "justification": "ana: a test value"}


def test_what_has_expired_is_no_longer_suppressed(make_finding: Callable[..., Finding]) -> None:
    finding = make_finding()
    mark = accepting(finding.fingerprint, expires=date(2030, 5, 31))
    (result,) = run_of(findings_sarif([finding], version="1", mark=mark))["results"]
    assert (result["baselineState"], result["properties"]["baseline"]) == ("unchanged", "expired")
    assert "suppressions" not in result


def test_one_value_in_two_places_shares_the_value_fingerprint_only(make_finding: Callable[..., Finding]) -> None:
    here = make_finding()
    there = replace(here, document="other.py")
    one, two = (r["partialFingerprints"] for r in findings_sarif([here, there], version="1")["runs"][0]["results"])
    assert one["scrubberValue/v1"] == two["scrubberValue/v1"]
    assert one["scrubberPlace/v1"] != two["scrubberPlace/v1"]


def test_a_renamed_rule_and_a_moved_line_leave_the_fingerprints(make_finding: Callable[..., Finding]) -> None:
    before = make_finding()
    after = replace(before, rule="aws-access-key", line=90, span=Span(900, 920))
    one, two = (
        findings_sarif([f], version="1")["runs"][0]["results"][0]["partialFingerprints"] for f in (before, after)
    )
    assert one == two


def test_a_path_that_is_no_text_is_still_written(make_finding: Callable[..., Finding]) -> None:
    log = findings_sarif([make_finding(document="caf\udce9.py"), make_finding(document="/abs.py")], version="1")
    uris = {r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in run_of(log)["results"]}
    assert uris == {"caf%E9.py", "file:///abs.py"}


def test_a_finding_in_a_generation_points_to_its_prompt_and_invents_no_path(
    make_finding: Callable[..., Finding],
) -> None:
    findings = [make_finding(document="prompt-17"), make_finding(document="out/answers.jsonl:4")]
    run = run_of(findings_sarif(findings, version="1", place=Places(origin="generation")))
    by_id, by_row = sorted(run["results"], key=lambda result: "physicalLocation" in result["locations"][0])
    assert by_id["locations"] == [{"logicalLocations": [{"fullyQualifiedName": "prompt-17", "kind": "resource"}]}]
    assert "in the answer to prompt-17" in by_id["message"]["text"]
    physical = by_row["locations"][0]["physicalLocation"]
    assert physical == {"artifactLocation": {"uri": "out/answers.jsonl"}, "region": {"startLine": 4}}
    assert run["automationDetails"]["id"] == "scrubber/generation/"


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.builds(
            Finding,
            document=st.text(max_size=30),
            span=st.builds(Span, st.integers(0, 99), st.integers(100, 200)),
            line=st.integers(1, 9),
            column=st.integers(1, 9),
            kind=st.sampled_from(("secret", "pii", "package")),
            rule=st.text(min_size=1, max_size=9),
            confidence=st.floats(0, 1),
            preview=st.text(max_size=9),
            fingerprint=st.text("0123456789abcdef", min_size=32, max_size=32),
        ),
        max_size=5,
    ),
    st.sampled_from(("corpus", "generation")),
)
def test_any_findings_make_a_valid_log(findings: list[Finding], origin: Any) -> None:
    mark = accepting(*(finding.fingerprint for finding in findings[:2]))
    run = run_of(findings_sarif(findings, version="1", mark=mark, place=Places(origin=origin)))
    assert len(run["results"]) == len(findings)


def test_a_verdict_tells_what_does_not_pass_and_points_to_the_result(make_report: Callable[..., Report]) -> None:
    report = make_report(leak=(0.3, 0.2, 0.4), change=(-0.04, -0.06, -0.02))
    run = run_of(verdict_sarif(report, version="1", file="run/result.json"))
    assert [result["level"] for result in run["results"]] == ["error", "error", "warning"]
    place = run["results"][0]["locations"][0]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "run/result.json"
    assert len({result["partialFingerprints"]["scrubberRule/v1"] for result in run["results"]}) == 3


@pytest.mark.parametrize(("rules", "count"), [(True, 0), (False, 1)])
def test_a_verdict_that_passes_is_empty_and_one_without_rules_is_not(report: Report, rules: bool, count: int) -> None:
    told = report if rules else replace(report, verdict=Verdict("undecided", ()))
    assert len(run_of(verdict_sarif(told, version="1", file="result.json"))["results"]) == count
