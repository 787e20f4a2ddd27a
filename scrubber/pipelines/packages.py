"""The packages stage: every mention of a package in a corpus, judged by the project's own names and the indexes."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from scrubber.core.corpus import Unread, documents
from scrubber.core.errors import AskedWrongly
from scrubber.core.mentions import Ecosystem, Mention
from scrubber.core.sources.names import SKIPPED_FOLDERS
from scrubber.core.types import Document, Origin
from scrubber.detectors._packages.manifests import manifest_of, own_name
from scrubber.detectors._packages.verdicts import Judge, Project
from scrubber.detectors.packages import mentions

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FIELDS = ("document", "start", "end", "line", "ecosystem", "kind", "context", "raw", "name", "verdict", "nearest")
LONGEST_MANIFEST = 2**20  # bytes


@dataclass
class Counts:
    """What went through, for the summary: filled while the mentions are taken."""

    documents: int = 0
    mentions: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    errors: list[Unread] = field(default_factory=list)


def corpus_mentions(
    paths: Sequence[str], judge: Judge, counts: Counts, *, text_column: str | None = None, origin: Origin = "corpus",
    gitignore: bool = False,
) -> Iterator[tuple[Document, list[Mention]]]:  # fmt: skip
    """Each document of ``paths`` with its mentions; one is in memory at a time.

    A document that an extractor fails on is among ``counts.errors``; so are unread files.
    Raises AskedWrongly as ``scrubber.core.corpus.documents`` does.
    """
    for document in documents(paths, errors=counts.errors, text_column=text_column, origin=origin, gitignore=gitignore):
        counts.documents += 1
        try:
            found = mentions(document, judge)
        except MemoryError:
            raise
        except Exception as error:  # its message may quote the document
            counts.errors.append(Unread(document.id, f"the extraction of packages failed: {type(error).__name__}"))
            continue
        counts.mentions += len(found)
        counts.verdicts.update(mention.verdict or "not judged" for mention in found)
        yield document, found


def rows(document: Document, found: Sequence[Mention]) -> Iterator[dict[str, Any]]:
    """Mentions under the names of the public contract: 0-based half-open offsets of characters, 1-based lines.

    ``verdict`` is null where only an index could tell and there is none.
    """
    line, at = 1, 0
    for mention in found:  # by place
        line += document.text.count("\n", at, mention.span.start)
        at = mention.span.start
        yield {
            "document": document.id,
            "start": mention.span.start,
            "end": mention.span.end,
            "line": line,
            "ecosystem": mention.ecosystem,
            "kind": mention.kind,
            "context": mention.context,
            "raw": mention.raw,
            "name": mention.name,
            "verdict": mention.verdict,
            "nearest": list(mention.nearest),
        }


def project(paths: Iterable[str]) -> Project:
    """What the folders among ``paths`` define themselves.

    A module is what an import can name from the folder that holds it: a file, or a folder with Python files, in a folder
    that is no package; the others are ``inner``.
    """
    names: dict[Ecosystem, set[str]] = {}
    modules: set[str] = set()
    inner: set[str] = set()
    for path in paths:
        packages = set()
        for folder, below, files in os.walk(path):
            below[:] = [name for name in below if name not in SKIPPED_FOLDERS]
            if "__init__.py" in files:
                packages.add(folder)
            (inner if folder in packages else modules).update(
                name[:-3] for name in files if name.endswith(".py") and not name.startswith("__")
            )
            if folder != path and any(name.endswith(".py") for name in files):
                above, name = os.path.split(folder)
                (inner if above in packages else modules).add(name)
            for name in files:
                manifest = manifest_of(name)
                if manifest and (own := own_name(_head(Path(folder, name)), manifest)):
                    names.setdefault(own[0], set()).add(own[1])
    return Project(names, modules, inner)


def environment_modules(folder: str) -> dict[str, tuple[str, ...]]:
    """Distributions by top-level module, of the site-packages at ``folder``. Raises AskedWrongly when it holds none."""
    found: dict[str, set[str]] = {}
    for distribution in distributions(path=[folder]):
        listed = (distribution.read_text("top_level.txt") or "").split()
        files = {file.parts[0] for file in distribution.files or () if file.suffix == ".py"}
        for module in {*listed, *(name.removesuffix(".py") for name in files)}:
            found.setdefault(module, set()).add(distribution.metadata["Name"])
    if not found:
        raise AskedWrongly("no package is installed there", where=folder, mend="Name a folder site-packages.")
    return {module: tuple(sorted(names)) for module, names in found.items()}


def user_modules(path: Path) -> dict[str, tuple[str, ...]]:
    """The user's own table: a TOML file of ``module = ["distribution", ...]``. Raises AskedWrongly when it is none."""
    try:
        table: Mapping[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AskedWrongly(f"the table of modules cannot be read: {type(error).__name__}", where=str(path)) from None
    listed = {module: [names] if isinstance(names, str) else names for module, names in table.items()}
    wrong = [
        module
        for module, names in listed.items()
        if not isinstance(names, list) or not all(isinstance(n, str) for n in names)
    ]
    if wrong:
        raise AskedWrongly(
            f"no list of distributions: {', '.join(wrong)}", where=str(path), mend='Write module = ["name"].'
        )
    return {module: tuple(names) for module, names in listed.items()}


def _head(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(LONGEST_MANIFEST).decode("utf-8", "replace")
    except OSError:
        return ""
