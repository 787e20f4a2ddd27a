"""Tar and zip archives: the text of each member, in the archive's order, never all of it in memory, nothing on disk.

The names of members are only names: ``ARCHIVE!MEMBER``, whatever dots and slashes they hold.
"""

from __future__ import annotations

import stat
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple, cast

from scrubber.core.sources.compressed import Paid
from scrubber.core.sources.names import printable
from scrubber.core.sources.reading import Budget, Reading, TooMuch, Unread
from scrubber.core.sources.streams import Readable

LONGEST_READ = 2**23  # tarfile asks for a whole header at once, and a header may claim to be of any length
SMALL_PIECE = 4096  # zipfile unpacks a whole piece at once if it is not deflated
END, END64 = b"PK\x05\x06", b"PK\x06\x06"


class Member(NamedTuple):
    """A file in an archive. Its stream is good until the next member is drawn."""

    name: str
    file: Readable


def tar_members(file: Readable, name: str, reading: Reading) -> Iterator[Member]:
    """The regular files of a tar, which is read once and forwards; links and devices are no files and left out."""
    with tarfile.open(fileobj=cast(BinaryIO, Forward(file)), mode="r:", encoding="utf-8") as tar:
        while entry := tar.next():
            vars(tar)["members"] = []  # it would keep one of every member
            if not entry.isreg():
                continue
            inner = printable(f"{name}!{entry.name}")
            if entry.issparse():
                reading.errors.append(Unread(inner, "a sparse file"))
            elif content := tar.extractfile(entry):
                yield Member(inner, cast(Readable, content))


def zip_members(file: BinaryIO, name: str, reading: Reading, budget: Budget) -> Iterator[Member]:
    """The regular files of a zip. ``file`` can be sought in. Encrypted and unknown ones are named as unread."""
    if _index_size(file) > reading.limits.index:
        raise TooMuch(f"its index is larger than {reading.limits.index} bytes: refused")
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            if entry.is_dir() or stat.S_ISLNK(entry.external_attr >> 16):
                continue
            inner = printable(f"{name}!{entry.filename}")
            if entry.flag_bits & 1:
                reading.errors.append(Unread(inner, "encrypted"))
                continue
            yield Member(inner, Paid(Lazily(archive, entry), budget))


class Lazily:
    """A member of a zip, opened when its first byte is asked for, so that the damage of one is no other's."""

    def __init__(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
        self._archive, self._entry = archive, entry
        self._file: Any = None

    def read(self, count: int) -> bytes:
        self._file = self._file or self._archive.open(self._entry)
        whole = self._entry.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        return bytes(self._file.read(count if whole else min(count, SMALL_PIECE)))


class Forward:
    """What tarfile needs of a seekable file, over a stream that can only be read forwards."""

    def __init__(self, file: Readable) -> None:
        self._file, self._at = file, 0

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True

    def seek(self, place: int) -> int:
        while self._at < place and self.read(min(place - self._at, 2**20)):
            pass
        return self._at

    def read(self, count: int) -> bytes:
        if count > LONGEST_READ:
            raise TooMuch("a header larger than any true one: refused")
        pieces = []
        while count > 0 and (piece := self._file.read(count)):
            self._at += len(piece)
            count -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)


def _index_size(file: BinaryIO) -> int:
    """Bytes of a zip's central directory as its end record tells, before zipfile reads it all; 0 if it tells none."""
    length = file.seek(0, 2)
    file.seek(max(0, length - 2**16 - 22))
    tail = file.read(2**16 + 22)
    at = tail.rfind(END)
    if at < 0 or at + 20 > len(tail):
        return 0
    size: int = struct.unpack_from("<L", tail, at + 12)[0]
    at64 = tail.rfind(END64, 0, at)
    if at64 >= 0 and at64 + 48 <= len(tail):
        size = max(size % 0xFFFFFFFF, struct.unpack_from("<Q", tail, at64 + 40)[0])
    return size
