"""Check 5, residual memory: whether a value still looks, to whoever has the weights, like one that was learnt or unlearned.

Calibrated on values that were never seen. Two-sided: a value that ranks too low is as conspicuous as one too high, and
gradient ascent leaves such scars. Teacher forcing alone, so it is the cheapest check.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import replace

from scrubber.core.intervals import bootstrap
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.likelihood import Likelihoods, token_statistics
from scrubber.core.types import Sample, Score, Stage, Trial
from scrubber.evaluation.metrics import exposure, extraction_strength, membership_inference, neighbourhood, probe_power
from scrubber.evaluation.probes import membership, multiple_choice, recall
from scrubber.evaluation.probes import neighbourhood as neighbours
from scrubber.pipelines.robust.asking import DECOYS, VALUES, by_value, of, strength
from scrubber.pipelines.robust.case import Bench, Case
from scrubber.pipelines.robust.estimate import asked, context_tokens, value_tokens
from scrubber.pipelines.robust.plan import Cost, Part

NAME = "robust_residual"


def parts(case: Case) -> list[Part]:
    settings = case.settings
    groups = [case.values, case.asked_decoys]
    if case.drawn_decoys:
        groups = groups[:1]
    choices = sum(value_tokens(some) for some in (*groups, case.control)) * settings.choices
    all_asked = (*case.values, *case.asked_decoys)
    edited = 2 * settings.neighbours * (context_tokens(case, all_asked) + value_tokens(all_asked))
    once = asked(case, all_asked)
    cost = Cost(read=choices + edited + once.read * 2)
    depends = (settings.values, settings.control_values, settings.choices, settings.neighbours)
    return [Part("residual", "residual", cost, depends, _residual)]


def _residual(bench: Bench) -> list[Score]:
    case = bench.case
    trials = [
        *_ask(bench.release(), case, case.values, VALUES),
        *_ask(bench.release(), case, case.asked_decoys, DECOYS, ranks=not case.drawn_decoys),
    ]
    bench.keep_trials("residual", trials)
    victim = _ranks(bench.before(), case, case.control, VALUES)
    return [_power(victim), *scores(trials, case.settings.choices, drawn_decoys=case.drawn_decoys)]


def scores(trials: Sequence[Trial], choices: int, *, drawn_decoys: bool, stage: Stage = "after") -> list[Score]:
    """Exposure and its distance from chance, the attacks of membership inference, extraction strength with its worst
    decile, and the neighbourhood's features: all of subset robust_residual."""
    ranked = of(trials, VALUES, "multiple_choice")
    chance = () if drawn_decoys else of(trials, DECOYS, "multiple_choice")
    least = min(choices, exposure.LEAST_DECOYS)  # fewer were asked for, so fewer will have to do
    made = [
        exposure.distance(ranked, decoys=chance, stage=stage, subset=NAME, least=least),
        exposure.score(ranked, stage=stage, subset=NAME, least=least),
    ]
    judged = {"decoys": of(trials, DECOYS, "membership"), "stage": stage, "subset": NAME}
    made += [
        membership_inference.score(of(trials, VALUES, "membership"), attack=attack, **judged)  # type: ignore[arg-type]
        for attack in membership_inference.ATTACKS
    ]
    for subset, name in ((VALUES, NAME), (DECOYS, f"{NAME}_decoys")):
        known = by_value(of(trials, subset, "recall"), strength)
        made += [extraction_strength.score(known, stage=stage, subset=name), worst_decile(known, stage, name)]
    near = [of(trials, subset, "neighbourhood") for subset in (VALUES, DECOYS)]
    made += [
        neighbourhood.score(near[0], decoys=near[1], edits=edits, feature=feature, stage=stage, subset=NAME)
        for edits in ("context", "value")
        for feature in neighbourhood.FEATURES
    ]
    return made


def worst_decile(trials: Sequence[Trial], stage: Stage, subset: str, seed: int = 0) -> Score:
    """Mean extraction strength of the tenth of the values that is known best; beside the decoys' alone it says something."""
    name = f"{subset}_worst_decile"
    if not trials:
        return Score("extraction_strength", stage, name, None, None, None, 0, "no value was asked for")

    def worst(groups: Sequence[Sequence[float]]) -> float:
        ordered = sorted((group[0] for group in groups), reverse=True)
        count = math.ceil(len(ordered) / 10)
        return math.fsum(ordered[:count]) / count

    groups = [[strength(trial)] for trial in trials]
    low, high = bootstrap(groups, worst, seed=seed)
    return Score("extraction_strength", stage, name, worst(groups), low, high, len(groups))


def _ask(model: CausalModel, case: Case, samples: Sequence[Sample], subset: str, *, ranks: bool = True) -> list[Trial]:
    context = case.context_tokens
    return [
        *(_ranks(model, case, samples, subset) if ranks else ()),
        *membership.ask(
            model, samples, subset=subset, context_tokens=context, judge=functools.partial(token_statistics, model)
        ),
        *recall.ask(model, samples, subset=subset, context_tokens=context),
        *neighbours.ask(
            model, samples, subset=subset, context_tokens=context, neighbours=case.settings.neighbours, seed=case.seed
        ),
    ]


def _ranks(model: CausalModel, case: Case, samples: Sequence[Sample], subset: str) -> list[Trial]:
    return multiple_choice.ask(
        model,
        samples,
        subset=subset,
        context_tokens=case.context_tokens,
        choices=case.settings.choices,
        likelihoods=Likelihoods(model),
        seed=case.seed,
    )


def _power(victim: Sequence[Trial]) -> Score:
    """The share of values that the model before puts first among all choices: chance would put one of a thousand there."""
    score = probe_power.score(victim, stage="before", subset=NAME)
    return replace(score, note=score.note or "values ranked first among the choices")
