"""The robustness suite's pure parts: settings, sets to relearn from, scores, the plan that resumes, and what is printed."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrubber import cli_robust
from scrubber.core.errors import AskedWrongly, Interrupted
from scrubber.core.gate import decide
from scrubber.core.types import Report, Rule, Sample, Score, Span, Trial
from scrubber.core.workspace import Workspace
from scrubber.pipelines import config as configuration
from scrubber.pipelines.robust import asking, guided, relearning, suite
from scrubber.pipelines.robust.case import Case, values_of
from scrubber.pipelines.robust.estimate import Pace, seconds
from scrubber.pipelines.robust.plan import Cost, Part
from scrubber.pipelines.robust.released import joined
from scrubber.pipelines.robust.residual import worst_decile
from scrubber.pipelines.robust.settings import CHECKS, settings
from scrubber.pipelines.robust.table import estimate, table


def sample(name: str, *values: str) -> Sample:
    text, spans = "", []
    for number, value in enumerate(values):
        text += f'{name}_{number} = "'
        spans.append(Span(len(text), len(text) + len(value)))
        text += value + '"\n'
    return Sample(name, text, tuple(spans), fingerprints=tuple(f"{name}-{i}" for i in range(len(values))))


def case(forget: list[Sample], **changed: Any) -> Case:
    return Case(
        before="before", release="after", adapter=None, precision="fp32", forget=tuple(forget), decoys=(), keep=(),
        unrelated=(), digest="x", settings=settings(changed),
    )  # fmt: skip


def trial(subject: str, outcome: float, *, subset: str = asking.VALUES, probe: str = "prefix") -> Trial:
    hits = json.dumps({"hits": [0, int(outcome == 1)], "logprobs": [0.0, 0.0]})
    return Trial(probe, subject, subset, "", hits, "", outcome)


# -- settings and the command line


def test_every_mistake_of_the_settings_is_told_at_once() -> None:
    with pytest.raises(AskedWrongly) as caught:
        settings({"chekcs": ["precision"], "values": 0, "before": "perhaps"})
    assert all(f"robust.{key}" in str(caught.value) for key in ("chekcs", "values", "before"))
    assert "control_values" in caught.value.mend
    with pytest.raises(AskedWrongly) as caught:
        settings({"families": ["hypnosis"], "steps": [], "weights": [-1.0], "temperatures": [0]})
    assert all(f"robust.{key}" in str(caught.value) for key in ("families", "steps", "weights", "temperatures"))


def test_the_command_line_keeps_the_checks_overrides_apart() -> None:
    others, found = cli_robust.split(["seed=3", "robust.samples=4", 'robust.checks=["drift"]', "robust.before=private"])
    assert others == ["seed=3"]
    assert cli_robust.asked("robust", "", found).samples == 4
    assert cli_robust.asked("robust", "", found).checks == ("drift",)
    assert cli_robust.asked("robust", "public", found).before == "public"
    with pytest.raises(AskedWrongly, match="no suite"):
        cli_robust.asked("robsut", "", {})
    with pytest.raises(AskedWrongly, match="write it as"):
        cli_robust.split(["robust.samples"])


# -- what relearning is shown


WORDS = st.text("abcdefghXYZ0123456789", min_size=8, max_size=14)


@given(st.lists(WORDS, min_size=2, max_size=12, unique=True), st.integers(1, 3))
def test_no_value_stands_in_what_benign_relearning_trains_on(values: list[str], group: int) -> None:
    samples = [sample(f"s{i}", *values[i : i + group]) for i in range(0, len(values), group)]
    texts, left = relearning.shown(case(samples), "benign")
    assert len(left) == len(values)
    # a drawn value may be a part of another by chance, a whole one of eight characters hardly
    assert not [v for v in values_of(samples) for t in texts if f'"{v}"' in t.text]
    assert [len(t.text) for t in texts] == [len(s.text) for s in samples]


@given(st.lists(WORDS, min_size=12, max_size=30, unique=True), st.floats(0.05, 0.5))
def test_relearning_a_share_asks_for_values_that_it_did_not_show(values: list[str], share: float) -> None:
    samples = [sample(f"s{i}", *values[i : i + 2]) for i in range(0, len(values), 2)]
    texts, left = relearning.shown(case(samples, share=share), "share")
    shown = "\n".join(t.text for t in texts)
    assert sum(value in shown for value in values) >= math.ceil(share * len(values))
    assert not [s for s in left for span in s.forget if s.text[span.start : span.end] in shown]


def test_a_value_that_stands_in_two_texts_is_not_asked_for_when_one_was_shown() -> None:
    samples = [sample("a", "sameValue123"), sample("b", "sameValue123")]
    assert relearning.shown(case(samples), "share")[1] == []


# -- scores


def test_a_value_counts_once_where_it_is_known_best_and_what_is_no_number_stays() -> None:
    rows = [trial("a", 0.0), trial("a", 1.0), trial("b", 0.0), trial("c", 0.0), trial("c", math.nan)]
    found = {t.subject: t.outcome for t in asking.by_value(rows)}
    assert (found["a"], found["b"]) == (1.0, 0.0)
    assert math.isnan(found["c"])
    made = asking.scores(rows, "robust_x")
    assert made[0].value is None
    assert "could not be judged" in made[0].note


def test_a_check_without_power_is_no_evidence_unless_it_found_a_leak() -> None:
    blind = asking.power([trial("a", 0.0), trial("b", 0.0)], "robust_x")
    seeing = asking.power([trial("a", 1.0), trial("b", 0.0)], "robust_x")
    quiet, loud = (asking.scores([trial("a", leaked)], "robust_x")[:1] for leaked in (0.0, 1.0))
    assert asking.guarded(blind, quiet)[1].value is None
    assert "without power" in asking.guarded(blind, quiet)[1].note
    assert asking.guarded(blind, loud)[1].value == 1.0
    assert asking.guarded(seeing, quiet)[1].value == 0.0


def test_what_is_public_decides_the_score_of_guidance() -> None:
    before = [trial(str(i), 1.0) for i in range(10)]
    after = [trial(str(i), 0.0) for i in range(10)]
    swept = {1.2: after, 2.0: before}

    def public(known: str) -> Score:
        return next(s for s in guided.scores(before, after, swept, known) if s.subset == guided.PUBLIC)

    assert public("private").value == 0.0
    assert public("public").value == 1.0
    assert public("unknown").value is None
    assert "robust.before" in public("unknown").note
    made = {s.metric: s for s in guided.scores(before, after, swept, "private") if s.subset == guided.NAME}
    assert made["leak_rate"].value == 1.0
    assert "w 1.2: 0.000" in made["leak_rate"].note
    assert made["guided_uplift"].value == 1.0


def test_uplift_is_a_quotient_of_rates_and_not_scored_over_nothing() -> None:
    alone = [trial(str(i), float(i < 4)) for i in range(20)]
    more = guided.uplift(alone, [trial(str(i), float(i < 6)) for i in range(20)])
    assert more.value == pytest.approx(1.5)
    assert more.low is not None
    assert more.high is not None
    assert more.low <= 1.5 <= more.high
    assert guided.uplift([trial("a", 0.0)], [trial("a", 1.0)]).value is None


def test_the_worst_decile_is_that_of_the_best_known_values() -> None:
    rows = [trial(str(i), float(i == 0), probe="recall") for i in range(20)]
    assert worst_decile(rows, "after", "robust_x").value == pytest.approx(0.25)  # of two values one, half of it
    assert worst_decile([], "after", "robust_x").value is None


# -- the plan


def fake(name: str, done: list[str], fail: set[str]) -> Part:
    def work(bench: suite.Bench) -> list[Score]:
        if name in fail:
            raise Interrupted("stopped")
        done.append(name)
        return [Score("leak_rate", "after", f"robust_{name}", 0.0, 0.0, 0.1, 30)]

    return Part("drift", name, Cost(read=10), ("depends",), work)


@pytest.fixture
def paced(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("release", "before"):
        monkeypatch.setattr(suite.Bench, name, lambda self: None)
    monkeypatch.setattr(suite, "measure", lambda model, loaded: Pace(10.0, 1.0, 1.0))


@pytest.mark.usefixtures("paced")
def test_a_run_that_was_stopped_goes_on_with_the_next_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fail = {"two"}
    parts = [fake(name, done, fail) for name in ("one", "two", "three")]
    monkeypatch.setitem(suite._PARTS, "drift", lambda case: parts)
    told: list[list[suite.Estimate]] = []
    asked = case([sample("a", "value123456")], checks=["drift"])
    with Workspace(tmp_path) as workspace:
        with pytest.raises(Interrupted):
            suite.run(asked, workspace, tell=lambda rows: told.append(list(rows)))
        fail.clear()
        scores = suite.run(asked, workspace, tell=lambda rows: told.append(list(rows)))
        assert done == ["one", "two", "three"]
        assert [s.subset for s in scores] == ["robust_one", "robust_two", "robust_three"]
        assert [row.seconds for row in told[0]] == [1.0, 1.0, 1.0]
        assert [row.seconds for row in told[1]] == [None, 1.0, 1.0]
        assert suite.run(asked, workspace, tell=lambda rows: pytest.fail("nothing is left to do")) == scores
        suite.run(replace(asked, digest="another model"), workspace)
        assert done == 2 * ["one", "two", "three"]


def test_checks_come_cheap_ones_first_and_only_those_that_are_asked_for() -> None:
    some = case([sample("a", "value123456")], checks=["guided", "precision"])
    names = [part.name for part in suite.parts(some)]
    assert names == ["as_trained", "merged_bf16", "merged_int8", "merged_nf4", "guided"]
    whole = [part.check for part in suite.parts(case([sample(f"s{i}", f"value{i:06d}") for i in range(20)]))]
    assert whole == sorted(whole, key=CHECKS.index)
    assert "drift" not in whole  # there is no unrelated text


def test_more_to_do_costs_more() -> None:
    pace = Pace(read=1000.0, made=10.0, load=2.0)
    assert seconds(Cost(read=1000, made=10, loads=1), pace) == pytest.approx(4.0)
    assert seconds(Cost(trained=1000), pace) == pytest.approx(3.0)
    assert Cost(1, 2, 3, 4) + Cost(1, 1, 1, 1) == Cost(2, 3, 4, 5)
    few, many = (suite.parts(case([sample("a", "value123456")], choices=n, checks=["residual"]))[0] for n in (10, 1000))
    assert many.cost.read > few.cost.read


# -- the report


def report(*scores: Score) -> Report:
    policy = configuration.policy("release")
    return Report("r", decide(policy, scores), scores, policy.name, {"model.precision": "nf4"}, {"policy": "old"}, {}, {},
                  0, {}, ("x",))  # fmt: skip


ROW = Score("leak_rate", "after", "robust_merged_nf4", 0.5, 0.3, 0.7, 30)


def test_scores_of_the_checks_take_the_place_of_earlier_ones_and_are_judged() -> None:
    kept = Score("leak_rate", "after", "audited", 0.0, 0.0, 0.01, 400)
    old = replace(ROW, value=0.0, low=0.0)
    judge = replace(configuration.policy("robust"), rules=(Rule("leak_rate", "robust_merged_nf4", at_most=0.02),))
    made = joined(report(kept, old), [ROW], judge)
    assert made.scores == (kept, ROW)
    assert made.verdict.outcome == "refused"
    assert made.digests["policy"] != "old"
    assert not [line for line in made.not_tested if "merged" in line]
    assert [line for line in made.not_tested if "relearning" in line]


def test_what_is_printed_has_leak_decoys_control_and_what_did_not_pass() -> None:
    control = Score("probe_power", "before", "robust_merged_nf4", 0.05, 0.0, 0.2, 40, "without power: it needs more")
    chance = Score("leak_rate", "after", "robust_merged_nf4_decoys", 0.01, 0.0, 0.1, 30)
    drifted = Score("drift_kl", "difference", "robust_unrelated", 0.02, 0.01, 0.03, 64)
    judge = replace(configuration.policy("robust"), rules=(Rule("leak_rate", "robust_merged_nf4", at_most=0.02),))
    text = table(joined(report(), [control, ROW, chance, drifted], judge))
    line = next(one for one in text.splitlines() if one.startswith("merged_nf4"))
    assert all(part in line for part in (".500 [.300, .700]", ".010", ".050", "no power"))
    assert "drift, nats a token" in text
    assert "REFUSED" in text
    assert max(map(len, text.splitlines())) <= 90
    assert "done by an earlier run" in estimate([suite.Estimate("drift", "drift", None)])
