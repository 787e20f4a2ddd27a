"""Files written anew with each of their texts masked: plain text, notebooks, JSONL, Parquet; all else in them stays."""

from __future__ import annotations

import codecs
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from scrubber.core.sources import names
from scrubber.core.sources.reading import Reading, Unread, library, reason
from scrubber.core.sources.records import TEXT_FIELDS, document, text_field
from scrubber.core.sources.text import SNIFFED
from scrubber.core.types import Document

MOST_BYTES = 64 * 2**20  # of a text file, or of a line of JSONL: it is in memory whole
BATCH_ROWS = 1024  # of Parquet
MARKED = {  # UTF-32 first, since its mark begins with that of UTF-16; by these names the mark stays in the text
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}

Mask = Callable[[Document], str | None]  # None: the text cannot be shown


class LeftOut(Exception):
    """A file that is not written; the message says why and is safe to print."""


def rewrite(path: str, target: Path, name: str, mask: Mask, reading: Reading, *, copy_binary: bool) -> bool:
    """Writes ``target``, whole or not at all, with the permissions of ``path``; False if that is binary and left out.

    Rows that are left out are added to ``reading.errors``. Raises LeftOut for a file that cannot be masked, and
    OSError when it cannot be read or written.
    """
    suffix = names.suffix_of(path)
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise LeftOut("not a regular file")
    with _replacing(path, target) as partial:
        if suffix in names.PARQUET:
            _table(path, partial, name, mask, reading)
        elif suffix in names.CONTAINERS and not copy_binary:
            raise LeftOut("archives and Arrow files are not masked: unpack them first")
        elif suffix in names.BINARY | names.CONTAINERS or _is_binary(path):
            if not copy_binary:
                return False
            shutil.copyfile(path, partial)
        elif suffix in names.JSONL and _has_rows(path, reading):
            _rows(path, partial, name, mask, reading)
        else:
            _text(path, partial, name, mask, book=suffix in names.NOTEBOOKS)
        os.replace(partial, target)
    return True


@contextmanager
def _replacing(path: str, target: Path) -> Iterator[Path]:
    """A file that only this user can read until it is whole; what is left of it after the block is removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    try:
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        os.chmod(partial, stat.S_IMODE(os.stat(path).st_mode) & 0o777 | stat.S_IWUSR)
        yield partial
    finally:
        with suppress(OSError):
            partial.unlink()


def _is_binary(path: str) -> bool:
    with open(path, "rb") as file:
        head = file.read(SNIFFED)
    return b"\0" in head and not head.startswith(tuple(MARKED))


def _has_rows(path: str, reading: Reading) -> bool:
    """Whether the first line that is not blank is an object with a text; if not, the file is plain text."""
    with open(path, "rb") as file:
        while line := file.readline(MOST_BYTES):
            if line.strip():
                return _field(_row(line), reading.text_column) is not None
    return False


def _row(line: bytes) -> dict[str, Any]:
    """The object that a line is; an empty one if it is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}


def _text(path: str, partial: Path, name: str, mask: Mask, *, book: bool) -> None:
    with open(path, "rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise LeftOut(f"larger than {MOST_BYTES >> 20} MiB: cut it first")
    encoding = next((name for mark, name in MARKED.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        raise LeftOut(f"not {encoding.upper()}") from None
    masked = _cells(text, name, path, mask) if book else None
    if masked is None:
        masked = _shown(mask(Document(name, text, path, names.language_of(path))))
    partial.write_bytes(data if masked == text else masked.encode(encoding))


def _cells(text: str, name: str, path: str, mask: Mask) -> str | None:
    """A notebook in which each text, whole or as a list of its lines, is masked for itself; None if it is none."""
    try:
        book = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(book, dict) or not isinstance(book.get("cells"), list):
        return None
    number = 0

    def walked(value: Any) -> Any:
        nonlocal number
        if isinstance(value, dict):
            return {key: walked(inner) for key, inner in value.items()}
        if isinstance(value, list) and not (value and all(isinstance(line, str) for line in value)):
            return [walked(inner) for inner in value]
        if not isinstance(value, (str, list)):
            return value
        number += 1
        whole = value if isinstance(value, str) else "".join(value)
        masked = _shown(mask(Document(f"{name}#text-{number}", whole, path, "python")))
        if masked == whole:
            return value
        return masked if isinstance(value, str) else masked.splitlines(keepends=True)

    other = walked(book)
    return text if other == book else json.dumps(other, ensure_ascii=False, indent=1) + "\n"


def _rows(path: str, partial: Path, name: str, mask: Mask, reading: Reading) -> None:
    """Lines whose text stays are copied as they are. A line that is no row with a text is left out: it was not read."""
    number = 0
    with open(path, "rb", buffering=2**20) as file, partial.open("wb", buffering=2**20) as out:
        while line := file.readline(MOST_BYTES + 1):
            number += 1
            where = f"{name}:{number}"
            if len(line) > MOST_BYTES:
                reading.errors.append(Unread(where, f"line larger than {MOST_BYTES >> 20} MiB"))
                while line and not line.endswith(b"\n"):
                    line = file.readline(2**20)
                continue
            row = _row(line)
            field = _field(row, reading.text_column)
            if field:
                masked = mask(document(row[field], row, where=where, path=path))
                if masked == row[field]:
                    out.write(line)
                elif masked is not None:
                    out.write(json.dumps({**row, field: masked}).encode() + (b"\n" if line.endswith(b"\n") else b""))
            elif line.strip():
                reading.errors.append(Unread(where, "not a JSON object with a text"))


def _table(path: str, partial: Path, name: str, mask: Mask, reading: Reading) -> None:
    arrow, parquet = library("pyarrow"), library("pyarrow.parquet")
    try:
        with parquet.ParquetFile(path, pre_buffer=False) as table:
            schema = table.schema_arrow
            field = text_field(schema.names, reading.text_column)
            if field is None:
                raise LeftOut("no column of text")
            if not (
                arrow.types.is_string(schema.field(field).type) or arrow.types.is_large_string(schema.field(field).type)
            ):
                raise LeftOut("the column of text is of another type")
            place, number = schema.get_field_index(field), 0
            with parquet.ParquetWriter(partial, schema, compression=_compression(table)) as writer:
                for batch in table.iter_batches(BATCH_ROWS, use_threads=False):
                    known = [column for column in ("id", "path", "language") if column in schema.names]
                    texts, kept = [], []
                    for text, fields in zip(
                        batch.column(place).to_pylist(), batch.select(known).to_pylist() if known else [{}] * batch.num_rows,
                        strict=True,
                    ):  # fmt: skip
                        number += 1
                        masked = (
                            None if text is None else mask(document(text, fields, where=f"{name}:{number}", path=path))
                        )
                        texts.append(masked)
                        kept.append(text is None or masked is not None)
                    column = arrow.array(texts, schema.field(field).type)
                    columns = [column if at == place else other for at, other in enumerate(batch.columns)]
                    writer.write_batch(arrow.record_batch(columns, schema=schema).filter(arrow.array(kept)))
    except (arrow.ArrowException, ValueError) as error:
        raise LeftOut(reason(error)) from None


def _compression(table: Any) -> str:
    if table.metadata.num_row_groups and table.metadata.num_columns:
        told = table.metadata.row_group(0).column(0).compression.lower()
        return "none" if told == "uncompressed" else str(told)
    return "snappy"


def _field(row: dict[str, Any], asked: str | None) -> str | None:
    return next((name for name in ((asked,) if asked else TEXT_FIELDS) if isinstance(row.get(name), str)), None)


def _shown(masked: str | None) -> str:
    if masked is None:
        raise LeftOut("it cannot be masked")
    return masked
