"""Compressed files: gzip, bzip2, xz and Zstandard as streams, each byte that comes out paid for from a budget."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from typing import Any, BinaryIO, cast

from scrubber.core.sources.reading import Budget, library
from scrubber.core.sources.streams import Raw, Readable


def unpacked(file: Readable, suffix: str, budget: Budget) -> Readable:
    """The stream inside a ``.gz``, ``.bz2``, ``.xz`` or ``.zst``, of several members or frames too.

    Reading it raises TooMuch when it unpacks to more than the budget, and what the library raises when it is damaged.
    Raises AskedWrongly when the library is missing.
    """
    stream = cast(BinaryIO, file)
    inner: Any
    if suffix == ".gz":
        inner = gzip.GzipFile(fileobj=stream)
    elif suffix == ".bz2":
        inner = bz2.BZ2File(stream)
    elif suffix == ".xz":
        inner = lzma.LZMAFile(stream)  # noqa: SIM115 (who opened the file closes it)
    else:  # not with zstandard, whose stream just ends where a frame is cut off
        arrow = library("pyarrow")
        stream = arrow.CompressedInputStream(arrow.PythonFile(Raw(file), mode="r"), "zstd")
        inner = io.BufferedReader(cast(io.RawIOBase, stream))  # pyarrow's own read loses its buffer when it fails
    return Paid(inner, budget)


class Paid:
    """A stream whose bytes are paid for from a budget as they are read."""

    def __init__(self, file: Readable, budget: Budget) -> None:
        self._file, self._budget = file, budget

    def read(self, count: int) -> bytes:
        piece = self._file.read(count)
        self._budget.spend(len(piece))
        return piece
