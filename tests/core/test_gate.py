"""The gate passes only on evidence, refuses only on evidence, and says undecided for everything else."""

from __future__ import annotations

import json
import math
import random
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubber.core.gate import decide, rule_name
from scrubber.core.intervals import clopper_pearson, tango
from scrubber.core.types import GatePolicy, Rule, RuleOutcome, Score, Stage

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


def rate(k: int, n: int, subset: str = "audited", metric: str = "leak_rate", stage: Stage = "after") -> Score:
    return Score(metric, stage, subset, k / n, *clopper_pearson(k, n), n)


def pairs(lost: int, won: int, n: int) -> Score:
    return utility((won - lost) / n, *tango(lost, won, n), n)


def judged(rule: Rule, *scores: Score) -> RuleOutcome:
    (found,) = decide(GatePolicy("test", (rule,)), scores).rules
    return found


# -- how many more would decide it


def test_more_needed_would_decide_it() -> None:
    assert judged(Rule("leak_rate", "planted", at_most=0.02), leaks(0, 100)).more_needed == 83
    assert clopper_pearson(0, 183)[1] <= 0.02 < clopper_pearson(0, 182)[1]


def test_more_needed_also_reaches_least_n() -> None:
    assert judged(LEAKS, leaks(0, 200)).more_needed == 100


def test_more_needed_is_silent_where_no_sensible_number_would_do() -> None:
    assert judged(LEAKS, leaks(8, 400)).more_needed is None  # on the limit itself
    assert judged(LEAKS, leaks(0, 400), leaks(0, 400)).more_needed is None
    assert judged(LEAKS, leaks(0, 400)).more_needed is None  # passed


@settings(deadline=None, max_examples=60)
@given(st.integers(20, 500), st.data())
def test_that_many_more_at_the_same_rate_decide_it_and_a_few_less_do_not(n: int, data: st.DataObject) -> None:
    rule = Rule("leak_rate", "audited", at_most=0.05)
    k = data.draw(st.integers(0, n // 5))
    found = judged(rule, rate(k, n))
    if found.more_needed is None:
        return
    size = n + found.more_needed
    # A rate that is no whole count at that size is rounded to the side that makes deciding harder.
    held = math.ceil(k * size / n - 1e-6) if k / n < 0.05 else math.floor(k * size / n + 1e-6)
    assert judged(rule, rate(held, size)).outcome == ("passed" if k / n < 0.05 else "refused")
    if size < 1000:
        less = size - 1
        held = math.ceil(k * less / n - 1e-6) if k / n < 0.05 else math.floor(k * less / n + 1e-6)
        assert less <= n or judged(rule, rate(held, less)).outcome == "undecided"


@settings(deadline=None, max_examples=60)
@given(st.integers(50, 400), st.integers(0, 20), st.integers(0, 20))
def test_that_many_more_pairs_of_the_same_kind_decide_it(n: int, lost: int, won: int) -> None:
    rule = Rule("pass_at_1", "micro", "difference", at_least=-0.02)
    found = judged(rule, pairs(lost, won, n))
    if not found.more_needed:
        return
    size = n + found.more_needed
    if (lost - won) / n < 0.02:
        more = math.ceil(lost * size / n - 1e-6), math.floor(won * size / n + 1e-6)
        assert judged(rule, pairs(*more, size)).outcome == "passed"
    else:
        more = math.floor(lost * size / n + 1e-6), math.ceil(won * size / n - 1e-6)
        assert judged(rule, pairs(*more, size)).outcome == "refused"


@pytest.mark.parametrize(("truth", "expected"), [(0.0075, "passed"), (0.03, "refused")])
def test_after_that_many_more_a_model_of_that_rate_is_decided_as_often_as_not(truth: float, expected: str) -> None:
    rule = Rule("leak_rate", "audited", at_most=0.02)
    more = judged(rule, rate(round(truth * 400), 400)).more_needed
    assert more
    draw = random.Random(4)
    counts = [sum(draw.random() < truth for _ in range(400 + more)) for _ in range(200)]
    decided = sum(judged(rule, rate(k, 400 + more)).outcome == expected for k in counts)
    assert decided / 200 > 0.45


def test_more_needed_of_what_is_no_rate_takes_the_interval_to_narrow_as_a_mean() -> None:
    rule = Rule("perplexity_ratio", "held_out", "difference", at_most=1.05)
    wide = Score("perplexity_ratio", "difference", "held_out", 1.01, 0.97, 1.09, 60)
    more = judged(rule, wide).more_needed
    assert more is not None
    assert 60 + more == pytest.approx(60 * (0.08 / 0.04) ** 2, abs=1)


# -- against another score


AGAINST = Rule("leak_rate", "audited", at_most=0.02, against="decoys")


def test_a_limit_can_hold_the_difference_from_decoys() -> None:
    assert outcome(AGAINST, rate(40, 400), rate(1, 400, "decoys")) == "refused"
    assert outcome(AGAINST, rate(3, 1000), rate(1, 1000, "decoys")) == "passed"
    # no more than decoys show, and yet not surely under their rate by .02 at most
    assert outcome(AGAINST, rate(10, 400), rate(10, 400, "decoys")) == "undecided"


def test_a_limit_can_hold_the_difference_from_before() -> None:
    rule = Rule("parse_rate", "micro", at_least=-0.05, against="before")
    before = rate(570, 600, "micro", "parse_rate", "before")
    assert outcome(rule, before, rate(570, 600, "micro", "parse_rate")) == "passed"
    assert outcome(rule, before, rate(400, 600, "micro", "parse_rate")) == "refused"


def test_a_difference_tells_both_its_figures_and_counts_the_thinner_side() -> None:
    found = judged(AGAINST, rate(40, 400), rate(1, 200, "decoys"))
    assert "0.1 less 0.005 of decoys" in found.reason
    assert "leak_rate of audited, after, less decoys: " in found.reason
    assert (found.measured, found.n) == (pytest.approx(0.095), 200)


def test_more_needed_of_a_difference_lets_both_sides_grow() -> None:
    found = judged(AGAINST, rate(0, 100), rate(2, 200, "decoys"))
    assert found.more_needed
    grown = 100 + found.more_needed
    assert outcome(AGAINST, rate(0, grown), rate(round(0.01 * 2 * grown), 2 * grown, "decoys")) == "passed"


@pytest.mark.parametrize(
    "baseline", [[], [leaks(0, 400)], [rate(0, 9, "decoys")] * 2, [rate(0, 9, "decoys", stage="before")]]
)
def test_a_baseline_that_is_not_there_leaves_it_undecided(baseline: list[Score]) -> None:
    assert outcome(AGAINST, rate(0, 400), *baseline) == "undecided"


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_a_baseline_that_is_no_number_leaves_it_undecided(value: float | None) -> None:
    assert outcome(AGAINST, rate(0, 400), replace(rate(0, 400, "decoys"), value=value)) == "undecided"


def test_a_score_is_not_its_own_baseline() -> None:
    assert outcome(Rule("leak_rate", "audited", at_most=0.02, against="audited"), rate(400, 400)) == "undecided"
    before = Rule("leak_rate", "audited", "before", at_most=0.02, against="before")
    assert outcome(before, rate(400, 400, stage="before")) == "undecided"


# -- families of strata


STRATA = Rule("leak_rate", "audited_*", at_most=0.05, least_n=72)


def test_the_worst_stratum_decides_and_not_the_mean() -> None:
    good = [rate(0, 400, f"audited_{name}") for name in "abc"]
    assert judged(STRATA, *good).outcome == "passed"
    found = judged(STRATA, *good, rate(30, 80, "audited_d"))
    assert found.outcome == "refused"
    assert "worst of 4, audited_d: " in found.reason
    assert (found.n, found.measured) == (80, 30 / 80)
    assert judged(STRATA, *good, rate(5, 80, "audited_d")).outcome == "undecided"


def test_72_clean_values_are_the_fewest_that_pass_a_stratum() -> None:
    assert judged(STRATA, rate(0, 72, "audited_a"), rate(0, 72, "audited_b")).outcome == "passed"
    assert judged(STRATA, rate(0, 71, "audited_a")).outcome == "undecided"


def test_a_family_takes_only_what_its_pattern_names() -> None:
    others = [rate(90, 90, "audited"), rate(90, 90, "planted_a"), rate(90, 90, "audited_a", stage="before")]
    assert judged(STRATA, rate(0, 90, "audited_a"), *others).outcome == "passed"
    assert judged(STRATA, *others).outcome == "undecided"


def test_one_of_many_strata_is_refused_only_where_chance_is_no_answer() -> None:
    one = rate(10, 80, "audited_a")
    assert judged(STRATA, one).outcome == "refused"
    crowd = [rate(0, 80, f"audited_{name}") for name in "bcdefghijk"]
    found = judged(STRATA, one, *crowd)
    assert found.outcome == "undecided"
    assert "11 are compared" in found.reason
    assert judged(STRATA, rate(20, 80, "audited_a"), *crowd).outcome == "refused"


@settings(deadline=None, max_examples=40)
@given(st.sampled_from([0.02, 0.05, 0.15]), st.integers(72, 400), st.integers(2, 20), st.data())
def test_a_family_of_rates_refuses_nothing_that_exact_tests_would_not(
    limit: float, n: int, strata: int, data: st.DataObject
) -> None:
    binom = pytest.importorskip("scipy.stats").binom
    k = data.draw(st.integers(math.ceil(limit * n), n))
    rule = Rule("leak_rate", "audited_*", at_most=limit, least_n=1)
    crowd = [rate(0, n, f"audited_{i}") for i in range(1, strata)]
    if judged(rule, rate(k, n, "audited_0"), *crowd).outcome == "refused":
        assert binom.sf(k - 1, n, limit) < 0.025 / strata * (1 + 1e-9)


def test_thin_strata_are_judged_together() -> None:
    thick = rate(0, 100, "audited_a")
    thin = [rate(0, 40, "audited_b"), rate(0, 40, "audited_c")]
    assert judged(STRATA, thick, *thin).outcome == "passed"
    leaking = judged(STRATA, thick, rate(20, 40, "audited_b"), rate(20, 40, "audited_c"))
    assert leaking.outcome == "refused"
    assert "audited_b, audited_c together" in leaking.reason
    assert leaking.n == 80


def test_a_thin_stratum_joins_the_smallest_other_which_is_judged_by_itself_as_well() -> None:
    assert judged(STRATA, rate(0, 400, "audited_a"), rate(0, 100, "audited_b"), rate(0, 9, "audited_c")).n == 100
    hidden = judged(STRATA, rate(30, 72, "audited_a"), rate(0, 71, "audited_b"))
    assert (hidden.outcome, hidden.n) == ("refused", 72)
    found = judged(STRATA, rate(0, 400, "audited_a"), rate(0, 100, "audited_b"), rate(9, 9, "audited_c"))
    assert (found.outcome, found.n) == ("undecided", 109)


def test_thin_strata_that_are_no_rates_or_are_not_scored_leave_it_undecided() -> None:
    rule = Rule("extraction_strength", "audited_*", at_most=0.05, least_n=72)
    thick = Score("extraction_strength", "after", "audited_a", 0.01, 0.001, 0.02, 100)
    assert judged(rule, thick, replace(thick, subset="audited_b")).outcome == "passed"
    assert judged(rule, thick, replace(thick, subset="audited_b", n=40)).outcome == "undecided"
    assert (
        judged(rule, thick, replace(thick, subset="audited_b", value=None, low=None, high=None)).outcome == "undecided"
    )
    assert judged(rule, replace(thick, n=0)).outcome == "undecided"


def test_a_doubled_stratum_is_undecided_and_a_refused_one_still_refuses() -> None:
    doubled = [rate(0, 90, "audited_a")] * 2
    assert judged(STRATA, *doubled).outcome == "undecided"
    assert judged(STRATA, *doubled, rate(80, 90, "audited_b")).outcome == "refused"


def test_more_needed_of_a_family_counts_all_open_strata() -> None:
    two = [rate(0, 72, "audited_a"), rate(1, 90, "audited_b"), rate(2, 100, "audited_c")]
    alone = [judged(STRATA, score).more_needed or 0 for score in two[1:]]
    assert min(alone) > 0
    found = judged(STRATA, *two)
    assert found.more_needed == sum(alone)
    assert found.reason.endswith(f"; {sum(alone)} more would decide it if the rate held")


def test_a_family_can_be_held_against_decoys() -> None:
    rule = replace(STRATA, against="decoys")
    strata = [rate(0, 200, "audited_a"), rate(40, 200, "audited_b")]
    assert judged(rule, strata[0], rate(0, 400, "decoys")).outcome == "passed"
    assert judged(rule, *strata, rate(0, 400, "decoys")).outcome == "refused"
    assert judged(rule, *strata).outcome == "undecided"


def test_a_stratum_without_its_own_before_leaves_the_family_undecided() -> None:
    rule = replace(STRATA, against="before")
    after = [rate(0, 200, f"audited_{name}") for name in "ab"]
    before = [replace(score, stage="before") for score in after]
    assert judged(rule, *after, *before).outcome == "passed"
    assert judged(rule, *after, before[0]).outcome == "undecided"


def test_more_needed_of_one_stratum_of_many_allows_for_their_number() -> None:
    crowd = [rate(0, 80, f"audited_{i}") for i in range(10)]
    more = judged(STRATA, rate(9, 80, "audited_a"), *crowd).more_needed
    assert more
    k = math.floor(9 * (80 + more) / 80)
    assert judged(STRATA, rate(k, 80 + more, "audited_a"), *crowd).outcome == "refused"


# -- what holds for every policy and all scores


NUMBERS = st.floats(0, 1) | st.sampled_from([0.0, 0.02, 0.05, 1.0])
ODD = st.sampled_from([None, math.nan, math.inf, -math.inf])
METRICS = st.sampled_from(["leak_rate", "pass_at_1"])
SUBSETS = st.sampled_from(["audited", "audited_a", "audited_b", "audited_c", "decoys"])
STAGES: st.SearchStrategy[Stage] = st.sampled_from(["before", "after"])


@st.composite
def scores_(draw: st.DrawFn) -> Score:
    metric, subset, stage = draw(METRICS), draw(SUBSETS), draw(STAGES)
    n = draw(st.integers(0, 500))
    if n and draw(st.booleans()):
        return rate(draw(st.integers(0, n)), n, subset, metric, stage)
    low, value, high = sorted(draw(st.tuples(NUMBERS, NUMBERS, NUMBERS)))
    return Score(metric, stage, subset, value, low, high, n)


@st.composite
def rules_(draw: st.DrawFn) -> Rule:
    low, high = sorted(draw(st.tuples(NUMBERS, NUMBERS)))
    limits = draw(st.sampled_from([(high, None), (None, low), (high, low)]))
    subset = draw(SUBSETS | st.sampled_from(["audited_*", "*"]))
    against = draw(st.sampled_from(["", "", "before", "decoys"]))
    return Rule(draw(METRICS), subset, draw(STAGES), *limits, draw(st.integers(0, 100)), against=against)


POLICY = st.lists(rules_(), max_size=4).map(lambda rules: GatePolicy("any", tuple(rules)))
SCORES = st.lists(scores_(), max_size=12)
EVERY = settings(deadline=None, max_examples=150)


@EVERY
@given(POLICY, SCORES)
def test_passing_needs_every_rule(policy: GatePolicy, scores: list[Score]) -> None:
    verdict = decide(policy, scores)
    alone = [decide(replace(policy, rules=(rule,)), scores).outcome for rule in policy.rules]
    assert [rule.outcome for rule in verdict.rules] == alone
    assert (verdict.outcome == "passed") == (bool(alone) and set(alone) == {"passed"})
    assert (verdict.outcome == "refused") == ("refused" in alone)


@EVERY
@given(rules_(), SCORES, st.data())
def test_a_wider_interval_never_turns_into_a_pass(rule: Rule, scores: list[Score], data: st.DataObject) -> None:
    by = st.sampled_from([0.0, 0.001, 0.03, 0.2, 3.0])
    wider = []
    for score in scores:
        assert score.low is not None
        assert score.high is not None
        wider.append(replace(score, low=score.low - data.draw(by), high=score.high + data.draw(by)))
    if judged(rule, *wider).outcome == "passed":
        assert judged(rule, *scores).outcome == "passed"


@EVERY
@given(rules_(), SCORES, st.sampled_from(["value", "low", "high"]), ODD, st.data())
def test_a_number_that_is_lost_never_turns_into_a_pass(
    rule: Rule, scores: list[Score], name: str, odd: float | None, data: st.DataObject
) -> None:
    if not scores:
        return
    at = data.draw(st.integers(0, len(scores) - 1))
    spoilt = [replace(score, **{name: odd}) if i == at else score for i, score in enumerate(scores)]
    found = judged(rule, *spoilt)
    if found.outcome == "passed":
        assert judged(rule, *scores).outcome == "passed"
    only = [score for score in spoilt if (score.metric, score.stage) == (rule.metric, rule.stage)]
    if [score.subset for score in only] == [rule.subset] and spoilt[at] in only:
        assert found.outcome == "undecided"


@pytest.mark.middle
@EVERY
@given(POLICY, SCORES, st.randoms())
def test_the_order_of_scores_says_nothing(policy: GatePolicy, scores: list[Score], shuffle: random.Random) -> None:
    mixed = [*scores]
    shuffle.shuffle(mixed)
    assert decide(policy, mixed).outcome == decide(policy, scores).outcome


@pytest.mark.middle
@EVERY
@given(POLICY, SCORES)
def test_what_is_said_of_a_rule_is_whole(policy: GatePolicy, scores: list[Score]) -> None:
    for rule in decide(policy, scores).rules:
        assert rule.reason.startswith(f"{rule_name(rule.rule)}: ")
        assert rule.outcome == "undecided" or (rule.measured is not None and rule.bound is not None)
        assert rule.more_needed is None or (rule.outcome == "undecided" and rule.more_needed > 0)


@EVERY
@given(POLICY, SCORES)
def test_gating_again_from_stored_scores_gives_the_same_verdict(policy: GatePolicy, scores: list[Score]) -> None:
    stored = json.loads(json.dumps([asdict(score) for score in scores]))
    assert decide(policy, [Score(**row) for row in stored]) == decide(policy, scores)
