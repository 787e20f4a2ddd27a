"""All names of a registry in one file that is mapped, not read: who is there, since when, and who looks like whom.

The file: a header (magic, its length, JSON, CRC), a table of buckets, the sorted 64-bit keys, the day each name was first
seen (days since 1970, 0: not known), a CRC of each run of buckets, and popular names as text. A key has 40 bits of the
BLAKE2b of what a name looks like, and 24 bits of the CRC of the name: so one column tells whether a name is there (a
wrong yes: one in 10^12 at four million names) and whether one that looks like it is.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import re
import struct
import sys
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from types import TracebackType

from scrubber.core.errors import AskedWrongly, NoVerdict
from scrubber.core.mentions import ECOSYSTEMS, Ecosystem

MAGIC = b"SCRNAMES"
VERSION = 1
SUFFIX = ".names"
MOST_BITS = 16  # of a key that choose its bucket
RUNS = 512  # of buckets, each with a CRC that is checked when the first of them is asked
KEY_BITS, LOW_BITS = 64, 24
LOW = (1 << LOW_BITS) - 1
HIGH = (1 << KEY_BITS) - 1 - LOW
EPOCH = date(1970, 1, 1)
NO_LOOK = bytes(range(256)), b""
# PyPI refuses a name that is another's but for separators and the look-alikes 0 o, 1 i l; npm one but for separators.
LOOKS = {
    "pypi": (bytes.maketrans(b"oil", b"011"), b"-_."),
    "npm": (bytes(range(256)), b"-_."),
}
_HASH = hashlib.blake2b(digest_size=8)  # copied for each name, which takes two thirds of the time of a new one
_unpacked = struct.Struct(">Q").unpack
MEND = "Build it anew: scrubber index build."


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself. ``checksum``: SHA-256 of all that follows the header."""

    ecosystem: Ecosystem
    source: str
    snapshot: str  # ISO date: names that came later are not in it
    count: int
    dated: int  # names whose first day is known
    bits: int
    popular: int  # bytes of the names for suggestions, one a line, most popular first
    checksum: str
    format_version: int = VERSION


class NameIndex:
    """An open index: ``name in index`` for a normalised name. Nothing is read but what is asked for.

    A truncated file is refused when it is opened, a corrupted part when it is first asked; ``verify`` reads all.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Raises AskedWrongly when there is no file, NoVerdict when it is damaged or of another version."""
        self.path = Path(path)
        try:
            with open(path, "rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise AskedWrongly(f"the name index cannot be read: {error.strerror}", where=str(path), mend=MEND) from None
        except ValueError:
            raise self._damaged("it is empty") from None
        self.header, start = self._header()
        count, buckets = self.header.count, 1 << self.header.bits
        runs = min(RUNS, buckets)
        sizes = (4 * buckets + 4, 8 * count, 2 * count, 4 * runs, self.header.popular)
        begins = [start + sum(sizes[:number]) for number in range(len(sizes) + 1)]
        if begins[-1] != len(self._map):
            raise self._damaged("it is cut off, or too long")
        whole = memoryview(self._map)
        table, keys, days, checks, popular = (whole[begins[n] : begins[n + 1]] for n in range(len(sizes)))
        self._body = start
        self._table, self._keys, self._days = table.cast("I"), keys.cast("Q"), days.cast("H")
        self._checks, self._popular = checks.cast("I"), popular
        if zlib.crc32(table) != self._crc_of_table:
            raise self._damaged("its table is damaged")
        self._shift = KEY_BITS - self.header.bits
        self._run_shift = KEY_BITS - (runs.bit_length() - 1)
        self._checked = bytearray(runs)
        looks = LOOKS.get(self.header.ecosystem, NO_LOOK)
        self._fast = (self._keys, self._table, self._shift, self._checked, self._run_shift, *looks)

    def __contains__(self, name: str) -> bool:
        # as _key and _place do it, in one piece: without their calls and attributes this takes two thirds of the time
        keys, table, shift, checked, run_shift, look, dropped = self._fast
        data = name.encode()
        hashed = _HASH.copy()
        hashed.update(data.translate(look, dropped))
        key = _unpacked(hashed.digest())[0] & HIGH | zlib.crc32(data) & LOW
        if not checked[key >> run_shift]:
            self._check(key >> run_shift)
        bucket = key >> shift
        end = table[bucket + 1]
        at = bisect_left(keys, key, table[bucket], end)
        there: bool = at < end and keys[at] == key
        return there

    def __len__(self) -> int:
        return self.header.count

    def first_seen(self, name: str) -> date | None:
        """The day, if the name is there and its day is known."""
        key = _key(name, self.header.ecosystem)
        at = self._place(key)
        if at == self.header.count or self._keys[at] != key or not self._days[at]:
            return None
        return EPOCH + timedelta(days=self._days[at])

    def has_lookalike(self, name: str) -> bool:
        """Whether a name is there that the registry would not tell from this one (or this very name)."""
        if name.startswith("@"):  # whoever owns a scope of npm's may name what is in it as he likes
            return name in self
        look = _key(name, self.header.ecosystem) & HIGH
        at = self._place(look)
        return at < self.header.count and self._keys[at] & HIGH == look

    @cached_property
    def popular(self) -> tuple[str, ...]:
        """Names to suggest, the most popular first, as far as the index was given any."""
        if zlib.crc32(self._popular) != self._crc_of_popular:
            raise self._damaged("its popular names are damaged")
        return tuple(bytes(self._popular).decode().split("\n")) if self.header.popular else ()

    def verify(self) -> None:
        """Reads the whole file (about 30 ms at four million names). Raises NoVerdict when anything of it is damaged."""
        if hashlib.sha256(memoryview(self._map)[self._body :]).hexdigest() != self.header.checksum:
            raise self._damaged("its checksum is wrong")

    def records(self) -> Iterator[tuple[int, int]]:
        """Every key and its day, sorted: what ``extended`` makes a newer index of."""
        self.verify()
        return zip(self._keys, self._days, strict=True)

    def __enter__(self) -> NameIndex:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for view in (self._table, self._keys, self._days, self._checks, self._popular):
            view.release()
        self._map.close()

    def _place(self, key: int) -> int:
        run, bucket = key >> self._run_shift, key >> self._shift
        if not self._checked[run]:
            self._check(run)
        return bisect_left(self._keys, key, self._table[bucket], self._table[bucket + 1])

    def _check(self, run: int) -> None:
        step = (len(self._table) - 1) // len(self._checks)
        low, high = self._table[run * step], self._table[(run + 1) * step]
        if _crc(self._keys[low:high], self._days[low:high]) != self._checks[run]:
            raise self._damaged("a part of it is damaged")
        self._checked[run] = 1

    def _header(self) -> tuple[Header, int]:
        size = int.from_bytes(self._map[8:12], "little")
        raw = self._map[12 : 12 + size]
        if (
            self._map[:8] != MAGIC
            or not raw
            or zlib.crc32(raw) != int.from_bytes(self._map[12 + size : 16 + size], "little")
        ):
            raise self._damaged("it is no name index, or its header is damaged")
        told = json.loads(raw)
        if told.get("format_version") != VERSION:
            raise self._damaged(f"it is of format {told.get('format_version')}, and this version reads {VERSION}")
        self._crc_of_table, self._crc_of_popular = told.pop("table"), told.pop("names")
        return Header(**told), 16 + size

    def _damaged(self, what: str) -> NoVerdict:
        return NoVerdict(f"the name index cannot be used: {what}", where=str(self.path), mend=MEND)


def write(
    path: Path,
    names: Mapping[str, date | None] | Iterable[str],
    *,
    ecosystem: Ecosystem,
    source: str,
    snapshot: date,
    popular: Iterable[str] = (),
    older: NameIndex | None = None,
    keep: bool = False,
    removed: Iterable[str] = (),
) -> Header:
    """Writes an index of normalised ``names`` (with the day each was first seen, if it is known), whole or not at all.

    A name that comes without a day has that of ``older``; if that lacks the name, it was first seen on the day of
    ``snapshot``, since it was not there before. ``keep``: the other names of ``older`` stay, too, less ``removed``.
    Raises AskedWrongly when there is no name, or the place cannot be written.
    """
    before: dict[int, int] = dict(older.records()) if older else {}
    days = before.copy() if keep else {}
    for name in removed:
        days.pop(_key(name, ecosystem), None)
    unseen = _day(snapshot) if older else 0
    for name, day in names.items() if isinstance(names, Mapping) else ((name, None) for name in names):
        key = _key(name, ecosystem)
        known = before.get(key, 0)
        days[key] = min(known or _day(day), _day(day)) if day else known if key in before else unseen
    if not days:
        raise AskedWrongly(
            "there is no name for the index", where=source, mend="Name a list or a registry that has some."
        )
    return _write(path, days, popular, ecosystem, source, snapshot)


def _write(
    path: Path, days: dict[int, int], popular: Iterable[str], ecosystem: Ecosystem, source: str, snapshot: date
) -> Header:
    keys = array("Q", sorted(days))
    column = array("H", (days[key] for key in keys))
    bits = min(MOST_BITS, max(0, (len(keys) // 32).bit_length()))
    table = array("I", (bisect_left(keys, bucket << (KEY_BITS - bits)) for bucket in range(1 << bits)))
    table.append(len(keys))
    runs = min(RUNS, 1 << bits)
    edges = [table[run * ((1 << bits) // runs)] for run in range(runs)] + [len(keys)]
    checks = array("I", (_crc(keys[low:high], column[low:high]) for low, high in pairwise(edges)))
    text = "\n".join(popular).encode()
    if sys.byteorder == "big":
        raise NoVerdict("a name index is made for little-endian machines", mend="Use another machine.")
    parts = [table.tobytes(), keys.tobytes(), column.tobytes(), checks.tobytes(), text]
    total = hashlib.sha256(b"".join(parts)).hexdigest()
    header = Header(ecosystem, source, snapshot.isoformat(), len(keys), sum(map(bool, column)), bits, len(text), total)
    told = json.dumps({**asdict(header), "table": zlib.crc32(parts[0]), "names": zlib.crc32(text)}).encode()
    told += b" " * (-len(told) % 8)  # what follows is read in place, so it is aligned
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(MAGIC + len(told).to_bytes(4, "little") + told + zlib.crc32(told).to_bytes(4, "little"))
            file.writelines(parts)
        os.replace(partial, path)
    except OSError as error:
        raise AskedWrongly(f"the name index cannot be written: {error.strerror}", where=str(path)) from None
    finally:
        partial.unlink(missing_ok=True)
    return header


def _key(name: str, ecosystem: Ecosystem) -> int:
    data = name.encode()
    hashed = _HASH.copy()
    hashed.update(data.translate(*LOOKS.get(ecosystem, NO_LOOK)))
    return int(_unpacked(hashed.digest())[0]) & HIGH | zlib.crc32(data) & LOW


def _day(day: date | None) -> int:
    return max(1, min(65535, (day - EPOCH).days)) if day else 0


def _crc(keys: array[int] | memoryview, days: array[int] | memoryview) -> int:
    return zlib.crc32(days, zlib.crc32(keys))


def index_path(folder: Path, ecosystem: Ecosystem) -> Path:
    return folder / f"{ecosystem}{SUFFIX}"


def checked_ecosystem(name: str) -> Ecosystem:
    """Raises AskedWrongly when there is no registry of that name."""
    aliases = {
        "python": "pypi",
        "pip": "pypi",
        "javascript": "npm",
        "node": "npm",
        "cargo": "crates",
        "crates.io": "crates",
        "gem": "rubygems",
        "gems": "rubygems",
        "golang": "go",
    }
    known = aliases.get(re.sub(r"\s", "", name.lower()), name.lower())
    for ecosystem in ECOSYSTEMS:
        if ecosystem == known:
            return ecosystem
    raise AskedWrongly(f"there is no ecosystem {name!r}", mend=f"Use one of: {', '.join(ECOSYSTEMS)}.")
