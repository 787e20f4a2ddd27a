"""Where in the syntax of a file a span stands, and the name on its left: tree-sitter, or the line's quotes and marks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any, Literal, NamedTuple

from scrubber.core.types import Span

Place = Literal["string", "comment", "docstring", "identifier", "number", "code"]


class Context(NamedTuple):
    """What stands round a span.

    ``name``: what a literal, which the span is the whole of, is given to or compared with: a variable, attribute,
    subscript, keyword, key or field.
    ``indirect``: what is given is no literal, but a call, a name, an attribute, a subscript or a string with holes.
    ``call``: the function or method whose argument the literal is.
    """

    place: Place
    name: str = ""
    indirect: bool = False
    call: str = ""


LONGEST = 256 * 1024  # characters that are parsed whole
AROUND = 32 * 1024  # characters on each side of a span that are parsed of a longer text
DEEPEST = 12  # steps from a literal up to what names it
MOST_OPENING, MOST_CLOSING = 5, 3  # characters of a prefix and quotes
MOST_NAME = 100  # characters of a name
MOST_LINE = 400  # characters of a line, on each side of a span, that are judged where there is no tree

GRAMMARS = {
    "python": ("tree_sitter_python", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "java": ("tree_sitter_java", "language"),
    "go": ("tree_sitter_go", "language"),
}
# Kinds of nodes, of all the grammars together: their names do not clash.
STRINGS = frozenset((
    "string", "string_literal", "template_string", "interpreted_string_literal", "raw_string_literal", "rune_literal",
    "character_literal", "text_block", "concatenated_string",
))  # fmt: skip
COMMENTS = frozenset(("comment", "line_comment", "block_comment", "html_comment"))
HOLES = frozenset(("interpolation", "template_substitution", "string_interpolation"))
NUMBERS = frozenset((
    "integer", "float", "number", "int_literal", "float_literal", "imaginary_literal", "decimal_integer_literal",
    "hex_integer_literal", "octal_integer_literal", "binary_integer_literal", "decimal_floating_point_literal",
))  # fmt: skip
IDENTIFIERS = frozenset((
    "identifier", "property_identifier", "field_identifier", "type_identifier", "package_identifier",
    "shorthand_property_identifier", "private_property_identifier", "statement_identifier",
))  # fmt: skip
# The field that holds the name which a value is given to; in KEYED nodes it is the first child where no field is the key.
GIVEN = {
    "assignment": "left", "augmented_assignment": "left", "named_expression": "name", "keyword_argument": "name",
    "default_parameter": "name", "typed_default_parameter": "name", "pair": "key", "variable_declarator": "name",
    "assignment_expression": "left", "augmented_assignment_expression": "left", "assignment_pattern": "left",
    "object_assignment_pattern": "left", "field_definition": "property", "public_field_definition": "name",
    "required_parameter": "pattern", "optional_parameter": "pattern", "enum_assignment": "name",
    "element_value_pair": "key", "annotation_type_element_declaration": "name", "short_var_declaration": "left",
    "var_spec": "name", "const_spec": "name", "assignment_statement": "left", "keyed_element": "key",
    "jsx_attribute": "key",
}  # fmt: skip
KEYED = frozenset(("pair", "keyed_element", "jsx_attribute"))
SUBSCRIPTS = frozenset(("subscript", "subscript_expression", "array_access", "index_expression"))
SEQUENCES = frozenset(("expression_list", "pattern_list", "tuple_pattern", "tuple"))
COMPARISONS = frozenset(("comparison_operator", "binary_expression"))
EQUALITY = re.compile(r"\s*(?:[!=]==?|is(?:\s+not)?)\s*")
CALLS = frozenset(("call", "call_expression", "method_invocation", "new_expression", "object_creation_expression"))
MEMBERS = frozenset(("attribute", "member_expression", "field_access", "selector_expression"))
INDIRECT = IDENTIFIERS | CALLS | MEMBERS | SUBSCRIPTS | {"scoped_identifier"}
STATEMENTS = frozenset(("expression_statement", "block", "module", "program", "source_file", "statement_block"))

TOP_LEVEL = re.compile(r"\n(?=(?:async def|class|def|export|from|func|function|import|type)\b|@)")
LINE_COMMENT = re.compile(r"(?:^|\s)(?:#|//|--|;|\*)(?=\s|$)|/\*|<!--|^\s*(?:#|//)")
QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*(?:\"|$)|'(?:[^'\\]|\\.)*(?:'|$)|`[^`]*(?:`|$)")
LEFT = re.compile(
    r"([\w.\-$]{1,100}['\"]?\]?)(?:\s+string)?\s*(?::\s*[\w\[\]., |]{1,40}?)?\s*(?::?=|=>|:|[!=]==?)\s*[rbuf@]{0,2}$"
)
CALLED = re.compile(r"([A-Za-z_]\w*)\(\s*(?:[^()]*,\s*)?$")
DOCSTRING = re.compile(rb"[rRuUbB]{0,2}(?:\"\"\"|''\')")
NUMBER = re.compile(r"[\d._]+|0[xX][\da-fA-F]+")
REFERENCE = re.compile(r"[A-Za-z_]\w*(?:(?:\.|->|::)\w+)*\s*(?:[(\[].*)?")
# Languages whose bare words are strings; in all others they are code.
BARE_STRINGS = frozenset(
    (None, "dotenv", "ini", "yaml", "shell", "text", "markdown", "xml", "html", "rst", "terraform")
)


def contexts(text: str, language: str | None, spans: Sequence[Span]) -> list[Context]:
    """The Context of each span of ``text``, in order. Never fails: what cannot be parsed is judged by its line."""
    grammar = grammar_of(language) if language in GRAMMARS else None
    if grammar is None:
        return [_by_line(text, language, span) for span in spans]
    trees: dict[int, _Tree] = {}
    found = []
    for span in spans:
        stretch = span.start // AROUND if len(text) > LONGEST else 0
        if stretch not in trees:
            trees[stretch] = _parse(text, grammar, stretch, max(span.end for span in spans))
        found.append(trees[stretch].context(span) or _by_line(text, language, span))
    return found


@cache
def grammar_of(language: str) -> Any:
    """None where the wheel of a language is missing or does not fit."""
    module, function = GRAMMARS[language]
    try:
        return import_module("tree_sitter").Language(getattr(import_module(module), function)())
    except (ImportError, AttributeError, TypeError, ValueError):
        return None


class _Tree(NamedTuple):
    """The tree of a stretch of a text, which begins at character ``base``. tree-sitter counts bytes."""

    root: Any
    stretch: str
    base: int

    def context(self, span: Span) -> Context | None:
        first, last = self._bytes(span.start), self._bytes(max(span.start + 1, span.end))
        try:
            node = self.root.descendant_for_byte_range(first, last)
            return None if node is None else _of_node(node, first, last)
        except (ValueError, UnicodeDecodeError):
            return None

    def _bytes(self, offset: int) -> int:
        offset -= self.base
        return offset if self.stretch.isascii() else len(_encoded(self.stretch[:offset]))


def _parse(text: str, grammar: Any, stretch: int, last: int) -> _Tree:
    """The tree of a stretch, or of a short text up to the statement of the top level that follows the ``last`` span."""
    parser = import_module("tree_sitter").Parser(grammar)
    if len(text) <= LONGEST:
        if following := TOP_LEVEL.search(text, last):
            head = text[: following.end()]
            root = parser.parse(_encoded(head)).root_node
            if not root.has_error:  # else it was cut within a string, or is wrong anyway
                return _Tree(root, head, 0)
        return _Tree(parser.parse(_encoded(text)).root_node, text, 0)
    begin = max(0, (stretch - 1) * AROUND)
    base = max(begin, text.find("\n", begin, begin + AROUND) + 1)  # a whole line, where lines are short
    text = text[base : (stretch + 2) * AROUND]
    return _Tree(parser.parse(_encoded(text)).root_node, text, base)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _of_node(node: Any, first: int, last: int) -> Context | None:
    """None where the parser lost its way or the span is a piece of no single thing."""
    at = _literal(node)
    if at is None:
        if node.type == "ERROR" or (node.parent is not None and node.parent.type == "ERROR"):
            return None
        place: Place = "identifier" if node.type in IDENTIFIERS else "number" if node.type in NUMBERS else "code"
        return Context(place, _name(node)[0], indirect=node.type in INDIRECT)
    if at.type in COMMENTS:
        return Context("docstring" if at.text.startswith(b"/**") else "comment")
    whole = first <= at.start_byte + MOST_OPENING and last >= at.end_byte - MOST_CLOSING
    while at.parent is not None and at.parent.type in STRINGS:  # a string of a concatenation
        at = at.parent
    alone = at.parent is not None and at.parent.type == "expression_statement" and at.parent.named_child_count == 1
    if alone and DOCSTRING.match(at.text):
        return Context("docstring")
    holes = any(child.type in HOLES for child in at.named_children)
    if _is_key(at):
        return Context("identifier", indirect=holes)
    name, call = _name(at) if whole else ("", "")
    return Context("string", name, holes, call)


def _literal(node: Any) -> Any:
    """The string or comment that a node is a piece of, or None."""
    for _ in range(DEEPEST):
        if node is None or node.type in HOLES or node.type in STATEMENTS:
            return None
        if node.type in STRINGS or node.type in COMMENTS:
            return node
        node = node.parent
    return None


def _is_key(node: Any) -> bool:
    """Whether a string is the key of a pair or of a subscript: a name, and no value."""
    parent = node.parent
    if parent is not None and parent.type == "literal_element":
        node, parent = parent, parent.parent
    if parent is None:
        return False
    if parent.type in SUBSCRIPTS:
        return bool(parent.named_child(0) != node)
    return parent.type in KEYED and bool(_key(parent) == node)


def _key(pair: Any) -> Any:
    return pair.child_by_field_name("key") or pair.named_child(0)


def _name(node: Any) -> tuple[str, str]:
    """The name that a literal is given to or compared with, or the function that it is an argument of."""
    at = node
    for _ in range(DEEPEST):
        up = at.parent
        if up is None or up.type in STATEMENTS:
            break
        if up.type in GIVEN:
            left = _key(up) if up.type in KEYED else up.child_by_field_name(GIVEN[up.type])
            return ("" if left is None or left == at else _last_word(_counterpart(left, at, node))), ""
        if up.type in COMPARISONS and EQUALITY.fullmatch(_operator(up)):
            return _last_word(next(child for child in up.named_children if child != at)), ""
        if up.type in CALLS and not _is_called(up, at):
            return "", _last_word(_function(up))
        at = up
    return "", ""


def _counterpart(left: Any, right: Any, node: Any) -> Any:
    """In ``a, b = x, y``, the name that stands where the value does."""
    if left.type not in SEQUENCES or left.named_child_count != right.named_child_count:
        return left
    for name, value in zip(left.named_children, right.named_children, strict=True):
        if value.start_byte <= node.start_byte < value.end_byte:
            return name
    return left


def _operator(node: Any) -> str:
    return " ".join(child.text.decode() for child in node.children if not child.is_named and len(child.text) < 8)


def _is_called(call: Any, node: Any) -> bool:
    """Whether ``node`` is what is called (``"x".encode()``), and not an argument."""
    arguments = call.child_by_field_name("arguments")
    return bool(arguments is None or arguments != node)


def _function(call: Any) -> Any:
    for field in ("function", "name", "constructor", "type"):
        if (found := call.child_by_field_name(field)) is not None:
            return found
    return call


def _last_word(node: Any) -> str:
    """``password`` of ``self.config["password"]``, of ``client.password``, of ``"password"`` and of ``password[0]``."""
    if node.type in SUBSCRIPTS and node.named_child_count == 2 and node.named_child(1).type not in STRINGS:
        return _last_word(node.named_child(0))
    text = node.text.decode("utf-8", "replace")
    return _last_name(text) if len(text) <= 4 * MOST_NAME else ""


def _last_name(text: str) -> str:
    words = re.findall(r"[\w\-$]+", re.sub(r"(?:^|(?<=\[))[rbuf]{1,2}(?=['\"])", "", text))
    return words[-1][:MOST_NAME] if words else ""


def _by_line(text: str, language: str | None, span: Span) -> Context:
    """What quotes and comment marks before the span on its line tell."""
    start = max(text.rfind("\n", 0, span.start) + 1, span.start - MOST_LINE)
    stop = text.find("\n", span.end, span.end + MOST_LINE)
    line = text[start : span.end + MOST_LINE if stop < 0 else stop]
    first, last = span.start - start, span.end - start
    quoted = [match.span() for match in QUOTED.finditer(line) if match.start() < last]
    marks = (match.start() for match in LINE_COMMENT.finditer(line, 0, first))
    if any(not any(begin < mark < end for begin, end in quoted) for mark in marks):
        return Context("comment")
    begin, end = next(((begin, end) for begin, end in quoted if begin < first < end), (first, first))
    before = line[:begin]
    left, called = LEFT.search(before), CALLED.search(before)
    whole = first <= begin + MOST_OPENING and last >= end - MOST_CLOSING
    name = _last_name(left.group(1)) if left and whole else ""
    if begin < end or language in BARE_STRINGS:
        holes = before.endswith("f") and "{" in line[begin:end]
        return Context("string", name, holes, called.group(1) if called and whole else "")
    value = line[first:last]
    place: Place = "number" if NUMBER.fullmatch(value) else "identifier" if value.isidentifier() else "code"
    return Context(place, name, indirect=bool(REFERENCE.fullmatch(value)))
