"""What one reading carries with it: where the unread is named, what was asked for, and the limits against bad input."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

from scrubber.core.errors import AskedWrongly, Interrupted
from scrubber.core.types import Document


@dataclass(frozen=True, slots=True)
class Unread:
    """A file, folder, member, row or line that could not be read, and why. The reason never quotes content."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes, where nothing else is said. A window must be more than four overlaps long."""

    text: int = 16 * 2**20  # a longer text is read in windows, each a document of its own
    window: int = 8 * 2**20
    overlap: int = 16 * 2**10  # of one window with the next, so that no value is cut: at least this, at most twice
    record: int = 64 * 2**20  # a line of JSONL
    expansion: int = 200  # times its own size that a compressed file may unpack to ...
    slack: int = 64 * 2**20  # ... or to this, where that is more ...
    unpacked: int = 256 * 2**30  # ... and in all
    nesting: int = 3  # archives in one another
    index: int = 32 * 2**20  # of a zip, which is held in memory whole


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read how. ``errors`` and ``skipped`` (names of binary files) grow while documents are drawn."""

    errors: list[Unread]
    skipped: list[str]
    text_column: str | None = None
    undecodable: Literal["named", "latin-1"] = "named"
    unpack: bool = True
    limits: Limits = Limits()


class TooMuch(Exception):
    """Bad input that would not end or not fit; the message is safe to print."""


class Budget:
    """How many bytes may still be unpacked from one file on disk, whatever is nested in it."""

    def __init__(self, size: int, limits: Limits) -> None:
        self._left = min(limits.unpacked, max(limits.slack, limits.expansion * size))
        self._most = self._left

    def spend(self, count: int) -> None:
        """Raises TooMuch when more is unpacked than a file of its size may hold: a decompression bomb."""
        self._left -= count
        if self._left < 0:
            raise TooMuch(f"unpacks to more than {self._most} bytes: refused")


def reason(error: Exception) -> str:
    """Why something is unread, without the message of ``error``, which may quote content."""
    if isinstance(error, (TooMuch, AskedWrongly)):
        return str(error)
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    return (error.strerror if isinstance(error, OSError) else None) or f"damaged ({type(error).__name__})"


def guarded(documents: Iterable[Document], name: str, reading: Reading, *, outermost: bool) -> Iterator[Document]:
    """``documents``, until one fails: that is named. A spent budget ends the outermost file too, so it is raised."""
    try:
        yield from documents
    except Interrupted:  # a signal that arrives in a reader is no fault of the file
        raise
    except Exception as error:  # readers of foreign formats raise nearly anything on damaged input
        if isinstance(error, TooMuch) and not outermost:
            raise
        reading.errors.append(Unread(name, reason(error)))


def library(module: str) -> Any:
    """An optional library, imported now. Raises AskedWrongly, naming the extra, where it is not installed."""
    check_library(module)
    return importlib.import_module(module)


def check_library(module: str) -> None:
    """Raises AskedWrongly where an optional library is not installed, without its import, which may start threads."""
    package = module.partition(".")[0]
    if find_spec(package) is None:
        raise AskedWrongly(
            f"reading this needs {package}, which is not installed", mend="pip install 'code-scrubber[data]'"
        )
