"""Real names that an invented one may have meant."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import permutations
from string import ascii_lowercase, digits

from scrubber.core.mentions import Ecosystem
from scrubber.core.name_index import NameIndex

MOST = 3
LONGEST = 60  # characters: longer names are like no other
MOST_TOKENS = 4
AFFIXES = {
    "pypi": ("py", "python-", "-python", "-py", "-client", "-sdk", "-api"),
    "npm": ("node-", "-js", "-node", "js-"),
}
ALPHABET = ascii_lowercase + digits + "-"


def nearest(name: str, index: NameIndex) -> tuple[str, ...]:
    """Up to MOST names of ``index``: other writings of the same words, popular names at most two slips away, then any
    name that is one slip away."""
    if len(name) > LONGEST:
        return ()
    found = dict.fromkeys(one for one in _writings(name, index.header.ecosystem) if one in index)
    found |= dict.fromkeys(_popular(name, index))
    if not found and not name.startswith("@"):
        found = dict.fromkeys(one for one in _slips(name) if one in index)
    return tuple(one for one in found if one != name)[:MOST]


def distance(left: str, right: str, most: int) -> int:
    """Slips between two names (a character more, less, another, or two swapped), or ``most + 1`` for more than that."""
    if abs(len(left) - len(right)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        older, before, row = before, row, [i]
        for j, b in enumerate(right, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and b == left[i - 2]:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)


def _writings(name: str, ecosystem: Ecosystem) -> Iterator[str]:
    """Other separators, another order, and what people put before and after."""
    tokens = [token for token in name.replace("_", "-").replace(".", "-").split("-") if token]
    if 1 < len(tokens) <= MOST_TOKENS:
        for order in permutations(tokens):
            yield "-".join(order)
        yield "".join(tokens)
    for affix in AFFIXES.get(ecosystem, ()):
        bare = affix.strip("-")
        yield (name.removeprefix(affix) if affix[-1] == "-" or affix == "py" else name.removesuffix(affix)) or name
        yield name + affix if affix[0] == "-" else affix + name
        if len(tokens) > 1 and bare in tokens:
            yield "-".join(token for token in tokens if token != bare)


@lru_cache(maxsize=8)
def _profiles(names: tuple[str, ...]) -> tuple[tuple[int, int, str], ...]:
    """Length and set of characters of each name: two names near to each other differ little in both."""
    return tuple((len(name), _characters(name), name) for name in names)


def _characters(name: str) -> int:
    bits = 0
    for character in name:
        bits |= 1 << (ord(character) & 63)
    return bits


def _popular(name: str, index: NameIndex) -> list[str]:
    most = 2 if len(name) > 5 else 1
    size, bits = len(name), _characters(name)
    close = [
        (distance(name, other, most), rank, other)
        for rank, (length, others, other) in enumerate(_profiles(index.popular))
        if abs(length - size) <= most and (bits ^ others).bit_count() <= 2 * most
    ]
    return [other for slips, _, other in sorted(close) if slips <= most and other in index]


def _slips(name: str) -> Iterator[str]:
    """Every name that is one slip away."""
    for at in range(len(name) + 1):
        left, right = name[:at], name[at:]
        if right:
            yield left + right[1:]
        if len(right) > 1:
            yield left + right[1] + right[0] + right[2:]
        for character in ALPHABET:
            if right:
                yield left + character + right[1:]
            yield left + character + right
