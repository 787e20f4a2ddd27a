"""Real Python functions that are present on every machine: those of the CPython standard library, in three shares."""

from __future__ import annotations

import ast
import hashlib
import sysconfig
import textwrap
import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

Share = Literal["base", "private", "held_out"]

_SKIPPED = {"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "turtledemo", "ensurepip"}
_LEAST, _MOST = 80, 1200  # characters


class Function(NamedTuple):
    name: str  # module path and qualified name, such as json/decoder.py:JSONDecoder.decode
    source: str


def share_of(name: str) -> Share:
    """Which share a function belongs to: by a hash of its name, so that the split holds across Python versions.

    80 % trained the demo model, 12 % become the private corpus, 8 % are held out to measure perplexity.
    """
    place = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % 100
    return "base" if place < 80 else "private" if place < 92 else "held_out"


@lru_cache(maxsize=1)
def functions() -> dict[Share, tuple[Function, ...]]:
    """Functions and methods of 80 to 1200 characters by share: dedented, in path order, each text once."""
    shares: dict[Share, list[Function]] = {"base": [], "private": [], "held_out": []}
    root = Path(sysconfig.get_path("stdlib"))
    seen: set[str] = set()
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if _SKIPPED.intersection(relative.parts):
            continue
        for function in _functions_of(path, relative.as_posix()):
            if function.source not in seen:
                seen.add(function.source)
                shares[share_of(function.name)].append(function)
    return {share: tuple(found) for share, found in shares.items()}


def _functions_of(path: Path, module: str) -> Iterator[Function]:
    try:
        text = path.read_text(encoding="utf-8")
        with warnings.catch_warnings():  # old escapes in old modules
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (OSError, SyntaxError, ValueError):
        return  # some modules of the library are meant not to parse
    lines = text.splitlines(keepends=True)
    holders: list[tuple[str, ast.Module | ast.ClassDef]] = [("", tree)]
    holders += [(f"{node.name}.", node) for node in tree.body if isinstance(node, ast.ClassDef)]
    for prefix, holder in holders:
        for node in holder.body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno:
                start = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                source = textwrap.dedent("".join(lines[start - 1 : node.end_lineno])).rstrip() + "\n"
                if _LEAST <= len(source) <= _MOST:
                    yield Function(f"{module}:{prefix}{node.name}", source)
