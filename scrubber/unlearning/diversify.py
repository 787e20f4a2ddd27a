"""Other ways to write what stands round a value: a model shall not learn to refuse one spelling of its context alone.

Cheap rewrites on the syntax tree (rename, reorder, reformat), which leave what is to be forgotten or reinforced as it is.
No paper measured them for code; off by default (``unlearn.variants``), and what they are worth is for the user's own
probes under other names to say.
"""

from __future__ import annotations

import builtins
import keyword
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

from scrubber.core.trees import Tree, is_known
from scrubber.core.types import Sample, Span

# Words of no meaning for what the code does, so that a name tells nothing of the value any more.
WORDS = ("item", "entry", "record", "source", "target", "context", "handle", "payload", "state", "result", "current",
         "other", "first", "second", "local", "given", "outer", "inner", "total", "part")  # fmt: skip
BINDING = frozenset(
    ("parameters", "assignment", "for_statement", "function_definition", "lambda_parameters", "as_pattern")
)
RESERVED = frozenset((*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "self", "cls"))
SWAPPED = {"argument_list": "keyword_argument", "dictionary": "pair", "module": "import_statement"}
SIMPLE_STRING = re.compile(r"(['\"])[^'\"\\\n{}]*\1")


class _Edit(NamedTuple):
    span: Span
    text: str


def variants(sample: Sample, count: int, seed: int) -> list[Sample]:
    """At most ``count`` rewritten forms of a sample of Python code, all different; none where nothing can be rewritten.

    Spans move along, and their texts stay as they are. Each has an id and a draw of its own, by ``seed`` and the sample's id.
    """
    if not count or not is_known("python"):
        return []
    made, seen = [], {sample.text}
    for number in range(count):
        dice = random.Random(f"variant-{seed}-{number}-{sample.id}")
        other = _rewritten(sample, dice)
        if other.text not in seen:
            seen.add(other.text)
            made.append(replace(other, id=f"{sample.id}~{number}"))
    return made


def _rewritten(sample: Sample, dice: random.Random) -> Sample:
    held = [*sample.forget, *sample.reinforce]
    tree = Tree(sample.text, "python")
    nodes, span = list(tree.nodes()), tree.span
    edits = [*_renamed(nodes, span, dice), *_requoted(nodes, span, sample.text)] if dice.random() < 0.5 else []
    edits = edits or list(_renamed(nodes, span, dice))
    edits = [edit for edit in edits if not any(edit.span.overlaps(other) for other in held)]
    slices = _reordered(nodes, span, held, dice, len(sample.text))
    return _written(sample, slices, sorted(edits))


def _renamed(nodes: Sequence[Any], span: Any, dice: random.Random) -> Iterator[_Edit]:
    """All uses of the names that the code itself binds, each under one other name."""
    bound = sorted({node.text.decode() for node in nodes if node.type == "identifier" and _is_bound(node)} - RESERVED)
    words = dice.sample(WORDS, len(WORDS))
    taken = {node.text.decode() for node in nodes if node.type == "identifier"}
    named = {}
    for number, name in enumerate(bound):
        word = words[number % len(words)] + (str(number // len(words)) if number >= len(words) else "")
        if word not in taken:
            named[name] = word
    for node in nodes:
        if node.type == "identifier" and (name := node.text.decode()) in named and not _is_foreign(node):
            yield _Edit(span(node), named[name])


def _is_bound(node: Any) -> bool:
    up = node.parent
    if up is None or up.type not in BINDING:
        return False
    left = up.child_by_field_name("left") or up.child_by_field_name("name")
    return up.type in ("parameters", "lambda_parameters") or left == node


def _is_foreign(node: Any) -> bool:
    """An attribute, a keyword or an imported name belongs to someone else."""
    up = node.parent
    if up is None:
        return False
    if up.type == "attribute":
        return bool(up.child_by_field_name("attribute") == node)
    if up.type == "keyword_argument":
        return bool(up.child_by_field_name("name") == node)
    return up.type in ("dotted_name", "aliased_import")


def _requoted(nodes: Sequence[Any], span: Any, text: str) -> Iterator[_Edit]:
    """The other quotes round plain strings. Held values are never inside: their edits are dropped."""
    for node in nodes:
        if node.type == "string" and SIMPLE_STRING.fullmatch(whole := text[(s := span(node)).start : s.end]):
            other = "'" if whole[0] == '"' else '"'
            yield _Edit(s, other + whole[1:-1] + other)


def _reordered(nodes: Sequence[Any], span: Any, held: Sequence[Span], dice: random.Random, length: int) -> list[Span]:
    """The text as slices in their new order: now and then two neighbours whose order means nothing change places."""
    swaps: list[tuple[Span, Span]] = []
    for node in nodes:
        same = [child for child in node.named_children if child.type == SWAPPED.get(node.type)]
        for first, second in pairwise(same):
            a, b = span(first), span(second)
            free = not any(a.overlaps(x) or b.overlaps(x) for pair in swaps for x in pair)
            whole = all(a.covers(h) or b.covers(h) or not Span(a.start, b.end).overlaps(h) for h in held)
            if free and whole and dice.random() < 0.5:
                swaps.append((a, b))
    slices, at = [], 0
    for a, b in sorted(swaps):
        slices += [Span(at, a.start), b, Span(a.end, b.start), a]
        at = b.end
    return [*slices, Span(at, length)]


def _written(sample: Sample, slices: Sequence[Span], edits: Sequence[_Edit]) -> Sample:
    parts: list[str] = []
    where: list[tuple[Span, int]] = []  # stretches of the old text that are kept, and where they begin now
    length = 0
    for piece in slices:
        at = piece.start
        for edit in [e for e in edits if piece.covers(e.span)]:
            for kept, text in ((Span(at, edit.span.start), None), (edit.span, edit.text)):
                if text is None:
                    where.append((kept, length))
                parts.append(sample.text[kept.start : kept.end] if text is None else text)
                length += len(parts[-1])
            at = edit.span.end
        where.append((Span(at, piece.end), length))
        parts.append(sample.text[at : piece.end])
        length += len(parts[-1])

    def moved(spans: Sequence[Span]) -> tuple[Span, ...]:
        found = []
        for span in spans:
            kept, begin = next((kept, begin) for kept, begin in where if kept.covers(span))
            found.append(Span(begin + span.start - kept.start, begin + span.end - kept.start))
        return tuple(found)

    return replace(sample, text="".join(parts), forget=moved(sample.forget), reinforce=moved(sample.reinforce))
