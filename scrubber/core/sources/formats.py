"""Which reader a file, or what is packed into one, is given to: its name tells."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import BinaryIO, cast

from scrubber.core.sources import names
from scrubber.core.sources.archives import Member, tar_members, zip_members
from scrubber.core.sources.compressed import unpacked
from scrubber.core.sources.git import blobs
from scrubber.core.sources.jsonl import jsonl_stream
from scrubber.core.sources.notebooks import notebook
from scrubber.core.sources.reading import Budget, Reading, Unread, guarded
from scrubber.core.sources.streams import Prefixed, Readable, read_up_to
from scrubber.core.sources.tables import arrow_rows, parquet_rows
from scrubber.core.sources.text import document_of, text_path, text_stream
from scrubber.core.types import Document


def path_documents(path: str, name: str, reading: Reading) -> Iterable[Document]:
    """The documents of a file. What fails is named in ``reading.errors``; nothing is raised."""
    suffix = names.suffix_of(path)
    if suffix not in names.SPECIAL:
        return text_path(path, name, reading)
    if suffix in names.BINARY or (not reading.unpack and suffix in names.CONTAINERS):
        reading.skipped.append(name)
        return ()
    if not reading.unpack:
        return text_path(path, name, reading)
    return guarded(_opened(path, name, suffix, reading), name, reading, outermost=True)


def history(folder: str, prefix: str, reading: Reading) -> Iterator[Document]:
    """The documents of a git history: each blob in the format that its path tells. Ids are as of ``git.blobs``."""
    for blob in blobs(folder, prefix, reading):
        inner = _stream(blob.file, blob.name, blob.path, reading, Budget(blob.size, reading.limits), 0)
        yield from guarded(inner, blob.name, reading, outermost=True)


def _opened(path: str, name: str, suffix: str, reading: Reading) -> Iterator[Document]:
    if not os.path.isfile(path):
        raise OSError(None, "not a regular file")
    budget = Budget(os.path.getsize(path), reading.limits)
    if suffix in names.PARQUET:
        yield from parquet_rows(path, name, path, reading, budget)
    elif suffix in names.ARROW:
        yield from arrow_rows(path, name, path, reading, budget)
    else:
        with open(path, "rb", buffering=2**17) as file:
            if suffix in names.ZIPS:
                yield from _members(zip_members(file, name, reading, budget), reading, budget, 1)
            else:
                yield from _stream(cast(Readable, file), name, path, reading, budget, 0)


def _stream(file: Readable, name: str, path: str, reading: Reading, budget: Budget, depth: int) -> Iterator[Document]:
    """``path`` ends as the format is named; ``depth`` counts the archives and compressed files round the stream."""
    suffix = names.suffix_of(path)
    if suffix in names.BINARY or (not reading.unpack and suffix in names.CONTAINERS):
        reading.skipped.append(name)
        return
    if suffix in names.TARS:
        path = path[: -len(suffix)] + names.TARS[suffix]
        suffix = names.suffix_of(path)
    if depth >= reading.limits.nesting and suffix in names.COMPRESSED | names.ZIPS | {".tar"}:
        reading.errors.append(Unread(name, f"archives in one another, more than {reading.limits.nesting} deep"))
    elif suffix in names.COMPRESSED:
        inner = path[: -len(suffix)]
        tar = names.suffix_of(inner) == ".tar"  # compressed, it is one archive all the same
        yield from _stream(unpacked(file, suffix, budget), name, inner, reading, budget, depth + (not tar))
    elif suffix == ".tar":
        yield from _members(tar_members(file, name, reading), reading, budget, depth + 1)
    elif suffix in names.ZIPS | names.PARQUET | names.ARROW:
        with _seekable(file) as copy:
            if suffix in names.ZIPS:
                yield from _members(zip_members(copy, name, reading, budget), reading, budget, depth + 1)
            elif suffix in names.PARQUET:
                yield from parquet_rows(copy, name, path, reading, budget)
            else:
                yield from arrow_rows(copy, name, path, reading, budget)
    elif suffix in names.JSONL and reading.unpack:
        yield from jsonl_stream(
            file, name, path, reading, lambda again: text_stream(again, name, path, names.language_of(path), reading)
        )
    elif suffix in names.NOTEBOOKS and reading.unpack:
        yield from _notebook(file, name, path, reading)
    else:
        yield from text_stream(file, name, path, names.language_of(path), reading)


def _members(members: Iterator[Member], reading: Reading, budget: Budget, depth: int) -> Iterator[Document]:
    for member in members:
        inner = _stream(member.file, member.name, member.name, reading, budget, depth)
        yield from guarded(inner, member.name, reading, outermost=False)


def _notebook(file: Readable, name: str, path: str, reading: Reading) -> Iterator[Document]:
    head = read_up_to(file, reading.limits.text + 1)
    if len(head) <= reading.limits.text:
        whole = document_of(head, name, path, "json", reading)
        if whole:
            yield from notebook(whole.text, name, path) or [whole]
    else:
        yield from text_stream(Prefixed(head, file), name, path, "json", reading)


def _seekable(file: Readable) -> BinaryIO:
    """A copy in a file without a name, which is gone when it is closed: for formats that are not read forwards."""
    copy = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
    while piece := file.read(2**20):
        copy.write(piece)
    copy.seek(0)
    return cast(BinaryIO, copy)
