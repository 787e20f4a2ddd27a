"""Findings in files and in numbers: JSONL and Parquet under the names of the public contract, and what stands out."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from scrubber.core.errors import AskedWrongly
from scrubber.core.sources.names import printable
from scrubber.core.types import Finding, Span

SCHEMA_VERSION = 1
BATCH = 8192  # rows of Parquet held in memory
WORST = 10
COLUMNS = ("document", "start", "end", "line", "column", "kind", "rule", "confidence", "preview", "fingerprint")


def finding_json(finding: Finding) -> dict[str, Any]:
    """A finding under the names of the public contract: 1-based line and column, 0-based half-open offsets."""
    return {
        "document": finding.document,
        "start": finding.span.start,
        "end": finding.span.end,
        "line": finding.line,
        "column": finding.column,
        "kind": finding.kind,
        "rule": finding.rule,
        "confidence": finding.confidence,
        "preview": finding.preview,
        "fingerprint": finding.fingerprint,
    }


def finding_of(row: dict[str, Any]) -> Finding:
    """The finding that ``finding_json`` told."""
    rest = {name: value for name, value in row.items() if name not in ("start", "end")}
    return Finding(span=Span(row["start"], row["end"]), **rest)


def jsonl(findings: Iterable[Finding]) -> Iterator[str]:
    """One line a finding, line end included."""
    return (json.dumps(finding_json(finding)) + "\n" for finding in findings)


class FindingsFile(Sequence[Finding]):
    """The findings of a JSONL file, of which one at a time is in memory."""

    def __init__(self, path: Path, count: int) -> None:
        self.path, self._count = path, count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Finding]:
        with self.path.open(encoding="utf-8") as file:
            yield from (finding_of(json.loads(line)) for line in file)

    def __getitem__(self, index: Any) -> Any:
        return tuple(self)[index]


def write_findings(findings: Iterable[Finding], path: Path) -> None:
    """``*.parquet``, or else JSONL; whole or not at all, and never all in memory.

    Raises AskedWrongly when the place cannot be written, or pyarrow is needed and missing.
    """
    partial = path.with_name(f".{path.name}.partial")
    if path.exists() and not path.is_file():
        partial = path  # a device or a pipe is written to, never replaced
    try:
        if path.suffix == ".parquet":
            _write_parquet(findings, partial)
        else:
            with partial.open("w", encoding="utf-8") as file:
                file.writelines(jsonl(findings))
        if partial != path:
            os.replace(partial, path)
    except OSError as error:
        raise AskedWrongly(f"the output cannot be written: {error.strerror}", where=str(path)) from None
    finally:
        if partial != path:
            with suppress(OSError):
                partial.unlink()


def _write_parquet(findings: Iterable[Finding], path: Path) -> None:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise AskedWrongly("writing Parquet needs pyarrow", mend="pip install 'code-scrubber[data]'") from None
    text, number = arrow.string(), arrow.int64()
    types = {"start": number, "end": number, "line": number, "column": number, "confidence": arrow.float64()}
    schema = arrow.schema(
        [arrow.field(name, types.get(name, text), nullable=False) for name in COLUMNS],
        metadata={"schema_version": str(SCHEMA_VERSION)},
    )
    left = iter(findings)
    with parquet.ParquetWriter(path, schema) as writer:
        while rows := [_parquet_row(finding) for finding in islice(left, BATCH)]:
            writer.write_table(arrow.Table.from_pylist(rows, schema))


def _parquet_row(finding: Finding) -> dict[str, Any]:
    return {**finding_json(finding), "document": printable(finding.document)}  # the id of a row may be no UTF-8


class Summary(NamedTuple):
    """What a person wants to know of many findings: counts, most first."""

    kinds: dict[str, int]
    rules: dict[str, int]  # by "kind/rule"
    worst: dict[str, int]  # the WORST documents
    values: int  # distinct ones


def summary(findings: Iterable[Finding]) -> Summary:
    """Counts of ``findings``, which are gone through once."""
    rules: Counter[tuple[str, str]] = Counter()
    documents: Counter[str] = Counter()
    values = set()
    for finding in findings:
        rules[finding.kind, finding.rule] += 1
        documents[finding.document] += 1
        values.add(finding.fingerprint)
    kinds: Counter[str] = Counter()
    for (kind, _), count in rules.items():
        kinds[kind] += count
    return Summary(
        dict(kinds.most_common()),
        {f"{kind}/{rule}": count for (kind, rule), count in rules.most_common()},
        dict(documents.most_common(WORST)),
        len(values),
    )
