"""Findings are written whole or not at all, in the columns of the public contract, and counted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scrubber.core.errors import AskedWrongly
from scrubber.core.types import Finding, Span
from scrubber.pipelines import findings as module
from scrubber.pipelines.findings import COLUMNS, FindingsFile, finding_json, finding_of, summary, write_findings

ONE = Finding("a.py", Span(3, 9), 2, 1, "secret", "github-token", 0.95, "gh***[40]", "f" * 32)
MANY = [
    replace(ONE, document=f"{n % 13}.py", kind="pii" if n % 3 else "secret", rule=f"r{n % 4}", fingerprint=str(n % 50))
    for n in range(100)
]


def test_a_finding_survives_its_json() -> None:
    assert finding_of(json.loads(json.dumps(finding_json(ONE)))) == ONE
    assert tuple(finding_json(ONE)) == COLUMNS


def test_lines_of_json(tmp_path: Path) -> None:
    write_findings(iter(MANY), tmp_path / "out.jsonl")
    assert list(FindingsFile(tmp_path / "out.jsonl", 100)) == MANY
    assert len(FindingsFile(tmp_path / "out.jsonl", 100)) == 100
    assert FindingsFile(tmp_path / "out.jsonl", 100)[7] == MANY[7]
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


def test_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(module, "BATCH", 30)
    odd = replace(ONE, document="lone \ud800")
    write_findings(iter([*MANY, odd]), tmp_path / "out.parquet")
    table = parquet.read_table(tmp_path / "out.parquet")
    assert tuple(table.column_names) == COLUMNS
    assert [finding_of(row) for row in table.to_pylist()[:-1]] == MANY
    assert table.schema.metadata[b"schema_version"] == b"1"
    assert parquet.ParquetFile(tmp_path / "out.parquet").metadata.num_row_groups == 4
    write_findings(iter([]), tmp_path / "none.parquet")
    assert parquet.read_table(tmp_path / "none.parquet").num_rows == 0


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
def test_what_breaks_off_leaves_what_was_there(tmp_path: Path, name: str) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / name).write_text("before")

    def broken() -> Iterator[Finding]:
        yield ONE
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_findings(broken(), tmp_path / name)
    assert (tmp_path / name).read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with pytest.raises(AskedWrongly, match="cannot be written"):
        write_findings([ONE], tmp_path / "missing" / name)


def test_a_summary_counts_and_names_the_worst() -> None:
    told = summary(iter(MANY))
    assert told.kinds == {"pii": 66, "secret": 34}
    assert sum(told.rules.values()) == 100
    assert list(told.rules.values()) == sorted(told.rules.values(), reverse=True)
    assert told.rules["secret/r0"] == 9
    assert len(told.worst) == 10
    assert next(iter(told.worst.items())) == ("0.py", 8)
    assert told.values == 50
    assert summary([]) == ({}, {}, {}, 0)


def test_a_pipe_is_written_to_and_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_findings((), pipe)
    os.close(reader)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]
