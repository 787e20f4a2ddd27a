"""What stands in a cleaned corpus in a value's place: its format, nothing of its content, the same at each place."""

from __future__ import annotations

import ipaddress
import random
import re
from collections.abc import Callable, Iterator

from scrubber.core.decoys import same_format

# ``escape``: what a parser of the text around reads as one, in string literals, XML and URLs
_PIECE = re.compile(
    r"(?P<escape>\\x[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8}|\\[0-7]{1,3}|\\."
    r"|&(?:amp|lt|gt|quot|apos);|%[0-9A-Fa-f]{2}|\b0[xX](?=[0-9A-Fa-f]))|(?P<run>[^\W_]+)|(?P<mark>.)",
    re.DOTALL,
)
_LINE_ENDS = ("\n", "\r", "\\n", "\\r")  # a key in a string literal has its line ends escaped
_HEXADECIMAL = re.compile(r"(?=.*[a-fA-F])(?:[0-9a-f]+|[0-9A-F]+)")
_PUBLIC_PREFIX = re.compile(r"(?:[A-Za-z]{2,10}[_-]){1,2}|AKIA|ASIA|AIza|SG\.")
_NORTH_AMERICAN = re.compile(r"(?:\+?1[ .-]?)?\(?\d{3}\)?[ .-]?\d{3}[ .-]?\d{4}")
_DOCUMENTATION = ("192.0.2.", "198.51.100.", "203.0.113.")  # RFC 5737
DRAWS = 3


def placeholders(value: str, rule: str, fingerprint: str, *, public_prefix: bool) -> Iterator[str]:
    """Candidates for the place of ``value``, best first, none equal to it; a caller takes the first that its scan passes.

    They depend on the keyed ``fingerprint`` and the value's format only, so nobody without the key can tell from one
    whether it stands for a value that he guesses. None brings a quote, a backslash or a line end that the value has
    not. First comes what ``rule`` asks for (an address of a documentation range, a fictional phone number), then values
    of the same length, character classes and marks that say ``example`` where there is room, as people and scanners
    know it; then a blank one; last nothing at all. ``public_prefix``: whether the value begins with what all tokens of
    a provider share, which is kept.
    """
    dice = random.Random(fingerprint)
    prefix = _PUBLIC_PREFIX.match(value) if public_prefix else None
    kept = prefix.end() if prefix and 2 * prefix.end() <= len(value) else 0
    special = next((make for name, make in _BY_RULE.items() if name in rule), None)
    candidates = [special(value, dice)] if special else []
    candidates += [value[:kept] + _redrawn(value[kept:], dice, marked) for marked in (True,) * DRAWS + (False,)]
    seen = {value}
    for candidate in (*candidates, value[:kept] + _blank(value[kept:]), _blank(value), ""):
        if candidate not in seen:
            seen.add(candidate)
            yield candidate


def _email(value: str, dice: random.Random) -> str:
    return f"user{dice.randrange(10**6):06}@example.com"


def _ip(value: str, dice: random.Random) -> str:
    if ":" in value:
        return str(ipaddress.IPv6Address((0x20010DB8 << 96) + (dice.getrandbits(32) << 16) + dice.randrange(1, 2**16)))
    return dice.choice(_DOCUMENTATION) + str(dice.randrange(1, 255))


def _phone(value: str, dice: random.Random) -> str:
    """555-0100 to 555-0199 of any North American area, in the value's own writing where it is North American."""
    digits = f"{dice.randrange(2, 10)}{dice.randrange(9)}{dice.randrange(10)}55501{dice.randrange(100):02}"
    if not _NORTH_AMERICAN.fullmatch(value):
        return f"+1 {digits[:3]}-{digits[3:6]}-{digits[6:]}"
    country = sum(map(str.isdigit, value)) - len(digits)
    left = iter("1" * country + digits)
    return re.sub(r"\d", lambda _: next(left), value)


def _social_security(value: str, dice: random.Random) -> str:
    """Area 000 was never given out."""
    return re.sub(r"\d", "0", value[:3]) + _redrawn(value[3:], dice, False)


def _person(value: str, dice: random.Random) -> str:
    _, space, rest = value.partition(" ")
    return "Example" + space + _redrawn(rest, dice, False)


def _user_name(value: str, dice: random.Random) -> str:
    """One for all: any other could be somebody's."""
    return "example"


_BY_RULE: dict[str, Callable[[str, random.Random], str]] = {
    "email": _email,
    "ipv4": _ip,
    "ipv6": _ip,
    "phone": _phone,
    "ssn": _social_security,
    "social-security": _social_security,
    "person": _person,
    "username": _user_name,
}


def _redrawn(value: str, dice: random.Random, marked: bool) -> str:
    pieces = [(match.lastgroup, match.group()) for match in _PIECE.finditer(value)]
    drawn = [_drawn(kind, text, dice) for kind, text in pieces]
    longest = 0  # of a line: a scanner may look at each by itself
    for place, (kind, text) in enumerate((*pieces, ("mark", "\n"))):
        if text in _LINE_ENDS:
            if marked and longest < place:
                drawn[longest] = _marked(drawn[longest])
            longest = place + 1
        elif _has_room(kind, text) and (not _has_room(*pieces[longest]) or len(text) > len(pieces[longest][1])):
            longest = place
    return "".join(drawn)


def _has_room(kind: str | None, text: str) -> bool:
    return kind == "run" and not text.isdecimal()


def _drawn(kind: str | None, text: str, dice: random.Random) -> str:
    if kind == "run":
        return _drawn_run(text, dice)
    code = re.match(r"%(?=.)|\\[xuU](?=.)", text)
    if code:  # a character as its number tells the value, too
        return code.group() + f"{dice.choice('46')}{dice.randrange(1, 10)}".zfill(len(text) - code.end())
    if text[:1] == "\\" and text[1:].isdigit():
        return "\\" + "".join(str(dice.randrange(1, 4)) for _ in text[1:])
    return text


def _drawn_run(run: str, dice: random.Random) -> str:
    """Characters of the same classes; those beyond ASCII become ASCII ones, since their class may be small."""
    if _HEXADECIMAL.fullmatch(run):
        letters = "abcdef" if run == run.lower() else "ABCDEF"
        other = "".join(dice.choice("0123456789" if c.isdecimal() else letters) for c in run)
    else:
        other = same_format("".join(c if c.isascii() else "0" if c.isdecimal() else "a" for c in run), dice)
    # a number that began with a zero would be none in JSON and Python
    return f"{dice.randrange(1, 10)}{other[1:]}" if run[0] in "123456789" else other


def _marked(run: str) -> str:
    """Ends in ``EXAMPLE``, as the examples of providers do; a hexadecimal one in what says it there."""
    if not run.isalnum() or run.isdecimal():
        return run
    mark = "deadbeef" if _HEXADECIMAL.fullmatch(run) else "example" if len(run) >= len("example") else "xxxx"
    mark = mark if run == run.lower() else mark.upper()
    return run[: -len(mark)] + mark if len(run) >= len(mark) else run


def _blank(value: str) -> str:
    dice = random.Random(0)
    return "".join(
        _blank_run(match.group()) if match.lastgroup == "run" else _drawn(match.lastgroup, match.group(), dice)
        for match in _PIECE.finditer(value)
    )


def _blank_run(run: str) -> str:
    if _HEXADECIMAL.fullmatch(run):
        return "0" * len(run)
    if not run.isdecimal():
        return "x" * len(run)
    return ("1" if run[0] in "123456789" else "0") + "0" * (len(run) - 1)
