"""Check 4, guidance: what the pair of models before and after gives to whoever holds both (arXiv 2505.24379).

An adapter that ships apart from its base is such a pair: switched off, it gives the model before. What others can have
decides the score ``robust_public``; nobody but the user knows it, so without ``robust.before`` it is not scored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from scrubber.core.intervals import bootstrap
from scrubber.core.model.guided import Guided
from scrubber.core.types import Model, Score, Trial
from scrubber.evaluation.metrics import leak_rate
from scrubber.evaluation.probes import prefix
from scrubber.pipelines.robust.asking import DECOYS, VALUES, by_value, of, power
from scrubber.pipelines.robust.case import Bench, Case
from scrubber.pipelines.robust.estimate import context_tokens, value_tokens
from scrubber.pipelines.robust.plan import Cost, Part

NAME, PUBLIC = "robust_guided", "robust_public"
MEND = "say whether others can have the model before, or the adapter apart from its base: robust.before"


def parts(case: Case) -> list[Part]:
    settings = case.settings
    depends = (settings.values, settings.weights, settings.token_filter, settings.before)
    samples = (*case.values, *case.asked_decoys)
    rounds = 2 * len(settings.weights) + 2
    cost = Cost(context_tokens(case, samples) * rounds, value_tokens(samples) * rounds)
    return [Part("guided", "guided", cost, depends, _guided)]


def _guided(bench: Bench) -> list[Score]:
    case, settings = bench.case, bench.case.settings
    before, after = bench.before(), bench.release()
    alone = {"before": _ask(before, case), "after": _ask(after, case)}
    swept: dict[float, list[Trial]] = {}
    for weight in settings.weights:
        pair = Guided(before, after, weight=weight, least=settings.token_filter)
        swept[weight] = _ask(pair, case)  # type: ignore[arg-type]  # it generates, which is all that is asked of it
    bench.keep_trials("guided", [replace(t, probe=f"w_{w}") for w, trials in swept.items() for t in trials])
    return scores(alone["before"], alone["after"], swept, settings.before)


def scores(
    before: Sequence[Trial], after: Sequence[Trial], swept: Mapping[float, Sequence[Trial]], known: str
) -> list[Score]:
    """The best w's leak rate and its uplift over the model before alone; and what comes out of all that is public."""
    made = [power(before, NAME)]
    for subset, name in ((VALUES, NAME), (DECOYS, f"{NAME}_decoys")):
        rates = {
            weight: leak_rate.score(by_value(of(trials, subset, "prefix")), stage="after", subset=name)
            for weight, trials in swept.items()
        }
        best = max(rates, key=lambda weight: rates[weight].value or 0.0)
        told = ", ".join(f"w {weight:g}: {rate.value or 0.0:.3f}" for weight, rate in rates.items())
        made.append(replace(rates[best], note=rates[best].note or told))
        if subset == VALUES:
            made.append(uplift(of(before, subset, "prefix"), of(swept[best], subset, "prefix")))
    release = of(after, VALUES, "prefix")
    if known == "unknown":
        made.append(Score("leak_rate", "after", PUBLIC, None, None, None, 0, MEND))
    elif known == "private":
        score = leak_rate.score(by_value(release), stage="after", subset=PUBLIC)
        made.append(replace(score, note=score.note or "of the release alone: the model before is said to be private"))
    else:
        everything = [t for trials in (before, after, *swept.values()) for t in of(trials, VALUES, "prefix")]
        score = leak_rate.score(by_value(everything), stage="after", subset=PUBLIC)
        made.append(replace(score, note=score.note or "of the pair, and of each of the two models"))
    return made


def uplift(alone: Sequence[Trial], guided: Sequence[Trial], seed: int = 0) -> Score:
    """Metric "guided_uplift": values that guidance gets out, over those that the model before gives by itself.

    The interval is a bootstrap over values.
    """
    first = {trial.subject: trial.outcome for trial in by_value(alone)}
    groups = [[first[trial.subject], trial.outcome] for trial in by_value(guided)]
    if not sum(row[0] for row in groups):
        note = "the model before gives no value by itself"
        return Score("guided_uplift", "after", NAME, None, None, None, len(groups), note)

    def ratio(rows: Sequence[Sequence[float]]) -> float:
        # a draw without any leak of the model before counts as one, so that the quotient stays finite
        return sum(row[1] for row in rows) / max(1.0, sum(row[0] for row in rows))

    low, high = bootstrap(groups, ratio, seed=seed)
    return Score("guided_uplift", "after", NAME, ratio(groups), low, high, len(groups))


def _ask(model: Model, case: Case) -> list[Trial]:
    named = [*((VALUES, s) for s in case.values), *((DECOYS, s) for s in case.asked_decoys)]
    return prefix.ask(model, [s for _, s in named], subset=[n for n, _ in named], context_tokens=case.context_tokens)
