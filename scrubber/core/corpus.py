"""Where documents come from: the door to the readers of ``core/sources``, with every unread file named.

A source is a path of a folder, a file, a table or an archive; ``-`` for standard input; ``git:PATH`` for the whole
history of a repository; ``hf:NAME[:SPLIT]`` for a data set of the hub. What a document is called:

=====================================  =====================================================================
file of a folder                       path relative to the folder; as written, if several paths were asked for
text above 16 MiB, in windows          ``NAME#OFFSET``: bytes before the window (windows overlap by 16 to 32 KiB)
row of JSONL, Parquet or Arrow         its ``id``, else ``NAME:NUMBER`` of line or row, counted from 1
member of an archive                   ``ARCHIVE!MEMBER``
cell of a notebook, and its output     ``NAME#cell-3``, ``NAME#cell-3-output``; the rest is ``NAME#metadata``
content in the history of git          ``COMMIT:PATH``, as for ``git show``; commit: the first that has it
=====================================  =====================================================================
"""

from __future__ import annotations

import os
import pickle
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from scrubber.core.errors import AskedWrongly
from scrubber.core.sources import names
from scrubber.core.sources.folders import not_ignored, walk
from scrubber.core.sources.formats import history, path_documents
from scrubber.core.sources.git import check_repository
from scrubber.core.sources.hub import hub_rows
from scrubber.core.sources.jsonl import jsonl_stream
from scrubber.core.sources.names import language_of, printable
from scrubber.core.sources.reading import Limits, Reading, Unread, check_library, guarded
from scrubber.core.sources.shards import LARGE, Source, groups_of, lines_of, packed
from scrubber.core.sources.streams import Readable
from scrubber.core.sources.text import text_stream
from scrubber.core.types import Document, Origin

__all__ = ["Limits", "Source", "Unread", "WorkItems", "documents", "documents_of", "language_of", "shards"]

STANDARD_INPUT = "-"
HISTORY, HUB = "git:", "hf:"
NEEDS_ARROW = names.PARQUET | names.ARROW | {".zst", ".tzst"}


@dataclass(frozen=True, slots=True)
class WorkItems(Sequence[Source]):
    """Sources, kept small: the names of a million files take hundreds of megabytes, and are much alike."""

    compressed: tuple[bytes, ...]

    @classmethod
    def of(cls, sources: Iterable[Source]) -> WorkItems:
        return cls(tuple(zlib.compress(pickle.dumps(source), 1) for source in sources))

    def __len__(self) -> int:
        return len(self.compressed)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return WorkItems(self.compressed[index])
        return pickle.loads(zlib.decompress(self.compressed[index]))


def documents(
    paths: Sequence[str | os.PathLike[str]],
    *,
    errors: list[Unread],
    skipped: list[str] | None = None,
    gitignore: bool = False,
    text_column: str | None = None,
    undecodable: Literal["named", "latin-1"] = "named",
    unpack: bool = True,
    origin: Origin = "corpus",
    limits: Limits = Limits(),  # noqa: B008 (it is frozen)
) -> Iterator[Document]:
    """The documents of all sources, folders recursively and sorted by name; one is in memory at a time.

    What cannot be read is added to ``errors``, and the names of binary files, which are passed over, to ``skipped``.
    ``gitignore`` leaves out of folders what git ignores. ``text_column`` is the field of rows that holds the text, if
    it is not ``text``, ``content`` or ``code``. Text is UTF-8, or UTF-16 or UTF-32 with their mark; any other is
    named, or taken for Latin-1 if ``undecodable`` says so. Without ``unpack`` notebooks and JSONL are the text that
    they are, and tables and archives count as binary. ``origin`` is that of the documents: a person's corpus, or
    generations of a model.

    Raises AskedWrongly at once, before anything is read, when there is nothing at a path, or a library is missing; and
    when its turn comes, if a data set of the hub cannot be loaded.
    """
    asked = _checked(paths, gitignore, unpack)
    reading = Reading(errors, [] if skipped is None else skipped, text_column, undecodable, unpack, limits)
    return _of(origin, _documents(asked, gitignore, reading))


def shards(
    paths: Sequence[str | os.PathLike[str]],
    *,
    errors: list[Unread],
    gitignore: bool = False,
    text_column: str | None = None,
    unpack: bool = True,
    size: int = LARGE,
) -> WorkItems:
    """The same documents as work items of about ``size`` bytes, for ``documents_of``, in the same order.

    Deterministic while the files do not change. A list of files, byte ranges of a JSONL file (which is read once here,
    to count its lines), row groups of a Parquet file; an archive, a history, a data set, standard input are one each.
    Folders that cannot be listed are added to ``errors``. Raises AskedWrongly as ``documents`` does.
    """
    reading = Reading(errors, [], text_column, unpack=unpack)
    asked = _checked(paths, gitignore, unpack)
    return WorkItems.of(_sources(asked, gitignore, reading, size))


def _sources(asked: Sequence[str], gitignore: bool, reading: Reading, size: int) -> Iterator[Source]:
    for path in asked:
        if whole := _whole(path, alone=len(asked) == 1):
            yield whole
        else:
            yield from packed(_files(path, len(asked) == 1, gitignore, reading), reading, size)


def documents_of(
    source: Source,
    *,
    errors: list[Unread],
    skipped: list[str] | None = None,
    text_column: str | None = None,
    undecodable: Literal["named", "latin-1"] = "named",
    unpack: bool = True,
    origin: Origin = "corpus",
    limits: Limits = Limits(),  # noqa: B008
) -> Iterator[Document]:
    """The documents of one work item; all else is as for ``documents``. Standard input is that of this process."""
    reading = Reading(errors, [] if skipped is None else skipped, text_column, undecodable, unpack, limits)
    return _of(origin, _documents_of(source, reading))


def _of(origin: Origin, documents: Iterator[Document]) -> Iterator[Document]:
    return documents if origin == "corpus" else (replace(document, origin=origin) for document in documents)


def _checked(paths: Sequence[str | os.PathLike[str]], gitignore: bool, unpack: bool) -> list[str]:
    asked = [os.fspath(path) for path in paths]
    missing = [path for path in asked if _whole(path, alone=True) is None and not os.path.lexists(path)]
    if missing or not asked:
        raise AskedWrongly(
            "there is nothing at the path" if missing else "no path was given",
            where=", ".join(map(printable, missing)),
            mend="Name files or folders that exist.",
        )
    for path in asked:
        whole = _whole(path, alone=True)
        if whole and whole.kind == "history":
            check_repository(whole.files[0][0])
        elif whole and whole.kind == "hub":
            check_library("datasets")
        elif not whole and os.path.isdir(path):
            if gitignore:
                check_repository(path)
        elif not whole and unpack and names.suffix_of(path) in NEEDS_ARROW:
            check_library("pyarrow")
    return asked


def _whole(asked: str, *, alone: bool) -> Source | None:
    """The one work item of a source that is no path, or None for a path."""
    if asked == STANDARD_INPUT:
        return Source("stdin", ((asked, asked),))
    if asked.startswith(HISTORY):
        return Source("history", ((asked[len(HISTORY) :] or ".", "" if alone else f"{printable(asked)}@"),))
    if asked.startswith(HUB):
        return Source("hub", ((asked[len(HUB) :], asked),))
    return None


def _files(asked: str, alone: bool, gitignore: bool, reading: Reading) -> Iterator[tuple[str, str]]:
    """Path and name of each file at a path."""
    if not os.path.isdir(asked):
        yield asked, printable(asked)
        return
    cut = len(os.path.join(asked, "")) if alone else 0
    for path in (not_ignored if gitignore else walk)(asked, reading):
        yield path, printable(path[cut:])


def _documents(asked: Sequence[str], gitignore: bool, reading: Reading) -> Iterator[Document]:
    for path in asked:
        if whole := _whole(path, alone=len(asked) == 1):
            yield from _documents_of(whole, reading)
        else:
            for file, name in _files(path, len(asked) == 1, gitignore, reading):
                yield from path_documents(file, name, reading)


def _documents_of(source: Source, reading: Reading) -> Iterator[Document]:
    path, name = source.files[0]
    if source.kind == "files":
        for path, name in source.files:
            yield from path_documents(path, name, reading)
    elif source.kind == "lines":
        yield from guarded(lines_of(source, reading), name, reading, outermost=True)
    elif source.kind == "groups":
        yield from guarded(groups_of(source, reading), name, reading, outermost=True)
    elif source.kind == "history":
        yield from history(path, name, reading)
    elif source.kind == "hub":
        yield from hub_rows(path, reading)
    else:
        yield from guarded(_standard_input(name, reading), name, reading, outermost=True)


def _standard_input(name: str, reading: Reading) -> Iterator[Document]:
    """JSONL where the first line is a row of it, else one text."""
    file: Readable = sys.stdin.buffer
    if reading.unpack:
        return jsonl_stream(file, name, name, reading, lambda again: text_stream(again, name, name, None, reading))
    return text_stream(file, name, name, None, reading)
