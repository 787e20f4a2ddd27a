"""A package name as someone wrote it: where, for which registry, in what company, and what was judged of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from scrubber.core.types import Span

Ecosystem = Literal["pypi", "npm", "crates", "go", "rubygems"]
ECOSYSTEMS: tuple[Ecosystem, ...] = ("pypi", "npm", "crates", "go", "rubygems")
Way = Literal["import", "dynamic-import", "install", "subprocess", "magic", "manifest", "script"]
Context = Literal["code", "string", "comment", "docstring", "prose"]
PackageVerdict = Literal[
    "stdlib", "local", "known", "known-by-mapping", "late", "placeholder", "unknown", "unregistrable", "skip"
]
BAD: frozenset[PackageVerdict] = frozenset(("unknown", "late", "unregistrable"))


@dataclass(frozen=True, slots=True)
class Mention:
    """One mention. Its repr shows no name: an invented one that is free to register must not reach a log.

    ``span`` is that of ``raw`` in the Document's text. ``name`` is what a registry is asked for: normalised for
    distributions, the top-level module for a Python import. ``modules`` are the full dotted modules of a Python import.
    ``verdict`` is None where only an index could tell, and there is none. ``conditional``: the import may fail without
    harm (under ``except ImportError`` or ``TYPE_CHECKING``).
    """

    document: str
    span: Span
    ecosystem: Ecosystem
    kind: Way
    context: Context
    raw: str = field(repr=False)
    name: str = field(repr=False)
    modules: tuple[str, ...] = field(default=(), repr=False)
    conditional: bool = False
    verdict: PackageVerdict | None = None
    nearest: tuple[str, ...] = ()
