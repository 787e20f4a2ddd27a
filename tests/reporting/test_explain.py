"""What --explain says of each rule: all its figures, and advice that fits its outcome."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scrubber.core.gate import decide
from scrubber.core.intervals import clopper_pearson
from scrubber.core.types import GatePolicy, Report, Rule, Score
from scrubber.reporting.explain import explain


def rate(k: int, n: int, subset: str = "audited") -> Score:
    return Score("leak_rate", "after", subset, k / n, *clopper_pearson(k, n), n)


def said(report: Report, rule: Rule, *scores: Score) -> str:
    text = explain(replace(report, verdict=decide(GatePolicy("test", (rule,)), scores)))
    return " ".join(text.split())


LEAKS = Rule("leak_rate", "audited", at_most=0.02, least_n=150, why="Values must not come out.")


def test_every_rule_is_told_with_measured_bound_limit_n_and_why(report: Report) -> None:
    text = explain(report)
    for outcome in report.verdict.rules:
        assert f"{outcome.outcome:<9}  {outcome.rule.metric} of {outcome.rule.subset}" in text
        assert outcome.rule.why in " ".join(text.split())
    assert "measured .003, bound .014, limit <= .020, n 400 (at least 300)" in " ".join(text.split())
    assert "PASSED (exit 0): 4 rules" in text


def test_an_undecided_rule_says_how_many_more_would_decide_it_and_how(report: Report) -> None:
    text = said(report, LEAKS, rate(0, 160))
    assert "23 more would decide it if they gave the same: it would then pass" in text
    assert "the limit lies inside the interval; 23 more" in text
    assert "it would then be refused" in said(report, LEAKS, rate(7, 200))


def test_a_decided_rule_gives_no_advice(report: Report) -> None:
    assert "more" not in said(report, LEAKS, rate(0, 400)).partition("why")[0]
    refused = said(report, LEAKS, rate(300, 400))
    assert "refused leak_rate" in refused
    assert "would decide" not in refused


def test_a_value_on_the_limit_has_no_number_that_would_decide_it(report: Report) -> None:
    assert "no sensible number of samples" in said(report, LEAKS, rate(8, 400))


@pytest.mark.parametrize("scores", [(), (replace(rate(0, 400), value=None, note="no value was asked for"),)])
def test_a_score_that_is_not_there_cannot_be_mended_by_samples(report: Report, scores: tuple[Score, ...]) -> None:
    text = said(report, LEAKS, *scores)
    assert "measured -, bound -, limit <= .020" in text
    assert "more samples are no answer here" in text
    assert not scores or "no value was asked for" in text


def test_a_difference_and_a_family_show_what_was_compared(report: Report) -> None:
    against = replace(LEAKS, against="decoys")
    text = said(report, against, rate(10, 400), rate(4, 400, "decoys"))
    assert "leak_rate of audited, after, less decoys" in text
    assert "0.025 less 0.01 of decoys" in text
    text = said(report, replace(LEAKS, subset="audited_*"), rate(0, 400, "audited_a"), rate(90, 400, "audited_b"))
    assert "worst of 2, audited_b: the whole interval is outside the limit" in text


def test_two_limits_are_both_told(report: Report) -> None:
    rule = Rule("mia_loss", "audited", at_most=0.6, at_least=0.4)
    text = said(report, rule, Score("mia_loss", "after", "audited", 0.5, 0.35, 0.65, 90))
    assert "limit from .400 to .600" in text
    assert "more would decide it" in text


def test_lines_fit_a_terminal_and_names_cannot_steer_it(report: Report) -> None:
    assert max(map(len, explain(report).splitlines())) <= 78
    text = explain(replace(report, verdict=decide(GatePolicy("test", (replace(LEAKS, why="a\x1b[2Jb"),)), [])))
    assert "\x1b" not in text
