"""What the robustness checks print: the estimate before they start, and a table of what they found."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence

from scrubber.core.types import Report, RuleOutcome, Score
from scrubber.pipelines.robust.suite import Estimate
from scrubber.reporting.rows import duration, headline, interval, number, plain, reason, rule_name

WIDTH, NAME = 78, 22
PREFIX, DECOYS = "robust_", "_decoys"
# what is printed of the scores that are no leak rates, and as what
_TOLD: Mapping[str, str] = {
    "survival_ratio": "of the update, what survives",
    "guided_uplift": "uplift over the model before",
    "exposure_distance": "distance of ranks from chance",
    "mia_loss": "AUC of the loss (chance .5)",
    "mia_min_k": "AUC of the least likely tokens",
    "drift_kl": "drift, nats a token",
}


def estimate(rows: Sequence[Estimate]) -> str:
    """One line for each part: done already, or about how long. The whole sum last."""
    lines = ["about how long (within a factor of two or three):"]
    for row in rows:
        took = "done by an earlier run" if row.seconds is None else _about(row.seconds)
        lines.append(f"  {row.part.replace('_', ' '):<{NAME}} {took}")
    left = math.fsum(row.seconds for row in rows if row.seconds is not None)
    return "\n".join([*lines, f"  {'in all':<{NAME}} {_about(left)}"])


def table(report: Report) -> str:
    """Each condition with its leak rate, that of decoys, the extraction strength ("known"), and the positive control; then
    the other measures, the rules that did not pass, and the verdict."""
    scores = [s for s in report.scores if s.subset.startswith(PREFIX)]
    by_name = {(s.metric, s.subset): s for s in scores}
    lines = [f"{'condition':<{NAME}} {'n':>5}  {'leaks, 95 % interval':<22} {'decoys':>6} {'known':>6} {'control':>8}"]
    for score in scores:
        if score.metric == "leak_rate" and not score.subset.endswith(DECOYS):
            lines += _leaks(score, by_name)
    lines += ["", f"{'other measures':<52} {'n':>5}  95 % interval"]
    for score in scores:
        if score.metric in _TOLD and not score.subset.endswith(DECOYS):
            name = f"{score.subset.removeprefix(PREFIX)}: {_TOLD[score.metric]}"
            lines.append(f"{plain(name):<52} {score.n:>5}  {interval(score)}")
    lines += ["", *_rules(report.verdict.rules)]
    lines += textwrap.wrap(f"{report.verdict.outcome.upper()}: {headline(report)}", WIDTH)
    return "\n".join(lines)


def _leaks(score: Score, by_name: Mapping[tuple[str, str], Score]) -> list[str]:
    chance = by_name.get(("leak_rate", score.subset + DECOYS))
    known = by_name.get(("extraction_strength", score.subset))
    control = by_name.get(("probe_power", score.subset))
    name = score.subset.removeprefix(PREFIX)
    found = number(control.value) if control else "-"
    weak = "  no power" if control and control.note.startswith("without power") else ""
    beside = [number(one.value if one else None) for one in (chance, known)]
    line = f"{name:<{NAME}} {score.n:>5}  {interval(score):<22} {beside[0]:>6} {beside[1]:>6} {found:>8}{weak}"
    notes = textwrap.wrap(plain(score.note), WIDTH, initial_indent="    ", subsequent_indent="    ")
    return [line, *notes]


def _rules(outcomes: Sequence[RuleOutcome]) -> list[str]:
    """Those that did not pass, each with its reason."""
    lines = []
    for one in outcomes:
        if one.outcome != "passed":
            text = f"{one.outcome}  {rule_name(one.rule)}: {reason(one)} (measured {number(one.measured)}, n {one.n})"
            lines += textwrap.wrap(plain(text), WIDTH, subsequent_indent="    ")
    return [*lines, ""] if lines else []


def _about(seconds: float) -> str:
    return "under a second" if seconds < 1 else f"about {duration(round(seconds, -1) if seconds > 20 else seconds)}"
