"""The baseline: findings that somebody answers for, by fingerprint and place, each with a reason, an owner and an end.

An entry accepts a finding only while all three hold: one without reason or owner is not audited, one past its end has
expired, and both count as if there were no entry. No value is in it, nor anything that a value could be guessed from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, NamedTuple

from scrubber.core.errors import AskedWrongly
from scrubber.core.types import Finding

SCHEMA_VERSION = 1
State = Literal["new", "accepted", "expired", "unaudited"]
_texts = ("fingerprint", "rule", "path", "reason", "owner")


@dataclass(frozen=True, slots=True)
class Entry:
    """One value at one place. The rule is for the reader: it may be renamed without a finding becoming new."""

    fingerprint: str
    rule: str  # kind/rule
    path: str  # of the document, from the folder that the baseline lies in
    reason: str = ""
    owner: str = ""
    expires: date | None = None  # the last day on which it accepts; None: never ends

    def state(self, today: date) -> State:
        if not self.reason.strip() or not self.owner.strip():
            return "unaudited"
        return "expired" if self.expires is not None and self.expires < today else "accepted"


@dataclass(frozen=True, slots=True)
class Baseline:
    """Entries, and the fingerprint of a fixed word under the key that they were made under."""

    entries: tuple[Entry, ...]
    key_fingerprint: str


class Mark(NamedTuple):
    """What a baseline says of a finding."""

    state: State
    entry: Entry | None = None


Marker = Callable[[Finding], Mark]


def marker(baseline: Baseline, *, today: date, path_of: Callable[[Finding], str]) -> Marker:
    """Tells of any finding what the baseline says. ``path_of`` gives its document's path, as in the entries."""
    known = {(entry.fingerprint, entry.path): entry for entry in baseline.entries}

    def mark(finding: Finding) -> Mark:
        entry = known.get((finding.fingerprint, path_of(finding)))
        return Mark(entry.state(today), entry) if entry else Mark("new")

    return mark


def entries_of(findings: Iterable[Finding], path_of: Callable[[Finding], str]) -> list[Entry]:
    """One entry for each value and place, not audited yet."""
    made: dict[tuple[str, str], Entry] = {}
    for finding in findings:
        entry = Entry(finding.fingerprint, f"{finding.kind}/{finding.rule}", path_of(finding))
        made.setdefault((entry.fingerprint, entry.path), entry)
    return list(made.values())


def to_json(baseline: Baseline) -> dict[str, Any]:
    """The object of a baseline file, sorted, so that a diff of it shows what was accepted and no more."""
    entries = sorted(baseline.entries, key=lambda entry: (entry.path, entry.rule, entry.fingerprint))
    return {
        "schema_version": SCHEMA_VERSION,
        "key_fingerprint": baseline.key_fingerprint,
        "entries": [
            {
                **{name: getattr(entry, name) for name in _texts},
                "expires": entry.expires.isoformat() if entry.expires else None,
            }
            for entry in entries
        ],
    }


def from_json(data: Any, *, where: str) -> Baseline:
    """The baseline that ``to_json`` wrote. Raises AskedWrongly, naming every wrong entry by its number, from 1."""
    if not isinstance(data, Mapping) or data.get("schema_version") != SCHEMA_VERSION:
        raise AskedWrongly(
            f"it is no baseline of schema version {SCHEMA_VERSION}",
            where=where,
            mend="Make one: scrubber baseline create.",
        )
    rows, key_fingerprint = data.get("entries"), data.get("key_fingerprint")
    if not isinstance(rows, list) or not isinstance(key_fingerprint, str):
        raise AskedWrongly("the baseline lacks entries or key_fingerprint", where=where)
    made = [_entry(row) for row in rows]
    wrong = [str(number) for number, entry in enumerate(made, 1) if entry is None]
    if wrong:
        raise AskedWrongly(
            f"entries {', '.join(wrong)} of the baseline are malformed",
            where=where,
            mend=f"Each has the texts {', '.join(_texts)}, and expires: a date as 2030-12-31, or null.",
        )
    return Baseline(tuple(entry for entry in made if entry), key_fingerprint)


def _entry(row: Any) -> Entry | None:
    if not isinstance(row, Mapping) or row.keys() != {*_texts, "expires"}:
        return None
    if not all(isinstance(row[name], str) for name in _texts):
        return None
    try:
        expires = None if row["expires"] is None else date.fromisoformat(row["expires"])
    except (TypeError, ValueError):
        return None
    return Entry(row["fingerprint"], row["rule"], row["path"], row["reason"], row["owner"], expires)
