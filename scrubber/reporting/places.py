"""Where a document lies: the file and line that a viewer of results can open, and what is inside that file."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

from scrubber.core.sources.names import ARROW, CONTAINERS, JSONL, NOTEBOOKS, PARQUET, suffix_of
from scrubber.core.types import Finding, Origin

# The ids of documents, as core/corpus.py lists them.
_commit = re.compile(r"(?:git:.*@)?[0-9a-f]{7,64}:(?=.)", re.DOTALL)
_row = re.compile(r"(.+):(\d+)", re.DOTALL)
_window = re.compile(r"(.+)#(\d+|cell-\d+(?:-output)?|metadata)", re.DOTALL)
_no_file = ("-", "hf:")


class Place(NamedTuple):
    """A file (empty: there is none), the 1-based line and column in it where they are known, and the document inside."""

    file: str
    line: int | None = None
    column: int | None = None
    inside: str = ""


class Places(NamedTuple):
    """How the documents of one scan lie in a repository."""

    root: str = ""  # absolute path of the repository; empty: paths are taken as they are
    folder: str = ""  # the one folder that was scanned; document ids are relative to it
    source: str = ""  # the one file that was scanned, whose rows may have ids of their own
    origin: Origin = "corpus"

    def path(self, finding: Finding) -> str:
        """The document's id as a path from the repository's root, the same whatever was asked for; no commit in it."""
        return self._from_root(os.path.join(self.folder, _commit.sub("", finding.document, count=1)))

    def __call__(self, finding: Finding) -> Place:
        document = self.path(finding)
        if row := _row.fullmatch(document):
            file, suffix = row[1], suffix_of(row[1])
            if suffix in JSONL:
                return Place(file, int(row[2]), None, document)
            if suffix in PARQUET | ARROW:
                return Place(file, None, None, document)
        archive = document.partition("!")[0]
        if archive != document and suffix_of(archive) in CONTAINERS:
            return Place(archive, None, None, document)
        window = _window.fullmatch(document)
        if window and (window[2].isdigit() or suffix_of(window[1]) in NOTEBOOKS):
            return Place(window[1], None, None, document)
        if self.source and finding.document != self.source:
            return Place(self._from_root(self.source), None, None, finding.document)
        if _commit.match(finding.document):
            return Place(document, finding.line, finding.column, finding.document)
        if not self._is_file(document):
            return Place("", None, None, finding.document)
        return Place(document, finding.line, finding.column)

    def _is_file(self, path: str) -> bool:
        """A row may be called anything, and no path is to be invented. Without a root there is no place to look."""
        if self.root:
            return os.path.lexists(os.path.join(self.root, path))
        return self.origin == "corpus" and not path.startswith(_no_file)

    def _from_root(self, path: str) -> str:
        if not self.root:
            return path
        inner = os.path.relpath(os.path.abspath(path), self.root)
        return os.path.abspath(path) if inner.split(os.sep, 1)[0] == os.pardir else inner


def places(asked: Sequence[str], *, root: str, origin: Origin = "corpus") -> Places:
    """Of a scan of the paths ``asked``, from the current folder."""
    alone = asked[0] if len(asked) == 1 else ""
    if os.path.isdir(folder := alone.removeprefix("git:")):
        return Places(os.path.abspath(root), folder, "", origin)
    source = alone if os.path.isfile(alone) and suffix_of(alone) in JSONL | PARQUET | ARROW else ""
    return Places(os.path.abspath(root), "", source, origin)
