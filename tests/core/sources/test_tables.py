"""Parquet and Arrow tables give their rows as documents, from files, archives and saved data sets, in flat memory."""

from __future__ import annotations

import gzip
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest

from scrubber.core.corpus import documents

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
ipc = pytest.importorskip("pyarrow.ipc")

TABLE = {
    "content": ["a = 1\n", "é", None, "b"],
    "id": ["x", None, "z", None],
    "path": ["m.py", "n.go", None, ""],
    "other": [1, 2, 3, 4],
}


def write(path: Path, table: Any, **options: Any) -> None:
    if path.suffix == ".parquet":
        pq.write_table(table, path, **options)
    else:
        framed = path.suffix != ".ipc"
        with (ipc.new_file if framed else ipc.new_stream)(str(path), table.schema) as sink:
            sink.write_table(table)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".feather", ".ipc"])
def test_rows_are_documents(tmp_path: Path, read: Any, suffix: str) -> None:
    name = f"t{suffix}"
    write(tmp_path / name, pa.table(TABLE))
    found = read(tmp_path)
    assert found.texts == {"x": "a = 1\n", f"{name}:2": "é", f"{name}:4": "b"}
    assert [(d.path, d.language) for d in found.documents[:2]] == [("m.py", "python"), ("n.go", "go")]
    assert found.documents[2].path == str(tmp_path / name)
    assert found.unread == {f"{name}:3": "not a text"}
    assert read(tmp_path, unpack=False).skipped == [name]


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".ipc"])
def test_the_column_can_be_named_and_must_be_there(tmp_path: Path, read: Any, suffix: str) -> None:
    write(tmp_path / f"t{suffix}", pa.table({"body": ["a", "b"], "no": [1, 2]}))
    assert list(read(tmp_path, text_column="body").texts.values()) == ["a", "b"]
    assert read(tmp_path).unread == {f"t{suffix}": "no column of text: name it with --text-column"}


@pytest.mark.parametrize("kind", ["large_string", "dictionary", "binary"])
def test_other_columns_of_text(tmp_path: Path, read: Any, kind: str) -> None:
    column = pa.array(["a", "é", "a"])
    column = {
        "large_string": lambda: column.cast(pa.large_string()),
        "dictionary": column.dictionary_encode,
        "binary": lambda: column.cast(pa.binary()),
    }[kind]()
    write(tmp_path / "t.arrow", pa.table({"text": column}))
    write(tmp_path / "t.parquet", pa.table({"text": column}))
    assert list(read(tmp_path).texts.values()) == ["a", "é", "a"] * 2


def test_a_value_that_is_no_utf8_costs_no_other(tmp_path: Path, read: Any) -> None:
    bad = pa.Array.from_buffers(
        pa.string(),
        3,
        [None, pa.py_buffer(bytes([0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0])), pa.py_buffer(b"a\xe9b")],
    )
    for suffix in (".arrow", ".parquet"):
        write(tmp_path / f"t{suffix}", pa.table({"text": bad}))
    found = read(tmp_path)
    assert list(found.texts.values()) == ["a", "b"] * 2
    assert found.unread == {"t.arrow:2": "not a text", "t.parquet:2": "not a text"}
    assert list(read(tmp_path, undecodable="latin-1").texts.values()) == ["a", "é", "b"] * 2


def test_many_rows_over_many_groups_are_numbered_through(tmp_path: Path, read: Any) -> None:
    rows = [f"row {number}" for number in range(5000)]
    write(tmp_path / "t.parquet", pa.table({"text": rows}), row_group_size=700)
    write(tmp_path / "u.arrow", pa.table({"text": rows}))
    wanted = {f"{name}:{number}": row for name in ("t.parquet", "u.arrow") for number, row in enumerate(rows, 1)}
    assert read(tmp_path).texts == wanted


def test_a_table_in_something_else(tmp_path: Path, read: Any) -> None:
    for suffix in (".parquet", ".arrow"):
        write(tmp_path / f"t{suffix}", pa.table({"text": ["a"]}))
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        for suffix in (".parquet", ".arrow"):
            archive.write(tmp_path / f"t{suffix}", f"in/t{suffix}")
            (tmp_path / f"t{suffix}.gz").write_bytes(gzip.compress((tmp_path / f"t{suffix}").read_bytes()))
            (tmp_path / f"t{suffix}").unlink()
    assert list(read(tmp_path).texts) == [
        "t.arrow.gz:1",
        "t.parquet.gz:1",
        "z.zip!in/t.parquet:1",
        "z.zip!in/t.arrow:1",
    ]


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".ipc"])
def test_a_damaged_table_is_named(tmp_path: Path, read: Any, suffix: str) -> None:
    write(tmp_path / f"t{suffix}", pa.table({"text": ["a" * 1000] * 50}))
    data = (tmp_path / f"t{suffix}").read_bytes()
    for name, damaged in (
        ("empty", b""),
        ("cut", data[: len(data) // 2]),
        ("zero", data[:100] + bytes(len(data) - 100)),
    ):
        (tmp_path / f"{name}{suffix}").write_bytes(damaged)
    found = read(tmp_path)
    assert {f"{name}{suffix}" for name in ("empty", "cut")} <= set(found.unread)
    assert not any("aaaa" in reason for reason in found.unread.values())


def test_a_table_that_unpacks_to_far_more_than_it_is_is_refused(tmp_path: Path, read: Any) -> None:
    write(tmp_path / "t.parquet", pa.table({"text": ["x" * 20_000 + str(n) for n in range(20)]}), compression="zstd")
    found = read(tmp_path, limits=read.small)
    assert len(found.documents) < 4
    assert "refused" in found.unread["t.parquet"]


def test_a_table_is_never_in_memory_whole(tmp_path: Path, read: Any) -> None:
    letters = random.Random(1)
    rows = ["".join(letters.choices("abcdefgh \n", k=1000)) * 20 for _ in range(3000)]  # 60 MB
    write(tmp_path / "t.parquet", pa.table({"text": rows}), use_dictionary=False, write_batch_size=64)
    del rows
    before, peak = pa.total_allocated_bytes(), 0

    for number, _ in enumerate(documents([tmp_path], errors=[])):
        if number % 100 == 0:
            peak = max(peak, pa.total_allocated_bytes() - before)
    assert number == 2999
    assert 0 < peak < 12 * 2**20


def test_a_saved_data_set_is_a_folder_of_tables(tmp_path: Path, read: Any) -> None:
    datasets = pytest.importorskip("datasets")
    made = datasets.Dataset.from_dict({"text": ["a", "b"], "language": ["go", "java"]})
    datasets.DatasetDict({"train": made.shuffle(seed=1), "test": made.select([1])}).save_to_disk(str(tmp_path / "set"))
    rows = [d for d in read(tmp_path / "set").documents if not d.id.endswith(".json")]
    assert sorted((d.id.partition("/")[0], d.text, d.language) for d in rows) == [
        ("test", "b", "java"), ("train", "a", "go"), ("train", "b", "java"),
    ]  # fmt: skip
