"""What a rule of personal data is made of: cheap heads that bring lines, and a finder that looks at one line."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import resources
from typing import Any, NamedTuple

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class Line(NamedTuple):
    """A line of a document, or a window of one that is too long: ``document[start:start + len(text)] == text``."""

    text: str
    document: str
    start: int
    language: str | None


class Found(NamedTuple):
    """A value at ``line.text[start:end]``. Confidence .5 and more is precise; less is for those who want everything."""

    rule: str
    start: int
    end: int
    confidence: float


Finder = Callable[[Line], Iterator[Found]]


class Rule(NamedTuple):
    """Each line on which ``find`` can accept a value is hit by a head. A head is plain: no look-around, within a line.

    So are those of ``digits``, of values with a part that DIGITS matches, and ``shapes``, which hold no literal.
    """

    key: str
    heads: tuple[str, ...]
    find: Finder
    digits: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()
    most_confidence: float = 1.0  # that ``find`` can give

    @property
    def gates(self) -> dict[str, str]:
        """The expression that matches on each line on which a head can bring a value, for some heads."""
        return dict.fromkeys(self.digits, DIGITS) | {shape: shape for shape in self.shapes}


# Languages in which a bare word or number is text and not code.
PLAIN_LANGUAGES = frozenset(("dotenv", "ini", "yaml", "shell", "text", "markdown", "xml", "html", "rst", "toml"))
# In heads: the edge before a value; a capital or any letter outside ASCII, as characters and as bytes of UTF-8.
EDGE = r"(?m:^|[^0-9A-Za-z.\n])"
CAPITAL = r"[^\x00-@\[-\x7f]"
# A gate: most files have no six digits in a row, nor a code such as A12BCD4, and these are found at a fraction of the
# price of the heads behind them.
DIGITS = r"\d(?:[ .\-()/]{0,4}\d){5}|[A-Z]\d\d ?[A-Z\d]{4}"
# What stands between a name and its value: `name": "`, `name=`, `name is `; a comma or bracket would be the next value.
GAP = r"[^0-9\n,;{}]{0,30}"
BEFORE_LITERAL = re.compile(r"(?:[=(,\[{:<>+\-*/%&|^!]|\b(?:return|in|and|or|not|yield|case|is))\s*-?$")
AFTER_LITERAL = re.compile(r"\s*(?:[,)\]};:+\-*/%&|^<>=!#]|$|(?:and|or|if|in|is|for)\b)")


def table(name: str) -> dict[str, Any]:
    """A table of ``scrubber/data``."""
    return tomllib.loads((resources.files("scrubber") / "data" / name).read_text(encoding="utf-8"))


def longest_first(words: Iterable[str]) -> list[str]:
    """``words`` once each in one order, as an alternation needs them: patterns must be the same in every process."""
    return sorted(set(words), key=lambda word: (-len(word), word))


def any_case(*words: str) -> str:
    """A pattern of ``words`` in any case; ``re`` searches (?i:...) many times slower."""
    return "(?:" + "|".join("".join(_either(character) for character in word) for word in words) + ")"


def named(*words: str) -> str:
    """A pattern of ``words`` as parts of a name in snake, camel or capital case; a short one must be a whole part."""
    return "(?:" + "|".join(_part(word) for word in words) + ")"


def digits(value: str) -> str:
    """The digits of ``value``, without its separators."""
    return re.sub(r"[^0-9]", "", value)


def is_whole_literal(text: str, start: int, end: int) -> bool:
    """Whether ``text[start:end]`` is all that stands between a pair of quotes."""
    return start > 0 and text[start - 1] in "'\"`" and text[end : end + 1] == text[start - 1]


def is_bare_literal(line: Line, start: int, end: int) -> bool:
    """Whether ``line.text[start:end]`` is a number in code: neither in a string, nor prose, nor a plain language."""
    return (
        line.language not in PLAIN_LANGUAGES
        and bool(AFTER_LITERAL.match(line.text, end))
        and bool(BEFORE_LITERAL.search(line.text, 0, start) or not line.text[:start].strip())
    )


def luhn(number: str) -> bool:
    """The check of ISO/IEC 7812-1 over a string of digits."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in number[-2::-2])
    return (sum(map(int, number[-1::-2])) + sum(doubled)) % 10 == 0


def _either(character: str) -> str:
    return f"[{character.lower()}{character.upper()}]" if character.isalpha() else re.escape(character)


def _part(word: str) -> str:
    end = r"(?![a-z])(?!(?<=[A-Z])[A-Z])" if len(word) < 5 else ""
    return rf"(?:(?<![A-Za-z])(?i:{word})|(?<=[a-z]){word.capitalize()}){end}"
