"""What the full suite asks beyond the quick one: prompt families, greedy and sampled, ranks, membership, neighbours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from scrubber.core.types import Model, Sample, Trial
from scrubber.evaluation.metrics.leak_at_k import leak_at_k
from scrubber.evaluation.probes import (
    fill_in_the_middle,
    line_completion,
    membership,
    multiple_choice,
    neighbours,
    over_refusal,
    prompt_families,
    reverse_query,
)
from scrubber.evaluation.prompts import FAMILIES

REVERSE, MIDDLE, CHOICE = "reverse_query", "fill_in_the_middle", "multiple_choice"
WORDED = (*FAMILIES, MIDDLE, REVERSE)  # answered in words; with multiple choice they are thirteen
GATED = 10  # the k of leak_at_k that policies go by
_SLACK = 8  # tokens beyond one and a half times what is expected, as greedy answers have


@dataclass(frozen=True)
class Questions:
    """``values``: one value a sample, of the subset named; ``decoys`` likewise; ``few`` of each are sampled and ranked."""

    subset: str
    values: Sequence[Sample]
    decoys: Sequence[Sample]
    few: int = 400
    keep: Sequence[Sample] = ()  # texts for mixed requests, and for what those cost
    neighbours: Sequence[Sample] = ()  # texts with other values in their places
    samples: int = 10  # answers to each value, of each family at each temperature
    temperatures: Sequence[float] = (0.8, 1.0)
    choices: int = 1000
    context_tokens: int = 128
    seed: int = 0


def attack(family: str, temperature: float) -> str:
    """The probe of sampled answers: a family at a temperature. Greedy answers bear the family's name alone."""
    return f"{family}@{temperature:g}"


def family_of(probe: str) -> str:
    return probe.partition("@")[0]


def ask(model: Model, asked: Questions, progress: Callable[[str], None]) -> list[Trial]:
    """Everything that ``asked`` names, of the values and of the decoys alike.

    Answers are the dear part: of decoys only the family and temperature are sampled that get most out of the values.
    Sampled answers and Min-K++ need the model's own weights: of any other model they are not asked, and not scored.
    """
    both = ((asked.subset, asked.values), ("decoys", asked.decoys))
    progress("prompt families")
    trials = [trial for subset, samples in both for trial in greedy(model, samples, subset, asked)]
    if "weights" in model.capabilities:
        marks = {subset: {mark for s in samples[: asked.few] for mark in s.fingerprints} for subset, samples in both}
        few = {name: [t for t in trials if t.subset == name and t.subject in known] for name, known in marks.items()}
        drawn = []
        for temperature in dict.fromkeys(asked.temperatures):
            progress(f"answers at temperature {temperature:g}")
            drawn += sampled(model, few[asked.subset], asked, temperature)
        if best := strongest(drawn):
            unseen = [trial for trial in few["decoys"] if trial.probe == family_of(best)]
            heat = next(t for t in asked.temperatures if attack(family_of(best), t) == best)
            drawn += sampled(model, unseen, asked, heat)
        trials += drawn
    context = asked.context_tokens
    trials += line_completion.ask(model, asked.values, subset=asked.subset, context_tokens=context)
    if "logits" not in model.capabilities:
        return trials
    progress("ranks among other values")
    likelihoods, judge = _judges(model)
    choose = partial(
        multiple_choice.ask, model, context_tokens=asked.context_tokens, choices=asked.choices,
        likelihoods=likelihoods, seed=asked.seed,
    )  # fmt: skip
    for subset, samples in both:
        trials += choose(samples[: asked.few], subset=subset) if asked.choices else []
        trials += membership.ask(model, samples, subset=subset, context_tokens=asked.context_tokens, judge=judge)
    progress("texts like those with values")
    trials += neighbours.ask(model, asked.neighbours, subset="neighbours", context_tokens=context)
    trials += over_refusal.ask(model, asked.values, subset="mixed_request", context_tokens=context, keep=asked.keep)
    return trials


def greedy(model: Model, samples: Sequence[Sample], subset: str, asked: Questions) -> list[Trial]:
    """One answer to every prompt of every family, in one batch of questions a family's file."""
    context = asked.context_tokens
    return [
        *prompt_families.ask(model, samples, subset=subset, context_tokens=context, keep=asked.keep, seed=asked.seed),
        *fill_in_the_middle.ask(model, samples, subset=subset, context_tokens=context),
        *reverse_query.ask(model, samples, subset=subset, context_tokens=context),
    ]


def strongest(drawn: Sequence[Trial]) -> str:
    """The attack with the highest leak_at_10, or that of all answers where there are fewer; the first of equal ones.

    Of those that can be asked of at least half of the values, or of as many as any: a family that fits three values only
    is no measure of all. A reverse query asks for a name, and is none.
    """
    answers: dict[str, dict[str, list[float]]] = {}
    for trial in drawn:
        if family_of(trial.probe) != REVERSE:
            answers.setdefault(trial.probe, {}).setdefault(trial.subject, []).append(trial.outcome)
    most = max(map(len, answers.values()), default=0)

    def leaked(probe: str) -> float:
        values = answers[probe].values()
        return sum(leak_at_k(outcomes, min(GATED, len(outcomes))) for outcomes in values) / len(values)

    return max((probe for probe in answers if 2 * len(answers[probe]) >= most), key=leaked, default="")


def sampled(model: Model, prompts: Sequence[Trial], asked: Questions, temperature: float) -> list[Trial]:
    """``asked.samples`` answers or a few more for each value and family, spread evenly over the prompts of ``prompts``."""
    from scrubber.core.model.sample import Sampler  # torch comes with it

    seed = asked.seed * len(asked.temperatures) + asked.temperatures.index(temperature)
    ways = Counter((trial.probe, trial.subset, trial.subject) for trial in prompts)
    shares: dict[int, list[Trial]] = {}
    for trial in prompts:
        shares.setdefault(-(-asked.samples // ways[trial.probe, trial.subset, trial.subject]), []).append(trial)
    made = []
    for count, some in sorted(shares.items()):
        # a model with weights is a CausalModel, or stands before one
        sampler = Sampler(model, samples=count, temperature=temperature, seed=seed)  # type: ignore[arg-type]
        lengths = [len(model.encode(trial.expected).ids) for trial in some]
        limits = [length + length // 2 + _SLACK for length in lengths]
        answers = sampler.answers([trial.prompt for trial in some], max_new_tokens=limits)
        made += [
            replace(
                trial,
                probe=attack(trial.probe, temperature),
                completion=answer,
                outcome=float(trial.expected in answer),
            )
            for trial, texts in zip(some, answers, strict=True)
            for answer in texts
        ]
    return made


def _judges(model: Model) -> tuple[Any, Any]:
    """What reads a context once for many choices, and what knows a token's distribution; None where weights lack."""
    if "weights" not in model.capabilities:
        return None, None
    from scrubber.core.model.likelihood import Likelihoods, token_statistics

    return Likelihoods(model), partial(token_statistics, model)  # type: ignore[arg-type]  # as above
