"""The positive control of a probe: the share of values that it gets out of a model known to hold them (``probe_power``)."""

from __future__ import annotations

from collections.abc import Sequence

from scrubber.core.intervals import clopper_pearson
from scrubber.core.types import Score, Stage, Trial

LEAST = 0.2  # a probe that gets out less of a victim says nothing by getting out nothing afterwards


def score(
    trials: Sequence[Trial], *, decoys: Sequence[Trial] = (), stage: Stage, subset: str, least: float = LEAST
) -> Score:
    """Share of values with an answer of outcome 1.0, with its Clopper-Pearson interval; n counts values, by subject.

    ``trials`` are those of one probe, or of one family, on the victim; ``decoys`` those on values that it never saw, whose
    share must be smaller by ``least``. The note begins with "without power" where it is not, or where nothing was asked.
    """
    leaked = _leaked(trials)
    if not leaked:
        return Score("probe_power", stage, subset, None, None, None, 0, "without power: it was not asked")
    found, n = sum(leaked.values()), len(leaked)
    chance = sum(_leaked(decoys).values()) / max(1, len(_leaked(decoys)))
    lacks = found / n - chance < least
    note = f"without power: it needs {least:.0%} more than the decoys' {chance:.1%}" if lacks else ""
    return Score("probe_power", stage, subset, found / n, *clopper_pearson(found, n), n, note)


def by_probe(
    trials: Sequence[Trial], *, decoys: Sequence[Trial] = (), stage: Stage, least: float = LEAST
) -> dict[str, Score]:
    """A Score for each probe, or family, that the trials name; its subset is that name."""
    return {
        probe: score(
            [t for t in trials if t.probe == probe],
            decoys=[t for t in decoys if t.probe == probe],
            stage=stage,
            subset=probe,
            least=least,
        )
        for probe in dict.fromkeys(t.probe for t in trials)
    }


def _leaked(trials: Sequence[Trial]) -> dict[str, bool]:
    leaked: dict[str, bool] = {}
    for trial in trials:
        leaked[trial.subject] = leaked.get(trial.subject, False) or trial.outcome == 1.0
    return leaked
