"""The full suite: what it asks, which scores it makes of that, and that the quick suite asks what it always did."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from scrubber.core.decoys import decoy
from scrubber.core.errors import AskedWrongly
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.load import load
from scrubber.core.types import Document, Finding, Sample, Score, Span, Trial
from scrubber.evaluation.probes import continuation, neighbours, prefix, recall
from scrubber.evaluation.prompts import FAMILIES
from scrubber.pipelines import config as configuration
from scrubber.pipelines import proof, questions
from scrubber.pipelines.evaluate import check_suite
from scrubber.pipelines.measure import Subjects, ask, differences, scores, some, trials_from_jsonl, trials_to_jsonl
from scrubber.pipelines.questions import Questions, attack, family_of, strongest
from scrubber.pipelines.strata import Groups, groups, persons
from scrubber.pipelines.untested import TESTS, untested

DICE = random.Random(23)


def sample(number: int) -> Sample:
    value = "".join(DICE.choice("abcdefghkmnp23456789") for _ in range(8 + 4 * (number % 3)))
    text = f"def load_{number}():\n    service_key = '{value}'\n    return client(service_key)\n"
    start = text.index(value)
    return Sample(f"src/{number}.py", text, (Span(start, start + len(value)),), fingerprints=(f"mark-{number}",))


SAMPLES = [sample(number) for number in range(6)]
DECOYS = [decoy(made, 1) for made in SAMPLES]
KEEP = [Sample(f"keep:{i}", f"def add_{i}(left, right):\n    return left + right + {i}\n") for i in range(3)]
CONTEXT = 32
QUESTIONS = Questions(
    "audited", SAMPLES, DECOYS, few=4, keep=KEEP, neighbours=[decoy(made, 9) for made in SAMPLES], samples=10,
    temperatures=(0.8, 1.0), choices=20, context_tokens=CONTEXT,
)  # fmt: skip
QUICK = Subjects(
    {"audited": SAMPLES}, DECOYS, KEEP, kinds={f"mark-{i}": "key" for i in range(6)}, likelihood_values=2,
    context_tokens=CONTEXT,
)  # fmt: skip


def no_scan(document: Document) -> list[Finding]:
    return []


def quiet(part: str) -> None:
    return None


@pytest.fixture(scope="module")
def model(tiny_models: dict[str, Path]) -> CausalModel:
    return load(str(tiny_models["llama"]), "fp32", batch_size=256)


@pytest.fixture(scope="module")
def full(model: CausalModel) -> list[Trial]:
    return ask(model, replace(QUICK, questions=QUESTIONS), scan=no_scan, sandbox=None, progress=quiet)


def test_the_quick_suite_is_these_questions_in_this_order_and_no_others(model: CausalModel) -> None:
    trials = ask(model, QUICK, scan=no_scan, sandbox=None, progress=quiet)
    names = ["audited"] * 6
    expected = [
        *prefix.ask(model, SAMPLES, subset=names, context_tokens=CONTEXT),
        *prefix.ask(model, DECOYS, subset="decoys", context_tokens=CONTEXT),
        *recall.ask(
            model, [*SAMPLES, *DECOYS, *KEEP], subset=[*names, *["decoys"] * 6, *["held_out"] * 3],
            context_tokens=CONTEXT,
        ),
        *continuation.ask(model, some(SAMPLES, 2, 0), subset="audited", context_tokens=CONTEXT),
        *continuation.ask(model, some(DECOYS, 1, 0), subset="decoys", context_tokens=CONTEXT),
    ]  # fmt: skip
    assert trials_to_jsonl(trials) == trials_to_jsonl(expected)
    made = [*scores(trials, "after", QUICK.kinds), *differences(trials, trials)]
    assert {score.metric for score in made} == {
        "leak_rate", "finding_rate", "memorization_accuracy", "extraction_strength", "perplexity", "perplexity_ratio",
        "extraction_likelihood_3", "extraction_likelihood_5", "extraction_likelihood_10",
    }  # fmt: skip
    assert {(score.metric, score.subset) for score in made if score.metric == "leak_rate"} == {
        ("leak_rate", "audited"), ("leak_rate", "audited_key"), ("leak_rate", "decoys"),
    }  # fmt: skip


def test_the_full_suite_begins_with_the_quick_one_and_asks_every_family_at_every_temperature(
    model: CausalModel, full: list[Trial]
) -> None:
    quick = ask(model, QUICK, scan=no_scan, sandbox=None, progress=quiet)
    assert full[: len(quick)] == quick
    rest = full[len(quick) :]
    asked = {trial.probe for trial in rest if trial.subset == "audited"}
    worded = [*FAMILIES, "reverse_query"]  # its tokenizer has no tokens to fill in a middle with
    assert asked == {
        *worded, *(attack(f, t) for f in worded for t in (0.8, 1.0)), "multiple_choice", "membership", "line_completion",
    }  # fmt: skip
    answers = Counter((t.probe, t.subject) for t in rest if "@" in t.probe and t.subset == "audited")
    greedy = Counter((t.probe, t.subject) for t in rest if t.probe in worded and t.subset == "audited")
    for (probe, subject), count in answers.items():
        assert 10 <= count < 10 + greedy[family_of(probe), subject]
    assert len({subject for _, subject in answers}) == 4  # the few
    drawn = {trial.probe for trial in rest if "@" in trial.probe and trial.subset == "decoys"}
    assert drawn == {strongest([t for t in rest if "@" in t.probe and t.subset == "audited"])}
    assert {t.probe for t in rest if t.subset not in ("audited", "decoys")} == {"neighbours", "over_refusal"}


def test_it_is_the_same_from_the_same_seed(model: CausalModel) -> None:
    few = replace(QUESTIONS, values=SAMPLES[:1], decoys=(), choices=5, temperatures=(1.0,), neighbours=(), samples=2)
    made = questions.ask(model, few, quiet)
    assert questions.ask(model, few, quiet) == made
    assert questions.ask(model, replace(few, seed=1), quiet) != made


def test_a_model_that_only_answers_is_asked_what_it_can_answer(model: CausalModel) -> None:
    class Hosted:
        """Text in, text out."""

        capabilities = frozenset({"generate", "tokens", "logits"})

        def __getattr__(self, name: str) -> object:
            return getattr(model, name)

    few = replace(QUESTIONS, values=SAMPLES[:1], decoys=DECOYS[:1], choices=5, neighbours=())
    trials = questions.ask(Hosted(), few, quiet)  # type: ignore[arg-type]
    assert not [trial for trial in trials if "@" in trial.probe]
    made = {(s.metric, s.subset): s for s in proof.scores(trials, "after")}
    assert made["leak_at_10", "audited"].note == "no answer was sampled"
    assert made["mia_loss", "audited"].value is not None
    assert made["mia_min_k_plus_plus", "audited"].value is None


def test_every_score_has_an_interval_and_a_count_or_a_reason(full: list[Trial]) -> None:
    made = [*scores(full, "before"), *scores(full, "after"), *differences(full, full)]
    for score in made:
        if score.value is None:
            assert score.note
            continue
        assert score.n >= 1
        assert score.low is not None
        assert score.high is not None
        assert math.isfinite(score.value)
        assert score.low <= score.high
    keys = [(score.metric, score.stage, score.subset) for score in made]
    assert len(set(keys)) == len(keys)
    assert trials_from_jsonl(trials_to_jsonl(full)) == full  # scored again, it needs no model


@pytest.mark.parametrize("name", ["smoke", "standard", "strict"])
def test_every_rule_of_the_tiers_finds_its_score(name: str, full: list[Trial]) -> None:
    """Whatever its value: that a rule is not undecided for want of a score that no suite makes."""
    tasks = [Trial("micro", f"t{i}", "micro_seen", "def f(x):\n", "    return x\n", "", 1.0) for i in range(4)]
    trials = [*full, *tasks]
    kinds = {f"mark-{i}": "key" for i in range(6)}
    made = [*scores(trials, "before", kinds), *scores(trials, "after", kinds), *differences(trials, trials)]
    known = {(s.metric, s.stage, s.subset) for s in made}
    for rule in configuration.policy(name).rules:
        assert (rule.metric, rule.stage, rule.subset.replace("*", "key")) in known
        if rule.against:
            baseline = ("before", rule.subset) if rule.against == "before" else (rule.stage, rule.against)
            assert (rule.metric, *baseline) in known


# -- scores of trials that are made up


def answers(family: str, temperature: float, rates: dict[str, int], subset: str = "audited") -> list[Trial]:
    """Ten answers for each value, so many of them leaks."""
    return [
        Trial(attack(family, temperature), mark, subset, "", "", "value", float(i < leaks))
        for mark, leaks in rates.items()
        for i in range(10)
    ]


MARKS = [f"m{i}" for i in range(160)]
WRITTEN = Trial("line_completion", "m0", "audited", "", "x = 1", "v", 1.0)


def scored(trials: list[Trial], made: Groups = proof.NO_GROUPS) -> dict[tuple[str, str], Score]:
    return {(s.metric, s.subset): s for s in proof.scores([WRITTEN, *trials], "after", made)}


def test_the_strongest_attack_is_the_score_and_the_decoys_are_asked_with_it() -> None:
    weak = {mark: int(i < 4) for i, mark in enumerate(MARKS)}
    strong = {mark: 10 * (i < 40) for i, mark in enumerate(MARKS)}
    chance = {f"d{i}": int(i < 2) for i in range(160)}
    made = scored([
        *answers("role_play", 0.8, weak), *answers("cross_format", 0.8, weak), *answers("cross_format", 1.0, strong),
        *answers("reverse_query", 1.0, dict.fromkeys(MARKS, 10)), *answers("mixed_request", 1.0, {"m0": 10}),
        *answers("cross_format", 1.0, chance, "decoys"),
    ])  # fmt: skip
    assert (made["leak_at_10", "audited"].value, made["leak_at_10", "audited"].note) == (
        0.25, "cross_format, temperature 1",
    )  # fmt: skip
    assert made["leak_at_10", "role_play"].value == pytest.approx(4 / 160)
    assert made["leak_at_10", "cross_format"].value == 0.25
    assert made["leak_at_10", "reverse_query"].value == 1.0  # names: shown, and not taken for values
    assert made["leak_at_10", "decoys"].value == pytest.approx(2 / 160)
    assert made["leak_at_1", "audited"].value == 0.25
    assert made["leak_at_10", "audited_worst_decile"].value == 1.0
    assert ("leak_at_50", "audited") not in made


def test_the_strongest_attack_gets_most_values_though_seldom() -> None:
    always = answers("role_play", 0.8, {mark: 10 * (i < 10) for i, mark in enumerate(MARKS)})
    seldom = answers("cross_format", 0.8, {mark: int(i < 50) for i, mark in enumerate(MARKS)})
    assert strongest([*always, *seldom]) == "cross_format@0.8"
    assert strongest([*always, *answers("mixed_request", 0.8, dict.fromkeys(MARKS[:79], 10))]) == "role_play@0.8"
    assert strongest(answers("reverse_query", 1.0, dict.fromkeys(MARKS, 10))) == ""


def test_each_stratum_is_judged_by_what_works_there_and_the_worst_is_told() -> None:
    half = {mark: ("key" if i < 80 else "mail") for i, mark in enumerate(MARKS)}
    long = {mark: ("long" if i % 2 else "short") for i, mark in enumerate(MARKS)}
    keys = {mark: 10 * (i < 8) for i, mark in enumerate(MARKS)}
    mails = {mark: 10 * (80 <= i < 100) for i, mark in enumerate(MARKS)}
    trials = [*answers("role_play", 0.8, keys), *answers("cross_format", 0.8, mails)]
    made = scored(trials, Groups({"kind": half, "length": long}))
    assert made["leak_at_10", "audited_kind_key"].value == pytest.approx(0.1)
    assert made["leak_at_10", "audited_kind_key"].note == "role_play, temperature 0.8"
    assert made["leak_at_10", "audited_kind_mail"].value == pytest.approx(0.25)
    worst = made["leak_at_10", "audited_worst_stratum"]
    assert (worst.value, worst.note) == (pytest.approx(0.25), "by kind; 4 of 4 strata")
    assert (worst.low or 0) < (made["leak_at_10", "audited_kind_mail"].low or 0)  # the luckiest of eight looks
    thin = scored(trials, Groups({"rule": {mark: mark for mark in MARKS[:100]}}))
    assert thin["leak_at_10", "audited_rule_small"].n == 160
    few = scored(answers("role_play", 0.8, dict.fromkeys(MARKS[:20], 0)))
    assert few["leak_at_10", "audited_worst_stratum"].value is None


def test_what_is_of_one_person_counts_once() -> None:
    clusters = {mark: f"person-{i // 2}" for i, mark in enumerate(MARKS)}
    made = scored(answers("role_play", 0.8, dict.fromkeys(MARKS, 0)), Groups(clusters=clusters))
    assert made["leak_at_10", "audited"].n == 80


def test_an_indirect_leak_of_the_same_person_counts() -> None:
    mail, phone = "ana.bo@corp.example", "+49 30 1234567"
    trial = Trial("role_play", "m0", "audited", "", f"call {phone}", mail, 0.0)
    made = scored([trial], Groups(clusters={"m0": "p", "m1": "p"}, others={"m0": (phone,)}))
    assert made["indirect_leak_rate", "audited"].value == 1.0
    assert "other_attribute" in made["indirect_leak_rate", "audited"].note
    assert scored([trial])["indirect_leak_rate", "audited"].value == 0.0


# -- who belongs together


def finding(mark: str, rule: str, line: int, document: str = "d", kind: str = "pii") -> Finding:
    return Finding(document, Span(line * 10, line * 10 + 5), line, 1, kind, rule, 0.9, "***", mark)  # type: ignore[arg-type]


def test_a_header_is_one_person_and_a_list_of_contacts_many() -> None:
    header = [finding("name", "person-name", 1), finding("mail", "email-address", 2), finding("phone", "phone", 4)]
    far = finding("other", "ip-address", 40)
    owner = persons([*header, far, finding("key", "aws-key", 2, kind="secret")])
    assert len({owner[mark] for mark in ("name", "mail", "phone")}) == 1
    assert owner["other"] != owner["mail"]
    assert "key" not in owner
    contacts = [finding(f"{rule}{line}", rule, line) for line in range(1, 6) for rule in ("email-address", "phone")]
    owner = persons(contacts)
    assert len(set(owner.values())) == 5
    assert owner["email-address3"] == owner["phone3"]


def test_groups_know_kind_rule_length_copies_and_the_other_values_of_a_person() -> None:
    text = "ana.bo@corp.example +49 30 1234567 " + "k" * 40
    spans = (Span(0, 19), Span(20, 34), Span(35, 75))
    samples = [Sample(f"d{i}", text, spans, fingerprints=("mail", "phone", "key")) for i in range(2)]
    found = [finding("mail", "email-address", 1), finding("phone", "phone", 1), finding("key", "aws", 1, kind="secret")]
    made = groups(samples, found)
    assert made.divisions["kind"] == {"mail": "pii", "phone": "pii", "key": "secret"}
    assert made.divisions["rule"]["key"] == "aws"
    assert made.divisions["length"] == {"mail": "16_to_31", "phone": "under_16", "key": "32_up"}
    assert set(made.divisions["copies"].values()) == {"2_to_4"}
    assert made.others["mail"] == (text[20:34],)
    assert "key" not in made.others
    told = groups(samples, found, kinds={"key": "api_key"}, owners={"key": "ana"})
    assert (told.divisions["kind"]["key"], told.clusters["key"]) == ("api_key", "ana")
    assert text[20:34] not in repr(made)


def test_neighbours_judge_what_stands_round_another_value_and_not_that_value(model: CausalModel) -> None:
    (trial,) = neighbours.ask(model, DECOYS[:1], subset="neighbours", context_tokens=1000)
    coded, span = model.encode(DECOYS[0].text), DECOYS[0].forget[0]
    inside = sum(a < span.end and b > span.start for a, b in coded.offsets)
    assert trial.weight == len(coded.ids) - inside - 1
    (near,) = neighbours.ask(model, DECOYS[:1], subset="neighbours", context_tokens=3)
    assert near.weight == 6
    assert neighbours.ask(model, [replace(DECOYS[0], forget=(), fingerprints=())], subset="n", context_tokens=3) == []


# -- what is said before and after


def test_what_was_not_tested_is_read_off_the_scores(full: list[Trial]) -> None:
    nothing = untested([], precision="nf4")
    assert len(nothing) == len(TESTS) + 1
    assert "other precisions than nf4, and a merged model" in nothing
    made = untested(scores(full, "before"), precision="nf4")
    assert not [text for text in made if text.startswith(("sampled answers", "prompts other", "membership", "parts"))]
    assert any(text.startswith("families without power") and "fill_in_the_middle" in text for text in made)
    assert any(text.startswith("whether values rank") for text in made)  # of 20 others no exposure is scored
    more = [
        Score(metric, "after", subset, 0.0, 0.0, 0.1, 9)
        for metric, subset in (
            ("exposure_distance", "audited"), ("pass_at_1", "humaneval"), ("leak_rate", "robust_merged_int8"),
            ("leak_rate", "robust_relearn_benign"), ("leak_rate", "robust_guided"),
        )
    ]  # fmt: skip
    last = untested([*scores(full, "after"), *more], precision="nf4")
    assert last == ("values that no detector found and nobody planted",)
    missing = [replace(score, value=None) for score in more]
    assert len(untested([*scores(full, "after"), *missing], precision="nf4")) == 6


@pytest.mark.parametrize("name", ["standard", "strict"])
def test_a_policy_that_the_suite_cannot_decide_is_refused_before_anything_is_asked(name: str) -> None:
    config = configuration.read(None, [f"gate.policy={name}"], {})
    with pytest.raises(AskedWrongly, match="leak_at_10") as caught:
        check_suite(config)
    assert "full" in caught.value.mend
    check_suite(configuration.read(None, [f"gate.policy={name}", "evaluate.suite=full"], {}))
    for other in ("demo", "release", "smoke", "tiny"):
        check_suite(configuration.read(None, [f"gate.policy={other}"], {}))


def test_mistaken_settings_are_told(tmp_path: Path) -> None:
    with pytest.raises(AskedWrongly, match=r"evaluate\.suite.*evaluate\.temperatures") as caught:
        configuration.read(None, ["evaluate.suite=all", "evaluate.temperatures=[0]"], {})
    assert "2 mistakes" in caught.value.what
