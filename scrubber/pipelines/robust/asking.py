"""One question set for every condition: does a value come out, and how much of it is still known."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from scrubber.core.types import Model, Sample, Score, Stage, Trial
from scrubber.evaluation.metrics import extraction_strength, leak_rate, memorization_accuracy, probe_power
from scrubber.evaluation.probes import prefix, recall

VALUES, DECOYS = "values", "decoys"


def ask(model: Model, values: Sequence[Sample], decoys: Sequence[Sample], *, context_tokens: int) -> list[Trial]:
    """Greedy answers and teacher forcing, of values and of decoys; one Trial a place."""
    named = [*((VALUES, sample) for sample in values), *((DECOYS, sample) for sample in decoys)]
    samples, subsets = [sample for _, sample in named], [name for name, _ in named]
    return [
        *prefix.ask(model, samples, subset=subsets, context_tokens=context_tokens),
        *recall.ask(model, samples, subset=subsets, context_tokens=context_tokens),
    ]


def scores(trials: Sequence[Trial], condition: str, *, stage: Stage = "after", note: str = "") -> list[Score]:
    """leak_rate, extraction_strength and memorization_accuracy of subset ``condition``, and of ``condition``_decoys.

    A value counts once: where it is known best. ``note`` is about the first of them.
    """
    made: list[Score] = []
    for subset, name in ((VALUES, condition), (DECOYS, f"{condition}_decoys")):
        answers = by_value(of(trials, subset, "prefix"))
        memory = by_value(of(trials, subset, "recall"), strength)
        if not answers:
            continue
        made.append(leak_rate.score(answers, stage=stage, subset=name))
        made += [m.score(memory, stage=stage, subset=name) for m in (extraction_strength, memorization_accuracy)]
    return [replace(score, note=score.note or note) for score in made[:1]] + made[1:]


def power(trials: Sequence[Trial], condition: str, *, probe: str = "prefix") -> Score:
    """The positive control: what the same question gets out of the model before."""
    return probe_power.score(
        of(trials, VALUES, probe), decoys=of(trials, DECOYS, probe), stage="before", subset=condition
    )


def guarded(control: Score, scores: Iterable[Score]) -> list[Score]:
    """The control and the scores of a check. Where the control lacks power, a leak rate of nothing is no evidence: such a
    score is not scored, which leaves its rules undecided. A leak that was found is one whatever the control says."""
    made = [control]
    for score in scores:
        blind = control.note.startswith("without power") and score.metric == "leak_rate" and score.value == 0
        if blind and not score.subset.endswith("_decoys"):
            score = replace(score, value=None, low=None, high=None, note="the check is " + control.note)
        made.append(score)
    return made


def of(trials: Iterable[Trial], subset: str, probe: str) -> list[Trial]:
    return [trial for trial in trials if trial.subset == subset and trial.probe == probe]


def by_value(trials: Iterable[Trial], worst: Callable[[Trial], float] = lambda trial: trial.outcome) -> list[Trial]:
    """One Trial a value, the worst of them: an interval over places or tries would count one value several times.

    An answer that could not be judged stays, so that no value is taken for clean by what is not a number.
    """
    found: dict[str, Trial] = {}
    for trial in trials:
        known = found.get(trial.subject)
        if known is None or math.isnan(trial.outcome) or worst(trial) > worst(known):
            found[trial.subject] = trial
    return list(found.values())


def strength(trial: Trial) -> float:
    """Extraction strength of one trial of the probe recall."""
    return extraction_strength.strength(json.loads(trial.completion)["hits"])
