"""All patterns in one Vectorscan database: which pattern ends where, near the speed of memory.

The database is compiled in prefilter mode (a superset of what ``re`` matches: lookarounds and back-references are
dropped) and kept in the user's cache folder, since compiling takes seconds and loading a tenth of a millisecond.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import threading
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from types import MappingProxyType

import hyperscan

FLAGS = hyperscan.HS_FLAG_PREFILTER | hyperscan.HS_FLAG_MULTILINE
FOREIGN = "\xff"  # stands for every character that is not ASCII, in texts and in expressions
# Of UTF-8: the first byte of a character that is not ASCII becomes FOREIGN, and all that follow it go.
_FIRST = bytes(byte if byte < 0x80 else ord(FOREIGN) for byte in range(256))
_FOLLOWING = bytes(range(0x80, 0xC0))
LONGEST_REPEAT = 32  # what must be repeated more often is cut short: counting is what makes an automaton large ...
MOST_REPEATS = 128  # ... and what may be repeated more often than this may be for ever
OWN = ""  # stands for the gate of all patterns that are their own
MOST_LINES = 64  # of a gate in one text, that are told one by one
MOST_KEPT = 64  # databases in the cache, of about a megabyte: rules, and so their databases, change with each version
_TOKEN = re.compile(
    r"(?P<class>\[\^?\]?(?:[^\]\\]|\\.)*\])|(?P<escape>\\(?:x[0-9a-fA-F]{2}|.))|\{(?P<least>\d+)(?P<most>,\d*)?\}"
    r"|(?P<name>\(\?P?[<=][^)>]*[)>])|(?P<other>.)",
    re.DOTALL,
)


class Vectorscan:
    """Patterns by number. ``left_out``: those that Vectorscan cannot compile even as a superset.

    ``gates``: of some patterns, an expression that matches on each line on which a match of theirs counts; a pattern
    without a literal is its own. They are searched for on the lines of their gate alone, so both must match within a
    line.

    One object may be used by many threads.
    """

    def __init__(self, regexes: Sequence[str], gates: Mapping[int, str] = MappingProxyType({})) -> None:
        behind: dict[str, dict[int, str]] = {}
        for number, gate in gates.items():
            behind.setdefault(OWN if gate == regexes[number] else gate, {})[number] = regexes[number]
        self._free = _Patterns({number: regex for number, regex in enumerate(regexes) if number not in gates})
        self._gates = [
            _Gate("|".join(numbered.values()) if gate == OWN else gate, numbered) for gate, numbered in behind.items()
        ]
        patterns = [self._free, *(gate.patterns for gate in self._gates)]
        self.left_out = sorted(number for one in patterns for number in one.left_out)

    def ends(self, text: str) -> list[tuple[int, int]]:
        """The pattern and the offset of the last character of each match of its widened expression, in characters."""
        return self.ends_in(narrow(text))

    def ends_in(self, data: bytes) -> list[tuple[int, int]]:
        """The same of a text as ``narrow`` makes it."""
        found = self._free.ends(data)
        for gate in self._gates:
            found += gate.ends(data)
        return found


class _Gate:
    """An expression that finds lines, and patterns that are searched for on these.

    It has a database of its own: beside hundreds of literals, what has none costs more than alone.
    """

    def __init__(self, gate: str, numbered: Mapping[int, str]) -> None:
        self._lines = _Patterns({0: f"(?:{gate})[^\\n]*$"})  # one end for each line
        if self._lines.left_out:
            raise ValueError("Vectorscan cannot compile a gate")
        self.patterns = _Patterns(numbered)

    def ends(self, data: bytes) -> list[tuple[int, int]]:
        stops = [end + 1 for _, end in self._lines.ends(data, MOST_LINES)]
        if not stops:
            return []
        if len(stops) == MOST_LINES:  # a table: all of it as one piece
            first = data.rfind(b"\n", 0, stops[0]) + 1
            return [(number, first + end) for number, end in self.patterns.ends(data[first:])]
        starts = [data.rfind(b"\n", 0, stop) + 1 for stop in stops]
        lines = [data[start:stop] for start, stop in zip(starts, stops, strict=True)]
        places = [0, *accumulate(len(line) + 1 for line in lines)]
        found = []
        for number, end in self.patterns.ends(b"\n".join(lines)):
            line = bisect_right(places, end) - 1
            found.append((number, starts[line] + end - places[line]))
        return found


class _Patterns:
    """One database."""

    def __init__(self, regexes: Mapping[int, str]) -> None:
        self.left_out: list[int] = []
        self._database = _database(regexes)
        if self._database is None:
            suited = {number: regex for number, regex in regexes.items() if _compile({number: regex})}
            self.left_out = [number for number in regexes if number not in suited]
            self._database = _database(suited)
        self._threads = threading.local()  # two threads must not share a scratch space

    def ends(self, data: bytes, most: int = 0) -> list[tuple[int, int]]:
        """The first ``most`` of them, where it is given."""
        found: list[tuple[int, int]] = []
        if self._database is None:
            return found

        def event(number: int, start: int, end: int, flags: int, context: object) -> bool:
            found.append((number, end - 1))
            return len(found) == most  # true ends the scan

        scratch = getattr(self._threads, "scratch", None)
        if scratch is None:
            scratch = self._threads.scratch = hyperscan.Scratch(self._database)
        with suppress(hyperscan.ScanTerminated):
            self._database.scan(data, match_event_handler=event, scratch=scratch)
        return found


def narrow(text: str) -> bytes:
    """One byte a character, so that offsets are the text's: ASCII as it is, FOREIGN for all else."""
    if text.isascii():
        return text.encode("ascii")
    return text.encode("utf-8", "surrogatepass").translate(_FIRST, _FOLLOWING)


def widened(regex: str) -> str:
    """An expression for texts of bytes, that matches wherever ``regex`` does, ends there, and is cheaper.

    Classes that know letters, digits and spaces of all scripts take in FOREIGN, word boundaries (which depend on them)
    are left out, and so are the limits of long repeats.
    """
    return "".join(_widened(token) for token in _TOKEN.finditer(regex))


def _widened(token: re.Match[str]) -> str:
    text = _UNKNOWN.sub(FOREIGN, token.group())
    if token["class"]:
        # a negated class matches FOREIGN as it is
        return text if text.startswith("[^") else re.sub(r"\\.", lambda escape: _MORE.get(escape[0], escape[0]), text)
    if token["escape"]:
        return f"[{_MORE[text]}]" if text in _MORE else "" if text[1] in "bB" else text
    if token["least"]:
        least, most = int(token["least"]), token["most"]
        if least > LONGEST_REPEAT or ((most or ",")[1:] and int(most[1:]) > MOST_REPEATS):
            return f"{{{min(least, LONGEST_REPEAT)},}}"
    return text


# Python's spaces are more than Vectorscan's in ASCII, too
_MORE = {"\\w": rf"\w{FOREIGN}", "\\d": rf"\d{FOREIGN}", "\\s": rf"\s\x0b\x1c-\x1f{FOREIGN}"}
_UNKNOWN = re.compile(r"[^\x00-\x7f]")


def _database(regexes: Mapping[int, str]) -> hyperscan.Database | None:
    """From the cache, or compiled and put there; None when a pattern cannot be compiled, or there is none."""
    if not regexes:
        return None
    # a database is made for one processor and one version of the library
    facts = (
        [(number, widened(regex)) for number, regex in regexes.items()],
        FLAGS,
        version("hyperscan"),
        platform.machine(),
        _processor(),
    )
    file = _folder() / f"{hashlib.sha256(repr(facts).encode()).hexdigest()[:32]}.vectorscan"
    with suppress(OSError, hyperscan.error):
        return hyperscan.loadb(file.read_bytes(), hyperscan.HS_MODE_BLOCK)
    database = _compile(regexes)
    if database is not None:
        with suppress(OSError):  # a read-only home: compiled anew each time
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            partial = file.with_suffix(f".{os.getpid()}")
            partial.write_bytes(hyperscan.dumpb(database))
            partial.replace(file)
            for old in sorted(file.parent.glob("*.vectorscan"), key=lambda path: path.stat().st_mtime)[:-MOST_KEPT]:
                old.unlink()
    return database


def _compile(regexes: Mapping[int, str]) -> hyperscan.Database | None:
    database = hyperscan.Database()
    try:
        database.compile(
            expressions=[widened(regex).encode("latin-1") for regex in regexes.values()],
            ids=list(regexes),
            elements=len(regexes),
            flags=[FLAGS] * len(regexes),
        )
    except hyperscan.error:
        return None
    return database


def _processor() -> str:
    """What tells processors apart whose instructions differ."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return line
    return platform.processor()


def _folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scrubber"
