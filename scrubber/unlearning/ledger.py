"""The deletion ledger: which values were asked to be forgotten, when, and whether they still are. Fingerprints only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from scrubber.core.types import Score

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Entry:
    """A value of a request, by fingerprint."""

    fingerprint: str
    request: int  # from 1
    asked_at: str  # ISO 8601, UTC
    places: int  # in the corpus
    knew: bool  # whether the model gave it before this request was worked on
    leaks: bool | None = None  # whether it did at the last check; None: not checked yet


@dataclass(frozen=True)
class Ledger:
    """Everything that was ever asked for, in order. It only grows."""

    entries: tuple[Entry, ...] = ()
    checks: tuple[
        Mapping[str, Any], ...
    ] = ()  # one a request: scores over all entries so far, utility, weights' digest

    @property
    def requests(self) -> int:
        return len(self.checks)

    def unknown(self, fingerprints: Iterable[str]) -> list[str]:
        """Those that are not in it, each once, in order."""
        known = {entry.fingerprint for entry in self.entries}
        return [mark for mark in dict.fromkeys(fingerprints) if mark not in known]

    def grown(self, entries: Sequence[Entry]) -> Ledger:
        fresh = set(self.unknown(entry.fingerprint for entry in entries))
        return replace(self, entries=(*self.entries, *(e for e in entries if e.fingerprint in fresh)))

    def checked(self, leaks: Mapping[str, bool], scores: Sequence[Score], digests: Mapping[str, str]) -> Ledger:
        """After a check of all entries. Raises KeyError for an entry that was not asked for."""
        check = {"request": self.requests + 1, "scores": [asdict(score) for score in scores], "digests": dict(digests)}
        entries = tuple(replace(entry, leaks=leaks[entry.fingerprint]) for entry in self.entries)
        return Ledger(entries, (*self.checks, check))


def to_json(ledger: Ledger) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "entries": [asdict(entry) for entry in ledger.entries],
        "checks": [dict(check) for check in ledger.checks],
    }


def from_json(row: Mapping[str, Any]) -> Ledger:
    return Ledger(tuple(Entry(**entry) for entry in row["entries"]), tuple(row["checks"]))
