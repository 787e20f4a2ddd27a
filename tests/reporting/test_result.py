from __future__ import annotations

import copy
import json
import math
from dataclasses import replace
from typing import Any

import pytest

from scrubber.core.errors import AskedWrongly
from scrubber.core.types import Report, Rule, RuleOutcome, Score, Verdict
from scrubber.reporting.result import from_json, to_json


def test_a_report_comes_back_equal_through_json_text(report: Report) -> None:
    assert from_json(json.loads(json.dumps(to_json(report, 0), allow_nan=False))) == report


def test_the_contract_has_its_keys(report: Report) -> None:
    data = to_json(report, report.verdict.exit_code)
    assert (data["schema_version"], data["verdict"], data["exit_code"]) == (1, "passed", 0)
    assert data["rules"][0].keys() >= {"metric", "subset", "stage", "outcome", "measured", "bound", "limit", "n"}
    assert data["rules"][0].keys() >= {"reason", "more_needed", "at_most", "at_least", "least_n", "why"}
    assert data["scores"][0].keys() == {"metric", "stage", "subset", "value", "low", "high", "n", "note"}
    assert data["digests"].keys() == {"model", "data", "policy", "config"}
    assert data["seconds"]["audit"] == 61.0
    assert data["peak_memory_bytes"] == 3_221_225_472


def test_no_number_that_json_cannot_write_gets_out(report: Report) -> None:
    rule = RuleOutcome(Rule("perplexity", "all"), "undecided", math.nan, math.inf, math.nan, 0, "not finite")
    odd = replace(
        report,
        scores=(Score("perplexity", "after", "all", math.nan, -math.inf, math.inf, 3),),
        verdict=Verdict("undecided", (rule,)),
        seconds={"scan": math.inf},
        config={"limit": math.nan},
    )
    data = json.loads(json.dumps(to_json(odd, 3), allow_nan=False))
    assert data["scores"][0]["value"] is data["rules"][0]["limit"] is data["config"]["limit"] is None
    back = from_json(data)
    assert back.scores[0].value is None
    assert math.isnan(back.verdict.rules[0].limit)


def test_unknown_keys_are_left_alone(report: Report) -> None:
    data = to_json(report, 0)
    data["new"] = data["scores"][0]["new"] = data["rules"][0]["new"] = 1
    assert from_json(data) == report


@pytest.mark.parametrize("key", ["name", "verdict", "rules", "scores", "digests", "seconds", "peak_memory_bytes"])
def test_a_missing_key_is_named(report: Report, key: str) -> None:
    data = to_json(report, 0)
    del data[key]
    with pytest.raises(AskedWrongly) as told:
        from_json(data)
    assert key in told.value.where
    assert told.value.mend


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("scores",), "text"),
        (("scores", 0), None),
        (("scores", 0, "value"), "S3cretish"),
        (("rules",), {"a": 1}),
        (("rules", 0), 5),
        (("rules", 0, "metric"), None),
        (("rules", 0, "outcome"), "S3cretish"),
        (("controls",), "text"),
        (("controls", 0), 5),
        (("controls", 0, "rules"), None),
        (("verdict",), "S3cretish"),
        (("seconds",), None),
    ],
)
def test_a_malformed_part_is_a_wrong_question_that_quotes_nothing(
    report: Report, path: tuple[Any, ...], value: Any
) -> None:
    data = copy.deepcopy(to_json(report, 0))
    place: Any = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(AskedWrongly) as told:
        from_json(data)
    assert "S3cretish" not in str(told.value)
    assert path[0] in told.value.where


@pytest.mark.parametrize("data", [[], {}, {"schema_version": 2}, {"schema_version": 1}])
def test_what_is_no_result_is_a_wrong_question(data: Any) -> None:
    with pytest.raises(AskedWrongly):
        from_json(data)
