"""Requests to forget: what a person asks for, by value, person or file, and where it stands in the corpus."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from scrubber.core.corpus import Unread, documents
from scrubber.core.errors import AskedWrongly
from scrubber.core.fingerprint import Fingerprinter, mask
from scrubber.core.types import Document, Finding, Model, Sample, Span
from scrubber.pipelines.audit import elsewhere, windows
from scrubber.pipelines.config import AuditConfig

By = Literal["value", "person", "file"]


@dataclass(frozen=True)
class Wish:
    """One line of a request file. ``text``: the value, a person's name as the corpus has it, or a document's id."""

    by: By
    text: str = field(repr=False)


@dataclass(frozen=True)
class Resolved:
    """``samples``: windows round all places; ``wanted``: fingerprints asked for; ``clean``: documents that hold no finding."""

    samples: tuple[Sample, ...]
    wanted: tuple[str, ...]
    clean: tuple[Sample, ...]
    missing: int  # wishes that stand nowhere in the corpus


def read(path: Path) -> list[Wish]:
    """JSONL of {"value": ...}, {"person": ...} or {"file": ...}. Raises AskedWrongly that names all bad lines, and no value."""
    wishes, bad = [], []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise AskedWrongly("the request cannot be read", where=str(path), mend="Give a JSONL file in UTF-8.") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        named = [key for key in ("value", "person", "file") if isinstance(row, dict) and row.get(key)]
        if len(named) != 1 or not isinstance(row[named[0]], str) or len(row) != 1:
            bad.append(number)
        else:
            wishes.append(Wish(named[0], row[named[0]]))  # type: ignore[arg-type]
    if bad or not wishes:
        raise AskedWrongly(
            f"{len(bad)} lines are no request (lines {', '.join(map(str, bad[:20]))})"
            if bad
            else "the request is empty",
            where=str(path),
            mend='Each line is one of {"value": "..."}, {"person": "..."}, {"file": "..."}.',
        )
    return wishes


def resolve(
    wishes: Sequence[Wish],
    paths: Sequence[Path],
    findings: Sequence[Finding],
    model: Model,
    *,
    config: AuditConfig,
    fingerprint: Fingerprinter,
) -> Resolved:
    """Where the wishes stand. A file means all values found in it, a person all values found in documents that name them
    and the name itself. In a sample all found values are to be forgotten, as in an audit."""
    by_document: dict[str, list[Finding]] = {}
    for finding in findings:
        by_document.setdefault(finding.document, []).append(finding)
    ignored: list[Unread] = []  # the scan stage has named them already
    values = {wish.text for wish in wishes if wish.by in ("value", "person")}
    known: dict[str, Finding] = {}  # by value
    met: set[Wish] = set()
    for document in documents(paths, errors=ignored):
        for wish, seen in _asked(document, by_document.get(document.id, ()), wishes):
            met.add(wish)
            if seen is not None:
                known.setdefault(document.text[seen.span.start : seen.span.end], seen)
    for value in values:
        known.setdefault(value, _stub(value, fingerprint))
    samples: list[Sample] = []
    clean: list[Sample] = []
    for document in documents(paths, errors=ignored):
        found = by_document.get(document.id, [])
        places = [*found, *elsewhere(document, found, known)]
        if places:
            samples += windows(document, places, model, config)
        elif document.text.strip():
            clean.append(Sample(f"keep:{document.id}", document.text))
    marks = {finding.fingerprint for finding in known.values()}
    kept = tuple(sample for sample in samples if marks.intersection(sample.fingerprints))
    present = {mark for sample in kept for mark in sample.fingerprints}
    return Resolved(kept, tuple(sorted(marks & present)), tuple(clean), len(set(wishes) - met))


def _asked(
    document: Document, found: Sequence[Finding], wishes: Sequence[Wish]
) -> Iterator[tuple[Wish, Finding | None]]:
    """What of the wishes a document holds: each with a finding of it, or with None where no detector saw the value."""
    for wish in wishes:
        if wish.by == "file":
            if wish.text in (document.id, document.path):
                yield wish, None
                yield from ((wish, finding) for finding in found)
        elif wish.text in document.text:
            yield wish, None
            named = ((f, document.text[f.span.start : f.span.end]) for f in found)
            # a detector may see more of a value than was asked for, or less: its finding is what is forgotten then
            yield from (
                (wish, f) for f, value in named if wish.by == "person" or wish.text in value or value in wish.text
            )


def _stub(value: str, fingerprint: Fingerprinter) -> Finding:
    return Finding("", Span(0, 0), 1, 1, "secret", "request", 1.0, mask(value), fingerprint("secret", value))


def describe(resolved: Resolved, fresh: Sequence[str]) -> Mapping[str, int]:
    """Counts that may be shown."""
    return {
        "values": len(resolved.wanted),
        "new": len(fresh),
        "places": sum(mark in set(resolved.wanted) for sample in resolved.samples for mark in sample.fingerprints),
        "nowhere": resolved.missing,
    }
