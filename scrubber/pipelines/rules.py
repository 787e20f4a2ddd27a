"""The check of rule packs: every rule finds its examples, leaves its counter-examples alone, and is never slow."""

from __future__ import annotations

import importlib
import multiprocessing
import re
import sys
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from scrubber.core.types import Span
from scrubber.detectors._checksums import CHECKSUMS
from scrubber.detectors._rules import (
    PackRule,
    TokenFormat,
    find,
    is_plausible,
    matches,
    our_rules,
    pack_rules,
    prefilter,
)
from scrubber.detectors._templates import expand

SEEDS = range(10)
LIMIT = 4.0  # seconds for all strings of one rule; a sound rule takes some hundredths
START = 60.0  # seconds for a process to start
LONG = 3000  # characters of an adversarial string: the longest stretch that a detector searches at once
LEAST_LITERALS = 2  # characters that every match must contain, so that an engine can skip what lacks them
LONGEST_START = 64  # characters that may be tried from each place before the first literal

# The parser behind ``re`` has no public name.
_parser: Any = importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")


class Fault(NamedTuple):
    """What is wrong with a rule, and the mend. No generated value is ever in it."""

    rule: str
    what: str
    mend: str


def check(paths: Sequence[Path] = (), *, limit: float = LIMIT) -> list[Fault]:
    """The faults of the packs at ``paths``, or of our own where none is named.

    Every expression runs in a process of its own, which is ended when one rule takes more than ``limit`` seconds.
    Raises AskedWrongly when a pack cannot be read as one.
    """
    rules = pack_rules(paths) if paths else our_rules()
    faults: list[Fault] = []
    done = 0
    while done < len(rules):
        for found in _examined(rules[done:], limit):
            done += 1
            faults += found
    return faults


def _examined(rules: Sequence[PackRule], limit: float) -> Iterator[list[Fault]]:
    """The faults of each rule, up to the first that has to be stopped."""
    context = multiprocessing.get_context("spawn")  # a fork would inherit locks that other threads hold
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(rules, sending), daemon=True)
    process.start()
    sending.close()
    try:
        if not receiving.poll(START) or receiving.recv() is not None:
            raise RuntimeError("the process that checks rules did not start")
        for rule in rules:
            name = rule.format.rule
            if not receiving.poll(limit):
                mend = "Bound its repeats, and let no two neighbours match the same characters."
                yield [Fault(name, f"its expressions take more than {limit:g} s on a long line", mend)]
                return
            try:
                yield receiving.recv()
            except EOFError:
                yield [Fault(name, "its expressions end the process that runs them", "Write simpler ones.")]
                return
    finally:
        process.kill()
        process.join()


def _work(rules: Sequence[PackRule], sending: Connection) -> None:
    sending.send(None)
    for rule in rules:
        sending.send([Fault(rule.format.rule, what, mend) for what, mend in examine(rule)])


def examine(rule: PackRule) -> Iterator[tuple[str, str]]:
    """What is wrong with ``rule`` and the mend. It runs the rule's expressions, for as long as they take."""
    row = rule.format
    pattern = row.head or row.regex
    if re.compile(row.regex).match("") or re.compile(pattern).match(""):
        yield "it matches the empty string", "Ask for at least one character."
        return
    if not row.context and _literals(_parser.parse(pattern)) < LEAST_LITERALS:
        mend = "Give a head with literal characters, or context words."
        yield "too slow: no literal characters stand in every match", mend
    if not row.context and _starts_unbounded(_parser.parse(pattern)):
        yield "too slow: it begins with a long repeat", f"Let a repeat at the start have at most {LONGEST_START}."
    for template in rule.examples:
        yield from _example_faults(row, template)
    for template in rule.counter_examples:
        if any(_found(row, expand(template, seed)) for seed in SEEDS):
            yield f"it finds its counter-example {template}", "Correct the one or the other."
    for template in rule.examples:
        for text in _adversarial(expand(template, 0)):
            for _ in re.finditer(pattern, text):
                pass
            _found(row, text)


def _example_faults(row: TokenFormat, template: str) -> Iterator[tuple[str, str]]:
    texts = [expand(template, seed) for seed in SEEDS]
    spans = [list(_spans(row, text)) for text in texts]
    if not all(spans):
        mend = "Correct the one or the other; a letter, digit or underscore must not stand next to a match."
        yield f"it does not match its example {template}", mend
        return
    if not all(re.search(prefilter(row), text) for text in texts):
        yield f"its head does not match its example {template}", "Let the head match wherever the regex does."
    values = [text[found[0].start : found[0].end] for text, found in zip(texts, spans, strict=True)]
    if row.checksum and not all(map(CHECKSUMS[row.checksum], values)):
        yield f"its example {template} lacks a right {row.checksum}", "Use the field of that name."
    if 2 * sum(is_plausible(row, value) for value in values) <= len(values):
        yield f"its example {template} looks like a placeholder", "Let fields make more of it, and words less."


def _spans(row: TokenFormat, text: str) -> Iterator[Span]:
    for line in re.finditer(r"[^\n]+", text):
        yield from matches(row, text, *line.span())


def _found(row: TokenFormat, text: str) -> bool:
    return bool([hit for line in re.finditer(r"[^\n]+", text) for hit in find(row, text, *line.span())])


def _adversarial(example: str) -> Iterator[str]:
    """Long strings that begin as ``example`` does and go wrong late."""
    yield (example * LONG)[:LONG]
    letters = sorted({" ", "a", "0", *example[-8:], *example[::7]} - {"\n"})
    for part in (0, len(example) // 2, len(example) - 1):
        for letter in letters:
            yield example[:part] + letter * LONG + "\x00"


def _literals(parsed: Any) -> int:
    """How many literal characters every match of a parsed expression contains."""
    total = 0
    for operation, argument in parsed:
        name = str(operation)
        if name == "LITERAL":
            total += 1
        elif name == "SUBPATTERN":
            total += _literals(argument[3])
        elif name == "BRANCH":
            total += min(_literals(branch) for branch in argument[1])
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            total += min(argument[0], LEAST_LITERALS) * _literals(argument[2])
        elif name == "ATOMIC_GROUP":
            total += _literals(argument)
    return total


def _starts_unbounded(parsed: Any) -> bool:
    """Whether a match can begin with a repeat of anything but one literal, so long that each place costs a line."""
    for operation, argument in parsed:
        name = str(operation)
        if name in ("AT", "ASSERT", "ASSERT_NOT"):
            continue
        if name == "SUBPATTERN":
            return _starts_unbounded(argument[3])
        if name == "BRANCH":
            return any(_starts_unbounded(branch) for branch in argument[1])
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            least, most, repeated = argument
            return (most > LONGEST_START and least != most) or _starts_unbounded(repeated)
        return False
    return False
