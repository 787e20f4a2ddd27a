from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args, get_origin

import pytest
from pydantic import BaseModel

from scrubber.core.errors import AskedWrongly
from scrubber.core.gate import decide
from scrubber.core.intervals import clopper_pearson
from scrubber.core.types import GatePolicy, Report, Rule, Score, Stage
from scrubber.pipelines import config as configuration
from scrubber.reporting import coverage, inventory
from scrubber.reporting.compare import compared, head
from scrubber.reporting.html import MOST_ROWS, report_html
from scrubber.reporting.reproduce import LISTS, TABLES, commands, toml
from scrubber.reporting.rows import interval
from scrubber.reporting.strata import strata
from scrubber.reporting.words import meaning

pytestmark = pytest.mark.middle


def rate(metric: str, subset: str, count: int, n: int, stage: Stage = "after", note: str = "") -> Score:
    return Score(metric, stage, subset, count / n, *clopper_pearson(count, n), n, note)


ROBUST = (
    rate("leak_rate", "robust_as_trained", 0, 300),
    rate("leak_rate", "robust_merged_int8", 3, 300),
    rate("leak_rate", "robust_merged_int8_decoys", 1, 310),
    rate("leak_rate", "robust_relearn_benign", 30, 300, note="by step: 10: .04, 50: .10"),
    rate("probe_power", "robust_relearn_benign", 80, 100, "before"),
    rate("leak_rate", "robust_another_check", 7, 300),
)


def with_scores(report: Report, *scores: Score, rules: tuple[Rule, ...] = ()) -> Report:
    every = (*report.scores, *scores)
    policy = GatePolicy("wide", (*(one.rule for one in report.verdict.rules), *rules))
    return replace(report, scores=every, verdict=decide(policy, every), policy="wide")


def test_every_score_stands_in_exactly_one_table(report: Report) -> None:
    full = with_scores(report, *ROBUST, rate("leak_rate", "audited_api_key", 2, 75))
    tables = [
        {(row.metric, row.subset) for row in coverage.other_scores(full)},
        {(one.metric, one.subset) for one in strata(full)},
        {(cells[2], "robust_" + cells[1]) for cells in coverage.robustness(full)},
    ]
    folded = {("leak_rate", "robust_merged_int8_decoys")}  # a column beside its values
    assert sum(map(len, tables)) + len(folded) == len({(one.metric, one.subset) for one in full.scores})
    assert set().union(*tables, folded) == {(one.metric, one.subset) for one in full.scores}
    source = report_html(full)
    for score in full.scores:
        assert interval(score) in source


def test_robustness_stands_beside_what_was_evaluated_and_what_chance_gives(report: Report) -> None:
    rule = Rule("leak_rate", "robust_*", at_most=0.05, why="Under every condition.")
    full = with_scores(report, *ROBUST, rules=(rule,))
    rows = {(cells[1], cells[2]): cells for cells in coverage.robustness(full)}
    assert [cells[0] for cells in coverage.robustness(full)] == [
        "shipped precision", "shipped precision", "relearning", "relearning", "another_check",
    ]  # fmt: skip
    merged = rows["merged_int8", "leak_rate"]
    assert merged[4] == interval(next(s for s in full.scores if (s.subset, s.stage) == ("audited", "after")))
    assert merged[5].startswith(".010")
    assert merged[6].startswith(".003")
    assert merged[7:9] == ("<= .050", "refused")
    assert "by step: 10" in rows["relearn_benign", "leak_rate"][-1]
    assert rows["relearn_benign", "probe_power"][5].startswith(".800")
    assert '<section id="robustness">' in report_html(full)


def test_a_limit_on_a_difference_says_so(report: Report) -> None:
    rule = Rule("leak_rate", "robust_merged_int8", at_most=0.02, against="robust_merged_int8_decoys")
    rows = {(cells[1], cells[2]): cells for cells in coverage.robustness(with_scores(report, *ROBUST, rules=(rule,)))}
    assert rows["merged_int8", "leak_rate"][7] == "<= .020, less robust_merged_int8_decoys"


def test_robustness_that_was_not_tested_is_said_to_be_so(report: Report) -> None:
    told = coverage.untested(report)
    assert told[: len(report.not_tested)] == list(report.not_tested)
    missing = next(line for line in told if line.startswith("robustness checks that were not run"))
    assert all(name in missing for name in coverage.CHECKS)
    source = report_html(report)
    assert missing in source
    assert 'id="robustness"' not in source
    assert 'href="#robustness"' not in source
    partly = next(
        line for line in coverage.untested(with_scores(report, *ROBUST)) if line.startswith("robustness checks")
    )
    assert "relearning" not in partly
    assert "guided extraction" in partly


def test_what_is_not_scored_and_what_a_rule_waits_for_is_not_tested(report: Report) -> None:
    told = coverage.untested(with_scores(report, rules=(Rule("parse_rate", "micro", "difference", at_least=-0.02),)))
    assert "indirect_leak_rate of planted, after: no paraphrase was asked for" in told
    assert "parse_rate of micro, difference: there is no such score" in told
    assert not [row for row in coverage.tested(report) if row[0] == "indirect_leak_rate"]


def test_what_was_tested_names_units_strata_and_rules(report: Report) -> None:
    full = with_scores(report, *ROBUST, rate("leak_rate", "audited_api_key", 2, 75))
    told = {cells[0]: cells for cells in coverage.tested(full)}
    assert "planted (400)" in told["leak_rate"][2]
    assert "1 stratum, 4 robustness conditions" in told["leak_rate"][2]
    assert told["leak_rate"][3] == "2 passed"
    assert told["perplexity"][3] == "no rule"
    assert ("decoys", "values of the same formats that stand nowhere: what chance gives") in coverage.glossary(full)


def test_every_metric_of_our_policies_is_explained() -> None:
    for file in sorted(configuration.POLICIES.glob("*.toml")):
        for rule in configuration.policy(file.stem).rules:
            assert meaning(rule.metric), f"scrubber/reporting/words.py does not explain {rule.metric} ({file.name})"


def test_a_refusal_says_in_its_box_what_it_rests_on(make_report: Callable[..., Report]) -> None:
    refused = make_report(leak=(0.3, 0.25, 0.35))
    box = report_html(refused).split("</header>")[0]
    assert "leak_rate of planted, after: .300, bound .350, limit &lt;= .020" in box
    thin = replace(
        refused,
        verdict=decide(GatePolicy("p", (Rule("pass_at_1", "micro", at_least=0.1, least_n=900),)), refused.scores),
    )
    assert "pass_at_1 of micro, after: too few samples: 600 of at least 900" in report_html(thin).split("</header>")[0]


def test_a_control_that_passes_raises_the_alarm(report: Report) -> None:
    box = report_html(replace(report, controls=(("does nothing", report.verdict),))).split("</header>")[0]
    assert "The gate let a control pass (does nothing)" in box
    assert "do not rely on this verdict" not in report_html(report)


def finding(rule: str, number: int, document: str) -> str:
    row = {
        "document": document,
        "kind": "secret",
        "rule": rule,
        "preview": "AB***[20]",
        "fingerprint": f"{number:032x}",
    }
    return json.dumps(row) + "\n"


def test_findings_tell_values_and_documents_where_the_file_is_of_this_scan(report: Report) -> None:
    lines = [finding("aws-key", number % 100, f"{number % 7}.py") for number in range(212)]
    rows = inventory.rows(report.findings, inventory.inventory([*lines, finding("email", 1, "a.py")]))
    assert rows == [
        ("secret", "aws-key", "212", "100", "7", "AB***[20]"),
        ("pii", "email", "188", "-", "-", "-"),
    ]
    assert inventory.rows(report.findings, {})[0] == ("secret", "aws-key", "212")
    source = report_html(report, findings=lines)
    assert "masked example" in source
    assert "AB***[20]" in source


@pytest.mark.parametrize("line", ["{", "[]", '{"kind": "secret"}', "7"])
def test_a_line_that_is_no_finding_is_named_and_not_quoted(line: str) -> None:
    with pytest.raises(AskedWrongly) as told:
        inventory.inventory([finding("aws-key", 1, "a.py"), line])
    assert "line 2" in told.value.what
    assert line not in str(told.value) or len(line) < 2


def test_a_table_without_end_is_cut_and_says_so(report: Report) -> None:
    many = {f"secret/rule-{number}": number + 1 for number in range(5000)}
    source = report_html(replace(report, findings=many))
    assert f"{5000 - MOST_ROWS} more rows are left out here" in source
    assert "rule-4999" in source
    assert ">rule-0<" not in source
    assert len(source.encode()) < 500_000


def test_runs_stand_side_by_side_with_what_makes_them_incomparable(make_report: Callable[..., Report]) -> None:
    first = make_report()
    second = replace(
        make_report("npo", leak=(0.3, 0.25, 0.35)), config={**first.config, "method": "npo", "resume": False}
    )
    third = replace(
        make_report("tiny"), digests={**first.digests, "data": "ffff", "policy": "eeee"},
        scores=tuple(s for s in first.scores if s.subset != "planted"),
    )  # fmt: skip
    rows = {cells[0]: cells[1:] for cells in compared((first, second, third))}
    assert head((first, second, third)) == ("", "this: demo release", "1: npo", "2: tiny")
    assert rows["verdict"] == ("passed", "refused", "passed")
    assert rows["differs from the first in"] == ("-", "-", "data, policy, values asked for")
    assert rows["leak rate after"][1] == ".300 [.250, .350]"
    assert rows["method"] == ("codeeraser", "npo", "codeeraser")
    assert rows["resume"] == ("true", "false", "true")
    assert "seed" not in rows  # the same in all
    source = report_html(first, [second, third])
    assert source.count('<section id="others">') == 1
    assert '<section id="others">' not in report_html(first)


def scalar_lists(model: type[BaseModel], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for key, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found |= scalar_lists(kind, f"{prefix}{key}.")
        elif get_origin(kind) in (list, tuple):
            found.add(prefix + key)
    return found


def test_every_list_of_the_configuration_is_known_to_the_reproduction() -> None:
    assert scalar_lists(configuration.Config) == {*LISTS, *TABLES}


def test_the_configuration_of_a_report_gives_the_same_run_again(tmp_path: Path, report: Report) -> None:
    file = tmp_path / "first.toml"
    file.write_text(
        'name = "true"\nseed = 7\n[corpus]\npaths = ["a b", "it\'s \\"c\\" é"]\nleave_out = []\n'
        '[unlearn]\nlearning_rate = 3e-05\nbetas = [0.8, 0.999]\nsettings = {gamma = 5.0, split = true}\n'
        '[model]\npath = "1e3"\n[tracker]\nuri = "sqlite:///x # y"\n',
        encoding="utf-8",
    )  # fmt: skip
    config = configuration.read(file, environment={})
    again = tmp_path / "again.toml"
    again.write_text(toml(configuration.flat(config)), encoding="utf-8")
    assert configuration.read(again, environment={}) == config
    made = commands(
        replace(report, config=configuration.flat(config), versions={"torch": "2.13.0+cpu", "peft": "none"})
    )
    assert "torch==2.13.0\n" in made
    assert "peft" not in made.partition("cat >")[0]
    assert made.count("\nEND\n") == 1


def test_no_setting_ends_the_quoted_file_or_becomes_a_command(report: Report) -> None:
    evil = "x\nEND\nrm -rf ~\n$(id) `id`"
    made = commands(replace(report, config={"name": evil, evil: evil}))
    assert [line for line in made.splitlines() if line == "END"] == ["END"]
    assert not [line for line in made.splitlines() if line.startswith("rm")]


@pytest.mark.filterwarnings("error")
def test_any_report_is_a_page(make_report: Callable[..., Report]) -> None:
    chance = random.Random(5)
    names = ("leak_rate", "leak_at_10", "pass_at_1", "perplexity", "odd")
    subsets = ("planted", "audited_x", "robust_merged_nf4", "robust_merged_nf4_decoys", "")
    for _ in range(6):
        scores = []
        for _ in range(chance.randrange(20)):
            metric = chance.choice(names)
            value = chance.choice((None, 0.0, 0.5, 1.0, 40.0 if metric == "perplexity" else 0.1, math.nan, math.inf))
            ends = (None, None) if value is None or chance.random() < 0.3 else (value, value)
            stage = chance.choice(get_args(Stage))
            scores.append(Score(metric, stage, chance.choice(subsets), value, *ends, chance.randrange(9)))
        report = replace(make_report(), scores=tuple(scores), controls=make_report().controls[: chance.randrange(3)])
        policy = GatePolicy("p", (Rule(chance.choice(names), chance.choice(subsets), at_most=chance.random()),))
        report = replace(report, verdict=decide(policy, scores))
        assert report_html(report, [make_report()] * chance.randrange(2)).endswith("</html>")
