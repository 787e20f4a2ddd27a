"""A published programming problem with its own tests, and the files and data sets that such problems come from."""

from __future__ import annotations

import ast
import gzip
import hashlib
import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from scrubber.core.errors import AskedWrongly
from scrubber.core.sources.reading import library

HUB = "hf:"


@dataclass(frozen=True, slots=True)
class Problem:
    """``head + completion`` is a program; ``tests`` judge it, getting at its functions by ``function_of(name)``."""

    id: str
    subset: str
    prompt: str = field(repr=False)  # what a model is shown
    head: str = field(repr=False)
    solution: str = field(repr=False)  # a completion that is right
    tests: str = field(repr=False)

    def program(self, completion: str) -> str:
        return f"{self.head}{completion}\n"


class Rows(NamedTuple):
    """The rows of a data set, and the SHA-256 of its file, or of the rows as JSON where they come from the hub."""

    rows: tuple[Mapping[str, Any], ...]
    sha256: str


def read_rows(source: str, needed: Iterable[str], *, configuration: str | None = None) -> Rows:
    """The rows of a local JSONL or JSON file, perhaps gzipped, or of ``hf:NAME[:SPLIT]`` (reaches the network).

    ``configuration``: of a hub's data set. Raises AskedWrongly that names the first row without a needed field.
    """
    rows, digest = _hub(source[len(HUB) :], configuration) if source.startswith(HUB) else _file(Path(source))
    for number, row in enumerate(rows, 1):
        missing = [name for name in needed if not isinstance(row, Mapping) or name not in row]
        if missing:
            raise AskedWrongly(f"row {number} has no {' and no '.join(missing)}", where=source)
    if not rows:
        raise AskedWrongly("there is no row", where=source)
    return Rows(tuple(rows), digest)


def read_jsonl(data: bytes, where: str) -> list[Any]:
    """The values of JSONL, or the members of one JSON array. Raises AskedWrongly that names the first bad line."""
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError):
            raise AskedWrongly("the file is damaged gzip", where=where) from None
    number = 1
    try:
        text = data.decode("utf-8")
        if text.lstrip()[:1] == "[":
            return list(json.loads(text))
        rows = []
        for number, line in enumerate(text.split("\n"), 1):  # noqa: B007 (it is told below)
            if line.strip():
                rows.append(json.loads(line))
        return rows
    except (ValueError, RecursionError):
        raise AskedWrongly(f"line {number} is no JSON in UTF-8", where=where) from None


def cut(completion: str, stops: Sequence[str]) -> str:
    """The completion up to the first of the stop sequences."""
    return completion[: min((at for stop in stops if (at := completion.find(stop)) >= 0), default=len(completion))]


class Names(NamedTuple):
    """What a test text takes from elsewhere: functions of the program under test, and modules that it imports."""

    functions: list[str]
    modules: list[str]


def names_of(tests: str, solution: str) -> Names:
    """What ``tests`` use and neither define nor import themselves, told apart by a right program. Raises SyntaxError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes in old programs: not ours to complain of
        tree, right = ast.parse(tests), ast.parse(solution)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    defined, imported = _bound(right.body)
    own = set().union(*_bound(tree.body))
    return Names(sorted(used & defined - own), sorted(used & imported - own))


def _bound(statements: Sequence[ast.stmt]) -> tuple[set[str], set[str]]:
    """Names that top-level statements define, and modules that they import whole and under their own name."""
    defined: set[str] = set()
    imported: set[str] = set()
    for statement in statements:
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            defined.add(statement.name)
        elif isinstance(statement, ast.Assign):
            defined.update(target.id for target in statement.targets if isinstance(target, ast.Name))
        elif isinstance(statement, ast.Import):
            imported.update(alias.name for alias in statement.names if not alias.asname)
    return defined, imported


def _file(path: Path) -> tuple[list[Any], str]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AskedWrongly(
            f"the data cannot be read: {error.strerror}", where=str(path),
            mend="Give a JSONL file, perhaps gzipped, or hf:NAME of a data set on the hub.",
        ) from None  # fmt: skip
    return read_jsonl(data, str(path)), hashlib.sha256(data).hexdigest()


def _hub(name: str, configuration: str | None) -> tuple[list[Any], str]:
    datasets = library("datasets")
    name, _, split = name.partition(":")
    try:
        loaded = datasets.load_dataset(name, configuration, split=split or None)
        parts = [loaded] if split else [loaded[part] for part in sorted(loaded)]
        rows = [dict(row) for part in parts for row in part]
    except Exception as error:  # it raises its own and those of a dozen libraries
        raise AskedWrongly(
            f"the data set cannot be loaded ({type(error).__name__})", where=f"{HUB}{name}",
            mend="Check its name and split, or give a local file.",
        ) from None  # fmt: skip
    return rows, hashlib.sha256(json.dumps(rows, sort_keys=True, default=str).encode()).hexdigest()
