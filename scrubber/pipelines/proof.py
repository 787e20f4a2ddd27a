"""What the full suite's trials are worth: scores of sampled and indirect leaks, ranks, membership, and writing code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from scrubber.core.types import GatePolicy, Score, Stage, Trial
from scrubber.evaluation.metrics import (
    exact_memorization,
    exposure,
    gibberish_rate,
    indirect_leak_rate,
    leak_at_k,
    membership_inference,
    memo,
    parse_rate,
    perplexity,
    probe_power,
    remnant_memorization,
)
from scrubber.evaluation.parsing import finishes
from scrubber.pipelines.questions import CHOICE, GATED, REVERSE, WORDED, family_of, strongest
from scrubber.pipelines.strata import Groups

KS = (1, GATED, 50)  # of leak_at_k: those that there are enough answers for
DECOYS = "decoys"
NO_GROUPS = Groups()
_TEXTS = ("neighbours", "over_refusal")  # probes whose trials perplexity scores
_OWN = ("leak_at_", "mia_", "exposure", "indirect_leak_rate", "parse_rate", "gibberish_rate", "memo", "remnant_",
        "exact_memorization", "probe_power")  # fmt: skip  # metrics that the quick suite does not make


def has_proof(trials: Iterable[Trial]) -> bool:
    """Whether the full suite was asked."""
    return any(trial.probe == "line_completion" for trial in trials)


def needed_by(policy: GatePolicy) -> list[str]:
    """The metrics of the rules that nothing but the full suite can decide, each once."""
    rules = [r for r in policy.rules if not r.subset.startswith("robust_")]
    return list(dict.fromkeys(r.metric for r in rules if r.metric.startswith(_OWN) or r.subset in _TEXTS))


def scores(trials: Sequence[Trial], stage: Stage, groups: Groups = NO_GROUPS) -> list[Score]:
    """All scores that the quick suite lacks, of one stage; none of trials of the quick suite."""
    if not has_proof(trials):
        return []
    probes = _by(trials, lambda trial: trial.probe)
    subset = next(trial.subset for trial in probes["line_completion"])
    made: list[Score] = []
    for name in (subset, DECOYS):
        recalled, ladder = (_of(probes, probe, name) for probe in ("recall", "prefix_ladder"))
        made.append(exact_memorization.score(recalled, stage=stage, subset=name))
        made.append(remnant_memorization.score(recalled, stage=stage, subset=name))
        made.append(memo.score(ladder, stage=stage, subset=name))
    made += _indirect(trials, stage, subset, groups)
    made += _sampled(trials, stage, subset, groups)
    if stage == "before":
        made += _power(trials, subset)
    choices = {name: _of(probes, CHOICE, name) for name in (subset, DECOYS)}
    made += [exposure.score(choices[name], stage=stage, subset=name) for name in choices]
    made.append(exposure.distance(choices[subset], decoys=choices[DECOYS], stage=stage, subset=subset))
    known, unseen = (_of(probes, "membership", name) for name in (subset, DECOYS))
    made += [
        membership_inference.score(known, decoys=unseen, attack=attack, stage=stage, subset=subset)
        for attack in membership_inference.ATTACKS
    ]
    made += [parse_rate.score(asked, stage=stage, subset=name) for name, asked in _code(trials).items()]
    made.append(gibberish_rate.score(probes["line_completion"], stage=stage, subset=subset))
    made += [perplexity.score(probes.get(probe, []), stage=stage, subset=probe) for probe in _TEXTS]
    return made


def differences(before: Sequence[Trial], after: Sequence[Trial]) -> list[Score]:
    """Paired comparisons of the full suite: what still is code, and perplexity where forgetting does its damage."""
    if not has_proof(before) and not has_proof(after):
        return []
    first, second = _code(before), _code(after)
    made = [parse_rate.difference(first.get(n, []), second.get(n, []), subset=n) for n in {**first, **second}]
    for probe in _TEXTS:
        texts = [[trial for trial in trials if trial.probe == probe] for trials in (before, after)]
        made.append(perplexity.difference(*texts, subset=probe))
    return made


def _indirect(trials: Sequence[Trial], stage: Stage, subset: str, groups: Groups) -> list[Score]:
    """Of greedy answers, which the gate goes by, and of those of the strongest attack, which decoys were asked with, too.

    A reverse query asks for a name, not for a value.
    """
    told = ("prefix", *(family for family in WORDED if family != REVERSE))
    worst = strongest([trial for trial in trials if "@" in trial.probe and trial.subset == subset])
    return [
        indirect_leak_rate.score(
            [trial for trial in trials if trial.subset == name and trial.probe in probes],
            stage=stage,
            subset=name + ending,
            others=groups.others if name == subset else None,  # decoys bear the marks of the values that they replace
            clusters=groups.clusters,
        )
        for ending, probes in (("", told), ("_sampled", (worst,)))
        for name in (subset, DECOYS)
    ]


def _sampled(trials: Sequence[Trial], stage: Stage, subset: str, groups: Groups) -> list[Score]:
    """leak_at_k: of each family at the temperature that gets more, under its own name, of all values by the strongest
    attack, and of strata.

    An attacker takes the family that works: so do the overall score and its worst decile, beside the decoys' of the same
    family and temperature, and each stratum.
    """
    drawn = [trial for trial in trials if "@" in trial.probe and trial.subset == subset]
    attacks = _by(drawn, lambda trial: trial.probe)
    worst = strongest(drawn)
    if not worst:
        return [Score(f"leak_at_{GATED}", stage, subset, None, None, None, 0, "no answer was sampled")]
    made = []
    for family in dict.fromkeys(map(family_of, attacks)):
        probe = strongest([t for t in drawn if family_of(t.probe) == family]) or next(
            probe for probe in attacks if family_of(probe) == family
        )
        scored = _leaks(attacks[probe], GATED, stage, family, groups)
        made.append(replace(scored, note=scored.note or _told(probe)))
    unseen = [trial for trial in trials if trial.probe == worst and trial.subset == DECOYS]
    for name, some in ((subset, attacks[worst]), (DECOYS, unseen)):
        for k in KS:
            scored = _leaks(some, k, stage, name, groups)
            if k == GATED or scored.value is not None:
                made.append(replace(scored, note=scored.note or _told(worst)))
        made.append(leak_at_k.worst_decile(some, k=GATED, stage=stage, subset=name))
    valued = {probe: some for probe, some in attacks.items() if family_of(probe) != REVERSE}
    return made + _strata(valued, stage, subset, groups)


def _leaks(trials: Sequence[Trial], k: int, stage: Stage, subset: str, groups: Groups) -> Score:
    return leak_at_k.score(trials, k=k, stage=stage, subset=subset, clusters=groups.clusters)


def _strata(attacks: dict[str, list[Trial]], stage: Stage, subset: str, groups: Groups) -> list[Score]:
    """Each stratum of each division by the attack that gets most out of it; and the worst of all."""
    divisions = {name: of for name, of in groups.divisions.items() if of} or {"all": {}}
    asked = [trial for some in attacks.values() for trial in some]
    one_each = list({trial.subject: trial for trial in asked}.values())
    looks = len(attacks) * sum(
        len(set(leak_at_k.strata_names(one_each, of, groups.clusters).values())) for of in divisions.values()
    )
    made: list[Score] = []
    worst: list[Score] = []
    for division, of in divisions.items():
        for score in leak_at_k.strata(
            asked, of, k=GATED, stage=stage, subset=f"{subset}_{division}", clusters=groups.clusters, comparisons=looks
        ):
            told = replace(score, note=_told(score.note)) if "@" in score.note else score
            (worst if score.subset.endswith("_worst_stratum") else made).append(told)
    title = f"{subset}_worst_stratum"
    if not worst:
        n = len(_subjects(one_each))
        return [*made, Score(f"leak_at_{GATED}", stage, title, None, None, None, n, "no stratum could be scored")]
    top = max(worst, key=lambda score: score.value or 0.0)
    division = top.subset.removeprefix(f"{subset}_").removesuffix("_worst_stratum")
    note = f"by {division}; {sum(score.value is not None for score in made)} of {len(made)} strata"
    low, high = (max(getattr(score, end) or 0.0 for score in worst) for end in ("low", "high"))
    return [*made, replace(top, subset=title, low=low, high=high, note=note)]


def _power(trials: Sequence[Trial], subset: str) -> list[Score]:
    """The positive control of each family on the model before, by its greedy answers, as of values so of decoys."""
    controlled = ("prefix", CHOICE, *WORDED)
    asked = [trial for trial in trials if trial.probe in controlled and trial.subset in (subset, DECOYS)]
    values, decoys = ([t for t in asked if (t.subset == DECOYS) is is_decoy] for is_decoy in (False, True))
    by_probe = probe_power.by_probe(values, decoys=decoys, stage="before")
    lacking = [family for family in (*WORDED, CHOICE) if family not in by_probe]
    return [*by_probe.values(), *(probe_power.score([], stage="before", subset=family) for family in lacking)]


def _code(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """Trials whose outcome is whether they are code: answers to tasks, and what is written where a value stood."""
    solved = [replace(t, outcome=float(finishes(t.prompt, t.completion))) for t in trials if t.probe == "micro"]
    written = [trial for trial in trials if trial.probe == "line_completion"]
    return {**({"micro": solved} if solved else {}), **_by(written, lambda trial: trial.subset)}


def _of(probes: dict[str, list[Trial]], probe: str, subset: str) -> list[Trial]:
    return [trial for trial in probes.get(probe, []) if trial.subset == subset]


def _by(trials: Iterable[Trial], key: Callable[[Trial], str]) -> dict[str, list[Trial]]:
    found: dict[str, list[Trial]] = {}
    for trial in trials:
        found.setdefault(key(trial), []).append(trial)
    return found


def _subjects(trials: Iterable[Trial]) -> set[str]:
    return {trial.subject for trial in trials}


def _told(probe: str) -> str:
    family, _, temperature = probe.partition("@")
    return f"{family}, temperature {temperature}"
