"""Imports of Python: statements by the syntax tree, and by their lines in strings, comments and damaged code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from scrubber.core.mentions import Context, Way
from scrubber.core.syntax_imports import SyntaxTree, tree
from scrubber.detectors._packages.found import Found

WORD = re.compile(r"import\b(?<!\wimport)")  # a literal first: it is searched several times as fast
DYNAMIC_WORDS = ("__import__", "import_module", "find_spec", "importorskip")
DYNAMIC = re.compile(
    r"""(?:\b__import__|\bimport_module|\bfind_spec|\bimportorskip)\(\s*[rub]?(["'])([A-Za-z_][\w.]*)\1"""
)
DOTTED = r"[A-Za-z_][A-Za-z0-9_]*(?:[ \t]?\.[ \t]?[A-Za-z_][A-Za-z0-9_]*)*(?!\w)"
AS = r"(?:[ \t]+as[ \t]+\w+)?"
# What may stand between the start of a line, or a mark that begins a statement, and the statement itself.
# Each turn of the inner loop eats one mark, in one way only: else a row of marks would take exponential time.
LEAD = r"(?:^|[;`'\"({\[]|\\n)[ \t]*(?:(?:[>.#*+$%!|/-]|In[ \t]?\[\d*\]:|\d{1,2}[.)])[ \t]*)*"
BLOCK = r"(?:(?:try|else|finally|with[^:\n]{1,80}|if[^:\n]{1,80}|except[^:\n]{0,80})[ \t]*:[ \t]*)?"
STOP = r"(?=[ \t]*(?:$|[;#`'\"),\\]))"
FROM = re.compile(rf"{LEAD}{BLOCK}(?:from)[ \t]+({DOTTED})[ \t]+import[ \t(*\\]+(?:[\w(*\\]|$)", re.MULTILINE)
PLAIN = re.compile(rf"{LEAD}{BLOCK}import[ \t]+({DOTTED}{AS}(?:[ \t]*,[ \t]*{DOTTED}{AS})*){STOP}", re.MULTILINE)
ALIASED = re.compile(
    rf"\b(?:import[ \t]+({DOTTED})[ \t]+as[ \t]+\w+|from[ \t]+({DOTTED})[ \t]+import[ \t]+\w+(?:[ \t]+as[ \t]+\w+)?){STOP}"
)
ONE = re.compile(rf"({DOTTED}){AS}[ \t]*(?:,[ \t]*|$)")
MOST_LINE = 300  # characters of a line, on each side of a word


def imports(text: str) -> Iterator[Found]:
    """Every import of a Python text, whole or damaged, by place."""
    words = [match.start() for match in WORD.finditer(text) if _begins(text, match.start())]
    dynamic = [(match, match.start(2)) for match in _dynamic(text)]
    if not words and not dynamic:
        return
    parsed = tree(text, "python", sorted([*words, *(match.start() for match, _ in dynamic)]))
    for at in words:
        statement = parsed.imports(at) if parsed else None
        if statement is None:
            yield from _of_line(text, at, parsed)
            continue
        for module in statement:
            dotted = text[module.start : module.end]
            yield _found(dotted, module.start, module.end, "code", module.members, module.conditional)
    for match, at in dynamic:
        context: Context = parsed.place(match.start()) if parsed else "code"
        yield _found(match[2], at, match.end(2), context, dynamic=True)


def lines(text: str, context: Context) -> Iterator[Found]:
    """Import statements of a text of no known language, all of one ``context``."""
    for match in WORD.finditer(text):
        yield from _of_line(text, match.start(), None, context)
    for match in _dynamic(text):
        yield _found(match[2], match.start(2), match.end(2), context, dynamic=True)


def _begins(text: str, at: int) -> bool:
    """Whether a statement may begin with the word or hold it: after another word, in a sentence, it does not.

    Asked first, since only what stands round such words is parsed.
    """
    before = text[max(text.rfind("\n", 0, at) + 1, at - MOST_LINE) : at].rstrip(" \t")
    return not before[-1:].isalnum() or "from" in before or ALIASED.match(text, at) is not None


def _dynamic(text: str) -> Iterable[re.Match[str]]:
    return DYNAMIC.finditer(text) if any(word in text for word in DYNAMIC_WORDS) else ()


def _of_line(text: str, at: int, parsed: SyntaxTree | None, context: Context = "code") -> Iterator[Found]:
    """The statement, if its line looks like one: in prose people import goods, and the module, too."""
    start = max(text.rfind("\n", 0, at) + 1, at - MOST_LINE)
    end = text.find("\n", at, at + MOST_LINE)
    line = text[start : at + MOST_LINE if end < 0 else end]
    if parsed:
        context = parsed.place(at)
    word = at - start
    for match in FROM.finditer(line):
        if match.start() <= word < match.end() and match.end(1) <= word:
            yield _found(match[1], start + match.start(1), start + match.end(1), context)
            return
    for match in PLAIN.finditer(line):
        if match.start() <= word < match.start(1):
            for one in ONE.finditer(line, match.start(1), match.end(1)):
                yield _found(one[1], start + one.start(1), start + one.end(1), context)
            return
    for match in ALIASED.finditer(line):
        if match.start() <= word < match.end():
            group = 1 if match[1] else 2
            yield _found(match[group], start + match.start(group), start + match.end(group), context)
            return


def _found(
    raw: str,
    start: int,
    end: int,
    context: Context,
    members: tuple[str, ...] = (),
    conditional: bool = False,
    dynamic: bool = False,
) -> Found:
    dotted = "".join(raw.split()).replace("\\", "")
    modules = tuple(f"{dotted}.{member}" for member in members) or (dotted,)
    kind: Way = "dynamic-import" if dynamic else "import"
    return Found(start, end, "pypi", kind, context, raw, dotted.partition(".")[0], modules, conditional)
