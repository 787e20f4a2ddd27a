"""Values given to a name that says it holds a credential: quoted, bare, in a header, on a command line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

# What a name is said to hold: a password, which people choose, or a key or token, which is drawn.
Holds = Literal["password", "key"]


def _any_case(words: str) -> str:
    """``words`` with both cases of each letter. Not (?i:...), which ``re`` searches fifty times slower."""
    return re.sub(r"[a-z]", lambda letter: f"[{letter[0]}{letter[0].upper()}]", words)


KEY_OF = (
    "api", "access", "account", "admin", "app", "application", "auth", "bot", "cipher", "client", "consumer", "crypto",
    "database", "db", "deploy", "encrypt", "encryption", "hmac", "host", "jwt", "license", "login", "master", "priv",
    "private", "secret", "security", "service", "session", "shared", "signing", "ssh", "storage", "user", "webhook",
)  # fmt: skip
PASSWORD_WORD = _any_case("(?:pass(?:word|wort|wd|phrase|code)?|pwd|contrase|senha|kennwort)")
WORD = _any_case(rf"(?:pass|pwd|contrase|senha|kennwort|secret|token|credential|(?:{'|'.join(KEY_OF)})[_\- ]?key)")
TAIL = r"[\w.\-]{0,24}"
GIVEN = (
    r"\\?['\"]?\]?"
    r"(?::[ \t]?[\w\[\]., |]{1,30}|[ \t](?:string|[vV]alue)|\[\d{0,4}\])?"
    r"[ \t]{0,8}(?:[:.?|+]{0,3}={1,3}|=>|!==?|:)[ \t]{0,8}"
    r"(?:[rbuRBU]{1,2}|@|(?:\[\])?\w{1,16}\()?"
)
QUOTED_VALUE = (
    r"(?:\"(?P<double>[^\s\"]{4,128})\"|'(?P<single>[^\s']{4,128})'|`(?P<back>[^\s`]{4,128})`"
    r"|\\[\"'](?P<escaped>[^\s\"'\\]{4,128})\\[\"'])"
)
# Only the beginning of a bare value, so that an engine reports few ends. Not letters alone: in code, words stand after
# a colon or an equals sign everywhere.
NOT_BARE = r"\s'\"`,;<>(){}\[\]\\"
BARE_VALUE = rf"(?P<bare>[A-Za-z_\-]{{4,40}}[0-9!@#$%^&*+=~?/]|[A-Za-z_\-]{{0,3}}[0-9!@#$%^&*+=~?/][^{NOT_BARE}]{{3}})"
BARE_REST = re.compile(rf"[^{NOT_BARE}]{{0,200}}")

QUOTED = rf"{WORD}{TAIL}{GIVEN}{QUOTED_VALUE}"
ARGUMENT = rf"{WORD}{TAIL}['\"][ \t]{{0,4}},[ \t]{{0,8}}{QUOTED_VALUE}"
SETTER = rf"{WORD}\w{{0,12}}\([ \t]{{0,8}}{QUOTED_VALUE}"
BARE = rf"{WORD}{TAIL}\\?['\"]?[ \t]{{0,8}}(?:[:.?|+]{{0,3}}=|:)[ \t]{{0,8}}{BARE_VALUE}"
ELEMENT = rf"{WORD}{TAIL}>(?P<bare>[^\s<>]{{4,128}})</"
BARE_WORD = (  # a whole line of a configuration file
    rf"^[ \t]{{0,24}}(?:export |- )?(?P<name>[\w.\-]{{0,40}}{PASSWORD_WORD})(?:: {{1,8}}|[ \t]{{0,8}}=[ \t]{{0,8}})"
    r"(?P<bare>[a-z]{4,20})[ \t\r]{0,8}$"
)
FLAG = rf"--[\w\-]{{0,20}}{WORD}[\w\-]{{0,12}}[ \t]{{1,4}}{BARE_VALUE}"
HEADER = (
    _any_case("authorization") + r"\W{1,8}" + _any_case("(?:bearer|basic|token|apikey)") + r"[ \t]{1,4}"
    r"(?P<bare>[A-Za-z0-9_\-.=+/~]{16})"
)

Form = Literal["quoted", "argument", "setter", "bare", "word", "flag", "header", "element"]
FORMS: dict[Form, re.Pattern[str]] = {
    "quoted": re.compile(QUOTED, re.ASCII),
    "argument": re.compile(ARGUMENT, re.ASCII),
    "setter": re.compile(SETTER, re.ASCII),
    "bare": re.compile(BARE, re.ASCII),
    "word": re.compile(BARE_WORD, re.ASCII),
    "flag": re.compile(FLAG, re.ASCII),
    "header": re.compile(HEADER, re.ASCII),
    "element": re.compile(ELEMENT, re.ASCII),
}
NAMED_FORMS = frozenset(("quoted", "argument", "setter"))
BARE_FORMS = frozenset(("bare", "word", "flag", "header", "element"))
EXTENDED = frozenset(("bare", "flag", "header"))
# The patterns are the expressions themselves, so that each hits exactly the lines on which it matches.
PATTERNS = tuple(re.sub(r"\(\?P<\w+>", "(?:", form.pattern) for form in FORMS.values())

NAME_BEFORE = re.compile(r"[\w.\-$]{0,40}$", re.ASCII)
NAME = re.compile(r"[\w.\-$]+", re.ASCII)
NAME_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
QUERY_END = re.compile(r"&(?:amp;)?\w+=|\\[nrt]")
# Words that a name may end in and still be the credential itself: password_test, secret1, token_base64.
NEUTRAL = frozenset((
    "again", "b64", "base", "base64", "bytes", "confirm", "confirmation", "default", "dev", "development", "env", "hex",
    "live", "local", "new", "old", "plain", "plaintext", "prod", "production", "raw", "repeat", "staging", "str",
    "string", "test", "text", "val", "value",
))  # fmt: skip
PASSWORD = re.compile(
    r".*(?:password|passwd|passwort|passphrase|passcode|pwd|contrase\w*|senha|kennwort)s?|(?:.*[^m]|)pass"
)
NOT_PASS = frozenset(("bypass", "surpass", "trespass", "overpass", "underpass", "multipass"))
KEY = re.compile(rf".*(?:secret|token|credential)s?|(?:.*(?:{'|'.join(KEY_OF)}))keys?")
# Tokens of pages and of texts, and keys that anyone may see.
OPEN_OF = frozenset((
    "bos", "cls", "continuation", "cursor", "delimiter", "end", "eos", "mask", "next", "pad", "page", "pagination", "prev",
    "public", "sep", "special", "start", "sync", "unk", "stop", "image", "audio", "video", "prefix", "suffix",
))  # fmt: skip


class Given(NamedTuple):
    """A value on a line: how it is given, what the name says it holds, the name's words, and offsets in the line."""

    form: Form
    holds: Holds
    words: tuple[str, ...]
    start: int
    end: int


def assigned(line: str) -> Iterator[Given]:
    """The values on ``line`` that are given to a telling name."""
    for form, regex in FORMS.items():
        for match in regex.finditer(line):
            word = match.start("name" if form == "word" else 0)
            before = NAME_BEFORE.search(line, max(0, word - 40), word)
            first = before.start() if before else word
            name = NAME.match(line, first)
            words = name_words(name.group()) if name else ()
            holds = "key" if form == "header" else holding(words)
            typed = line[first - 1 : first] == ":" and form != "element"  # a qualified type, or a piece of a URN
            if holds and match.lastgroup and not typed:
                start, end = match.span(match.lastgroup)
                if form in EXTENDED and (rest := BARE_REST.match(line, end)):
                    end = rest.end()
                if cut := QUERY_END.search(line, start, end):
                    end = cut.start()
                yield Given(form, holds, words, start, end)


def name_words(name: str) -> tuple[str, ...]:
    """The lower-case words of a name in any style: ``db.userPassword2`` is db, user, password, 2."""
    return tuple(word.lower() for word in NAME_WORDS.findall(name))


def names_credential(name: str) -> bool:
    """Whether a name holds a credential, or says nothing, as the attribute ``value`` does."""
    words = name_words(name)
    return holding(words) is not None or NEUTRAL.issuperset(words)


def holding(words: tuple[str, ...]) -> Holds | None:
    """What a name of these words holds, which its last word says: a token_type is no token, nor a password_field one."""
    while len(words) > 1 and (words[-1] in NEUTRAL or words[-1].isdigit()):
        words = words[:-1]
    if not words or OPEN_OF.intersection(words):
        return None
    last = words[-1]
    if PASSWORD.fullmatch(last) and last not in NOT_PASS:
        return "password"
    return "key" if KEY.fullmatch(last) or (last in ("key", "keys") and words[-2:-1] and words[-2] in KEY_OF) else None
