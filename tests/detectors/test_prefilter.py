"""Patterns bring hits to their own detector, and overlapping findings of one kind are reduced to the best."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import pytest

from scrubber.core.errors import AskedWrongly
from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.types import Document, Finding, Hit, Kind, Pattern, Span
from scrubber.detectors import pii, secrets
from scrubber.detectors.prefilter import LONG_LINE, lines, scanner


class Words:
    """A real little detector: each of its patterns is a rule, confirmed as it was hit."""

    def __init__(self, kind: Kind, rules: dict[str, tuple[str, float]]) -> None:
        self.kind: Kind = kind
        self.rules = rules
        self.seen: list[Hit] = []

    def patterns(self) -> Sequence[Pattern]:
        return [Pattern(rule, regex) for rule, (regex, _) in self.rules.items()]

    def confirm(self, document: Document, hits: Sequence[Hit]) -> Iterator[Hit]:
        self.seen += hits
        return (Hit(hit.rule, hit.span, self.rules[hit.rule][1]) for hit in hits)


def scan(text: str, *detectors: Words) -> list[Finding]:
    return scanner(detectors, Fingerprinter(b"k" * 16))(Document("d", text))


def test_a_detector_is_handed_its_own_hits_only() -> None:
    one, other = Words("secret", {"a": ("a+", 1.0)}), Words("pii", {"b": ("b+", 1.0)})
    scan("aa bb aaa", one, other)
    assert [hit.span for hit in one.seen] == [Span(0, 2), Span(6, 9)]
    assert [hit.rule for hit in other.seen] == ["b"]


def test_of_overlapping_findings_the_surer_stays_then_the_longer() -> None:
    detector = Words("secret", {"sure": ("bc", 0.9), "long": ("abcd", 0.5), "same": ("bcd", 0.9), "far": ("z", 0.1)})
    assert [(f.rule, f.span) for f in scan("abcd z", detector)] == [("same", Span(1, 4)), ("far", Span(5, 6))]


def test_findings_of_two_kinds_may_overlap_and_are_sorted_by_span() -> None:
    one, other = Words("secret", {"late": ("bc", 0.9)}), Words("pii", {"early": ("ab", 0.1)})
    assert [f.rule for f in scan("abc", one, other)] == ["early", "late"]


def test_an_empty_match_is_no_finding() -> None:
    assert scan("bb", Words("secret", {"empty": ("a*", 1.0)})) == []


def test_a_pattern_that_is_no_regex_is_refused_by_the_name_of_its_rule() -> None:
    with pytest.raises(AskedWrongly, match="broken-rule"):
        scan("", Words("secret", {"broken-rule": ("(", 1.0)}))


def test_hits_are_gathered_by_line() -> None:
    text = "one\ntwo two\nthree"
    hits = [Hit("b", Span(8, 11), 0), Hit("a", Span(4, 7), 0), Hit("c", Span(12, 17), 0)]
    assert list(lines(text, hits)) == [(4, 11, frozenset("ab")), (12, 17, frozenset("c"))]


def test_a_long_line_is_seen_through_windows() -> None:
    text = "x" * (3 * LONG_LINE)
    ((start, end, _),) = lines(text, [Hit("a", Span(LONG_LINE, LONG_LINE + 1), 0)])
    assert start < LONG_LINE < end
    assert end - start <= LONG_LINE
    every = [Hit("a", Span(at, at + 1), 0) for at in range(len(text))]
    assert sum(end - start for start, end, _ in lines(text, every)) <= 3 * len(text)


@pytest.mark.middle
@pytest.mark.parametrize(
    "unit",
    [
        "sk" + "-",
        "ey" + "J",
        "a@b.",
        "://a:b@",
        "phone",
        "password=",
        '"a',
        "1.2.3.",
        "a:",
        "+1 ",
        "x" * 50,
        "(",
        "key'",
    ],
)
def test_a_long_line_of_anything_takes_time_in_proportion(unit: str) -> None:
    scan = scanner([secrets.detector(), pii.detector()], Fingerprinter(b"k" * 16))
    text = unit * (100_000 // len(unit))
    began = time.process_time()
    scan(Document("d", text))
    assert time.process_time() - began < 10
