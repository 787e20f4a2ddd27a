"""Runs every detector's cheap patterns over a document and turns what the detectors confirm into Findings."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise, product
from operator import itemgetter
from typing import TYPE_CHECKING, Literal

from scrubber.core.errors import AskedWrongly
from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.types import Detector, Document, Finding, Hit, Kind, Pattern, Scan, Span

if TYPE_CHECKING:
    from scrubber.detectors._vectorscan import Vectorscan

LONG_LINE = 4000  # characters: a longer line is looked at through windows, so that minified files stay linear
WINDOW = 1000  # characters: hits of one stretch of so many share a window, which has as many again on each side
MANY_ENDS = 64  # of patterns in one text, from which on a table is likely, with many to a line
# Not ASCII, and yet they match these when case is ignored.
FOLDED = {"\u0130": "i", "\u0131": "i", "\u017f": "s", "\u212a": "k"}
MOST_FOLDED = 4  # of them on a line that is searched in all spellings
IGNORES_CASE = re.compile(r"\(\?[a-zA-Z]*i")


class _Prefilter:
    """All patterns of all detectors, compiled once. Only what they hit is ever looked at by a detector."""

    def __init__(self, detectors: Sequence[Detector], fingerprint: Fingerprinter, engine: Engine) -> None:
        self._detectors = list(detectors)
        self._fingerprint = fingerprint
        owned = [(owner, pattern) for owner, detector in enumerate(detectors) for pattern in detector.patterns()]
        self._owners = [(owner, pattern.rule) for owner, pattern in owned]
        self._patterns = [pattern for _, pattern in owned]
        gates = {
            number: gate
            for number, (owner, pattern) in enumerate(owned)
            if (gate := getattr(detectors[owner], "gates", {}).get(pattern))
        }
        self._vectorscan = _vectorscan([pattern.regex for pattern in self._patterns], gates) if engine != "re" else None
        if engine == "vectorscan" and self._vectorscan is None:
            raise AskedWrongly("Vectorscan is not installed", mend="pip install hyperscan, or leave the engine open.")
        left_out = self._vectorscan.left_out if self._vectorscan else range(len(owned))
        self._left_out = [(number, _compile(self._patterns[number])) for number in left_out]

    @cached_property
    def _folding(self) -> list[tuple[int, re.Pattern[str]]]:
        """The patterns to which FOLDED letters are more than any others; to compile them takes longer than most scans."""
        patterns = enumerate(self._patterns)
        return [(number, _compile(pattern)) for number, pattern in patterns if IGNORES_CASE.search(pattern.regex)]

    def __call__(self, document: Document) -> list[Finding]:
        hits: list[list[Hit]] = [[] for _ in self._detectors]
        text = document.text
        ends = self._ends(text)
        if len(ends) > MANY_ENDS and "\r" not in text:  # which is a line's end for some detectors
            ends = _once_a_line(text, ends)
        for number, at in ends:
            owner, rule = self._owners[number]
            hits[owner].append(Hit(rule, Span(at, at + 1), 0.0))
        confirmed: list[tuple[Kind, Hit]] = []
        whole: list[tuple[Kind, Hit]] = []
        for detector, brought in zip(self._detectors, hits, strict=True):
            always = getattr(detector, "always", None)
            if brought or (always is not None and always(document)):
                kept = whole if getattr(detector, "overlapping", False) else confirmed
                kept += [(detector.kind, hit) for hit in detector.confirm(document, brought)]
        if not confirmed and not whole:
            return []
        found = _without_overlaps(confirmed)
        return self._fingerprint.findings(document, sorted({*found, *whole}, key=_place) if whole else found)

    def _ends(self, text: str) -> list[tuple[int, int]]:
        ends = self._vectorscan.ends(text) if self._vectorscan else []
        ends += _ends(text, 0, len(text), self._left_out)
        if self._vectorscan and not text.isascii():
            for start, end in sorted({line for letter in FOLDED for line in _lines_with(letter, text)}):
                spellings = _spellings(text[start:end])
                if spellings is None:
                    ends += _ends(text, start, end, self._folding)
                for spelling in spellings or ():
                    ends += [(number, start + at) for number, at in self._vectorscan.ends(spelling)]
        return ends


Engine = Literal["vectorscan", "re", "any"]


def scanner(detectors: Sequence[Detector], fingerprint: Fingerprinter, engine: Engine = "any") -> Scan:
    """One Scan of all ``detectors``: findings sorted by span, overlapping ones of one kind reduced to the best.

    A detector's hits tell the lines on which its patterns match or may match (Vectorscan widens lookarounds), and which
    pattern it was; a span is one character of the match. A detector may have more attributes: ``overlapping``
    (true: all that it confirms is kept), ``always(document)`` (true: it is asked without a hit, too), ``gates``: for
    some of its patterns, within a line each, a cheaper expression that matches on every line on which they count (the
    pattern itself where it holds no literal), and ``least_confidence``, set before ``scanner``: what is surely below it
    need not be brought.

    ``engine``: "vectorscan" (the package hyperscan), "re" (the same findings, a hundred times slower), or the first
    that is there. Raises AskedWrongly when a pattern is no regular expression; one that only Vectorscan takes for such is
    found out at the first line that is left to ``re``.
    """
    return _Prefilter(detectors, fingerprint, engine)


def lines(text: str, hits: Sequence[Hit]) -> Iterator[tuple[int, int, frozenset[str]]]:
    """The lines ``text[start:end]`` on which hits begin, in order, each with the names of the rules that hit it.

    A line longer than LONG_LINE is given as windows round its hits; they may overlap.
    """
    start, end = 0, -1
    place = 0, -1
    rules: set[str] = set()
    for at, rule in sorted([(span.start, rule) for rule, span, _ in hits]):
        if at > end:  # on a later line than the one before
            start = text.rfind("\n", 0, at) + 1
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
        here = (start, end) if end - start <= LONG_LINE else _window(start, end, at)
        if here != place:
            if rules:
                yield *place, frozenset(rules)
            place, rules = here, set()
        rules.add(rule)
    if rules:
        yield *place, frozenset(rules)


def _window(start: int, end: int, at: int) -> tuple[int, int]:
    stretch = at - (at - start) % WINDOW
    return max(start, stretch - WINDOW), min(end, stretch + 2 * WINDOW)


def _vectorscan(regexes: Sequence[str], gates: Mapping[int, str]) -> Vectorscan | None:
    try:
        from scrubber.detectors._vectorscan import Vectorscan
    except ImportError:
        return None
    return Vectorscan(regexes, gates)


def _compile(pattern: Pattern) -> re.Pattern[str]:
    try:
        return re.compile(pattern.regex, re.MULTILINE)
    except re.error as error:
        raise AskedWrongly(
            f"the pattern of a rule is not a regular expression: {error.msg}",
            where=pattern.rule,
            mend="Correct the rule pack or remove the detector.",
        ) from None


def _ends(
    text: str, start: int, end: int, patterns: Iterable[tuple[int, re.Pattern[str]]]
) -> Iterator[tuple[int, int]]:
    """The pattern and a place on every line of each match."""
    for number, regex in patterns:
        for match in regex.finditer(text, start, end):
            first, last = match.start(), match.end() - 1
            while (newline := text.find("\n", first, last)) >= 0:
                yield number, newline
                first = newline + 1
            if last >= match.start():
                yield number, last


def _once_a_line(text: str, ends: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The first of each pattern's ends on a line, or in a stretch of a long one."""
    first: dict[tuple[int, int, int], tuple[int, int]] = {}
    start, stop = 0, -1
    for found in sorted(ends, key=itemgetter(1)):
        number, at = found
        if at > stop:
            start = text.rfind("\n", 0, at) + 1
            stop = text.find("\n", at)
            stop = len(text) if stop < 0 else stop
        first.setdefault((number, start, (at - start) // WINDOW), found)
    return list(first.values())


def _spellings(line: str) -> list[str] | None:
    """``line`` with each choice of its FOLDED letters as what they match, but for none; None if there are too many.

    Whatever ignores case finds in ``line``, the engine finds in one of them: it takes other such letters for foreign.
    """
    places = [at for at, letter in enumerate(line) if letter in FOLDED]
    if len(places) > MOST_FOLDED:
        return None
    pieces = [
        line[start:stop] for start, stop in pairwise((0, *(cut for at in places for cut in (at, at + 1)), len(line)))
    ]
    choices = product(*((piece, FOLDED[piece]) if number % 2 else (piece,) for number, piece in enumerate(pieces)))
    return ["".join(choice) for choice in choices][1:]


def _lines_with(letter: str, text: str) -> Iterator[tuple[int, int]]:
    at = text.find(letter)
    while at >= 0:
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        yield text.rfind("\n", 0, at) + 1, end
        at = text.find(letter, end)


def _place(found: tuple[Kind, Hit]) -> tuple[Span, Kind, str]:
    kind, hit = found
    return hit.span, kind, hit.rule


def _without_overlaps(confirmed: Sequence[tuple[Kind, Hit]]) -> list[tuple[Kind, Hit]]:
    """Of overlapping hits of one kind, the one of higher confidence, then the longer, then the earlier; by span."""
    kept: dict[Kind, list[Hit]] = {}  # by span, and apart from each other
    for kind, hit in sorted(confirmed, key=_worst_last):
        others = kept.setdefault(kind, [])
        place = bisect_left(others, hit.span, key=lambda other: other.span)
        apart = not any(hit.span.overlaps(other.span) for other in others[max(0, place - 1) : place + 1])
        if apart and hit.span.start < hit.span.end:
            others.insert(place, hit)
    return sorted(((kind, hit) for kind, hits in kept.items() for hit in hits), key=_place)


def _worst_last(found: tuple[Kind, Hit]) -> tuple[float, int, int, str]:
    _, hit = found
    return -hit.confidence, hit.span.start - hit.span.end, hit.span.start, hit.rule
