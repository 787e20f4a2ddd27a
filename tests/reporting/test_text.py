from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from scrubber.core.types import Report, Score, Stage, Verdict
from scrubber.reporting.rows import number
from scrubber.reporting.text import table

STAGES: tuple[Stage, Stage] = ("before", "after")


def test_it_fits_a_terminal_and_tells_before_and_after(report: Report) -> None:
    shown = table(report)
    assert max(map(len, shown.splitlines())) <= 78
    assert "400  .833 [.792, .868] -> .003 [1e-04, .014]" in shown
    assert "difference" in shown
    assert "-.005 [-.021, .011]" in shown
    assert "PASSED: 4 rules of policy demo: 4 passed" in shown


def test_what_was_not_scored_is_said_with_its_note(report: Report) -> None:
    assert "after not scored\n      no paraphrase was asked for" in table(report)


def test_a_rule_that_does_not_pass_gives_its_reason(make_report: Callable[..., Report]) -> None:
    shown = table(make_report(leak=(0.3, 0.2, 0.4)))
    assert "REFUSED" in shown
    assert "refused    leak_rate of planted, after\n             .300, bound .400, limit <= .020" in shown
    assert "the whole interval is outside the limit" in shown


def test_controls_and_what_was_not_tested_are_listed(report: Report) -> None:
    shown = table(report)
    assert "refused    exit 1  unchanged model" in shown
    assert "- paraphrased prompts" in shown


def test_long_names_and_control_characters_stay_in_their_lines(report: Report) -> None:
    odd = replace(
        report,
        name="n" * 200,
        scores=(Score("m" * 99, "after", "\x1b[31m" + "s" * 99, 123456.7, 1e5, 2e5, 10**7, "a\nb\x07" + "c" * 300),),
        verdict=Verdict("undecided", ()),
    )
    shown = table(odd)
    assert max(map(len, shown.splitlines())) <= 78
    assert "\x1b" not in shown
    assert "\x07" not in shown


def test_a_wide_pair_takes_two_lines_and_loses_nothing(report: Report) -> None:
    wide = [Score("perplexity", stage, "all", 123456.0, 100000.0, 200000.0, 9) for stage in STAGES]
    shown = table(replace(report, scores=tuple(wide)))
    assert "9  123,456 [100,000, 200,000]\n" in shown
    assert "-> 123,456 [100,000, 200,000]\n" in shown


def test_numbers_are_written_by_their_size() -> None:
    written = {
        value: number(value)
        for value in (None, 0.0, 0.8333, -0.0214, 0.9999, 1.0, 12.34, 23456.0, 0.0001, float("nan"))
    }
    assert list(written.values()) == ["-", ".000", ".833", "-.021", "1.000", "1.000", "12.3", "23,456", "1e-04", "-"]
