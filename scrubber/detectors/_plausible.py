"""Whether a string can be a live credential: placeholders, references and words are told from random characters."""

from __future__ import annotations

import re
from collections import Counter
from math import log2

PLACEHOLDER = re.compile(
    r"example|placeholder|change.?me|change.?this|replace.?(?:me|this|with)|your.{0,12}(?:key|token|secret|pass|here)"
    r"|insert.{0,8}here|dummy|sample|redacted|deadbeef|not.?a.?real|foo.?bar|todo|fixme|x{4,}|\*{3,}|\.{3,}|#{4,}|_{4,}",
    re.IGNORECASE,
)
# Interpolation and templates: {x}, ${x}, %(x)s, %s, <x>, {{x}}, #{x}, $X.
TEMPLATE = re.compile(r"[$#%]?\{[^{}]*\}|%\(\w+\)|%[sdr](?![\w])|<[^<>]*>|\$\(?[A-Za-z_]\w*\)?$|^\$[A-Z_]+")
REPEATED = re.compile(r"(.)\1{4}")
WORDS = frozenset(
    "password passwd passphrase pass pwd secret token none null nil undefined true false default admin root user "
    "username test testing guest anonymous hunter2 letmein qwerty".split()
)


def is_placeholder(value: str) -> bool:
    """A value that stands for another: example keys, templates, runs of one character, counting sequences."""
    return bool(
        PLACEHOLDER.search(value)
        or TEMPLATE.search(value)
        or REPEATED.search(value)
        or value.lower() in WORDS
        or _longest_count(value) >= 8
    )


def entropy(value: str) -> float:
    """Shannon entropy of the characters, in bits a character."""
    return -sum(n / len(value) * log2(n / len(value)) for n in Counter(value).values())


def mixing(value: str) -> float:
    """Share of neighbours of different class (lower, upper, digit, other): about .62 in random base-62, .3 in CamelCase."""
    classes = [_character_class(character) for character in value]
    return sum(a != b for a, b in zip(classes, classes[1:], strict=False)) / max(1, len(value) - 1)


def looks_random(value: str) -> bool:
    """Whether characters look drawn and not written: digits among letters, many class changes, few repeats.

    Tuned so that 99 % of random base-62 and base-36 strings of 20 or more characters pass and identifiers do not.
    """
    letters = [character for character in value if character.isalpha()]
    digits = sum(character.isdigit() for character in value)
    if not digits or not letters or entropy(value) < 0.72 * log2(min(len(value), 36)):
        return False
    one_case = len({character.isupper() for character in letters}) == 1
    return mixing(value) >= (0.22 if one_case else 0.34)


def looks_like_password(value: str) -> bool:
    """Whether a value given to a password variable can be one: no words, no code, no sentence, two character classes."""
    if not 6 <= len(value) <= 128 or any(character.isspace() for character in value) or is_placeholder(value):
        return False
    if len({_character_class(character) for character in value}) < 2:
        return False
    return not is_reference(value)


# Code, not a value: a call, an index, a dotted or slashed name, a flag, an identifier without digits.
REFERENCE = re.compile(
    r"[\w.\-]+[(\[].*|[A-Za-z_][\w\-]*(?:(?:\.|::|->|/)[A-Za-z_][\w\-]*)+[/?]?|[./~].*|--?[a-z][\w\-]*=?|[A-Za-z]+(?:[_\-][A-Za-z]+)*[_\-]?\d?"
    r"|[a-z]+(?:[A-Z][a-z]+)+|[a-z][a-z0-9+.\-]*://.*"
)


def is_reference(value: str) -> bool:
    return bool(REFERENCE.fullmatch(value))


def _character_class(character: str) -> int:
    return 0 if character.islower() else 1 if character.isupper() else 2 if character.isdigit() else 3


def _longest_count(value: str) -> int:
    """Length of the longest run of characters that count up or down by one: abcdefgh, 87654321."""
    best = length = 1
    step = 0
    for a, b in zip(value, value[1:], strict=False):
        difference = ord(b) - ord(a)
        length = length + 1 if difference == step and abs(step) == 1 else 2 if abs(difference) == 1 else 1
        step = difference
        best = max(best, length)
    return best
