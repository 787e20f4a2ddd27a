"""The gate passes only on evidence, refuses only on evidence, and says undecided for everything else."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest

from scrubber.core.gate import decide
from scrubber.core.intervals import clopper_pearson
from scrubber.core.types import GatePolicy, Rule, Score, Stage

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

POLICIES = Path(__file__).parents[2] / "scrubber" / "data" / "policies"
LEAKS = Rule("leak_rate", "planted", at_most=0.02, least_n=300)
UTILITY = Rule("pass_at_1", "micro", "difference", at_least=-0.02, least_n=600)


def leaks(k: int, n: int, **changes: Any) -> Score:
    low, high = clopper_pearson(k, n)
    fields: dict[str, Any] = {"value": k / n if n else None, "low": low, "high": high, "n": n, **changes}
    return Score("leak_rate", "after", "planted", **fields)


def utility(value: float | None, low: float | None, high: float | None, n: int = 800) -> Score:
    return Score("pass_at_1", "difference", "micro", value, low, high, n)


def outcome(rule: Rule, *scores: Score) -> str:
    verdict = decide(GatePolicy("test", (rule,)), scores)
    assert verdict.outcome == verdict.rules[0].outcome
    return verdict.outcome


@pytest.mark.parametrize(
    ("k", "n", "expected"),
    [(0, 400, "passed"), (2, 400, "passed"), (3, 400, "undecided"), (20, 400, "refused"), (0, 299, "undecided")],
)
def test_a_rate_is_judged_by_its_whole_interval(k: int, n: int, expected: str) -> None:
    assert outcome(LEAKS, leaks(k, n)) == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(-0.02, 0.03, "passed"), (-0.021, 0.03, "undecided"), (-0.2, -0.02, "undecided"), (-0.2, -0.021, "refused")],
)
def test_an_at_least_rule_holds_the_low_end(low: float, high: float, expected: str) -> None:
    assert outcome(UTILITY, utility((low + high) / 2, low, high)) == expected


def test_an_end_on_the_limit_is_inside() -> None:
    rule = Rule("leak_rate", "planted", at_most=0.5)
    assert outcome(rule, leaks(1, 9, low=0.1, high=0.5)) == "passed"
    assert outcome(rule, leaks(1, 9, low=0.5, high=0.9)) == "undecided"


NAN, INFINITE = math.nan, math.inf
DOUBTFUL = [
    leaks(0, 400, value=None),
    leaks(0, 400, low=None),
    leaks(0, 400, high=None),
    leaks(0, 400, value=NAN),
    leaks(0, 400, low=NAN),
    leaks(0, 400, high=NAN),
    leaks(0, 400, low=-INFINITE),
    leaks(0, 400, low=0.9, high=0.001),
]


@pytest.mark.parametrize("score", DOUBTFUL)
def test_what_is_not_a_finite_measurement_is_undecided(score: Score) -> None:
    assert outcome(LEAKS, score) == "undecided"


def test_a_missing_score_and_a_doubled_one_are_undecided() -> None:
    assert outcome(LEAKS) == "undecided"
    assert outcome(LEAKS, leaks(0, 400), leaks(0, 400)) == "undecided"


@pytest.mark.parametrize("stage", ["before", "difference"])
def test_a_score_of_another_stage_does_not_count(stage: Stage) -> None:
    assert outcome(LEAKS, Score("leak_rate", stage, "planted", 0.0, 0.0, 0.0, 400)) == "undecided"


@pytest.mark.parametrize("limit", [NAN, INFINITE, -INFINITE])
def test_a_limit_that_is_no_number_never_passes(limit: float) -> None:
    assert outcome(Rule("leak_rate", "planted", at_most=limit), leaks(0, 400)) == "undecided"


def test_a_rule_without_a_limit_and_a_policy_without_rules_never_pass() -> None:
    assert outcome(Rule("leak_rate", "planted"), leaks(0, 400)) == "undecided"
    verdict = decide(GatePolicy("empty", ()), [leaks(0, 400)])
    assert (verdict.outcome, verdict.exit_code) == ("undecided", 3)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.4, 0.6, "passed"),
        (0.1, 0.6, "undecided"),
        (0.4, 0.9, "undecided"),
        (0.0, 0.1, "refused"),
        (0.9, 1.0, "refused"),
    ],
)
def test_a_rule_with_two_limits_keeps_both(low: float, high: float, expected: str) -> None:
    rule = Rule("leak_rate", "planted", at_most=0.7, at_least=0.3)
    assert outcome(rule, leaks(200, 400, low=low, high=high)) == expected


def test_one_refused_rule_refuses_and_one_undecided_rule_leaves_it_open() -> None:
    policy = GatePolicy("both", (LEAKS, UTILITY))
    good, bad, open_ = utility(0.0, -0.01, 0.01), utility(-0.2, -0.3, -0.1), utility(0.0, -0.1, 0.1)
    assert decide(policy, [leaks(0, 400), good]).outcome == "passed"
    assert decide(policy, [leaks(0, 400), open_]).outcome == "undecided"
    assert decide(policy, [leaks(3, 400), bad]).outcome == "refused"
    assert [decide(policy, [leaks(k, 400), good]).exit_code for k in (0, 3, 40)] == [0, 3, 1]


def test_a_reason_holds_what_was_measured_the_bound_the_limit_and_n() -> None:
    (rule,) = decide(GatePolicy("test", (LEAKS,)), [leaks(3, 400)]).rules
    assert (rule.measured, rule.bound, rule.limit, rule.n) == (0.0075, leaks(3, 400).high, 0.02, 400)
    assert all(word in rule.reason for word in ("0.0075", "0.02176", "at most 0.02", "n 400"))


def test_more_needed_would_decide_it() -> None:
    (rule,) = decide(GatePolicy("test", (Rule("leak_rate", "planted", at_most=0.02),)), [leaks(0, 100)]).rules
    assert rule.more_needed == 83
    assert clopper_pearson(0, 183)[1] <= 0.02 < clopper_pearson(0, 182)[1]


def test_more_needed_also_reaches_least_n() -> None:
    (rule,) = decide(GatePolicy("test", (LEAKS,)), [leaks(0, 200)]).rules
    assert rule.more_needed == 100


def test_more_needed_is_silent_where_more_samples_are_no_answer() -> None:
    wide = Score("perplexity_ratio", "difference", "held_out", 1.01, 0.9, 1.2, 60)
    rules = (LEAKS, UTILITY, Rule("perplexity_ratio", "held_out", "difference", at_most=1.05))
    verdict = decide(GatePolicy("test", rules), [leaks(9, 400), utility(0.0, -0.1, 0.1), wide])
    assert [(rule.outcome, rule.more_needed) for rule in verdict.rules] == [("undecided", None)] * 3


@pytest.mark.parametrize("name", ["demo", "release", "tiny"])
def test_a_shipped_policy_can_be_read_and_kept_and_broken(name: str) -> None:
    table = tomllib.loads((POLICIES / f"{name}.toml").read_text(encoding="utf-8"))
    assert (table["name"], table["schema_version"]) == (name, 1)
    rules = tuple(Rule(**entry) for entry in table["rules"])
    policy = GatePolicy(name, rules)
    inside = [Score(r.metric, r.stage, r.subset, *[_limit(r)] * 3, r.least_n) for r in rules]
    assert all(rule.why for rule in rules)
    assert decide(policy, inside).outcome == "passed"
    for index, rule in enumerate(rules):
        worse = _limit(rule) + (0.01 if rule.at_most is not None else -0.01)
        broken = [*inside]
        broken[index] = Score(rule.metric, rule.stage, rule.subset, worse, worse, worse, rule.least_n)
        assert decide(policy, broken).outcome == "refused"
        thin = [*inside]
        thin[index] = Score(rule.metric, rule.stage, rule.subset, *[_limit(rule)] * 3, rule.least_n - 1)
        assert decide(policy, thin).outcome == "undecided"


def _limit(rule: Rule) -> float:
    (limit,) = [limit for limit in (rule.at_most, rule.at_least) if limit is not None]
    return limit
