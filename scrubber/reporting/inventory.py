"""What a run's findings.jsonl adds to the counts of its report: different values, documents, and a masked example a rule."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from scrubber.core.errors import AskedWrongly


class Found(NamedTuple):
    """All findings of one rule: how many, of how many different values, in how many documents, and one of them masked."""

    findings: int
    values: int
    documents: int
    example: str


def inventory(lines: Iterable[str]) -> dict[str, Found]:
    """By ``kind/rule``, of the lines of a findings.jsonl. Raises AskedWrongly, naming the line, where one is no finding."""
    counts: dict[str, int] = {}
    values: dict[str, set[str]] = {}
    documents: dict[str, set[str]] = {}
    examples: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            name, fingerprint = f"{row['kind']}/{row['rule']}", str(row["fingerprint"])
            document, preview = str(row["document"]), str(row["preview"])
        except (ValueError, KeyError, TypeError):
            raise AskedWrongly(
                f"line {number} is no finding",
                where="findings.jsonl",
                mend="Give the file that a run of Scrubber wrote.",
            ) from None
        counts[name] = counts.get(name, 0) + 1
        values.setdefault(name, set()).add(fingerprint)
        documents.setdefault(name, set()).add(document)
        examples.setdefault(name, preview)
    return {
        name: Found(count, len(values[name]), len(documents[name]), examples[name]) for name, count in counts.items()
    }


def rows(counts: Mapping[str, int], known: Mapping[str, Found]) -> list[tuple[str, ...]]:
    """Kind, rule and count, the most first; with ``known`` values, documents and an example, where it has the same count.

    A file of another scan than the report's would say something else of the same rule: then there is a dash.
    """
    made = []
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        kind, _, rule = name.partition("/")
        more = known.get(name)
        beside = ("-", "-", "-")
        if more is not None and more.findings == count:
            beside = (f"{more.values:,}", f"{more.documents:,}", more.example)
        made.append((kind, rule, f"{count:,}", *(beside if known else ())))
    return made
