"""Tables: Parquet by row groups and Arrow files and streams by batches, of which only the needed columns are turned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from scrubber.core.sources.reading import Budget, Reading, Unread, library
from scrubber.core.sources.records import FIELDS, document, text_field
from scrubber.core.types import Document

BATCH_BYTES = 2**20  # of a Parquet batch, by the mean length of a row
BATCH_ROWS = 2048
SLICE_ROWS = 128  # turned from Arrow into Python at once


def parquet_rows(
    file: BinaryIO | str, name: str, path: str, reading: Reading, budget: Budget, groups: Sequence[int] | None = None
) -> Iterator[Document]:
    """The rows of these row groups, or of all; the id of one without ``id`` is NAME:ROW, counted from 1.

    Raises AskedWrongly when pyarrow is missing, and what pyarrow raises when the file is damaged.
    """
    parquet = library("pyarrow.parquet")
    with parquet.ParquetFile(file, buffer_size=2**20, pre_buffer=False) as table:
        metadata = table.metadata
        columns = _columns(table.schema_arrow.names, name, reading)
        if columns is None:
            return
        row = 0
        for group in range(metadata.num_row_groups):
            # Not the size of the needed columns alone: damaged metadata of a column make pyarrow end the process.
            rows, size = metadata.row_group(group).num_rows, metadata.row_group(group).total_byte_size
            if groups is None or group in groups:
                length = min(BATCH_ROWS, max(1, BATCH_BYTES * rows // max(size, 1)))
                number = row
                for batch in table.iter_batches(length, [group], columns, use_threads=False):
                    yield from _documents(batch, columns, number, name, path, reading, budget)
                    number += batch.num_rows
            row += rows


def arrow_rows(file: BinaryIO | str, name: str, path: str, reading: Reading, budget: Budget) -> Iterator[Document]:
    """The rows of an Arrow file or stream, as ``datasets`` saves too; ids and errors are as of ``parquet_rows``."""
    arrow, ipc = library("pyarrow"), library("pyarrow.ipc")
    # Not a memory map: its pages would count as memory of the process, up to the whole file.
    with arrow.OSFile(file) if isinstance(file, str) else arrow.PythonFile(file) as source:
        framed = source.read(6) == b"ARROW1"
        source.seek(0)
        reader = ipc.open_file(source) if framed else ipc.open_stream(source)
        columns = _columns(reader.schema.names, name, reading)
        if columns is None:
            return
        number = 0
        for batch in (reader.get_batch(i) for i in range(reader.num_record_batches)) if framed else reader:
            _check(batch, columns)
            yield from _documents(batch, columns, number, name, path, reading, budget)
            number += batch.num_rows


def _columns(names: Sequence[str], name: str, reading: Reading) -> list[str] | None:
    text = text_field(names, reading.text_column)
    if text is None:
        reading.errors.append(Unread(name, "no column of text: name it with --text-column"))
        return None
    return [text, *(field for field in FIELDS if field in names and field != text)]


def _check(batch: Any, columns: Sequence[str]) -> None:
    """Raises pyarrow's ArrowInvalid for offsets and lengths that lead out of their buffers, which pyarrow would follow.

    Text is looked at as bytes, since a value that is no UTF-8 must not cost the others.
    """
    arrow = library("pyarrow")
    as_bytes = {arrow.string(): arrow.binary(), arrow.large_string(): arrow.large_binary()}
    for column in map(batch.column, columns):
        (column.view(as_bytes[column.type]) if column.type in as_bytes else column).validate(full=True)


def _documents(
    batch: Any, columns: Sequence[str], before: int, name: str, path: str, reading: Reading, budget: Budget
) -> Iterator[Document]:
    for start in range(0, batch.num_rows, SLICE_ROWS):
        part = batch.slice(start, SLICE_ROWS)
        values = [_values(part.column(column)) for column in columns]
        for offset, (text, *rest) in enumerate(zip(*values, strict=True), before + start + 1):
            where = f"{name}:{offset}"
            if isinstance(text, bytes):
                text = _decoded(text, reading)
            if isinstance(text, str):
                budget.spend(len(text))  # one value of a dictionary can be in every row
                fields: Mapping[str, Any] = dict(zip(columns[1:], rest, strict=True))
                yield document(text, fields, where=where, path=path)
            else:
                reading.errors.append(Unread(where, "not a text"))


def _values(column: Any) -> list[Any]:
    try:
        return list(column.to_pylist())
    except (UnicodeDecodeError, OverflowError, ValueError):  # one bad value must not cost the others
        return [_value(column[index]) for index in range(len(column))]


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except (UnicodeDecodeError, OverflowError, ValueError):
        return scalar.as_buffer().to_pybytes() if hasattr(scalar, "as_buffer") else None


def _decoded(text: bytes, reading: Reading) -> str | None:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1") if reading.undecodable == "latin-1" else None
