"""What the verbs of ``scrubber.api`` give back: typed, without a value in it, and shown as tables in a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from scrubber.core.corpus import Unread
from scrubber.core.errors import AskedWrongly
from scrubber.core.intervals import clopper_pearson
from scrubber.core.types import Finding, Outcome, Report, RuleOutcome, Score, Stage
from scrubber.pipelines.findings import summary
from scrubber.reporting.rows import headline, interval, limit, number, plain, reason, rule_name, side_by_side
from scrubber.reporting.text import table

SHOWN = 20  # findings that a notebook shows one by one


class Table(NamedTuple):
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


class Shown(ABC):
    """One line as a repr, all tables as text, and the same tables as HTML."""

    @abstractmethod
    def title(self) -> str:
        """One line that says the most important."""

    @abstractmethod
    def tables(self) -> Iterator[Table]:
        """Everything else, in cells of plain text."""

    def __repr__(self) -> str:
        return f"<{plain(self.title())}>"

    def __str__(self) -> str:
        return "\n\n".join([plain(self.title()), *(_text(one) for one in self.tables() if one.rows)])

    def _repr_html_(self) -> str:
        return "\n".join([f"<p><b>{escape(plain(self.title()))}</b></p>", *map(_html, self.tables())])


@dataclass(frozen=True, repr=False)
class Scanned(Shown):
    """What a scan found. ``skipped`` counts binary files, ``errors`` names what could not be read."""

    findings: Sequence[Finding]
    documents: int
    bytes: int  # of UTF-8 text
    errors: tuple[Unread, ...]
    skipped: int
    seconds: float

    @property
    def values(self) -> int:
        """Distinct values among the findings."""
        return summary(self.findings).values

    @property
    def is_clean(self) -> bool:
        """Something was read, all of it could be, and nothing was found."""
        return bool(self.documents) and not self.errors and not len(self.findings)

    def title(self) -> str:
        unread = f", {len(self.errors)} files not read" * bool(self.errors)
        return f"scan: {len(self.findings)} findings, {self.values} values, in {self.documents} documents{unread}"

    def tables(self) -> Iterator[Table]:
        rules = summary(self.findings).rules
        yield Table("by rule", ("kind/rule", "findings"), [(rule, str(count)) for rule, count in rules.items()])
        few = list(islice(self.findings, SHOWN))
        places = [(f"{f.document}:{f.line}:{f.column}", f"{f.kind}/{f.rule}", f.preview) for f in few]
        yield Table(f"the first {len(few)} of {len(self.findings)}", ("place", "kind/rule", "preview"), places)
        yield Table("not read", ("file", "reason"), [(e.path, e.reason) for e in self.errors[:SHOWN]])


@dataclass(frozen=True, repr=False)
class Audited(Shown):
    """How many of the found values the model knows. ``found``: findings by "kind/rule"."""

    values: int  # asked for
    learnt: int
    found: Mapping[str, int]
    run_dir: Path

    @property
    def interval(self) -> tuple[float, float]:
        """Of the share of values that the model knows: two-sided 95 %, Clopper-Pearson."""
        return clopper_pearson(self.learnt, self.values)

    def title(self) -> str:
        low, high = self.interval
        share = f" [{number(low)}, {number(high)}] of them" if self.values else ""
        return f"audit: the model knows {self.learnt} of {self.values} values asked for{share}"

    def tables(self) -> Iterator[Table]:
        yield Table("found in the corpus", ("kind/rule", "findings"), [(k, str(n)) for k, n in self.found.items()])


@dataclass(frozen=True, repr=False)
class Unlearnt(Shown):
    """What unlearning did. ``weights``: the folder of the adapter, or of the whole model; None where nothing was learnt."""

    method: str
    steps: int
    stopped: bool  # by the method's own rule, before the last epoch
    best_step: int | None  # whose weights are kept
    weights: Path | None
    run_dir: Path

    def title(self) -> str:
        if self.weights is None:
            return "unlearn: the model knows none of the values, so it stays as it is"
        kept = "" if self.best_step is None else f", kept those of step {self.best_step}"
        return f"unlearn: {self.method}, {self.steps} steps{kept}, {self.weights}"

    def tables(self) -> Iterator[Table]:
        yield from ()


class Scored(Shown):
    """Something with scores, which can be asked for one."""

    scores: tuple[Score, ...]

    def score(self, metric: str, subset: str, stage: Stage = "after") -> Score:
        """The one score of these names. Raises AskedWrongly, naming what there is, where there is none."""
        found = [s for s in self.scores if (s.metric, s.subset, s.stage) == (metric, subset, stage)]
        if not found:
            known = sorted({f"{s.metric} of {s.subset}, {s.stage}" for s in self.scores if s.metric == metric})
            names = known or sorted({s.metric for s in self.scores})
            raise AskedWrongly(f"there is no {metric} of {subset}, {stage}", mend=f"There is: {'; '.join(names)}.")
        return found[0]

    def tables(self) -> Iterator[Table]:
        rows = [
            (row.metric, row.subset, row.n, *map(interval, (row.before, row.after, row.difference)))
            for row in side_by_side(self.scores)
        ]
        head = ("metric", "subset", "n", "before", "after", "difference")
        yield Table("scores, with two-sided 95 % intervals", head, rows)


@dataclass(frozen=True, repr=False)
class Evaluated(Scored):
    """Scores of the model before and after unlearning, and their paired differences."""

    scores: tuple[Score, ...]
    run_dir: Path

    def title(self) -> str:
        return f"evaluate: {len(self.scores)} scores, before and after"


@dataclass(frozen=True, repr=False)
class Judged(Scored):
    """A report with its verdict. ``run_dir``: where its files lie, if it was read from or written to a run folder."""

    report: Report
    run_dir: Path | None = None

    @property
    def scores(self) -> tuple[Score, ...]:  # type: ignore[override]  # nobody writes it
        return self.report.scores

    @property
    def outcome(self) -> Outcome:
        return self.report.verdict.outcome

    @property
    def rules(self) -> tuple[RuleOutcome, ...]:
        return self.report.verdict.rules

    @property
    def passed(self) -> bool:
        return self.outcome == "passed"

    @property
    def exit_code(self) -> int:
        """What the command line would exit with: 0 passed, 1 refused, 3 undecided."""
        return self.report.verdict.exit_code

    @property
    def page(self) -> Path | None:
        """The HTML report of the run."""
        return self.run_dir / "report.html" if self.run_dir else None

    def explain(self) -> str:
        """What each rule rests on, and how many more samples would decide it."""
        from scrubber.reporting.explain import explain

        return explain(self.report)

    def title(self) -> str:
        return f"{self.outcome.upper()}: {headline(self.report)}"

    def tables(self) -> Iterator[Table]:
        rows = [
            (r.outcome, rule_name(r.rule), number(r.measured), number(r.bound), limit(r), str(r.n), reason(r))
            for r in self.rules
        ]
        yield Table("rules", ("outcome", "rule", "measured", "bound", "limit", "n", "reason"), rows)
        yield from super().tables()
        yield Table("not tested", ("what",), [(text,) for text in self.report.not_tested])

    def __str__(self) -> str:
        return table(self.report)


def _text(one: Table) -> str:
    lines = [[plain(cell) for cell in row] for row in (one.head, *one.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
    return "\n".join([plain(one.caption), *(f"  {row}" for row in rows)])


def _html(one: Table) -> str:
    if not one.rows:
        return ""

    def row(tag: str, cells: Iterable[str]) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(plain(cell))}</{tag}>" for cell in cells) + "</tr>"

    body = "\n".join(row("td", cells) for cells in one.rows)
    return f"<table><caption>{escape(plain(one.caption))}</caption>\n{row('th', one.head)}\n{body}\n</table>"
