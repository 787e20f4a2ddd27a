"""Whether a string can be a live credential: random characters are told from placeholders, references and words."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from math import log2

PLACEHOLDER = re.compile(
    r"example|placeholder|change.?me|change.?this|replace.?(?:me|this|with)|your.{0,12}(?:key|token|secret|pass|here)"
    r"|insert.{0,8}here|dummy|sample|redacted|deadbeef|cafebabe|not.?a.?real|foo.?bar|\btodo\b|fixme"
    r"|x{4,}|\*{3,}|\.{3,}|#{4,}|_{4,}",
    re.IGNORECASE,
)
# Interpolation and references: {x}, ${x}, #{x}, {{ x }}, %(x)s, %s, <x>, $(x), $X.
TEMPLATE = re.compile(r"[$#%]?\{[^{}]*\}|%\(\w+\)|%[sdr](?!\w)|<[^<>]*>|^\$\(?\w+\)?$")
REPEATED = re.compile(r"([^A])\1{5}")  # base64 of zero bytes is a run of A, also in live keys
STOCK = re.compile(
    r"(?:my|the|new|old|test)?[_\-]?(?:pass(?:word|wd|phrase)?|pwd|secret|token|key|none|null|default|admin|root|user)[\d!]*",
    re.I,
)
WORDLIKE = re.compile(r"[a-z]+(?:[_\-.][a-z]+)*\d?|[A-Z]+(?:[_\-.][A-Z]+)*\d?|[A-Z][a-z]+\d?")
# Code and not a value: a call, an index, a dotted or slashed name, a flag, a path, a URL, a name in any case.
REFERENCE = re.compile(
    r"[\w.\-]+[(\[].*|[A-Za-z_][\w\-]*(?:(?:\.|::|->|/)[A-Za-z_][\w\-]*)+[/?]?|[./~].*|--?[a-z][\w\-]*=?"
    r"|[A-Za-z]+(?:[_\-][A-Za-z]+)*[_\-]?\d?|[a-z]+(?:[A-Z][a-z]+)+|[a-z][a-z0-9+.\-]*://.*"
)
CLASS_CHANGES = 0.34  # least share in two-case strings; 99 % of random base-62 strings of 20 characters have more
CLASS_CHANGES_ONE_CASE = 0.22  # the same for base-36 and hexadecimal
WORD_SHARE = 0.34  # most characters in runs of four or more lower-case letters, where both cases occur
NAME_PREFIX = re.compile(r"(?:[A-Za-z]{2,10}[_\-.]){1,2}(?=.{12})")  # as in NRAK-..., sm_pat_...
WORD_RUN = re.compile(r"[a-z]{4,}")
SEPARATORS = re.compile(r"[_\-.]")
CODE_CHARACTERS = re.compile(r"[\s<>,;(){}\[\]\\'\"`]")
RELATIVE_ENTROPY = 0.72  # of the most that so many characters of the alphabet can have


def is_placeholder(value: str) -> bool:
    """A value that stands for another: example keys, templates, runs of one character, counting sequences."""
    return bool(
        PLACEHOLDER.search(value)
        or TEMPLATE.search(value)
        or REPEATED.search(value)
        or STOCK.fullmatch(value)
        or _longest_count(value) >= 8
    )


def is_reference(value: str) -> bool:
    """A value that is code or a name, such as ``settings.token``."""
    return bool(REFERENCE.fullmatch(value))


def is_drawn(value: str) -> bool:
    """For a value in a provider's format, which says enough by itself: it is no example of the format, nor words."""
    wordy = len(value) >= 32 and class_changes(value) < 0.15
    return not wordy and not is_placeholder(value) and len(set(value)) >= min(10, len(value) // 2)


def looks_random(value: str) -> bool:
    """Whether characters look drawn and not written: digits among letters, many class changes, few repeats or words."""
    value = value[match.end() :] if (match := NAME_PREFIX.match(value)) else value
    letters = [character for character in value if character.isalpha()]
    digits = sum(character.isdigit() for character in value)
    if not digits or not letters or CODE_CHARACTERS.search(value):
        return False
    alphabet = 16 if all(character in "0123456789abcdefABCDEF-" for character in value) else 36
    if entropy(value) < RELATIVE_ENTROPY * log2(min(len(value), alphabet)):
        return False
    if len({character.isupper() for character in letters}) == 1:
        return class_changes(SEPARATORS.sub("", value)) >= CLASS_CHANGES_ONE_CASE
    in_words = sum(map(len, WORD_RUN.findall(value))) / len(value)
    return class_changes(value) >= CLASS_CHANGES and in_words <= WORD_SHARE


def looks_like_password(value: str) -> bool:
    """Whether a value given to a password variable can be one: no word, code, template or sentence; two classes."""
    return (
        6 <= len(value) <= 128
        and not any(character.isspace() for character in value)
        and len({_character_class(character) for character in value}) >= 2
        and not is_placeholder(value)
        and (not is_reference(value) or (len(value) >= 8 and class_changes(value) > 0.4))
    )


def looks_like_url_password(value: str) -> bool:
    """The same between the colon and the at sign of a URL, a place that holds passwords and little else."""
    return len(value) >= 4 and not value.isdecimal() and not is_placeholder(value) and not WORDLIKE.fullmatch(value)


def entropy(value: str) -> float:
    """Shannon entropy of the characters, in bits a character."""
    return -sum(n / len(value) * log2(n / len(value)) for n in Counter(value).values())


def class_changes(value: str) -> float:
    """Share of neighbours of different class (lower, upper, digit, other): .62 in random base-62, .3 in CamelCase."""
    classes = [_character_class(character) for character in value]
    return sum(a != b for a, b in pairwise(classes)) / max(1, len(value) - 1)


def _character_class(character: str) -> int:
    return 0 if character.islower() else 1 if character.isupper() else 2 if character.isdigit() else 3


def _longest_count(value: str) -> int:
    """Length of the longest run of characters that count up or down by one: abcdefgh, 87654321."""
    best = length = 1
    step = 0
    for a, b in pairwise(value):
        difference = ord(b) - ord(a)
        length = length + 1 if difference == step and abs(step) == 1 else 2 if abs(difference) == 1 else 1
        step = difference
        best = max(best, length)
    return best
