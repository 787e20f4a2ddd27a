"""Several runs side by side: the frontier of what is forgotten and what is kept, and PDR, which is our reconstruction.

PROD (arXiv 2506.17125) scores forget quality and utility together as PDR; its formula was not open to us. Ours: of all
points of another method, the share that some point of this method dominates, averaged over the other methods. It is
named ``pdr_reconstructed`` wherever it is written, and its figures are not to be held beside published ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from scrubber.core.errors import AskedWrongly
from scrubber.core.types import Outcome, Report, Score
from scrubber.reporting.rows import interval, plain

LEAK, UTILITY = "leak_rate", "pass_at_1"


class Run(NamedTuple):
    """One released model: how much it forgot, how much it can still do, and what the gate said of it."""

    name: str
    method: str
    leak: Score  # the lower the better
    utility: Score  # the higher the better
    verdict: Outcome

    @property
    def forgotten(self) -> float:
        """Forget quality: 1 - leak rate."""
        return 1 - (self.leak.value or 0.0)

    @property
    def kept(self) -> float:
        return self.utility.value or 0.0


class Dominance(NamedTuple):
    """PDR of a method, averaged over the other methods; ``mirrored``: theirs over it. None without another method."""

    method: str
    points: int
    value: float | None
    mirrored: float | None


def runs(reports: Sequence[Report], *, values: str, tasks: str) -> list[Run]:
    """The runs by their scores after unlearning: leak_rate of subset ``values``, pass_at_1 of subset ``tasks``.

    Raises AskedWrongly that names every report in which one of the two was not scored: left out silently, a run that
    failed would make its method look better.
    """
    made, lacking = [], []
    for number, report in enumerate(reports, 1):
        leak, utility = _scored(report, LEAK, values), _scored(report, UTILITY, tasks)
        if leak and utility:
            method = str(report.config.get("unlearn.method") or report.name)
            made.append(Run(report.name, method, leak, utility, report.verdict.outcome))
        else:
            lacking.append(f"{plain(report.name)} (number {number})")
    if lacking:
        raise AskedWrongly(
            f"{LEAK} of {values} and {UTILITY} of {tasks} were not both scored in {', '.join(lacking)}",
            mend="Compare runs that asked the same, or leave those out.",
        )
    return made


def dominates(first: Run, second: Run) -> bool:
    """At least as good in both, and better in one; by the measured values, whatever their intervals."""
    no_worse = first.forgotten >= second.forgotten and first.kept >= second.kept
    return no_worse and (first.forgotten > second.forgotten or first.kept > second.kept)


def frontier(points: Sequence[Run]) -> list[Run]:
    """The runs that no other dominates, from the one that forgot least; of equal ones, all."""
    best = [run for run in points if not any(dominates(other, run) for other in points)]
    return sorted(best, key=lambda run: (run.forgotten, -run.kept, run.name))


def pdr(first: Sequence[Run], second: Sequence[Run]) -> float | None:
    """The share of ``second`` that some run of ``first`` dominates (reconstructed); None where there is none to share."""
    if not second:
        return None
    return sum(any(dominates(run, other) for run in first) for other in second) / len(second)


def dominance(points: Sequence[Run]) -> list[Dominance]:
    """PDR of each method that has runs, in order of appearance."""
    groups: dict[str, list[Run]] = {}
    for run in points:
        groups.setdefault(run.method, []).append(run)
    rows = []
    for method, own in groups.items():
        others = [group for name, group in groups.items() if name != method]
        over, under = (
            [pdr(*pair) for pair in pairs] for pairs in ([(own, g) for g in others], [(g, own) for g in others])
        )
        rows.append(Dominance(method, len(own), _mean(over), _mean(under)))
    return rows


def to_json(points: Sequence[Run]) -> dict[str, Any]:
    """JSON types only: every run, whether it is on the frontier, and ``pdr_reconstructed`` by method."""
    best = frontier(points)
    return {
        "runs": [
            {
                "name": run.name,
                "method": run.method,
                "verdict": run.verdict,
                "leak_rate": _numbers(run.leak),
                "pass_at_1": _numbers(run.utility),
                "frontier": run in best,
            }
            for run in points
        ],
        "pdr_reconstructed": [row._asdict() for row in dominance(points)],
    }


def table(points: Sequence[Run]) -> str:
    """The same as text; a star marks the frontier, the rest follows in order of what is forgotten."""
    best = frontier(points)
    lines = [f"  {'leak_rate':<22} {'pass_at_1':<22} {'verdict':<9}  run"]
    for run in sorted(points, key=lambda run: (run.forgotten, run.name)):
        star = "*" if run in best else " "
        lines.append(f"{star} {interval(run.leak):<22} {interval(run.utility):<22} {run.verdict:<9}  {plain(run.name)}")
    lines += ["", "* on the frontier: no other run leaks less and does more", "", "PDR, our reconstruction (mirrored)"]
    lines += [
        f"  {plain(r.method)}: {_share(r.value)} ({_share(r.mirrored)}), runs: {r.points}" for r in dominance(points)
    ]
    return "\n".join(lines) + "\n"


def _scored(report: Report, metric: str, subset: str) -> Score | None:
    found = [s for s in report.scores if (s.metric, s.stage, s.subset) == (metric, "after", subset)]
    return found[0] if len(found) == 1 and found[0].value is not None and math.isfinite(found[0].value) else None


def _mean(shares: Sequence[float | None]) -> float | None:
    known = [share for share in shares if share is not None]
    return sum(known) / len(known) if known else None


def _numbers(score: Score) -> dict[str, float | None]:
    return {"value": score.value, "low": score.low, "high": score.high, "n": score.n}


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
