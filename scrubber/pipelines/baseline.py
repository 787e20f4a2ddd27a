"""Baseline files: read and written, made from a scan, brought up to date, and imported from detect-secrets."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import NamedTuple

from scrubber.core import baseline as core
from scrubber.core.baseline import Baseline, Entry, Marker
from scrubber.core.corpus import Unread, documents
from scrubber.core.errors import AskedWrongly
from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.types import Document, Finding, Span
from scrubber.pipelines.scan import DefaultScan, default_scan, findings_in
from scrubber.reporting.places import Places, places

PathOf = Callable[[Finding], str]


def key_check(fingerprint: Fingerprinter) -> str:
    """The same for the same key, and tells nothing of it."""
    return fingerprint("package", "baseline")


def read(path: Path, fingerprint: Fingerprinter) -> Baseline:
    """Raises AskedWrongly when it cannot be read, is malformed, or was made under another fingerprint key."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AskedWrongly(
            f"the baseline cannot be read: {error.strerror}",
            where=str(path),
            mend="Make one: scrubber baseline create.",
        ) from None
    except ValueError:
        raise AskedWrongly("the baseline is no JSON", where=str(path)) from None
    baseline = core.from_json(data, where=str(path))
    if baseline.entries and baseline.key_fingerprint != key_check(fingerprint):
        raise AskedWrongly(
            "the baseline was made under another fingerprint key",
            where=str(path),
            mend="Let SCRUBBER_KEY_FILE name the key that it was made with.",
        )
    return baseline


def write(baseline: Baseline, path: Path) -> None:
    """At once or not at all. Raises AskedWrongly when the place cannot be written."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(json.dumps(core.to_json(baseline), indent=1) + "\n", encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise AskedWrongly(f"the baseline cannot be written: {error.strerror}", where=str(path)) from None


def marker(path: Path, fingerprint: Fingerprinter, asked: Sequence[str], *, today: date) -> Marker:
    """What the baseline at ``path`` says of findings of a scan of the paths ``asked``; raises as ``read`` does."""
    return core.marker(read(path, fingerprint), today=today, path_of=places_from(path, asked).path)


def places_from(path: Path, asked: Sequence[str]) -> Places:
    """Paths of documents from the folder that the baseline lies in."""
    return places(asked, root=str(path.absolute().parent))


def covers(path: Path, asked: Sequence[str]) -> Callable[[str], bool]:
    """Whether a path of the baseline at ``path`` lies in what is asked for, so that a scan of it would have found it."""
    base = path.absolute().parent
    roots = [os.path.abspath(one.removeprefix("git:") or ".") for one in asked]

    def covered(inner: str) -> bool:
        whole = os.path.join(base, inner)
        return any(whole == root or whole.startswith(tuple(root + mark for mark in "/:!#")) for root in roots)

    return covered


def created(findings: Iterable[Finding], path_of: PathOf, fingerprint: Fingerprinter) -> Baseline:
    return Baseline(tuple(core.entries_of(findings, path_of)), key_check(fingerprint))


class Update(NamedTuple):
    """A baseline brought up to date, and how many entries were kept, followed their value, went, and came."""

    baseline: Baseline
    kept: int
    moved: int
    gone: int
    added: int


def updated(
    baseline: Baseline, findings: Iterable[Finding], path_of: PathOf, *, covered: Callable[[str], bool]
) -> Update:
    """Entries that are still found stay; one whose value is now elsewhere only follows it once; the rest goes.

    What is new comes in, not audited. A value that is found at a second place is new there. Entries at paths that the
    scan has not ``covered`` stay.
    """
    found = {(entry.fingerprint, entry.path): entry for entry in core.entries_of(findings, path_of)}
    known = {(entry.fingerprint, entry.path): entry for entry in baseline.entries}
    kept = [entry for key, entry in known.items() if key in found or not covered(entry.path)]
    lost: dict[str, list[Entry]] = {}
    for key, entry in known.items():
        if key not in found and covered(entry.path):
            lost.setdefault(entry.fingerprint, []).append(entry)
    moved, added = list[Entry](), list[Entry]()
    for key, entry in found.items():
        if key in known:
            continue
        if before := lost.get(entry.fingerprint):
            moved.append(replace(before.pop(), path=entry.path, rule=entry.rule))
        else:
            added.append(entry)
    entries = (*kept, *moved, *added)
    gone = sum(map(len, lost.values()))
    return Update(Baseline(entries, baseline.key_fingerprint), len(kept), len(moved), gone, len(added))


class Vouched(NamedTuple):
    """What a ``.secrets.baseline`` says of a value in a file: on which lines, and whether a person saw that it is none."""

    lines: frozenset[int]
    harmless: bool


class Imported(NamedTuple):
    """The baseline, the secrets of the other one that were not found again, and the files that could not be read."""

    baseline: Baseline
    missing: int
    unread: tuple[Unread, ...]


def detect_secrets_rows(path: Path) -> dict[str, dict[str, Vouched]]:
    """By file name and SHA-1 of the value. Raises AskedWrongly when ``path`` is no baseline of detect-secrets 1."""
    found: dict[str, dict[str, Vouched]] = {}
    try:
        for name, rows in json.loads(path.read_text(encoding="utf-8"))["results"].items():
            file = found.setdefault(name, {})
            for row in rows:
                before = file.get(row["hashed_secret"], Vouched(frozenset(), True))
                harmless = before.harmless and row.get("is_secret") is False
                file[row["hashed_secret"]] = Vouched(before.lines | {row["line_number"]}, harmless)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise AskedWrongly(
            "this is no baseline of detect-secrets", where=str(path), mend="Name a .secrets.baseline."
        ) from None
    return found


def imported(
    path: Path, *, fingerprint: Fingerprinter, into: Path, reason: str, owner: str, expires: date | None
) -> Imported:
    """Entries for the findings of ours that the ``.secrets.baseline`` at ``path`` vouches for.

    It knows values by their SHA-1, so its files, relative to its folder, are read again: what detect-secrets finds
    there and the baseline lists is vouched for, and with it the findings of ours that it is the better part of. Those
    that a person called no secret get ``reason``, ``owner`` and ``expires``; the others are to be audited.
    """
    path_of = places_from(into, ()).path
    entries: dict[tuple[str, str], Entry] = {}
    unread: list[Unread] = []
    missing = 0
    for name, vouched in detect_secrets_rows(path).items():
        file = path.parent / name
        seen = _Seen(vouched, fingerprint, str(file), unread) if file.is_file() else None
        missing += len(vouched) - (len(seen.digests) if seen else 0)
        for finding, harmless in seen.findings if seen else ():
            (entry,) = core.entries_of([finding], path_of)
            if harmless:
                entry = replace(entry, reason=reason, owner=owner, expires=expires)
            entries.setdefault((entry.fingerprint, entry.path), entry)
    return Imported(Baseline(tuple(entries.values()), key_check(fingerprint)), missing, tuple(unread))


class _Seen:
    """The findings of one file that are vouched for, and the digests that were found again."""

    def __init__(
        self, vouched: Mapping[str, Vouched], fingerprint: Fingerprinter, file: str, unread: list[Unread]
    ) -> None:
        self.digests: set[str] = set()
        self.findings: list[tuple[Finding, bool]] = []
        spans: list[tuple[str, Span, bool, bool]] = []  # document, span, on the line that is listed, harmless
        exact, ours = default_scan(fingerprint, profile="exact"), default_scan(fingerprint, profile="recall")
        for document, finding in _found(file, exact, unread):
            digest = _sha1(document, finding.span)
            if told := vouched.get(digest):
                self.digests.add(digest)
                self.findings.append((finding, told.harmless))
                spans.append((document.id, finding.span, finding.line in told.lines, told.harmless))
        for document, finding in _found(file, ours, []):
            over = [
                harmless
                for id, span, listed, harmless in spans
                if id == document.id and _stands_for(span, finding.span, document.text, listed)
            ]
            digest = _sha1(document, finding.span)
            if told := vouched.get(digest):  # a plug-in that the exact profile does not have may have found it
                self.digests.add(digest)
                over.append(told.harmless)
            if over and finding.kind == "secret":
                self.findings.append((finding, all(over)))


def _found(file: str, scan: DefaultScan, unread: list[Unread]) -> Iterator[tuple[Document, Finding]]:
    for document in documents([file], errors=unread, unpack=scan.unpack):
        for finding in findings_in(document, scan):
            yield document, finding


def _stands_for(theirs: Span, ours: Span, text: str, listed: bool) -> bool:
    """Whether a value of detect-secrets is the better part of ours, or any part on the line that its baseline lists.

    Of a GitHub token it takes only the first word, and of a private key the words before the dashes: each stands for
    every such value of a file, so it vouches for none on another line.
    """
    shared = min(theirs.end, ours.end) - max(theirs.start, ours.start)
    if not listed:
        return shared > (ours.end - ours.start) // 2
    return shared > 0 or text[theirs.end : ours.start].strip() == "-----"


def _sha1(document: Document, span: Span) -> str:
    value = document.text[span.start : span.end]
    return hashlib.sha1(value.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
