"""Names of people, user names and birth dates: told by the field that holds them, the header, and lists of given names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from scrubber.detectors._pii_rules import (
    CAPITAL,
    GAP,
    PLAIN_LANGUAGES,
    Found,
    Line,
    Rule,
    any_case,
    longest_first,
    named,
    table,
)

_WORDS = {key: frozenset(words.split()) for key, words in table("people.toml").items()}
GIVEN_NAMES = frozenset(name.capitalize() for names in table("given_names.toml").values() for name in names.split())
_STEMS = frozenset(name.lower() for name in GIVEN_NAMES if name.isascii() and len(name) > 3)
_SHORT_STEMS = frozenset(name.lower() for name in GIVEN_NAMES if name.isascii() and len(name) == 3)

NOBODY = frozenset(
    f"{first} {last}" for first in ("john", "jane", "alice", "bob") for last in ("smith", "jones", "q public")
)

NAME = r"[A-ZÀ-ÖØ-ÞĀ-Ž][^\W\d_]+(?:['’\-][^\W\d_]+)*"
PARTICLES = "van|von|de|der|den|da|dos|del|di|la|le|bin|al|el|ter|zu"
PARTICLE = rf"(?:[A-Z]\.?|{PARTICLES})"
FULL = rf"{NAME}(?: (?:{PARTICLE}|{NAME})){{0,2}} {NAME}"
ASSIGNED = r"['\"`]?\]?(?:\s*:\s*\w+)?\s*(?:=>|[:=])\s*"
QUOTED_OR_END = r"(?:(?P<quote>['\"`])(?P<value>{value})(?P=quote)|(?P<bare>{value})\s*(?:$|[,;#\\]))"


def _field(words: str, value: str) -> re.Pattern[str]:
    return re.compile(rf"(?P<field>{words}){ASSIGNED}{QUOTED_OR_END.format(value=value)}")


def _fields(key: str) -> str:
    words = (word.replace("_", "[_ ]?") for word in longest_first(_WORDS[key]))
    return rf"(?<![A-Za-z])(?:\w*_)?(?i:{'|'.join(words)})(?i:_?name)?"


PERSON_FIELD = _field(_fields("person_fields"), FULL)
WEAK_FIELD = _field(_fields("weak_fields"), FULL)
FIRST_NAME = _field(r"(?i:first|given|fore)_?[nN](?:ame|AME)", NAME)
LAST_NAME = _field(r"(?i:(?:last|family)_?name|sur_?name)", rf"(?:{PARTICLE} )?{NAME}")
NEAR = 240  # characters within which a first and a last name belong together

HEADER = re.compile(
    r"(?:@author|__(?:authors?|credits|maintainers?)__\s*=|:authors?:|\b(?:[aA]uthors?|AUTHORS?|[mM]aintainers?)\s*[:=]"
    r"|\b[wW]ritten by|\b[cC]reated by|\b[mM]aintained by|\b[cC]ontributed by|\b[oO]riginally by"
    r"|\b[cC](?:opyright|OPYRIGHT)\W{1,3}(?:\([cC]\)|©)?[\s,]*\d{4}(?:\d{4}|present|[\s,;–\-])*(?:by\s)?)[\s'\"(\[,]*"
)
HEADER_CONFIDENCE = 0.4
LISTED = re.compile(rf"({FULL})\s*(?:<[^<>\n]*>|\([^()\n]*\))?\s*(?:,|&|/|\band\b)?[\s'\"]*")
TAG = re.compile(r"\b(?:TODO|FIXME|XXX|HACK|NOTE)\s?\(@?([A-Za-z][\w.\-]{2,30})\)")
PLAIN_NAME = r"[A-ZÀ-ÖØ-ÞĀ-Ž][^\W\d_A-Z]+"  # a plain head is half the price of one that knows McX and X-Y
LITERAL = re.compile(rf"(?P<quote>['\"])(?P<value>(?P<first>{PLAIN_NAME}) (?P<last>{PLAIN_NAME}))(?P=quote)")
ADDRESSED = re.compile(
    r"\b(?i:ask|call|contact|e-?mail|escalated? to|assigned? to|talk to|speak to|speak with)"
    rf" (?P<value>(?P<first>{NAME})(?: (?:{PARTICLE}|{NAME}))? {NAME})"
)

USER_FIELD = re.compile(
    rf"(?P<field>(?<![A-Za-z.])(?:[A-Za-z]+[_\-])?(?i:user(?:_?name)?|login(?:_?name)?|nick(?:_?name)?|account_?name|screen_?name|handle))"
    rf"{ASSIGNED}{QUOTED_OR_END.format(value=r'[A-Za-z][A-Za-z0-9._' + chr(92) + r'-]{2,31}')}"
)

BIRTH = ("birth", "dob", "born", "geburt", "naissance", "nacimiento", "nascita", "nascimento")
BORN = re.compile(
    rf"{named(*BIRTH)}{GAP}"
    r"(?P<value>(?P<y>(?:19|20)\d\d)(?P<s>[-/.]|, ?)(?P<m>\d{1,2})(?P=s)(?P<d>\d{1,2})"
    r"|(?P<d2>\d{1,2})(?P<s2>[-/.])(?P<m2>\d{1,2})(?P=s2)(?P<y2>(?:19|20)\d\d))(?!\d)"
)


def field_names(line: Line) -> Iterator[Found]:
    """Names that are given to a field of a person; sure where the field holds nothing else."""
    for regex, sure in ((PERSON_FIELD, 0.6), (WEAK_FIELD, 0.4)):
        for match in regex.finditer(line.text):
            group = "value" if match["value"] else "bare"
            name = match[group]
            if is_person(name) and (group == "value" or _is_bare_text(line, match)):
                yield Found("person-name", *match.span(group), 0.7 if name.split()[0] in GIVEN_NAMES else sure)


def halved_names(line: Line) -> Iterator[Found]:
    """Names that are given to two fields, first and last; sure where both are near."""
    near = line.document[max(0, line.start - NEAR) : line.start + len(line.text) + NEAR]
    for regex, other in ((FIRST_NAME, LAST_NAME), (LAST_NAME, FIRST_NAME)):
        for match in regex.finditer(line.text):
            group = "value" if match["value"] else "bare"
            if match[group].lower() not in _WORDS["placeholders"] and (group == "value" or _is_bare_text(line, match)):
                yield Found("person-name", *match.span(group), 0.6 if other.search(near) else 0.4)


def header_names(line: Line) -> Iterator[Found]:
    """Authors and holders of copyright: for the curious only."""
    for header in HEADER.finditer(line.text):
        at = header.end()
        while match := LISTED.match(line.text, at):
            at = match.end()
            if is_person(match.group(1)):
                yield Found("person-name", *match.span(1), HEADER_CONFIDENCE)


def addressed_names(line: Line) -> Iterator[Found]:
    """Whom the line says to ask, call or write to."""
    for match in ADDRESSED.finditer(line.text):
        if match["first"] in GIVEN_NAMES and is_person(match["value"]):
            yield Found("person-name", *match.span("value"), 0.5)


def person_literals(line: Line) -> Iterator[Found]:
    """Literals that are a given name and a family name and nothing else; two given names may be a place."""
    for match in LITERAL.finditer(line.text):
        known = match["first"] in GIVEN_NAMES and match["last"] not in GIVEN_NAMES
        if known and is_person(match["value"]) and not HEADER.search(line.text):
            yield Found("person-name", *match.span("value"), 0.5)


def user_names(line: Line) -> Iterator[Found]:
    """User names by the name that they are given to: sure where they begin with a person's given name."""
    for match in USER_FIELD.finditer(line.text):
        group = "value" if match["value"] else "bare"
        value = match[group]
        if (group == "bare" and not _is_bare_text(line, match)) or value.lower() in _WORDS["generic_users"]:
            continue
        yield Found("username", *match.span(group), 0.6 if is_handle(value) else 0.4)
    for match in TAG.finditer(line.text):
        yield Found("username", *match.span(1), 0.4)


def birth_dates(line: Line) -> Iterator[Found]:
    """Days that a living person can be born on; the first of January stands for an unknown day."""
    for match in BORN.finditer(line.text):
        year, month, day = (int(match[key] or match[key + "2"]) for key in "ymd")
        if match["d2"] and month > 12 >= day:
            month, day = day, month
        try:
            born = date(year, month, day)
        except ValueError:  # its message says nothing of use
            continue
        if (born.month, born.day) != (1, 1) and year > 1900:
            yield Found("birth-date", *match.span("value"), 0.6)


def is_person(name: str) -> bool:
    """Whether two or more capitalised words can be a person: no organisation, no place, no John Doe."""
    first, *_, last = name.split()
    if last.isupper() and not first.isupper():  # George VI
        return False
    words = name.lower().replace(".", "").split()
    if " ".join(words) in NOBODY:
        return False
    return not any(word in _WORDS["not_people"] or word in _WORDS["placeholders"] for word in words)


def is_handle(value: str) -> bool:
    """Whether a user name begins with a given name that more follows."""
    letters = value.lower()
    if any(letters[:length] in _STEMS and len(letters) >= length + 2 for length in range(4, 12)):
        return True
    return letters[:3] in _SHORT_STEMS and len(letters) > 5 and letters[3] in "._-"


def _is_bare_text(line: Line, match: re.Match[str]) -> bool:
    """Whether a word without quotes is a string: in plain languages, comments, and NAME=value."""
    before = line.text[: match.start()]
    return (
        line.language in PLAIN_LANGUAGES
        or bool(re.search(r"(?:^|\s)(?:#|//|--|\*|;)\s", before))
        or (line.language is None and match["field"].isupper() and match.string[match.end("field")] == "=")
    )


def _endings(words: frozenset[str]) -> str:
    """The last parts of field names as they are spelt in snake, camel and capital case."""
    parts = sorted({word.rpartition("_")[2] for word in words})
    return "(?:" + "|".join(f"[{part[0]}{part[0].upper()}]{part[1:]}|{part.upper()}" for part in parts) + ")"


# What follows a name up to the capital of its value, and the small letters of a name, those outside ASCII too.
_VALUE = r"['\"`]?\]?(?: ?: ?\w{1,12})? {0,8}(?:=>|[:=]) ?['\"`]?" + CAPITAL
_SMALL = r"[^\x00-`{-\x7f]"
_PERSONS = _endings(_WORDS["person_fields"] | _WORDS["weak_fields"])
_ADDRESSED = any_case("ask", "call", "contact", "mail", "ated to", "ate to", "igned to", "ign to", "k to", "k with")
_USERS = any_case("user", "username", "user_name", "login", "nick", "nickname", "account_name", "handle")

RULES = (
    Rule("person-field", (_PERSONS + _VALUE + r"[^ '\"\n]+ [^ '\"\n]",), field_names),
    Rule(
        "person-halves",
        (r"(?:[fF]irst|[gG]iven|[fF]ore|[lL]ast|[fF]amily|[sS]ur|FIRST|LAST|SUR)_?(?:[nN]ame|NAME)" + _VALUE,),
        halved_names,
    ),
    Rule("person-addressed", (rf"{_ADDRESSED} {CAPITAL}[^ \n]+ {CAPITAL}",), addressed_names),
    Rule(
        "person-header",
        (
            any_case("author", "maintainer") + r"[sS]?(?:__)?[ \t]?[:=]{0,2}[ \t]{0,8}['\"(\[]{0,2}" + CAPITAL,
            any_case("written by ", "created by ", "maintained by ", "contributed by ", "originally by ") + CAPITAL,
            r"(?:opyright|OPYRIGHT)[^A-Za-z0-9\n]{1,3}(?:\([cC]\)[ ,]?)?[^A-Za-z0-9\n]{0,4}(?:19|20)\d\d",
        ),
        header_names,
        most_confidence=HEADER_CONFIDENCE,
    ),
    Rule(
        "person-literal",
        (),
        person_literals,
        shapes=(rf"['\"]{CAPITAL}{_SMALL}+ {CAPITAL}{_SMALL}+['\"]",),
    ),
    Rule(
        "username",
        (
            _USERS + r"['\"`]?\]?(?: ?: ?\w{1,12})? ?(?:=>|[:=]) ?['\"`][A-Za-z]",
            r"(?:USER|USER_?NAME|LOGIN|NICK|ACCOUNT_NAME|HANDLE)=[A-Za-z]",
            _USERS + r": [a-z]",
            r"(?:TODO|FIXME|XXX|HACK|NOTE) ?\(@?[A-Za-z]",
        ),
        user_names,
    ),
    Rule(
        "birth-date",
        (any_case(*BIRTH) + GAP + r"\d{1,4}[-/.,]",),
        birth_dates,
    ),
)
