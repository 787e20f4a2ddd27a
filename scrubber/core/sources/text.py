"""Plain text: bytes of a file or a stream become a document, or several windows where there are too many."""

from __future__ import annotations

import codecs
import os
import stat
from collections.abc import Iterable, Iterator

from scrubber.core.sources.names import language_of
from scrubber.core.sources.reading import Limits, Reading, Unread, reason
from scrubber.core.sources.streams import Prefixed, Readable, Transcoded, read_up_to
from scrubber.core.types import Document

SNIFFED = 8192  # a NUL byte in these makes a file binary, as for git and grep
WIDE = (  # UTF-32 first, since its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
WIDE_MARKS = tuple(mark for mark, _ in WIDE)
# Without O_NONBLOCK, opening a pipe in a folder would wait for its writer for ever.
OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def text_path(path: str, name: str, reading: Reading) -> Iterable[Document]:
    """The document of a file, or its windows. The hot path of a scan: one open, one stat, one read."""
    try:
        descriptor = os.open(path, OPEN_FLAGS)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(None, "not a regular file")
            size, most = status.st_size, reading.limits.text
            data = os.read(descriptor, min(size, most) + 1)
            if len(data) != size:
                data += _rest(descriptor, most + 1 - len(data))
                if size and len(data) != size and size <= most:  # the size of what the system makes up, as /proc, is 0
                    reading.errors.append(Unread(name, "changed while it was read; scanned as it was found"))
        finally:
            os.close(descriptor)
    except OSError as error:
        reading.errors.append(Unread(name, reason(error)))
        return ()
    if len(data) > most:
        return _large(path, name, reading)
    document = document_of(data, name, path, language_of(name), reading)
    return () if document is None else (document,)


def text_stream(file: Readable, name: str, path: str, language: str | None, reading: Reading) -> Iterator[Document]:
    """The document of a stream, or its windows."""
    head = read_up_to(file, reading.limits.text + 1)
    if len(head) > reading.limits.text:
        yield from text_windows(Prefixed(head, file), name, path, language, reading)
    elif document := document_of(head, name, path, language, reading):
        yield document


def text_windows(file: Readable, name: str, path: str, language: str | None, reading: Reading) -> Iterator[Document]:
    """Documents ``NAME#OFFSET``: windows that overlap, cut at line ends where there are any.

    OFFSET counts the bytes before the window, of the file itself, or of its text as UTF-8 where that was UTF-16 or 32.
    """
    head = read_up_to(file, SNIFFED)
    stream: Readable = Prefixed(head, file)
    if head.startswith(WIDE_MARKS):
        stream = Transcoded(stream, _encoding(head))
    elif b"\0" in head:
        reading.skipped.append(name)
        return
    for offset, data in windows(stream, reading.limits):
        if document := document_of(data, f"{name}#{offset}", path, language, reading, sniff=False):
            yield document


def document_of(
    data: bytes, name: str, path: str, language: str | None, reading: Reading, *, sniff: bool = True
) -> Document | None:
    """UTF-8, or UTF-16 or UTF-32 with their mark; else None, and ``name`` is among the skipped or the errors.

    The mark of UTF-8 stays in the text, as line ends stay: so offsets in the text are those of the file.
    """
    encoding = "utf-8"
    if sniff:
        if data.startswith(WIDE_MARKS):
            encoding = _encoding(data)
        elif data.find(b"\0", 0, SNIFFED) >= 0:
            reading.skipped.append(name)
            return None
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:  # its own message quotes the bytes
        if reading.undecodable == "named" or encoding != "utf-8":
            reading.errors.append(Unread(name, f"not {encoding.upper()}"))
            return None
        text = data.decode("latin-1")
    return Document(name, text, path, language)


def windows(file: Readable, limits: Limits) -> Iterator[tuple[int, bytes]]:
    """Offset and bytes of each window; at most one window is held at a time."""
    offset, kept, unseen = 0, b"", 0
    while True:
        piece = read_up_to(file, limits.window - len(kept))
        data = kept + piece
        if len(data) < limits.window:
            if piece or unseen:
                yield offset, data
            return
        end = data.rfind(b"\n", limits.window // 2) + 1 or _boundary(data, len(data) - 1)
        yield offset, data[:end]
        start = _boundary(data, end - limits.overlap)
        start = data.rfind(b"\n", end - 2 * limits.overlap, start) + 1 or start
        kept, unseen, offset = data[start:], len(data) - end, offset + start


def _large(path: str, name: str, reading: Reading) -> Iterator[Document]:
    try:
        with open(path, "rb", buffering=0) as file:
            yield from text_windows(file, name, path, language_of(name), reading)
    except (OSError, UnicodeDecodeError) as error:
        reading.errors.append(Unread(name, reason(error)))


def _rest(descriptor: int, most: int) -> bytes:
    pieces = []
    while most > 0 and (piece := os.read(descriptor, min(most, 2**20))):
        pieces.append(piece)
        most -= len(piece)
    return b"".join(pieces)


def _encoding(data: bytes) -> str:
    return next(encoding for mark, encoding in WIDE if data.startswith(mark))


def _boundary(data: bytes, at: int) -> int:
    """The nearest place at or before ``at`` that is not inside a character of UTF-8, which has four bytes at most."""
    return next((place for place in range(at, at - 4, -1) if data[place] & 0xC0 != 0x80), at)
