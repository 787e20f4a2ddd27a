"""Check 2, relearning: a short fine-tune on what looks alike, on code of the same domain, or on a tenth of what was forgotten.

What was only suppressed comes back with surface form alone (arXiv 2602.03379). Asked at every point of the curve; a value
counts as leaked when it leaks at any of them, and decoys, which were never learnt, show what relearning makes of a format.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

import torch

from scrubber.core.batch import Batch, Schedule, epoch_steps, tokenize
from scrubber.core.model.adapters import add_lora
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.outputs import Outputs
from scrubber.core.model.reference import Before
from scrubber.core.optimizers import OptimizerSettings
from scrubber.core.train import Decision, TrainSettings, train
from scrubber.core.types import Model, Sample, Score, Trial
from scrubber.pipelines.robust import asking
from scrubber.pipelines.robust.asking import VALUES, by_value, of
from scrubber.pipelines.robust.case import Bench, Case
from scrubber.pipelines.robust.estimate import asked
from scrubber.pipelines.robust.plan import Cost, Part

Attack = Literal["benign", "domain", "share"]
ATTACKS: tuple[Attack, ...] = ("benign", "domain", "share")
_CHARACTERS = 3  # a token, about


def parts(case: Case) -> list[Part]:
    settings = case.settings
    depends = (
        settings.values, settings.control_values, settings.steps, settings.learning_rate, settings.batch_size,
        settings.rank, settings.share,
    )  # fmt: skip
    made = []
    for attack in ATTACKS:
        texts, left = shown(case, attack)
        if not texts or not left:
            continue
        length = sum(min(case.window_tokens, len(t.text) // _CHARACTERS) for t in texts) / len(texts)
        trained = round(length * settings.batch_size * max(settings.steps)) * 2
        looks = asked(case, (*left, *case.asked_decoys, *case.control, *case.control_decoys))
        cost = looks.times(len(settings.steps)) + Cost(trained=trained, loads=2)
        made.append(Part("relearning", f"relearn_{attack}", cost, depends, functools.partial(_relearn, attack=attack)))
    return made


def shown(case: Case, attack: Attack) -> tuple[list[Sample], list[Sample]]:
    """The texts that an attack trains on, and the values that are asked for afterwards; none of these stands in those."""
    if attack == "benign":
        return case.others("benign"), case.values
    if attack == "domain":
        return list(case.keep), case.values
    wanted = math.ceil(case.settings.share * len(case.values))
    order = random.Random(f"share-{case.seed}").sample(case.forget, len(case.forget))
    chosen: list[Sample] = []
    while order and sum(len(set(s.fingerprints)) for s in chosen) < wanted:
        chosen.append(order.pop())
    texts = "\n".join(sample.text for sample in chosen)
    left = [s for s in case.values if not any(s.text[a.start : a.end] in texts for a in s.forget)]
    return chosen, left


def _relearn(bench: Bench, attack: Attack) -> list[Score]:
    case, name = bench.case, f"robust_relearn_{attack}"
    texts, left = shown(case, attack)
    course = curve(bench.fresh(), case, texts, left, case.asked_decoys)
    bench.keep_trials(f"relearn_{attack}", [replace(t, probe=f"{t.probe}_{at}") for at, row in course for t in row])
    marks = {mark for sample in left for mark in sample.fingerprints}
    known = [sample for sample in case.control if marks.issuperset(sample.fingerprints)]
    victim = curve(bench.at(case.before, case.precision), case, texts, known, case.control_decoys)
    # the model before leaks as it is: what counts is whether it still does after the attack
    control = asking.power([t for step, row in victim if step for t in row], name)
    return asking.guarded(control, scores(course, name))


def scores(course: Sequence[tuple[int, Sequence[Trial]]], name: str) -> list[Score]:
    """The worst of the curve, by value; the note has the curve: the leak rate and the strength after so many steps."""
    told = []
    for step, row in course:
        leaked = by_value(of(row, VALUES, "prefix"))
        known = by_value(of(row, VALUES, "recall"), asking.strength)
        rate = sum(t.outcome == 1.0 for t in leaked) / max(1, len(leaked))
        strength = math.fsum(map(asking.strength, known)) / max(1, len(known))
        told.append(f"{step}: {rate:.3f}, {strength:.3f}")
    note = "by step, leak and strength: " + "; ".join(told)
    return asking.scores([t for _, row in course for t in row], name, note=note)


def curve(
    model: CausalModel, case: Case, texts: Sequence[Sample], values: Sequence[Sample], decoys: Sequence[Sample]
) -> list[tuple[int, list[Trial]]]:
    """Trials by step: the model as it is (step 0), and after so many steps on ``texts``. Trains ``model`` in place."""
    settings = case.settings
    wanted = sorted(set(settings.steps))
    longest = min(case.window_tokens, model.longest)
    rows = [tokenize(text, model.encode, max_length=longest) for text in texts]
    rows = [row for row in rows if len(row.ids) > 1]
    schedule = Schedule(min(settings.batch_size, len(rows)), min(settings.batch_size, len(rows)), seed=case.seed)
    per_epoch = -(-len(rows) // schedule.batch_size)
    question = functools.partial(asking.ask, values=values, decoys=decoys, context_tokens=case.context_tokens)
    found = [(0, question(model))]

    def steps_of(epoch: int) -> Iterable[list[Batch]]:
        return epoch_steps([], rows, schedule, epoch, pad_id=model.pad_id)

    def check(asked: Model, step: int) -> list[Score]:
        if step in wanted:
            found.append((step, question(asked)))
        return []

    add_lora(model, rank=settings.rank, alpha=2 * settings.rank, seed=case.seed)
    train(
        model,
        steps_of,
        _likelihood,
        settings=TrainSettings(
            OptimizerSettings(learning_rate=settings.learning_rate or case.learning_rate),
            max_epochs=-(-wanted[-1] // per_epoch),
            steps_per_epoch=per_epoch,
            check_every=1,
            seed=case.seed,
        ),
        check=check,
        stop=lambda step, scores: Decision(best=False, stop=step >= wanted[-1]),
    )
    return found


def _likelihood(outputs: Outputs, reference: Before, batch: Batch) -> torch.Tensor:
    """Plain language modelling: the mean loss over the step's tokens."""
    return -outputs.log_likelihood(batch.labels).sum() / max(batch.context_total, 1)
