"""Check 3, prompts: every family of prompts, with answers drawn at several temperatures, about every value.

Greedy answers behind the true prefix are what a suppressor learns to refuse; ten drawn answers to a dozen other prompts are
what an attacker asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scrubber.core.model.causal import CausalModel
from scrubber.core.model.sample import Sampler
from scrubber.core.types import Sample, Score, Trial
from scrubber.evaluation.metrics import indirect_leak_rate, leak_at_k, leak_rate, probe_power
from scrubber.evaluation.probes import fill_in_the_middle, prompt_families
from scrubber.pipelines.robust.asking import DECOYS, VALUES, by_value, guarded
from scrubber.pipelines.robust.case import Bench, Case
from scrubber.pipelines.robust.estimate import context_tokens, value_tokens
from scrubber.pipelines.robust.plan import Cost, Part

NAME = "robust_prompts"
KS = (1, 10, 50)
_PROMPTS = 1.7  # of a family, in the mean


def parts(case: Case) -> list[Part]:
    settings = case.settings
    depends = (
        settings.values, settings.control_values, settings.families, settings.samples, settings.temperatures
    )  # fmt: skip
    samples = (*case.values, *case.asked_decoys, *case.control, *case.control_decoys)
    prompts = round(_PROMPTS * len(settings.families) * len(settings.temperatures))
    made = round(1.5 * value_tokens(samples)) * settings.samples * prompts
    cost = Cost(read=context_tokens(case, samples) * prompts, made=made)
    return [Part("prompts", "prompts", cost, depends, _prompts)]


def _prompts(bench: Bench) -> list[Score]:
    case = bench.case
    trials = _ask(bench.release(), case, case.values, VALUES) + _ask(bench.release(), case, case.asked_decoys, DECOYS)
    bench.keep_trials("prompts", trials)
    victim = _ask(bench.before(), case, case.control, VALUES)
    chance = _ask(bench.before(), case, case.control_decoys, DECOYS)
    controls = [
        replace(score, subset=f"{NAME}_{family}")
        for family, score in probe_power.by_probe(victim, decoys=chance, stage="before").items()
    ]
    whole = probe_power.score(victim, decoys=chance, stage="before", subset=NAME)
    return guarded(whole, [*controls, *scores(trials, case)])


def scores(trials: Sequence[Trial], case: Case) -> list[Score]:
    """leak_rate in any answer, of all and of each family; leak_at_k of answers taken at random; indirect leaks; strata."""
    values, decoys = ([t for t in trials if t.subset == subset] for subset in (VALUES, DECOYS))
    made: list[Score] = []
    for asked, name in ((values, NAME), (decoys, f"{NAME}_decoys")):
        tries = _fewest(asked)
        whole = leak_rate.score(by_value(asked), stage="after", subset=name)
        made.append(replace(whole, note=whole.note or f"in any of {tries} answers or more to each value"))
        made += [leak_at_k.score(asked, k=k, stage="after", subset=name) for k in KS if k <= tries]
        made.append(indirect_leak_rate.score(asked, stage="after", subset=name))
    for family in dict.fromkeys(t.probe for t in values):
        of_family = by_value(t for t in values if t.probe == family)
        made.append(leak_rate.score(of_family, stage="after", subset=f"{NAME}_{family}"))
    if case.strata and _fewest(values) >= 10:
        strata = leak_at_k.strata(values, case.strata, k=10, stage="after", subset=NAME)
        made += [score for score in strata if score.subset.endswith("_worst_stratum")]
    return made


def _ask(model: CausalModel, case: Case, samples: Sequence[Sample], subset: str) -> list[Trial]:
    """Answers at every temperature; where the tokenizer knows filling in, that too."""
    settings, trials = case.settings, list[Trial]()
    for number, temperature in enumerate(settings.temperatures):
        draw = Sampler(model, samples=settings.samples, temperature=temperature, seed=case.seed + number).answers
        trials += prompt_families.ask(
            model,
            samples,
            subset=subset,
            context_tokens=case.context_tokens,
            families=settings.families,
            keep=case.keep[: len(samples)],
            answers=draw,
            seed=case.seed,
        )
        trials += fill_in_the_middle.ask(
            model, samples, subset=subset, context_tokens=case.context_tokens, answers=draw
        )
    return trials


def _fewest(trials: Sequence[Trial]) -> int:
    """Answers that each value has at least."""
    counts: dict[str, int] = {}
    for trial in trials:
        counts[trial.subject] = counts.get(trial.subject, 0) + 1
    return min(counts.values(), default=0)
