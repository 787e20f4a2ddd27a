"""Micro tasks: HumanEval-style functions of a compositional family, generated, with compositions held out from training.

A task is a filter, a map and a reduction over numbers or words. A fifth of all compositions is "unseen": each of its
three pieces occurs in the demo model's training text, their combination never does.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Subset = Literal["seen", "unseen"]
MOST_TOKENS = 64  # of a completion; the longest reference body has under 50


@dataclass(frozen=True, slots=True)
class Task:
    """``prompt`` ends before the line break that the body starts with: a tokenizer joins that with the indentation.

    ``arguments[i]`` gives ``expected[i]``; ``solution`` is the reference body.
    """

    id: str
    subset: Subset
    prompt: str
    entry_point: str
    solution: str
    arguments: tuple[tuple[Any, ...], ...] = field(repr=False)
    expected: tuple[Any, ...] = field(repr=False)


class Piece(NamedTuple):
    """Words and code of one step. ``{k}`` is a small number, ``{c}`` a letter, ``{x}`` the element, ``{ys}`` the list."""

    words: str
    code: str


class Family(NamedTuple):
    noun: str
    element: str
    source: str  # what is walked over, given the argument's name
    parameters: tuple[str, ...]
    filters: tuple[Piece, ...]
    maps: tuple[Piece, ...]
    reductions: tuple[Piece, ...]
    draw: Callable[[random.Random], Any]


_REDUCTIONS = (
    Piece("the list of", "{ys}"),
    Piece("the sorted list of", "sorted({ys})"),
    Piece("the reversed list of", "{ys}[::-1]"),
    Piece("the number of", "len({ys})"),
    Piece("the number of distinct", "len(set({ys}))"),
    Piece("the largest of", "max({ys}, default=None)"),
    Piece("the smallest of", "min({ys}, default=None)"),
    Piece("the first of", "{ys}[0] if {ys} else None"),
    Piece("the last of", "{ys}[-1] if {ys} else None"),
)

_WORDS = [
    "apple",
    "level",
    "tree",
    "kayak",
    "stone",
    "noon",
    "river",
    "echo",
    "amber",
    "radar",
    "cloud",
    "ivory",
    "table",
    "umbra",
    "civic",
    "plain",
    "otter",
    "sun",
]

NUMBERS = Family(
    noun="numbers",
    element="x",
    source="{name}",
    parameters=("xs", "numbers", "values", "items"),
    filters=(
        Piece("the even numbers in", "{x} % 2 == 0"),
        Piece("the odd numbers in", "{x} % 2 == 1"),
        Piece("the positive numbers in", "{x} > 0"),
        Piece("the negative numbers in", "{x} < 0"),
        Piece("the numbers greater than {k} in", "{x} > {k}"),
        Piece("the numbers less than {k} in", "{x} < {k}"),
        Piece("the multiples of {k} in", "{x} % {k} == 0"),
        Piece("the numbers other than {k} in", "{x} != {k}"),
    ),
    maps=(
        Piece("the squares of", "{x} * {x}"),
        Piece("the cubes of", "{x} ** 3"),
        Piece("the doubles of", "2 * {x}"),
        Piece("the negatives of", "-{x}"),
        Piece("the absolute values of", "abs({x})"),
        Piece("the sums of {k} and", "{x} + {k}"),
        Piece("the products of {k} and", "{x} * {k}"),
        Piece("the remainders by {k} of", "{x} % {k}"),
    ),
    reductions=(*_REDUCTIONS, Piece("the sum of", "sum({ys})")),
    draw=lambda dice: [dice.randint(-12, 24) for _ in range(dice.choice((0, 1, 5, 8, 12)))],
)

WORDS = Family(
    noun="words",
    element="w",
    source="{name}.split()",
    parameters=("text", "sentence", "line"),
    filters=(
        Piece("the words longer than {k} letters in", "len({x}) > {k}"),
        Piece("the words shorter than {k} letters in", "len({x}) < {k}"),
        Piece("the words that start with '{c}' in", "{x}.startswith('{c}')"),
        Piece("the words that end with '{c}' in", "{x}.endswith('{c}')"),
        Piece("the words that contain '{c}' in", "'{c}' in {x}"),
        Piece("the words that start with a vowel in", "{x}[0] in 'aeiou'"),
        Piece("the palindromes in", "{x} == {x}[::-1]"),
    ),
    maps=(
        Piece("the upper-case forms of", "{x}.upper()"),
        Piece("the capitalized forms of", "{x}.capitalize()"),
        Piece("the reversed forms of", "{x}[::-1]"),
        Piece("the lengths of", "len({x})"),
        Piece("the first letters of", "{x}[0]"),
        Piece("the last letters of", "{x}[-1]"),
        Piece("the first {k} letters of", "{x}[:{k}]"),
    ),
    reductions=_REDUCTIONS,
    draw=lambda dice: " ".join(dice.choice(_WORDS) for _ in range(dice.choice((0, 1, 5, 9, 14)))),
)

FAMILIES = (NUMBERS, WORDS)
_NAMES = ("solve", "compute", "answer", "collect", "process", "derive", "select", "result_of", "pick", "evaluate")
_OPENINGS = ("Return", "Compute", "Give")
_TESTS = 8


def subset_of(family: Family, filter_: Piece, map_: Piece, reduction: Piece) -> Subset:
    """By a hash of the composition's words: a fifth is unseen, the same one for ever."""
    name = f"{family.noun}|{filter_.words}|{map_.words}|{reduction.words}"
    return "unseen" if hashlib.sha256(name.encode()).digest()[0] < 51 else "seen"


def stream(subset: Subset, seed: int) -> Iterator[Task]:
    """An endless, seeded stream of tasks of one subset."""
    dice = random.Random(f"micro-{subset}-{seed}")
    count = 0
    while True:
        family = dice.choice(FAMILIES)
        pieces = (dice.choice(family.filters), dice.choice(family.maps), dice.choice(family.reductions))
        if subset_of(family, *pieces) == subset:
            yield _task(f"micro/{subset}/{seed}/{count}", subset, family, pieces, dice)
            count += 1


def tasks(subset: Subset, n: int, seed: int = 0) -> list[Task]:
    """The first ``n`` tasks of the stream with distinct prompts, without those that one constant would solve.

    Seed 0 is the benchmark; training uses another.
    """
    found: dict[str, Task] = {}
    for task in stream(subset, seed):
        if len(found) == n:
            break
        if any(repr(value) != repr(task.expected[0]) for value in task.expected):
            found.setdefault(task.prompt, task)
    return list(found.values())


def program(task: Task, completion: str) -> str:
    """The program that a completion makes: cut where the function ends."""
    body: list[str] = []
    for line in completion.splitlines():
        if line.strip() and not line[0].isspace():
            break
        body.append(line)
    return task.prompt + "\n".join(body) + "\n"


def solved(task: Task, values: Sequence[Any] | None) -> bool:
    """Whether the returned values equal the expected ones, types included (``True`` is not ``1``), inside lists too."""
    return values is not None and len(values) == len(task.expected) and all(map(_same, values, task.expected))


def _same(got: Any, want: Any) -> bool:
    return type(got) is type(want) and got == want and (not isinstance(want, list) or all(map(_same, got, want)))


def _task(name: str, subset: Subset, family: Family, pieces: tuple[Piece, Piece, Piece], dice: random.Random) -> Task:
    filter_, map_, reduction = pieces
    function, parameter = dice.choice(_NAMES), dice.choice(family.parameters)
    filter_k, map_k, letter = dice.randint(2, 9), dice.randint(2, 9), dice.choice("aelnrst")
    words = " ".join(
        (
            dice.choice(_OPENINGS),
            reduction.words,
            map_.words.format(k=map_k),
            filter_.words.format(k=filter_k, c=letter),
            f"{parameter}.",
        )
    )
    x = family.element
    prompt = f'def {function}({parameter}):\n    """{words}"""'
    solution = (
        f"\n    ys = [{map_.code.format(x=x, k=map_k)} for {x} in {family.source.format(name=parameter)}"
        f" if {filter_.code.format(x=x, k=filter_k, c=letter)}]\n"
        f"    return {reduction.code.format(ys='ys')}\n"
    )
    reference = _function(prompt + solution, function)
    chosen = _function(prompt + solution.rpartition("    return")[0] + "    return ys\n", function)
    arguments: list[tuple[Any, ...]] = []
    for attempt in range(20 * _TESTS):  # half of the tests at least must not be about nothing
        drawn = (family.draw(dice),)
        if chosen(*drawn) or len(arguments) < _TESTS // 2 or attempt > 19 * _TESTS:
            arguments.append(drawn)
        if len(arguments) == _TESTS:
            break
    return Task(name, subset, prompt, function, solution, tuple(arguments), tuple(reference(*a) for a in arguments))


def _function(source: str, name: str) -> Callable[..., Any]:
    space: dict[str, Any] = {}
    exec(source, space)  # our own generated text, never a model's
    made: Callable[..., Any] = space[name]
    return made
