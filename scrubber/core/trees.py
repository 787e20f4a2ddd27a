"""Syntax trees of whole texts, and queries over them, in characters: tree-sitter itself counts bytes."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from scrubber.core.syntax import GRAMMARS, grammar_of
from scrubber.core.types import Span

LANGUAGES = tuple(GRAMMARS)


class Tree:
    """The tree of a text. Never fails on damaged code: what cannot be parsed is an ERROR node."""

    def __init__(self, text: str, language: str) -> None:
        coded = text.encode("utf-8", "surrogatepass")
        self.root = import_module("tree_sitter").Parser(grammar_of(language)).parse(coded).root_node
        self._characters: list[int] | None = None if text.isascii() else _characters(coded)

    def span(self, node: Any) -> Span:
        places = self._characters
        return Span(*((n if places is None else places[n]) for n in (node.start_byte, node.end_byte)))

    def nodes(self) -> Iterator[Any]:
        """All of them, in the order in which they begin."""
        stack = [self.root]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.children))

    def captured(self, query: Any, name: str) -> list[Span]:
        """What a query of this language captures under ``name``, in order, each once."""
        found = import_module("tree_sitter").QueryCursor(query).captures(self.root).get(name, ())
        return sorted({self.span(node) for node in found})


def is_known(language: str) -> bool:
    """Whether there is a grammar, and its wheel is installed."""
    return language in GRAMMARS and grammar_of(language) is not None


def query(language: str, text: str) -> Any:
    """A compiled tree-sitter query. Raises ValueError or SyntaxError that says what is wrong with it."""
    return import_module("tree_sitter").Query(grammar_of(language), text)


def _characters(coded: bytes) -> list[int]:
    """The character that each byte belongs to."""
    places, count = [], -1
    for byte in coded:
        count += byte & 0xC0 != 0x80
        places.append(count)
    return [*places, count + 1]
