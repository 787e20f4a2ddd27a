"""Work items: what was asked for, cut into parts of like size that processes can read on their own, in order."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

from scrubber.core.executor import Processes
from scrubber.core.sources import names
from scrubber.core.sources.jsonl import begins_with_row, jsonl_lines
from scrubber.core.sources.reading import Budget, Reading, library
from scrubber.core.sources.tables import parquet_rows
from scrubber.core.types import Document

LARGE = 32 * 2**20  # bytes of a work item, about
MANY = 8192  # files of a work item, however small


@dataclass(frozen=True, slots=True)
class Source:
    """A work item, which can be pickled. ``size`` counts bytes on disk, 0 where they are not known."""

    kind: Literal["files", "lines", "groups", "history", "hub", "stdin"]
    files: tuple[tuple[str, str], ...]  # path and name of each file; of all kinds but "files" there is one
    size: int = 0
    start: int = 0  # of lines: the byte offset; of groups: the first row group
    stop: int = 0
    first: int = 1  # of lines: the number of the first

    @property
    def name(self) -> str:
        """What it covers, to name it by: the first file, and how many more or which part."""
        more = (
            f" and {len(self.files) - 1} more" if len(self.files) > 1 else f" from {self.start}" if self.start else ""
        )
        path, name = self.files[0]
        return (name or path) + more


def packed(files: Iterable[tuple[str, str]], reading: Reading, size: int = LARGE) -> Iterator[Source]:
    """Files in their order as work items of about ``size`` bytes; a large JSONL or Parquet file becomes several."""
    few: list[tuple[str, str]] = []
    held = 0
    for path, name in files:
        length = _length(path)
        parts = _parts(path, name, length, reading, size)
        if few and (parts or held + length > size or len(few) >= MANY):
            yield Source("files", tuple(few), held)
            few, held = [], 0
        if parts:
            yield from parts
        else:
            few.append((path, name))
            held += length
    if few:
        yield Source("files", tuple(few), held)


def lines_of(source: Source, reading: Reading) -> Iterator[Document]:
    """The rows of a byte range of a JSONL file."""
    ((path, name),) = source.files
    with open(path, "rb", buffering=2**20) as file:
        file.seek(source.start)
        length = source.stop - source.start
        yield from jsonl_lines(file, name, path, reading, first=source.first, length=length)


def groups_of(source: Source, reading: Reading) -> Iterator[Document]:
    """The rows of a range of row groups of a Parquet file."""
    ((path, name),) = source.files
    groups = range(source.start, source.stop)
    budget = Budget(os.path.getsize(path), reading.limits)
    yield from parquet_rows(path, name, path, reading, budget, groups)


def _length(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:  # it is named when it is read
        return 0


def _parts(path: str, name: str, length: int, reading: Reading, size: int) -> list[Source]:
    """The parts of a file that can be cut and is worth it; none of any other, which is one piece of work."""
    suffix = names.suffix_of(path)
    if length <= size or not reading.unpack or suffix not in names.JSONL | names.PARQUET:
        return []
    try:
        return list(
            _line_ranges(path, name, reading, size) if suffix in names.JSONL else _group_ranges(path, name, size)
        )
    except Exception:  # whatever is wrong with it is named when it is read
        return []


def _line_ranges(path: str, name: str, reading: Reading, size: int) -> Iterator[Source]:
    """Ranges cut at line ends. Counts the lines before each, so the file is read once here: at memory speed."""
    with open(path, "rb", buffering=2**20) as file:
        if not begins_with_row(file, reading)[0]:
            return
        file.seek(0)
        start = at = lines = 0
        first = 1
        while block := file.read(2**20):
            at += len(block)
            if at - start >= size and (end := block.rfind(b"\n") + 1):
                lines += block.count(b"\n", 0, end)
                stop = at - len(block) + end
                yield Source("lines", ((path, name),), stop - start, start, stop, first)
                start, first = stop, lines + 1
                lines += block.count(b"\n", end)
            else:
                lines += block.count(b"\n")
        if at > start:
            yield Source("lines", ((path, name),), at - start, start, at, first)


def _group_ranges(path: str, name: str, size: int) -> Iterator[Source]:
    if "pyarrow" in sys.modules:
        sizes = _group_sizes(path)
    else:  # its threads would keep the workers of a scan from being copies of this process, which start in no time
        with closing(Processes(1).map(_group_sizes, [path])) as found:
            sizes = next(found)
    on_disk = os.path.getsize(path) / max(1, sum(sizes))  # of a byte of a group
    start, held = 0, 0.0
    for group, unpacked in enumerate(sizes):
        held += unpacked * on_disk
        if held >= size or group == len(sizes) - 1:
            yield Source("groups", ((path, name),), int(held), start, group + 1)
            start, held = group + 1, 0.0


def _group_sizes(path: str) -> list[int]:
    with library("pyarrow.parquet").ParquetFile(path) as table:
        return [table.metadata.row_group(group).total_byte_size for group in range(table.metadata.num_row_groups)]
