"""Streams of bytes that are read forwards only: in pieces, with a head put back, in another encoding, by lines."""

from __future__ import annotations

import codecs
import io
from typing import Any, Protocol

PIECE = 2**20  # bytes asked of a stream at once


class Readable(Protocol):
    """A stream of bytes that is read forwards only."""

    def read(self, count: int, /) -> bytes: ...


def read_up_to(file: Readable, count: int) -> bytes:
    """``count`` bytes, or fewer at the end of the stream; asked for in pieces, so that no reader unpacks all at once."""
    pieces = []
    while count > 0 and (piece := file.read(min(PIECE, count))):
        pieces.append(piece)
        count -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class Prefixed:
    """A stream of bytes with some in front that were read already."""

    def __init__(self, head: bytes, file: Readable) -> None:
        self._head, self._file = memoryview(head), file

    def read(self, count: int) -> bytes:
        if not self._head:
            return self._file.read(count)
        piece, self._head = self._head[:count].tobytes(), self._head[count:]
        return piece


class Transcoded:
    """A stream of UTF-8 from one in another encoding; it raises UnicodeDecodeError where that is damaged."""

    def __init__(self, file: Readable, encoding: str) -> None:
        self._file, self._decoder, self._ready = file, codecs.getincrementaldecoder(encoding)(), b""

    def read(self, count: int) -> bytes:
        while not self._ready and (piece := self._file.read(count)):
            self._ready = self._decoder.decode(piece).encode("utf-8")
        if not self._ready:
            self._decoder.decode(b"", final=True)
        piece, self._ready = self._ready[:count], self._ready[count:]
        return piece


class Raw(io.RawIOBase):
    """A forward stream as the standard library wants it, so that it can be buffered and read by lines."""

    def __init__(self, file: Readable) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = read_up_to(self._file, len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)
