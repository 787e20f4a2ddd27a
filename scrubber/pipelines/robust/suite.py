"""The robustness suite: its checks in order of cost, each part once for a model and a configuration, as one list of scores."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from scrubber.core.provenance import version_of
from scrubber.core.quiet import silent
from scrubber.core.types import Progress, Score
from scrubber.core.workspace import Workspace, digest
from scrubber.pipelines.robust import drift, guided, precision, prompted, relearning, residual
from scrubber.pipelines.robust.case import Bench, Case
from scrubber.pipelines.robust.estimate import measure, seconds
from scrubber.pipelines.robust.plan import Part
from scrubber.pipelines.robust.settings import CHECKS, Check

_PARTS: dict[Check, Callable[[Case], list[Part]]] = {
    "residual": residual.parts,
    "drift": drift.parts,
    "precision": precision.parts,
    "prompts": prompted.parts,
    "guided": guided.parts,
    "relearning": relearning.parts,
}


class Estimate(NamedTuple):
    """``seconds`` is None for a part that an earlier run has done."""

    check: Check
    part: str
    seconds: float | None


def run(
    case: Case,
    workspace: Workspace,
    *,
    progress: Progress = silent,
    tell: Callable[[Sequence[Estimate]], None] = lambda rows: None,
) -> list[Score]:
    """All scores of the case's checks. ``tell`` is given the estimate before anything dear starts.

    A part that was done for the same models, values and settings is read, not done again; a run that was stopped goes on
    with the next part. Answers are kept in private/robust/.
    """
    bench = Bench(case, workspace)
    found = parts(case)
    open_parts = [part for part in found if not workspace.is_done(_mark(part), _key(case, part))]
    if open_parts:
        model = bench.release()
        began = time.perf_counter()
        bench.before()  # every check asks it, too, and now the libraries are loaded
        pace = measure(model, time.perf_counter() - began)
        tell([Estimate(p.check, p.name, seconds(p.cost, pace) if p in open_parts else None) for p in found])
    made: list[Score] = []
    for part in found:
        watched = progress if part in open_parts else silent
        with watched(f"{part.check}: {part.name.replace('_', ' ')}"):
            rows = workspace.once(_mark(part), _key(case, part), functools.partial(_done, part, bench))
        made += [Score(**row) for row in rows]
    return made


def parts(case: Case) -> list[Part]:
    """Those of the checks that the settings name, cheap ones first."""
    return [part for check in CHECKS if check in case.settings.checks for part in _PARTS[check](case)]


def _done(part: Part, bench: Bench) -> list[dict[str, Any]]:
    return [asdict(score) for score in part.work(bench)]


def _mark(part: Part) -> str:
    return f"robust-{part.name}"


def _key(case: Case, part: Part) -> str:
    return digest("robust", version_of("code-scrubber"), case.digest, part.name, part.depends)
