"""Runs every detector's cheap patterns over a document and turns what the detectors confirm into Findings."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from scrubber.core.errors import AskedWrongly
from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.types import Detector, Document, Finding, Hit, Kind, Pattern, Scan, Span

LONG_LINE = 4000  # characters: a longer line is looked at through windows, so that minified files stay linear
WINDOW = 1000  # characters: hits of one stretch of so many share a window, which has as many again on each side


class _Prefilter:
    """All patterns of all detectors, compiled once. Only what they hit is ever looked at by a detector."""

    def __init__(self, detectors: Sequence[Detector], fingerprint: Fingerprinter) -> None:
        self._detectors = [(detector, [_compile(pattern) for pattern in detector.patterns()]) for detector in detectors]
        self._fingerprint = fingerprint

    def __call__(self, document: Document) -> list[Finding]:
        confirmed: list[tuple[Kind, Hit]] = []
        for detector, patterns in self._detectors:
            hits = list(_hits(document.text, patterns))
            if hits:
                confirmed += ((detector.kind, hit) for hit in detector.confirm(document, hits))
        return self._fingerprint.findings(document, _without_overlaps(confirmed)) if confirmed else []


def scanner(detectors: Sequence[Detector], fingerprint: Fingerprinter) -> Scan:
    """One Scan of all ``detectors``: findings sorted by span, overlapping ones of one kind reduced to the best.

    Raises AskedWrongly when a pattern is no regular expression.
    """
    return _Prefilter(detectors, fingerprint)


def lines(text: str, hits: Sequence[Hit]) -> Iterator[tuple[int, int, frozenset[str]]]:
    """The lines ``text[start:end]`` on which hits begin, in order, each with the names of the rules that hit it.

    A line longer than LONG_LINE is given as windows round its hits; they may overlap. Where a hit ends does not
    matter, so an engine that knows only roughly where a match lies can stand in for ``re``.
    """
    found: dict[tuple[int, int], set[str]] = {}
    for hit in hits:
        at = hit.span.start
        start = text.rfind("\n", 0, at) + 1
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        if end - start > LONG_LINE:
            stretch = at - (at - start) % WINDOW
            start, end = max(start, stretch - WINDOW), min(end, stretch + 2 * WINDOW)
        found.setdefault((start, end), set()).add(hit.rule)
    for (start, end), rules in sorted(found.items()):
        yield start, end, frozenset(rules)


def _compile(pattern: Pattern) -> tuple[str, re.Pattern[str]]:
    try:
        return pattern.rule, re.compile(pattern.regex)
    except re.error as error:
        raise AskedWrongly(
            f"the pattern of a rule is not a regular expression: {error.msg}",
            where=pattern.rule,
            mend="Correct the rule pack or remove the detector.",
        ) from None


def _hits(text: str, patterns: Sequence[tuple[str, re.Pattern[str]]]) -> Iterator[Hit]:
    for rule, regex in patterns:
        for match in regex.finditer(text):
            yield Hit(rule, Span(*match.span()), 0.0)


def _without_overlaps(confirmed: Sequence[tuple[Kind, Hit]]) -> list[tuple[Kind, Hit]]:
    """Of overlapping hits of one kind, the one of higher confidence, then the longer, then the earlier; by span."""
    kept: dict[Kind, list[Hit]] = {}  # by span, and apart from each other
    for kind, hit in sorted(confirmed, key=_worst_last):
        others = kept.setdefault(kind, [])
        place = bisect_left(others, hit.span, key=lambda other: other.span)
        apart = not any(hit.span.overlaps(other.span) for other in others[max(0, place - 1) : place + 1])
        if apart and hit.span.start < hit.span.end:
            others.insert(place, hit)
    return sorted(
        ((kind, hit) for kind, hits in kept.items() for hit in hits), key=lambda found: (found[1].span, found[0])
    )


def _worst_last(found: tuple[Kind, Hit]) -> tuple[float, int, int, str]:
    _, hit = found
    return -hit.confidence, hit.span.start - hit.span.end, hit.span.start, hit.rule
