"""JSONL: each line that is an object with a text is a document; a file of anything else is plain text."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, BinaryIO

from scrubber.core.sources.reading import Reading, Unread
from scrubber.core.sources.records import document, text_of
from scrubber.core.sources.streams import Prefixed, Raw, Readable
from scrubber.core.types import Document

BUFFER = 2**20
Loads = Callable[[bytes], Any]


def jsonl_lines(
    file: BinaryIO, name: str, path: str, reading: Reading, *, first: int = 1, length: int | None = None
) -> Iterator[Document]:
    """The rows of the next ``length`` bytes, or of all; the id of one without ``id`` is NAME:LINE.

    ``first`` is the number of the line at which the file stands. Lines longer than the limit of a record, and lines
    that are no object with a text, are named. Blank lines are passed over.
    """
    most, loads = reading.limits.record, fastest()
    number, read = first - 1, 0
    while (length is None or read < length) and (line := file.readline(most + 1)):
        number += 1
        read += len(line)
        where = f"{name}:{number}"
        if len(line) > most:
            reading.errors.append(Unread(where, f"line larger than {most} bytes"))
            while line and not line.endswith(b"\n"):
                line = file.readline(BUFFER)
                read += len(line)
        elif line.strip():
            row = row_of(line, loads)
            text = None if row is None else text_of(row, reading.text_column)
            if row is None or text is None:
                reading.errors.append(Unread(where, "not a JSON object with a text"))
            else:
                yield document(text, row, where=where, path=path)


def jsonl_stream(
    file: Readable, name: str, path: str, reading: Reading, otherwise: Callable[[Readable], Iterator[Document]]
) -> Iterator[Document]:
    """The rows of a stream whose first line that is not blank is a row; ``otherwise`` makes documents of any other."""
    lines = io.BufferedReader(Raw(file), BUFFER)
    rows, head = begins_with_row(lines, reading)
    again = Prefixed(head, lines)
    if rows:
        yield from jsonl_lines(io.BufferedReader(Raw(again), BUFFER), name, path, reading)
    else:
        yield from otherwise(again)


def begins_with_row(file: BinaryIO, reading: Reading) -> tuple[bool, bytes]:
    """Whether the first line that is not blank is an object with a text; and the bytes that were read to see it."""
    head = b""
    while len(head) <= reading.limits.record and (line := file.readline(reading.limits.record + 1)):
        head += line
        if line.strip():
            row = row_of(line, fastest()) if len(line) <= reading.limits.record else None
            return row is not None and text_of(row, reading.text_column) is not None, head
    return False, head


@cache
def fastest() -> Loads:
    """The JSON reader of ``orjson`` where it is installed, else that of the standard library."""
    try:
        from orjson import loads
    except ModuleNotFoundError:  # it is in an extra, and only faster
        return json.loads
    return loads


def row_of(line: bytes, loads: Loads) -> dict[str, Any] | None:
    """The object that a line is, or None: the same, whichever reader is installed."""
    try:
        row = loads(line)
    except (ValueError, RecursionError):
        try:  # what only the standard library reads: NaN, a byte order mark, lone surrogates
            row = json.loads(line)
        except (ValueError, RecursionError):
            return None
    return row if isinstance(row, dict) else None
