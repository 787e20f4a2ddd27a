"""What is to be forgotten although no detector looks for it: whole documents, given spans, and patterns over code."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from scrubber.core.corpus import Unread, documents
from scrubber.core.errors import AskedWrongly
from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.trees import LANGUAGES, Tree, is_known, query
from scrubber.core.types import Document, Finding, Hit, Span
from scrubber.pipelines.config import CorpusConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PIECE = 800  # characters: a document is forgotten in pieces of whole lines that fit into a window behind their context
CAPTURE = "forget"


@dataclass(frozen=True)
class CodePattern:
    """A tree-sitter query. What it captures as ``@forget`` in documents of its language is to be forgotten."""

    rule: str
    language: str
    query: Any  # tree_sitter.Query: does not travel to other processes

    def hits(self, document: Document) -> Iterator[Hit]:
        for span in Tree(document.text, self.language).captured(self.query, CAPTURE):
            yield Hit(self.rule, span, 1.0)


@dataclass(frozen=True)
class ForgetSet:
    """Spans by document id, globs over document ids, and patterns."""

    spans: dict[str, list[Hit]]
    whole: tuple[str, ...] = ()
    patterns: tuple[CodePattern, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.spans or self.whole or self.patterns)

    def findings(self, paths: Sequence[Path], beside: Iterable[Finding], fingerprint: Fingerprinter) -> list[Finding]:
        """Findings of kind ``code`` in the documents of ``paths``, by document and place; none overlaps another, or one of
        ``beside``, which is asked for by itself: what it covers is cut out.

        Raises AskedWrongly for what stands nowhere: a document that is named and not there, a span beyond its end, a glob
        or a pattern that nothing matches. A forget set that silently shrinks would be proven on too little.
        """
        if not self:
            return []
        found: list[Finding] = []
        covered: dict[str, list[Span]] = {}
        for finding in beside:
            covered.setdefault(finding.document, []).append(finding.span)
        ignored: list[Unread] = []  # the scan has named them already
        left = set(self.spans) | set(self.whole) | {pattern.rule for pattern in self.patterns}
        beyond: list[str] = []
        for document in documents(paths, errors=ignored):
            hits = list(self.spans.get(document.id, ()))
            beyond += [document.id for hit in hits if hit.span.end > len(document.text)]
            named = [glob for glob in self.whole if fnmatchcase(document.id, glob)]
            hits += pieces(document.text) if named else []
            taken = [hit for pattern in self._of(document) for hit in pattern.hits(document)]
            left -= {document.id, *named, *(hit.rule for hit in taken)}
            apart = without({*hits, *taken}, covered.get(document.id, ()), document.text)
            found += fingerprint.findings(document, (("code", hit) for hit in apart))
        if left or beyond:
            told = [f"nothing in the corpus fits {', '.join(sorted(left)[:5])}"] if left else []
            told += [f"a span ends beyond its document in {', '.join(sorted(set(beyond))[:5])}"] if beyond else []
            raise AskedWrongly(
                f"the forget set is not what the corpus holds: {'; '.join(told)}",
                where="corpus.spans, corpus.whole, corpus.patterns",
                mend="Documents go by the id that scrubber scan prints, such as src/a.py or data.jsonl:3.",
            )
        return found

    def _of(self, document: Document) -> list[CodePattern]:
        return [pattern for pattern in self.patterns if pattern.language == document.language]


def without(hits: Iterable[Hit], covered: Iterable[Span], text: str) -> list[Hit]:
    """The hits, in order, less what is covered already or by an earlier one; blank rests are dropped."""
    taken, made = sorted(covered), []
    for hit in sorted(hits, key=lambda hit: (hit.span, hit.rule)):
        start = hit.span.start
        for other in [span for span in taken if span.overlaps(hit.span)]:
            if start < other.start:
                made.append(hit._replace(span=Span(start, other.start)))
            start = max(start, other.end)
        if start < hit.span.end:
            made.append(hit._replace(span=Span(start, hit.span.end)))
        taken = sorted([*taken, hit.span])
    return [hit for hit in made if text[hit.span.start : hit.span.end].strip()]


def pieces(text: str) -> list[Hit]:
    """A document but its first line with anything on it, which stays: it is what the rest is asked for with."""
    lines = text.splitlines(keepends=True)
    cue = next((number for number, line in enumerate(lines, 1) if line.strip()), len(lines))
    start = end = sum(map(len, lines[:cue]))
    made = []
    for line in lines[cue:]:
        for length in (PIECE,) * (len(line) // PIECE) + (len(line) % PIECE,):  # a minified file has long lines
            if end - start + length > PIECE:
                made.append(Span(start, end))
                start = end
            end += length
    made.append(Span(start, end))
    return [Hit("whole-document", span, 1.0) for span in made if text[span.start : span.end].strip()]


def forget_set(config: CorpusConfig) -> ForgetSet:
    """Read from the files of a configuration. Raises AskedWrongly that names every mistake in them."""
    mistakes: list[str] = []
    spans: dict[str, list[Hit]] = {}
    for path in config.spans:
        for document, hit in _spans(Path(path), mistakes):
            spans.setdefault(document, []).append(hit)
    patterns = [pattern for path in config.patterns for pattern in _patterns(Path(path), mistakes)]
    if mistakes:
        raise AskedWrongly(
            f"the forget set has {len(mistakes)} mistake{'s' * (len(mistakes) > 1)}: {'; '.join(mistakes[:20])}",
            mend='A span is {"document": id, "start": n, "end": n} on a line; a pattern has rule, language and query.',
        )
    return ForgetSet(spans, tuple(config.whole), tuple(patterns))


def _spans(path: Path, mistakes: list[str]) -> Iterator[tuple[str, Hit]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        mistakes.append(f"{path} cannot be read as UTF-8")
        return
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            document, start, end, rule = row["document"], row["start"], row["end"], row.get("rule", "given-span")
        except (ValueError, KeyError, TypeError, AttributeError):
            mistakes.append(f"{path} line {number} lacks document, start or end")
            continue
        sound = isinstance(document, str) and isinstance(rule, str) and type(start) is type(end) is int
        if not (sound and 0 <= start < end):
            mistakes.append(f"{path} line {number}: start and end are character offsets, half-open")
            continue
        yield document, Hit(rule, Span(start, end), 1.0)


def _patterns(path: Path, mistakes: list[str]) -> Iterator[CodePattern]:
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8")).get("pattern", [])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        mistakes.append(f"{path} is no readable TOML: {error}")
        return
    if not isinstance(rows, list) or not rows:
        mistakes.append(f"{path} has no [[pattern]]")
        return
    for number, row in enumerate(rows, 1):
        where = f"{path} pattern {number}"
        if not isinstance(row, dict) or not all(isinstance(row.get(k), str) for k in ("rule", "language", "query")):
            mistakes.append(f"{where} lacks rule, language or query")
        elif not is_known(row["language"]):
            mistakes.append(f"{where}: there is no grammar of {row['language']}; there is {', '.join(LANGUAGES)}")
        elif f"@{CAPTURE}" not in row["query"]:
            mistakes.append(f"{where} captures nothing as @{CAPTURE}")
        else:
            try:
                compiled = query(row["language"], row["query"])
            except (ValueError, SyntaxError) as error:  # a QueryError is a ValueError
                mistakes.append(f"{where}: {error}")
                continue
            yield CodePattern(row["rule"], row["language"], compiled)
