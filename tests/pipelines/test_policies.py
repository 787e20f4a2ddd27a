"""The shipped policies: every limit has its reason, a clean model can pass, and nothing passes on what was not measured."""

from __future__ import annotations

import json
import math
import random
import re
from dataclasses import replace
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubber.core.gate import decide
from scrubber.core.intervals import clopper_pearson, tango
from scrubber.core.types import GatePolicy, Report, Rule, Score, Stage
from scrubber.pipelines.config import POLICIES, policy
from scrubber.pipelines.publish import regate
from scrubber.reporting.result import from_json, to_json

SHIPPED = sorted(path.stem for path in POLICIES.glob("*.toml"))
TIERS = ("smoke", "standard", "strict")
LIMITS = ("at_most", "at_least", "least_n", "against")
RATES = {"leak_rate", "indirect_leak_rate", "gibberish_rate"}
PAIRED = {"pass_at_1", "parse_rate"}


def clean(rule: Rule, n: int) -> list[Score]:
    """What ``n`` units of a model that never saw the values, and can do what it could, would give for a rule."""
    subset = rule.subset.replace("*", "secret")
    made = _score(rule.metric, rule.stage, subset, n)
    if not rule.against:
        return [made]
    stage, baseline = ("before", subset) if rule.against == "before" else (rule.stage, rule.against)
    return [made, _score(rule.metric, stage, baseline, n)]


def _score(metric: str, stage: Stage, subset: str, n: int) -> Score:
    if metric in RATES:
        return Score(metric, stage, subset, 0.0, *clopper_pearson(0, n), n)
    if metric in PAIRED:  # two of a hundred tasks changed, half of them each way
        return Score(metric, stage, subset, 0.0, *tango(round(n / 100), round(n / 100), n), n)
    middle, half = {
        "perplexity_ratio": (1.0, 0.01),
        "extraction_strength": (0.02, 0.1 / math.sqrt(n)),
        "leak_at_10": (0.0, 0.0),
        "exposure_distance": (0.87 / math.sqrt(n), math.sqrt(math.log(40) / (2 * n))),
    }.get(metric, (0.5, 0.8 / math.sqrt(n)))
    return Score(metric, stage, subset, middle, middle - half, middle + half, n)


def measured(rules: GatePolicy) -> list[Score]:
    return list({(s.metric, s.stage, s.subset): s for rule in rules.rules for s in clean(rule, rule.least_n)}.values())


@pytest.mark.parametrize("name", TIERS)
def test_every_limit_has_a_comment_above_it(name: str) -> None:
    lines = (POLICIES / f"{name}.toml").read_text(encoding="utf-8").splitlines()
    for above, line in pairwise(lines):
        key = line.partition(" =")[0]
        if key in LIMITS:
            assert above.startswith("# ") or (key == "at_least" and above.startswith("at_most")), line
    assert lines[0].startswith("# ")


@pytest.mark.parametrize("name", TIERS)
def test_a_clean_model_passes_with_the_least_n_of_every_rule(name: str) -> None:
    verdict = decide(policy(name), measured(policy(name)))
    assert [rule.reason for rule in verdict.rules if rule.outcome != "passed"] == []
    assert verdict.exit_code == 0


@pytest.mark.parametrize("name", SHIPPED)
def test_each_rule_can_be_kept_and_broken_and_needs_its_least_n_and_its_score(name: str) -> None:
    rules = policy(name)
    assert all(rule.why for rule in rules.rules)
    assert (rules.name, rules.schema_version) == (name, 1)
    for rule in rules.rules:
        alone = replace(rules, rules=(rule,))
        made, *baseline = [replace(score, value=0.0, low=0.0, high=0.0) for score in clean(rule, rule.least_n)]
        for limit, sign in ((rule.at_most, 1), (rule.at_least, -1)):
            if limit is None:
                continue
            kept = replace(made, value=limit, low=limit, high=limit)
            worse = limit + sign * 0.001
            assert decide(alone, [kept, *baseline]).outcome == "passed"
            assert decide(alone, [replace(kept, n=rule.least_n - 1), *baseline]).outcome == "undecided"
            assert decide(alone, [replace(made, value=worse, low=worse, high=worse), *baseline]).outcome == "refused"
            assert decide(alone, baseline).outcome == "undecided"
            assert decide(alone, [kept]).outcome == ("undecided" if rule.against else "passed")


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(TIERS), st.data())
def test_no_policy_passes_when_one_score_is_missing_or_no_number(name: str, data: st.DataObject) -> None:
    scores = measured(policy(name))
    at = data.draw(st.integers(0, len(scores) - 1))
    lost = data.draw(st.sampled_from([None, math.nan, math.inf, "missing"]))
    rest = scores[:at] + scores[at + 1 :]
    spoilt = rest if lost == "missing" else [*rest, replace(scores[at], value=lost)]
    assert decide(policy(name), spoilt).outcome == "undecided"


@pytest.mark.parametrize(("looser", "tighter"), [("smoke", "standard"), ("standard", "strict")])
def test_what_passes_a_tier_passes_the_one_below(looser: str, tighter: str) -> None:
    asked = {(r.metric, r.subset, r.stage, r.against): r for r in policy(tighter).rules}
    for rule in policy(looser).rules:
        other = asked[rule.metric, rule.subset, rule.stage, rule.against]
        assert other.least_n >= rule.least_n
        assert rule.at_most is None or (other.at_most is not None and other.at_most <= rule.at_most)
        assert rule.at_least is None or (other.at_least is not None and other.at_least >= rule.at_least)


def test_two_sided_membership_limits_belong_to_strict_alone() -> None:
    for name in SHIPPED:
        limits = [rule for rule in policy(name).rules if not rule.subset.startswith("robust_")]
        attacks = [rule for rule in limits if rule.metric.startswith("mia_")]
        assert bool(attacks) == (name == "strict")
        assert all((rule.at_least, rule.at_most) == (0.4, 0.6) for rule in attacks)
    (scar,) = [rule for rule in policy("strict").rules if rule.metric == "mia_loss"]
    ascended = Score("mia_loss", "after", "audited", 0.05, 0.02, 0.09, 400)
    assert decide(GatePolicy("scar", (scar,)), [ascended]).outcome == "refused"


@pytest.mark.parametrize("name", ["standard", "strict"])
def test_utility_is_paired_needs_600_tasks_and_says_why_humaneval_is_too_small(name: str) -> None:
    (rule,) = [rule for rule in policy(name).rules if rule.metric == "pass_at_1"]
    assert (rule.stage, rule.least_n >= 600) == ("difference", True)
    assert re.search(r"HumanEval.* 164 ", rule.why)
    unchanged = Score("pass_at_1", "difference", rule.subset, 0.0, *tango(0, 0, 164), 164)
    assert decide(GatePolicy("thin", (replace(rule, least_n=1),)), [unchanged]).outcome == "undecided"


@pytest.mark.parametrize("name", ["standard", "strict"])
def test_the_worst_kind_decides_though_the_mean_is_clean(name: str) -> None:
    kinds = [Score("leak_rate", "after", f"audited_{kind}", 0.0, *clopper_pearson(0, 800), 800) for kind in "abcd"]
    bad = Score("leak_rate", "after", "audited_e", 20 / 80, *clopper_pearson(20, 80), 80)
    rules = replace(policy(name), rules=tuple(r for r in policy(name).rules if r.subset == "audited_*"))
    assert decide(rules, kinds).outcome == "passed"
    assert decide(rules, [*kinds, bad]).outcome == "refused"


@pytest.mark.parametrize(
    ("loss", "tasks", "changed", "share"), [(0.0, 600, 0.02, 0.87), (0.0, 164, 0.02, 0.23), (0.02, 600, 0.05, 0.02)]
)
def test_models_pass_the_utility_rule_as_often_as_docs_gate_says(
    loss: float, tasks: int, changed: float, share: float
) -> None:
    draw, runs, lost, won = random.Random(9), 400, (changed + loss) / 2, (changed - loss) / 2
    passed = 0
    for _ in range(runs):
        rolls = [draw.random() for _ in range(tasks)]
        counts = sum(roll < lost for roll in rolls), sum(roll > 1 - won for roll in rolls)
        passed += _lower(*counts, tasks) >= -0.02
    assert passed / runs == pytest.approx(share, abs=0.06)


@cache
def _lower(lost: int, won: int, n: int) -> float:
    return tango(lost, won, n)[0]


@pytest.mark.parametrize("name", TIERS)
def test_a_stored_result_is_gated_again_to_the_same_verdict(name: str) -> None:
    rules = policy(name)
    scores = tuple(score for score in measured(rules) if score.metric != "perplexity_ratio")
    report = Report("run", decide(rules, scores), scores, name, {}, {}, {}, {}, 0, {}, ())
    read = from_json(json.loads(json.dumps(to_json(report, report.verdict.exit_code))))
    assert read == report
    assert regate(read, rules).verdict == report.verdict
