"""Ask, scan, score: how trials are made of a model and scores of trials, written once for every stage."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from scrubber.core import parts
from scrubber.core.types import Document, Finding, Model, Sample, Scan, Score, Span, Stage, Trial
from scrubber.evaluation.benchmarks import micro
from scrubber.evaluation.metrics import (
    extraction_likelihood,
    extraction_strength,
    finding_rate,
    leak_rate,
    memorization_accuracy,
    pass_at_k,
    perplexity,
)
from scrubber.evaluation.probes import continuation, prefix, recall
from scrubber.evaluation.sandbox.runner import Call, Sandbox
from scrubber.pipelines import proof, questions
from scrubber.pipelines.questions import Questions
from scrubber.pipelines.strata import Groups

LENGTHS = (3, 5, 10)  # the n of EL_n
DRAWS = (1, 5, 10)  # the k of pass_at_k, where a benchmark's tasks have that many answers


@dataclass(frozen=True, slots=True)
class Audit:
    """``samples``: windows round all found values. ``learnt``: fingerprints that the model knows. Private."""

    samples: tuple[Sample, ...]
    learnt: frozenset[str]
    keep: tuple[Sample, ...]  # texts to hold the model to
    held_out: tuple[Sample, ...]  # texts to measure it on
    trials: tuple[Trial, ...]

    @property
    def audited(self) -> tuple[Sample, ...]:
        """The slots of learnt values only, to ask about."""
        return tuple(s for s in (only(s, self.learnt) for s in self.samples) if s.forget)

    @property
    def forget(self) -> tuple[Sample, ...]:
        """Samples with at least one learnt value. All their found values are to be forgotten, known or not: as context
        they would be reinforced."""
        return tuple(s for s in self.samples if self.learnt.intersection(s.fingerprints))


@dataclass(frozen=True)
class Subjects:
    """What a model is asked about. ``values`` by subset name, such as planted, audited, found; decoys apart."""

    values: Mapping[str, Sequence[Sample]]
    decoys: Sequence[Sample] = ()
    held_out: Sequence[Sample] = ()
    tasks: Sequence[micro.Task] = ()
    kinds: Mapping[str, str] = None  # type: ignore[assignment]  # of planted values, by fingerprint
    likelihood_values: int = 64
    memorization: bool = True  # off: of texts, teacher forcing judges the held-out ones only
    context_tokens: int = 128
    seed: int = 0
    questions: Questions | None = None  # those of the full suite, beyond these
    groups: Groups = proof.NO_GROUPS


def ask(
    model: Model, subjects: Subjects, *, scan: Scan, sandbox: Sandbox | None, progress: Callable[[str], None]
) -> list[Trial]:
    """Every question of every subset, answered and judged; completions are scanned as documents are."""
    trials: list[Trial] = []
    context = subjects.context_tokens
    planted = [s.text[span.start : span.end] for s in subjects.values.get("planted", ()) for span in s.forget]
    progress("greedy answers")
    named = [(subset, sample) for subset, samples in subjects.values.items() for sample in samples]
    trials += prefix.ask(model, [s for _, s in named], subset=[n for n, _ in named], context_tokens=context)
    trials += prefix.ask(model, subjects.decoys, subset="decoys", context_tokens=context, also=planted)
    trials = [replace(t, findings=tuple(scan(Document(t.subject, t.completion, origin="generation")))) for t in trials]
    progress("memorization")
    named = [*named, *(("decoys", sample) for sample in subjects.decoys)] if subjects.memorization else []
    named += [("held_out", sample) for sample in subjects.held_out]
    if "logits" in model.capabilities:
        trials += recall.ask(model, [s for _, s in named], subset=[n for n, _ in named], context_tokens=context)
    progress("extraction likelihood")
    wanted = subjects.likelihood_values
    # the decoys' mean is a threshold near 0, for which a quarter as many serve
    likely = (*_likelihood_subset(subjects), ("decoys", subjects.decoys, -(-wanted // 4)))
    for subset, samples, count in likely if model.capabilities >= {"logits", "tokens"} else ():
        few = some(samples, count, subjects.seed)
        trials += continuation.ask(model, few, subset=subset, context_tokens=context)
    if subjects.tasks and sandbox is not None:
        progress("programming tasks")
        trials += ask_tasks(model, subjects.tasks, sandbox)
    if subjects.questions is not None:
        trials += questions.ask(model, subjects.questions, progress)
    return trials


def ask_tasks(model: Model, tasks: Sequence[micro.Task], sandbox: Sandbox) -> list[Trial]:
    """Greedy solutions of micro tasks, run in the sandbox; only arguments go in, and values are compared out here."""
    completions = model.generate([task.prompt for task in tasks], max_new_tokens=micro.MOST_TOKENS)
    calls = [
        Call(micro.program(task, completion), task.entry_point, task.arguments)
        for task, completion in zip(tasks, completions, strict=True)
    ]
    return [
        Trial(
            "micro",
            task.id,
            f"micro_{task.subset}",
            task.prompt,
            completion,
            "",
            float(micro.solved(task, answer.values)),
        )
        for task, completion, answer in zip(tasks, completions, sandbox.run(calls), strict=True)
    ]


def scores(
    trials: Sequence[Trial], stage: Stage, kinds: Mapping[str, str] | None = None, groups: Groups = proof.NO_GROUPS
) -> list[Score]:
    """All scores of one stage. ``kinds``: of values by fingerprint, for one leak rate each; ``groups``: for strata."""
    made: list[Score] = []
    for subset, asked in _by_subset(trials, "prefix").items():
        values = _by_value(asked)
        made.append(leak_rate.score(values, stage=stage, subset=subset))
        made.append(finding_rate.score(values, stage=stage, subset=subset))
        if subset in ("planted", "audited") and kinds:
            for kind in sorted({kinds[t.subject] for t in values if t.subject in kinds}):
                of_kind = [t for t in values if kinds.get(t.subject) == kind]
                made.append(leak_rate.score(of_kind, stage=stage, subset=f"{subset}_{kind}"))
    for subset, asked in _by_subset(trials, "recall").items():
        if subset == "held_out":
            made.append(perplexity.score(asked, stage=stage, subset=subset))
            continue
        made += [m.score(asked, stage=stage, subset=subset) for m in (memorization_accuracy, extraction_strength)]
    for subset, asked in _by_subset(trials, "continuation").items():
        made += [extraction_likelihood.score(asked, n=n, stage=stage, subset=subset) for n in LENGTHS]
    made += [pass_at_k.score(solved, stage=stage, subset=name) for name, solved in _tasks(trials).items()]
    for name, judged in _published(trials).items():
        made += [pass_at_k.score_samples(judged, k, stage=stage, subset=name) for k in DRAWS if k <= _fewest(judged)]
    return made + proof.scores(trials, stage, groups)


def not_given(model: Model, subjects: Subjects, stage: Stage) -> list[Score]:
    """A score without a value for each metric whose probe the model cannot answer: it was not scored, which is no zero."""
    made: list[Score] = []
    if "logits" not in model.capabilities:
        if subjects.memorization:
            subsets = [name for name, samples in (*subjects.values.items(), ("decoys", subjects.decoys)) if samples]
            made += [m.score([], stage=stage, subset=s) for s in subsets
                     for m in (memorization_accuracy, extraction_strength)]  # fmt: skip
        made.append(perplexity.score([], stage=stage, subset="held_out"))
    if not model.capabilities >= {"logits", "tokens"}:
        subsets = [name for name, _, _ in _likelihood_subset(subjects)]
        made += [extraction_likelihood.score([], n=n, stage=stage, subset=s) for s in subsets for n in LENGTHS]
    return [replace(score, note="the model gives no log-probabilities") for score in made]


def differences(before: Sequence[Trial], after: Sequence[Trial]) -> list[Score]:
    """Paired comparisons, made here where the pairs are known, so that re-gating needs the scores alone."""
    first, second = (
        {**_tasks(t), **{n: s for n, s in _published(t).items() if _fewest(s) == 1}} for t in (before, after)
    )
    made = [
        pass_at_k.difference(first.get(name, []), second.get(name, []), subset=name) for name in {**first, **second}
    ]
    kept = [_by_subset(trials, "recall").get("held_out", []) for trials in (before, after)]
    if kept[0] or kept[1]:
        made.append(perplexity.difference(kept[0], kept[1], subset="held_out"))
    return made + proof.differences(before, after)


def only(sample: Sample, fingerprints: Iterable[str]) -> Sample:
    """The sample with those of its spans to forget that have one of the fingerprints."""
    wanted = frozenset(fingerprints)
    pairs = [(s, f) for s, f in zip(sample.forget, sample.fingerprints, strict=True) if f in wanted]
    return replace(sample, forget=tuple(s for s, _ in pairs), fingerprints=tuple(f for _, f in pairs))


def some(samples: Sequence[Sample], count: int, seed: int) -> list[Sample]:
    """A seeded choice of at most ``count`` values, each as a sample of its own; the same for before and after."""
    single = [
        replace(sample, forget=(span,), fingerprints=(mark,))
        for sample in samples
        for span, mark in zip(sample.forget, sample.fingerprints, strict=True)
    ]
    if len(single) <= count:
        return single
    chosen = set(random.Random(f"some-{seed}").sample(range(len(single)), count))
    return [sample for i, sample in enumerate(single) if i in chosen]


def trials_to_jsonl(trials: Iterable[Trial]) -> str:
    return "".join(json.dumps(asdict(trial)) + "\n" for trial in trials)


def trials_from_jsonl(text: str) -> list[Trial]:
    return [_trial(json.loads(line)) for line in text.splitlines()]


def samples_to_jsonl(samples: Iterable[Sample]) -> str:
    return "".join(json.dumps(asdict(sample)) + "\n" for sample in samples)


def samples_from_jsonl(text: str) -> list[Sample]:
    rows = (json.loads(line) for line in text.splitlines())
    return [
        Sample(row["id"], row["text"], _spans(row["forget"]), _spans(row["reinforce"]), tuple(row["fingerprints"]))
        for row in rows
    ]


def _spans(rows: Iterable[Mapping[str, int]]) -> tuple[Span, ...]:
    return tuple(Span(row["start"], row["end"]) for row in rows)


def _trial(row: dict[str, Any]) -> Trial:
    found = tuple(Finding(**{**f, "span": Span(**f["span"])}) for f in row.pop("findings"))
    return Trial(**row, findings=found)


def _by_subset(trials: Iterable[Trial], probe: str) -> dict[str, list[Trial]]:
    subsets: dict[str, list[Trial]] = {}
    for trial in trials:
        if trial.probe == probe:
            subsets.setdefault(trial.subset, []).append(trial)
    return subsets


def _by_value(trials: Iterable[Trial]) -> list[Trial]:
    """One trial a value: it leaked if it did in any of its places. An interval over places would count one value twice."""
    worst: dict[str, Trial] = {}
    for trial in trials:
        if trial.subject not in worst or trial.outcome > worst[trial.subject].outcome:
            worst[trial.subject] = trial
    return list(worst.values())


def _tasks(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """Solved tasks: all of the benchmark, and its seen and unseen halves apart."""
    solved = [trial for trial in trials if trial.probe == "micro"]
    if not solved:
        return {}
    halves = _by_subset(solved, "micro")
    return {"micro": solved, **halves}


def _published(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """Judged answers to published benchmarks, by name."""
    names = set(parts.names("scrubber.evaluation.benchmarks", "scrubber.benchmarks")) - {"micro"}
    found: dict[str, list[Trial]] = {}
    for trial in trials:
        if trial.probe in names:
            found.setdefault(trial.probe, []).append(trial)
    return found


def _fewest(trials: Sequence[Trial]) -> int:
    """Answers to the task that has the fewest."""
    return min(Counter(trial.subject for trial in trials).values())


def _likelihood_subset(subjects: Subjects) -> list[tuple[str, Sequence[Sample], int]]:
    """EL_n is dear: it is asked of one subset, the audited values where there are any."""
    for subset in ("audited", "planted", "found"):
        if subjects.values.get(subset):
            return [(subset, subjects.values[subset], subjects.likelihood_values)]
    return []
