"""A Report as one self-contained HTML file: no script, no outside request, everything escaped."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from importlib.resources import files

from scrubber.core.errors import AskedWrongly
from scrubber.core.types import Report, Verdict
from scrubber.reporting.plot import leak_utility_svg
from scrubber.reporting.rows import (
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

Cells = tuple[str, ...]


def report_html(report: Report, others: Sequence[Report] = ()) -> str:
    """Verdict first, then the plot, rules, scores, controls, what was not tested, findings, provenance.

    ``others`` are reports of the same evaluation on other models, for the plot and a table of their verdicts.
    Raises AskedWrongly when jinja2 or matplotlib is not installed.
    """
    try:
        from jinja2 import Environment, StrictUndefined
        from markupsafe import Markup
    except ImportError:
        raise AskedWrongly("the HTML report needs jinja2", mend="pip install 'code-scrubber[report]'") from None
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["plain"] = plain
    template = environment.from_string(files("scrubber").joinpath("data/report.html.j2").read_text("utf-8"))
    return template.render(
        report=report,
        headline=headline(report),
        plot=Markup(leak_utility_svg(report, others)),  # its texts are escaped where it is drawn
        rules=_rules(report.verdict),
        scores=[
            (row.metric, row.subset, row.n, interval(row.before), interval(row.after), interval(row.difference), note)
            for row in side_by_side(report.scores)
            for note in ["; ".join(row.notes)]
        ],
        others=[(other.name, other.verdict.outcome, headline(other)) for other in others],
        controls=[(name, verdict.outcome, _reasons(verdict)) for name, verdict in report.controls],
        findings=[(*_split(name), str(count)) for name, count in sorted(report.findings.items())],
        total_findings=sum(report.findings.values()),
        digests=_pairs(report.digests),
        versions=_pairs(report.versions),
        config=[(key, _written(value)) for key, value in sorted(report.config.items())],
        seconds=[(stage, duration(spent)) for stage, spent in report.seconds.items()],
        peak_memory=size(report.peak_memory_bytes),
        commands=_commands(report),
    )


def _rules(verdict: Verdict) -> list[Cells]:
    return [
        (
            rule_name(outcome.rule),
            number(outcome.measured),
            number(outcome.bound),
            limit(outcome),
            str(outcome.n),
            outcome.outcome,
            reason(outcome),
            outcome.rule.why,
        )
        for outcome in verdict.rules
    ]


def _reasons(verdict: Verdict) -> str:
    """What a control's outcome rests on: its rules of that outcome, which for "passed" means all of them."""
    return "; ".join(
        f"{rule_name(outcome.rule)}: {number(outcome.measured)}, bound {number(outcome.bound)}, limit {limit(outcome)}"
        if outcome.bound is not None
        else outcome.reason
        for outcome in verdict.rules
        if outcome.outcome == verdict.outcome
    )


def _split(name: str) -> tuple[str, str]:
    kind, _, rule = name.partition("/")
    return kind, rule


def _pairs(values: Mapping[str, str]) -> list[Cells]:
    return sorted(values.items())


def _written(value: str | int | float | bool | None) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "not set" if value is None else str(value)


def _commands(report: Report) -> str:
    """Shell lines that set up the same versions and ask for the same run; each part is quoted for a shell."""
    wanted = [
        f"{'code-scrubber' if name == 'scrubber' else name}=={version}"
        for name, version in sorted(report.versions.items())
        if name != "python"
    ]
    settings = [
        f"--set {shlex.quote(plain(f'{k}={_written(v)}'))}" for k, v in sorted(report.config.items()) if v is not None
    ]
    lines = ["pip install " + " ".join(map(shlex.quote, wanted))] if wanted else []
    lines.append(" \\\n  ".join(["scrubber release", *settings]))
    return "\n".join(lines)
