"""Import statements by tree-sitter, beside core/syntax: what stands at a place of a file, and whom it imports."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, Literal, NamedTuple

from scrubber.core.syntax import COMMENTS, HOLES, STRINGS, grammar_of

Place = Literal["code", "string", "comment", "docstring"]

LONGEST = 4 * 2**20  # characters: nobody writes more by hand, and a parser that loses its way takes long over it
DEEPEST = 24  # steps up from a word
MOST_WORK = 5 * 10**7  # characters of damaged stretches, times asked: what is lost in them is found slowly
# Where a statement of its own begins, in sound code outside of strings; and the marks of strings of several lines.
_SCRIPT = re.compile(r"\n(?=[A-Za-z_$@])(?!else\b|catch\b|finally\b|while\b|from\b)"), ("`",)
EDGES = {
    "python": (re.compile(r"\n(?=[A-Za-z_@])(?!except\b|finally\b|else\b|elif\b)"), ('"' * 3, "'" * 3)),
    "javascript": _SCRIPT,
    "typescript": _SCRIPT,
    "tsx": _SCRIPT,
}
STATEMENTS = frozenset(("import_statement", "import_from_statement", "future_import_statement"))
MAY_FAIL = re.compile(rb"except\s*(?::|.*(?:ImportError|ModuleNotFoundError|Exception))")


class Imported(NamedTuple):
    """A module of an import statement: offsets of its dotted name, and the names taken from it, if any."""

    start: int
    end: int
    members: tuple[str, ...]
    conditional: bool


class _Stretch(NamedTuple):
    """A part of a text that was parsed by itself: character offsets and root."""

    start: int
    end: int
    root: Any


class SyntaxTree:
    """The trees of a text's stretches, asked by character offsets, best in ascending order (tree-sitter counts bytes)."""

    def __init__(self, text: str, stretches: Sequence[_Stretch]) -> None:
        self._text, self._stretches = text, stretches
        self._stretch = stretches[0]
        self._ascii = text.isascii()
        self._at = self._stretch.start  # one place in both counts, of characters and, in the stretch, of bytes
        self._byte = 0
        self._work = 0

    def place(self, at: int) -> Place:
        """What stands there. Code is what is nothing else, also where the parser lost its way."""
        return _place(self._node(at, at + 1))

    def imports(self, at: int) -> list[Imported] | None:
        """The modules of the statement whose word ``import`` stands there; None if it is none, or a damaged one.

        A relative import names no package, and gives none.
        """
        word = self._node(at, at + 6)
        statement = word.parent
        if word.type != "import" or statement is None or statement.type not in STATEMENTS or statement.has_error:
            return None
        names = [
            name.child_by_field_name("name") if name.type == "aliased_import" else name
            for name in statement.children_by_field_name("name")
        ]
        if statement.type == "import_statement":
            modules, members = names, ()
        elif statement.type == "import_from_statement":
            module = statement.child_by_field_name("module_name")
            modules = [] if module.type == "relative_import" else [module]
            members = tuple(name.text.decode() for name in names)
        else:
            return [Imported(*self._future(statement), (), False)]
        conditional = bool(statement.start_point[1]) and _may_fail(statement)
        return [
            Imported(self._offset(node.start_byte), self._offset(node.end_byte), members, conditional)
            for node in modules
        ]

    def _future(self, statement: Any) -> tuple[int, int]:
        start = self._offset(statement.children[1].start_byte)
        return start, start + len("__future__")

    def _node(self, start: int, end: int) -> Any:
        if not self._stretch.start <= start < self._stretch.end:
            self._stretch = self._stretches[max(0, bisect_right(self._stretches, start, key=lambda one: one.start) - 1)]
            self._at, self._byte = self._stretch.start, 0
        root = self._stretch.root
        self._work += len(self._text) if root.has_error else 0
        if self._work > MOST_WORK:
            return root
        first = self._bytes(start)
        return root.descendant_for_byte_range(first, first + end - start) or root

    def _bytes(self, at: int) -> int:
        if self._ascii:
            return at - self._stretch.start
        if at < self._at:
            self._at, self._byte = self._stretch.start, 0
        self._byte += _size(self._text[self._at : at])
        self._at = at
        return self._byte

    def _offset(self, byte: int) -> int:
        """The character at a byte not far from the last place that was asked for."""
        if self._ascii:
            return byte + self._stretch.start
        at, known = self._at, self._byte
        while known > byte:
            at -= 1
            known -= _size(self._text[at])
        while known < byte:
            known += _size(self._text[at])
            at += 1
        return at


def tree(text: str, language: str, places: Sequence[int] = ()) -> SyntaxTree | None:
    """The tree of ``text``; None without a grammar, or for a text that is too long.

    If ``places`` (ascending) are all that will be asked for, only the statements round them are parsed, where these
    stand for themselves, as in sound code they do: that takes half of the time.
    """
    grammar = grammar_of(language)
    if grammar is None or len(text) > LONGEST:
        return None
    parser = import_module("tree_sitter").Parser(grammar)

    def parsed(start: int, end: int) -> _Stretch:
        return _Stretch(start, end, parser.parse(text[start:end].encode("utf-8", "surrogatepass")).root_node)

    if language in EDGES and places:
        apart = _apart(text, places, *EDGES[language])
        stretches = [parsed(start, end) for start, end in apart]
        if stretches and not any(stretch.root.has_error for stretch in stretches):
            return SyntaxTree(text, stretches)
    return SyntaxTree(text, [parsed(0, len(text))])


def _apart(text: str, places: Sequence[int], edge: re.Pattern[str], marks: Sequence[str]) -> list[tuple[int, int]]:
    """The stretches of whole statements that ``places`` stand in; none, if one may begin within a string."""
    edges = [0, *(match.end() for match in edge.finditer(text)), len(text) + 1]
    found: list[tuple[int, int]] = []
    for at in places:
        number = bisect_right(edges, at)
        start, end = edges[number - 1], edges[number]
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    counted, quotes = 0, [0] * len(marks)
    for start, _ in found:
        quotes = [before + text.count(mark, counted, start) for before, mark in zip(quotes, marks, strict=True)]
        counted = start
        if any(count % 2 for count in quotes):
            return []
    return found


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _place(node: Any) -> Place:
    for at in _upwards(node):
        if at.type in COMMENTS:
            return "comment"
        if at.type in HOLES:
            return "code"
        if at.type in STRINGS:
            while at.parent is not None and at.parent.type in STRINGS:
                at = at.parent
            up = at.parent
            alone = up is not None and up.type == "expression_statement" and up.named_child_count == 1
            return "docstring" if alone else "string"
    return "code"


def _may_fail(statement: Any) -> bool:
    """Whether the import stands in a ``try`` that catches its failure, or under ``if TYPE_CHECKING``."""
    for at in _upwards(statement.parent):
        if at.type == "try_statement" and any(
            child.type == "except_clause" and MAY_FAIL.match(child.text) for child in at.children
        ):
            return True
        if at.type == "if_statement" and b"TYPE_CHECKING" in at.child_by_field_name("condition").text:
            return True
    return False


def _upwards(node: Any) -> Iterator[Any]:
    for _ in range(DEEPEST):
        if node is None:
            return
        yield node
        node = node.parent
