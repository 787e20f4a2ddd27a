"""Several runs side by side: what came of each, what makes their figures no fair comparison, and how their settings differ."""

from __future__ import annotations

from collections.abc import Sequence

from scrubber.core.types import Report, Score, Stage
from scrubber.reporting.points import LEAK, UTILITY, leak_subset, tasks
from scrubber.reporting.rows import NOTHING, duration, headline, interval, plain

Cells = tuple[str, ...]


def head(reports: Sequence[Report]) -> Cells:
    """Of the table: one column a run, numbered as in the plot."""
    return ("", *(f"{place or 'this'}: {plain(one.name)}" for place, one in enumerate(reports)))


def compared(reports: Sequence[Report]) -> list[Cells]:
    """One row for each figure, of the first report and the others; then the settings that are not the same in all."""
    first = reports[0]
    rows: list[Cells] = [
        ("verdict", *(one.verdict.outcome for one in reports)),
        ("rules", *map(headline, reports)),
        ("differs from the first in", *(", ".join(_unlike(first, one)) or NOTHING for one in reports)),
        ("leak rate before", *(_told(one, LEAK, "before", leak_subset(one, first)) for one in reports)),
        ("leak rate after", *(_told(one, LEAK, "after", leak_subset(one, first)) for one in reports)),
        ("pass_at_1 before", *(_told(one, UTILITY, "before", tasks(one)) for one in reports)),
        ("pass_at_1 after", *(_told(one, UTILITY, "after", tasks(one)) for one in reports)),
        ("pass_at_1, paired difference", *(_told(one, UTILITY, "difference", tasks(one)) for one in reports)),
        ("perplexity ratio", *(_told(one, "perplexity_ratio", "difference", "held_out") for one in reports)),
        ("time", *(duration(sum(one.seconds.values())) for one in reports)),
        ("released model", *(one.digests.get("release", NOTHING) for one in reports)),
    ]
    keys = sorted({key for report in reports for key in report.config})
    settings = [(key, *(written(report.config.get(key)) for report in reports)) for key in keys]
    return rows + [row for row in settings if len(set(row[1:])) > 1]


def _unlike(first: Report, other: Report) -> list[str]:
    """What must be the same for two runs' figures to be comparable, and is not."""
    told = [
        name
        for name in ("model", "data", "policy")
        if {name} <= first.digests.keys() & other.digests.keys() and first.digests[name] != other.digests[name]
    ]
    told += ["values asked for"] if leak_subset(first) != leak_subset(other, first) else []
    told += ["tasks"] if tasks(first) != tasks(other) else []
    return told


def _told(report: Report, metric: str, stage: Stage, subset: str) -> str:
    found: list[Score] = [s for s in report.scores if (s.metric, s.stage, s.subset) == (metric, stage, subset)]
    return interval(found[0] if found else None)


def written(value: str | int | float | bool | None) -> str:
    """A setting, as a person reads it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "not set" if value is None or value == "" else str(value)
