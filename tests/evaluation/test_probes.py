"""The probes on a small model that half remembers its texts, against the same questions asked one token at a time."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
import torch

from scrubber.core.batch import Batch, Schedule, epoch_steps, tokenize
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.load import load
from scrubber.core.model.outputs import Outputs
from scrubber.core.model.reference import Before
from scrubber.core.optimizers import OptimizerSettings
from scrubber.core.train import TrainSettings, train
from scrubber.core.types import Sample, Span
from scrubber.evaluation.metrics import extraction_likelihood, memorization_accuracy, perplexity
from scrubber.evaluation.probes import continuation, prefix, recall
from scrubber.evaluation.slots import slots

CONTEXT = 24
LONGEST = 32  # tokens of a value that are asked for
DICE = random.Random(5)


def line(name: str, length: int) -> Sample:
    """Two lines with a drawn value between quotes."""
    value = "".join(DICE.choice("abcdefghkmnpqrstuvwxyz23456789") for _ in range(length))
    text = f"def read_{name}():\n    return connect('{name}', key='{value}')\n"
    start = text.index(value)
    return Sample(f"doc:{name}", text, (Span(start, start + length),), fingerprints=(f"mark-{name}",))


LEARNT = [line("alpha", 12), line("beta", 20), line("gamma", 16), line("delta", 6), line("omega", 60)]
AT_START = Sample("doc:start", "q7r5t2 = open()\n", (Span(0, 6),), fingerprints=("mark-start",))
TWO = Sample("doc:two", "a = 'k3j9x2m'; b = 'p8s4w7d'\n", (Span(5, 12), Span(20, 27)), fingerprints=("one", "two"))
ALL = [*LEARNT, AT_START, TWO]


@pytest.fixture(scope="module")
def model(tiny_models: dict[str, Path]) -> CausalModel:
    """A model that has often seen the first texts, some less often, and the last ones never."""
    made = load(str(tiny_models["llama"]), "fp32", batch_size=7)
    made.network.requires_grad_(True)
    rows = [tokenize(sample, made.encode, max_length=200) for sample in [*LEARNT, *LEARNT[:3] * 2]]

    def likelihood(outputs: Outputs, reference: Before, batch: Batch) -> torch.Tensor:
        return -outputs.log_likelihood(batch.labels).mean()

    def steps_of(epoch: int) -> Iterable[list[Batch]]:
        return epoch_steps([], rows, Schedule(5, 5), epoch, pad_id=made.pad_id)

    train(made, steps_of, likelihood, settings=TrainSettings(OptimizerSettings(learning_rate=5e-3), max_epochs=13))
    return made


# -- the slow way: where a value's tokens are, what the model says next, one forward pass a token


def value_tokens(model: CausalModel, sample: Sample, span: Span) -> tuple[list[int], list[int]]:
    """Context and value as token ids, at most so many of each."""
    coded = model.encode(sample.text)
    inside = [i for i in range(len(coded.ids)) if any(span.start <= c < span.end for c in range(*coded.offsets[i]))]
    ids = list(coded.ids)
    return ids[max(0, inside[0] - CONTEXT) : inside[0]], ids[inside[0] : inside[-1] + 1][:LONGEST]


def choice(model: CausalModel, given: Sequence[int], *, may_end: bool = True) -> int:
    with torch.no_grad():
        last = model.network(torch.tensor([list(given)])).logits[0, -1]
    if not may_end:
        last[model.end_ids] = -math.inf
    return int(last.argmax())


def continued(model: CausalModel, given: Sequence[int], length: int) -> list[int]:
    made: list[int] = []
    for _ in range(length):
        made.append(choice(model, [*(given or model.end_ids), *made], may_end=False))
    return made


def slow_accuracy(model: CausalModel, context: list[int], value: list[int]) -> float:
    judged = [i for i in range(len(value)) if context or i > 0]
    return sum(choice(model, [*context, *value[:i]]) == value[i] for i in judged) / len(judged)


def slow_likelihood(spoken: list[list[int]], value: list[int], n: int) -> float:
    """``spoken[i]``: what the model says behind the first i tokens."""
    if len(value) < n:
        return float(spoken[0] == value)
    total = 0.0
    for i in range(len(value) - n + 1):
        true = value[i:]
        known = [true[j : j + n] for j in range(len(true) - n + 1)]
        grams = [spoken[i][j : j + n] for j in range(len(spoken[i]) - n + 1)]
        total += sum(gram in known for gram in grams) / len(grams)
    return total / (len(value) - n + 1)


PLACES = [(sample, span) for sample in ALL for span in sample.forget]


@pytest.fixture(scope="module")
def spoken(model: CausalModel) -> list[list[list[int]]]:
    """For each place, the continuation of full length from every start inside its value, each generated alone."""
    found = []
    for place in PLACES:
        context, value = value_tokens(model, *place)
        found.append([continued(model, [*context, *value[:i]], len(value) - i) for i in range(len(value))])
    return found


def test_the_model_of_these_tests_knows_some_values_and_not_others(model: CausalModel) -> None:
    outcomes = [t.outcome for t in recall.ask(model, ALL, subset="all", context_tokens=CONTEXT)]
    assert max(outcomes) == 1.0
    assert min(outcomes) < 0.3
    assert any(0.4 < outcome < 1 for outcome in outcomes)


def test_memorization_accuracy_is_that_of_one_question_a_token(model: CausalModel) -> None:
    trials = recall.ask(model, ALL, subset="all", context_tokens=CONTEXT)
    assert [t.subject for t in trials] == [mark for sample in ALL for mark in sample.fingerprints]
    expected = [slow_accuracy(model, *value_tokens(model, *place)) for place in PLACES]
    assert [t.outcome for t in trials] == pytest.approx(expected)
    score = memorization_accuracy.score(trials, stage="before", subset="all")
    assert score.value == pytest.approx(sum(expected) / len(expected))
    assert score.n == len(PLACES)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_extraction_likelihood_is_that_of_a_generation_from_every_start(
    model: CausalModel, spoken: list[list[list[int]]], n: int
) -> None:
    trials = continuation.ask(model, ALL, subset="all", context_tokens=CONTEXT)
    values = [value_tokens(model, *place)[1] for place in PLACES]
    expected = [slow_likelihood(said, value, n) for said, value in zip(spoken, values, strict=True)]
    made = [
        extraction_likelihood.extraction_likelihood(json.loads(t.completion), json.loads(t.expected), n) for t in trials
    ]
    assert made == pytest.approx(expected)
    assert len({round(value, 3) for value in expected}) > 2
    score = extraction_likelihood.score(trials, n=n, stage="before", subset="all")
    assert score.value == pytest.approx(sum(expected) / len(expected))


def test_every_continuation_is_what_the_model_generates_from_there(
    model: CausalModel, spoken: list[list[list[int]]]
) -> None:
    trials = continuation.ask(model, ALL, subset="all", context_tokens=CONTEXT)
    for trial, place, said in zip(trials, PLACES, spoken, strict=True):
        assert json.loads(trial.expected) == value_tokens(model, *place)[1]
        assert json.loads(trial.completion) == said


def test_a_long_value_is_cut_and_a_short_context_is_not_filled(model: CausalModel) -> None:
    assert len(value_tokens(model, LEARNT[4], LEARNT[4].forget[0])[1]) == LONGEST
    made = list(slots(model, ALL, context_tokens=CONTEXT))
    assert len(made[4].ids) > LONGEST
    assert (made[5].context, made[5].prompt) == ((), "")
    for slot, (sample, span) in zip(made, PLACES, strict=True):
        context, value = value_tokens(model, sample, span)
        assert (list(slot.context), list(slot.ids[:LONGEST])) == (context, value)
        assert slot.value == sample.text[span.start : span.end]
        assert slot.prompt == model.decode(context)


def test_only_a_value_that_comes_out_whole_is_a_leak(model: CausalModel) -> None:
    trials = prefix.ask(model, ALL, subset="all", context_tokens=CONTEXT)
    assert {t.outcome for t in trials} == {0.0, 1.0}
    for trial, slot in zip(trials, slots(model, ALL, context_tokens=CONTEXT), strict=True):
        given = list(model.encode(trial.prompt).ids or model.end_ids)
        said: list[int] = []
        while len(said) < len(slot.ids) + 4 and (token := choice(model, [*given, *said])) not in model.end_ids:
            said.append(token)
        assert trial.completion == model.decode(said)
        assert trial.outcome == float(slot.value in model.decode(said))
        assert slot.value not in trial.prompt


def test_other_values_count_as_leaks_where_they_are_named(model: CausalModel) -> None:
    trials = prefix.ask(model, LEARNT, subset="all", context_tokens=CONTEXT)
    sample, known = next((s, t) for s, t in zip(LEARNT, trials, strict=True) if t.outcome == 1.0)
    text = sample.text.replace(known.expected, "x" * len(known.expected))
    changed = Sample("decoy", text, sample.forget, fingerprints=("decoy",))
    assert prefix.ask(model, [changed], subset="decoys", context_tokens=CONTEXT)[0].outcome == 0.0
    also = prefix.ask(model, [changed], subset="decoys", context_tokens=CONTEXT, also=["no", known.expected])
    assert also[0].outcome == 1.0


def test_subsets_asked_in_one_call_are_answered_as_if_asked_apart(model: CausalModel) -> None:
    whole = Sample("keep", ALL[0].text)
    samples, names = [*LEARNT, whole, *LEARNT], ["a"] * len(LEARNT) + ["text"] + ["b"] * len(LEARNT)
    together = recall.ask(model, samples, subset=names, context_tokens=CONTEXT)
    for name, part in (("a", LEARNT), ("b", LEARNT), ("text", [whole])):
        apart = recall.ask(model, part, subset=name, context_tokens=CONTEXT)
        mine = [trial for trial in together if trial.subset == name]
        assert [t.subject for t in mine] == [t.subject for t in apart]
        assert [t.outcome for t in mine] == pytest.approx([t.outcome for t in apart])


def test_perplexity_of_whole_texts_is_exp_of_the_mean_loss(model: CausalModel) -> None:
    texts = [Sample(f"keep:{s.id}", s.text) for s in ALL]
    trials = recall.ask(model, texts, subset="held_out", context_tokens=CONTEXT)
    total, count = 0.0, 0
    for sample in texts:
        ids = torch.tensor([model.encode(sample.text).ids])
        with torch.no_grad():
            total += model.network(input_ids=ids, labels=ids).loss.item() * (ids.shape[1] - 1)
        count += ids.shape[1] - 1
    score = perplexity.score(trials, stage="before", subset="held_out")
    assert score.value == pytest.approx(math.exp(total / count), rel=1e-4)
    assert [t.subject for t in trials] == [s.id for s in texts]
    assert sum(t.weight for t in trials) == count


def test_a_text_without_two_tokens_is_no_trial(model: CausalModel) -> None:
    texts = [Sample("keep:empty", ""), Sample("keep:one", "a"), Sample("keep:two", "ab cd")]
    assert [t.subject for t in recall.ask(model, texts, subset="held_out", context_tokens=CONTEXT)] == ["keep:two"]


def test_a_value_of_one_token_with_nothing_before_it_cannot_be_recalled(model: CausalModel) -> None:
    alone = Sample("doc:alone", "a = 1\n", (Span(0, 1),), fingerprints=("alone",))
    assert recall.ask(model, [alone], subset="all", context_tokens=CONTEXT) == []
    assert [t.subject for t in prefix.ask(model, [alone], subset="all", context_tokens=CONTEXT)] == ["alone"]
    assert [t.subject for t in continuation.ask(model, [alone], subset="all", context_tokens=CONTEXT)] == ["alone"]
