"""A Report as one self-contained HTML file: no script, no outside request, everything escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import NamedTuple

from scrubber.core.errors import AskedWrongly
from scrubber.core.types import Report, RuleOutcome, Verdict
from scrubber.reporting import compare, coverage, inventory
from scrubber.reporting.plot import leak_utility_svg, strata_svg
from scrubber.reporting.points import points, ranged
from scrubber.reporting.reproduce import commands
from scrubber.reporting.rows import (
    NOTHING,
    Row,
    duration,
    headline,
    interval,
    limit,
    number,
    plain,
    reason,
    rule_name,
    side_by_side,
    size,
)
from scrubber.reporting.strata import Stratum, limit_on, strata

Cells = tuple[str, ...]
MOST_ROWS = 300  # of a table: more than a person reads, and few enough for a browser
DRAWN = 12  # strata
MOST_REASONS = 6  # in the box of the verdict
ARROW = " \N{RIGHTWARDS ARROW} "
RULES = ("rule", "measured", "bound", "limit", "n", "outcome", "reason", "why")
SCORES = ("metric", "subset", "n", "before", "after", "difference", "note")
STRATA = ("stratum", "n", "before", "after", "limit", "note")
ROBUST = ("check", "condition", "metric", "n", "as evaluated", "under the condition", "made-up values", "limit", "outcome",
          "note")  # fmt: skip
TESTED = ("metric", "meaning", "asked of (n)", "rules")
FOUND = ("kind", "rule", "count", "values", "documents", "masked example")
LINEAGE = ("step", "what", "digest")


class Table(NamedTuple):
    """What the template's table macro shows: ``hidden`` rows more are left to result.json."""

    head: Cells
    rows: Sequence[Cells]
    hidden: int


def report_html(report: Report, others: Sequence[Report] = (), findings: Iterable[str] = ()) -> str:
    """Verdict first, then plot, rules, what was tested and what not, and everything that the verdict rests on.

    ``others`` are reports of other runs, for the plot and a table. ``findings`` are the lines of the run's findings.jsonl:
    they add values, documents and a masked example to the counts. Raises AskedWrongly when jinja2 or matplotlib is not
    installed, or a line is no finding.
    """
    try:
        from jinja2 import Environment, StrictUndefined
        from markupsafe import Markup
    except ImportError:
        raise AskedWrongly("the HTML report needs jinja2", mend="pip install 'code-scrubber[report]'") from None
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["plain"] = plain
    template = environment.from_string(files("scrubber").joinpath("data/report.html.j2").read_text("utf-8"))
    worst = strata(report)
    measured = [one for one in worst if ranged(one.after)]
    reports = (report, *others)
    found = inventory.rows(report.findings, inventory.inventory(findings))
    return template.render(
        report=report,
        headline=headline(report),
        passed_controls=[name for name, verdict in report.controls if verdict.outcome == "passed"],
        deciding=_reasons(report.verdict, MOST_REASONS) if report.verdict.outcome != "passed" else [],
        glance=_glance(report),
        plot=Markup(leak_utility_svg(report, others))
        if any(points(report, others))
        else "",  # escaped where it is drawn
        rules=_table(RULES, [_rule(outcome) for outcome in report.verdict.rules]),
        tested=_table(TESTED, coverage.tested(report)),
        glossary=coverage.glossary(report),
        untested=coverage.untested(report),
        robustness=_table(ROBUST, coverage.robustness(report)),
        strata=_table(STRATA, [_stratum(one) for one in worst]),
        strata_plot=Markup(strata_svg(measured[:DRAWN])) if measured else "",
        others=_table(compare.head(reports), compare.compared(reports)) if others else None,
        controls=_table(
            ("model", "verdict", "reason"), [(n, v.outcome, "; ".join(_reasons(v))) for n, v in report.controls]
        ),
        scores=_table(SCORES, [_score(row) for row in coverage.other_scores(report)]),
        findings=_table(FOUND[: len(found[0])] if found else FOUND, found),
        total_findings=f"{sum(report.findings.values()):,}",
        lineage=_table(LINEAGE, _lineage(report)),
        versions=sorted(report.versions.items()),
        config=[(key, compare.written(value)) for key, value in sorted(report.config.items())],
        seconds=[(stage, duration(spent)) for stage, spent in report.seconds.items()],
        peak_memory=size(report.peak_memory_bytes),
        commands=commands(report),
    )


def _table(head: Cells, rows: Sequence[Cells]) -> Table:
    """Without the columns in which no row says anything."""
    shown = rows[:MOST_ROWS]
    told = [place for place, _ in enumerate(head) if any(row[place] not in ("", NOTHING) for row in shown)]
    return Table(tuple(head[place] for place in told), [tuple(row[place] for place in told) for row in shown],
                 len(rows) - len(shown))  # fmt: skip


def _glance(report: Report) -> list[tuple[str, str, str]]:
    """What each rule is about, before and after; a paired difference beside them where there is one."""
    rows = {(row.metric, row.subset): row for row in side_by_side(report.scores)}
    asked = dict.fromkeys((outcome.rule.metric, outcome.rule.subset) for outcome in report.verdict.rules)
    told = []
    for metric, subset in asked:
        row = rows.get((metric, subset))
        if row is None:
            continue
        values = [number(score.value) for score in (row.before, row.after) if score]
        paired = number(row.difference.value) if row.difference else ""
        if values:
            told.append((f"{metric}, {subset}", ARROW.join(values), paired and f"paired difference {paired}"))
        else:
            told.append((f"{metric}, {subset}", paired, "after against before, paired"))
    return told


def _rule(outcome: RuleOutcome) -> Cells:
    return (
        rule_name(outcome.rule),
        number(outcome.measured),
        number(outcome.bound),
        limit(outcome),
        str(outcome.n),
        outcome.outcome,
        reason(outcome),
        outcome.rule.why,
    )


def _score(row: Row) -> Cells:
    figures = (interval(row.before), interval(row.after), interval(row.difference))
    return (row.metric, row.subset, row.n, *figures, "; ".join(row.notes))


def _stratum(one: Stratum) -> Cells:
    score = one.after or one.before
    note = score.note if score else ""
    judged = limit_on(one.rule) if one.rule else "no rule"
    return (one.name, str(score.n) if score else NOTHING, interval(one.before), interval(one.after), judged, note)


def _reasons(verdict: Verdict, most: int | None = None) -> list[str]:
    """What an outcome rests on: the rules of that outcome, which for "passed" means all of them."""
    told = [
        f"{rule_name(outcome.rule)}: {reason(outcome)}"
        if outcome.outcome == "undecided"
        else f"{rule_name(outcome.rule)}: {number(outcome.measured)}, bound {number(outcome.bound)}, limit {limit(outcome)}"
        for outcome in verdict.rules
        if outcome.outcome == verdict.outcome
    ]
    return told if most is None or len(told) <= most else [*told[:most], f"and {len(told) - most} more"]


def _lineage(report: Report) -> list[Cells]:
    """From the data to the verdict, each step with what it was and its digest; digests that are no step come last."""
    config = report.config

    def of(*keys: str) -> str:
        return ", ".join(str(config[key]) for key in keys if config.get(key) not in (None, ""))

    count = sum(report.findings.values())
    steps = [
        ("data", " ".join(filter(None, (of("corpus.paths"), f"({count:,} findings)" if report.findings else "")))),
        ("model", of("model.path", "model.precision")),
        ("config", of("name")),
        ("release", of("unlearn.method", "unlearn.weights")),
        ("policy", report.policy),
    ]
    titles = {
        "data": "data",
        "model": "model before",
        "config": "settings",
        "release": "what ships",
        "policy": "policy",
    }
    rows: list[Cells] = [
        (titles[name], what or NOTHING, report.digests.get(name, NOTHING))
        for name, what in steps
        if what or name in report.digests
    ]
    return rows + [(name, NOTHING, value) for name, value in sorted(report.digests.items()) if name not in titles]
