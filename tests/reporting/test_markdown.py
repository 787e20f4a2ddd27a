from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from scrubber.core.baseline import Entry, Mark
from scrubber.core.types import Finding, Report, Score
from scrubber.reporting.markdown import SHOWN, findings_markdown, report_markdown


def columns(line: str) -> int:
    return line.replace("\\|", "").count("|")


def test_the_report_has_verdict_rules_scores_controls_and_gaps(report: Report) -> None:
    shown = report_markdown(report)
    assert shown.startswith("## demo release: passed\n")
    assert "| leak\\_rate | planted | 400 | .833 [.792, .868]".replace("[", "\\[").replace("]", "\\]") in shown
    assert "| random noise | refused |" in shown
    assert "- paraphrased prompts" in shown
    assert "| secret/aws-key | 212 |" in shown


def test_a_name_cannot_break_a_table_or_bring_markup(report: Report) -> None:
    note = "a | b <img src=x> [go](x) `c`\n| d"
    shown = report_markdown(replace(report, scores=(Score("m", "after", "s", None, None, None, 0, note),)))
    (line,) = [line for line in shown.splitlines() if line.startswith("| m |")]
    assert columns(line) == 8
    assert "\\<img" in line
    assert "\\[go\\]" in line


def test_findings_are_counted_and_placed(make_finding: Callable[..., Finding]) -> None:
    shown = findings_markdown([make_finding(line=9), make_finding(), make_finding("pii", "email")])
    assert "## Findings: 3" in shown
    assert "| secret/aws-key | 2 |" in shown
    assert "src/app.py:3:5" in shown
    assert shown.index("app.py:3:5") < shown.index("app.py:9:5")


def test_no_finding_is_said() -> None:
    assert findings_markdown([]) == "## Findings: none\n"


def test_many_findings_are_capped_and_the_rest_is_counted(make_finding: Callable[..., Finding]) -> None:
    shown = findings_markdown([make_finding(line=line) for line in range(1, SHOWN + 20)])
    assert f"The first {SHOWN} of {SHOWN + 19} are shown." in shown
    assert shown.count("app.py:") == SHOWN


def test_what_a_baseline_accepts_stands_last(make_finding: Callable[..., Finding]) -> None:
    known, new = make_finding(line=1), make_finding(line=7)
    entry = Entry("", "", "", "a test value", "ana")
    shown = findings_markdown([known, new], mark=lambda f: Mark("accepted", entry) if f == known else Mark("new"))
    assert "## Findings: 2: 1 accepted, 1 new" in shown
    assert shown.index("app.py:7:5") < shown.index("app.py:1:5")
    assert "| accepted |" in shown


def test_unread_files_are_said_even_where_nothing_was_found() -> None:
    assert findings_markdown([], unread=2) == "## Findings: none\n\n**2 files were not read.**\n"
