"""Values given to a name that says it holds a credential: quoted, bare, in a header, on a command line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

# What a name is said to hold: a password, which people choose, or a key or token, which is drawn.
Holds = Literal["password", "key"]


def _any_case(words: str) -> str:
    """``words`` with both cases of each letter. Not (?i:...), which ``re`` searches fifty times slower."""
    return re.sub(r"[a-z]", lambda letter: f"[{letter[0]}{letter[0].upper()}]", words)


KEY_OF = (
    "access", "account", "admin", "api", "app", "application", "auth", "aws", "azure", "bot", "cipher", "client",
    "consumer", "crypto", "database", "db", "decrypt", "decryption", "deploy", "encrypt", "encryption", "firebase",
    "github", "google", "hmac", "host", "jwt", "license", "login", "maps", "master", "openai", "priv", "private",
    "product", "root", "rsa", "sdk", "secret", "security", "server", "service", "session", "shared", "signing", "ssh",
    "storage", "stripe", "subscription", "twitter", "user", "webhook", "write",
)  # fmt: skip
PASSWORD_WORD = _any_case("(?:pass(?:word|wort|wd|phrase|code)?|pwd|pswd|pw|contrase|senha|kennwort)")
WORD = _any_case(
    rf"(?:pass|pwd|pswd|pw|contrase|senha|kennwort|secret|token|credential|salt|(?:{'|'.join(KEY_OF)})[_\- ]?key)"
)
TAIL = r"[\w.\-]{0,24}"
NAME_END = r"\\?['\"]?[\])]?"
SIGN = r"[ \t]{0,8}(?:[:.?|+]{0,3}={1,3}|=>|!==?|:|\|\||\?\?|(?<=[)\]] )or\b|\)[ \t]?\{)[ \t]{0,8}"
GIVEN = (
    rf"{NAME_END}(?::[ \t]?[\w\[\]., |&]{{1,30}}|[ \t](?:(?:As[ \t])?[sS]tring|[vV]alue)|\[\d{{0,4}}\])?{SIGN}"
    r"(?:[rbuRBU]{1,2}|@|(?:\[\])?\w{0,16}\()?(?:\"\"|'')?"
)
LOOKED_UP = (
    r"[\w.]{0,24}(?:[gG]et(?:env|Env|Property|String|Option|OrDefault)?|[eE]nv|ENV\.fetch|[cC]onfig|[oO]ption)[(\[][ \t]?"
    r"['\"][\w.\-]{1,60}['\"],[ \t]?(?:default[ \t]?=[ \t]?)?"
)
DEFAULT = r"(?:(?:[\w=, ]{0,60}\b)?default[ \t]?=[ \t]?)?"
TYPED = r"(?:type|fill|send_?[kK]eys|setValue|sendText|enterText)"
QUOTED_VALUE = (
    r"(?:\"(?P<double>[^\s\"]{4,128})\"|'(?P<single>[^\s']{4,128})'|`(?P<back>[^\s`]{4,128})`"
    r"|\\[\"'](?P<escaped>[^\s\"'\\]{4,128})\\[\"'])"
)
# A closing quote tells little, and counting up to it is dear.
QUOTED_BEGINNING = r"(?:\"[^\s\"]{4}|'[^\s']{4}|`[^\s`]{4}|\\[\"'][^\s\"'\\]{4})"
# Only the beginning of a bare value, so that an engine reports few ends. Not letters alone: in code, words stand after
# a colon or an equals sign everywhere.
NOT_BARE = r"\s'\"`,;<>(){}\[\]\\"
BARE_VALUE = rf"(?P<bare>[A-Za-z_\-]{{4,40}}[0-9!@#$%^&*+=~?/]|[A-Za-z_\-]{{0,3}}[0-9!@#$%^&*+=~?/][^{NOT_BARE}]{{3}})"
BARE_REST = re.compile(rf"[^{NOT_BARE}]{{0,200}}")

QUOTED = rf"{WORD}{TAIL}{GIVEN}{QUOTED_VALUE}"
ARGUMENT = rf"{WORD}{TAIL}['\"][ \t]{{0,4}},[ \t]{{0,8}}{DEFAULT}{QUOTED_VALUE}"
FALLBACK = rf"{WORD}{TAIL}{NAME_END}{SIGN}{LOOKED_UP}{QUOTED_VALUE}"
SPACED = rf"{WORD}\w{{0,24}}[ \t]{{1,8}}(?:is[ \t]{{1,4}})?{QUOTED_VALUE}"
ENTERED = rf"{WORD}[\w\-]{{0,12}}['\"\]]{{1,3}}\)\.{TYPED}\([ \t]?{QUOTED_VALUE}"
SETTER = rf"{WORD}\w{{0,12}}\([ \t]{{0,8}}{QUOTED_VALUE}"
BARE = rf"{WORD}{TAIL}\\?['\"]?[ \t]{{0,8}}(?:[:.?|+]{{0,3}}=|:-?)[ \t]{{0,8}}{BARE_VALUE}"
ELEMENT = rf"{WORD}{TAIL}['\"]?>(?P<bare>[^\s<>]{{4,128}})</"
BARE_WORD = (  # a whole line of a configuration file
    rf"^[ \t]{{0,24}}(?:export |- )?(?P<name>[\w.\-]{{0,40}}{PASSWORD_WORD})(?:: {{1,8}}|[ \t]{{0,8}}=[ \t]{{0,8}})"
    r"(?P<bare>[a-z]{4,20})[ \t\r]{0,8}$"
)
FLAG = rf"--[\w\-]{{0,20}}{WORD}[\w\-]{{0,12}}[ \t]{{1,4}}{BARE_VALUE}"
HEADER = (
    _any_case("authorization") + r"\W{1,8}" + _any_case("(?:bearer|basic|token|apikey)") + r"[ \t]{1,4}"
    r"(?P<bare>[A-Za-z0-9_\-.=+/~]{16})"
)

Form = Literal[
    "quoted", "argument", "fallback", "spaced", "entered", "setter", "bare", "word", "flag", "header", "element"
]
FORMS: dict[Form, re.Pattern[str]] = {
    "quoted": re.compile(QUOTED),
    "argument": re.compile(ARGUMENT),
    "fallback": re.compile(FALLBACK),
    "spaced": re.compile(SPACED),
    "entered": re.compile(ENTERED),
    "setter": re.compile(SETTER),
    "bare": re.compile(BARE),
    "word": re.compile(BARE_WORD),
    "flag": re.compile(FLAG),
    "header": re.compile(HEADER),
    "element": re.compile(ELEMENT),
}
NAMED_FORMS = frozenset(("quoted", "argument", "setter"))
BARE_FORMS = frozenset(("bare", "word", "flag", "header", "element"))
ASKING = frozenset(("fetch", "find", "get", "has", "is", "load", "lookup", "read", "require"))
LED = frozenset(("word", "flag", "header"))  # forms that begin with something before the telling word
# Each match of WORD begins with one of these, or with one of KEY_OF before a "key": ``re`` searches for WORD itself a
# hundred times slower.
STEMS = ("pass", "pw", "pswd", "contrase", "senha", "kennwort", "secret", "token", "credential", "salt")
WORD_AT = re.compile(WORD)
EXTENDED = frozenset(("bare", "flag", "header"))
# An engine follows one pattern after each WORD, not one for each form. It hits all lines on which a form matches.
_HEADS = [re.sub(r"\(\?P<\w+>", "(?:", form.pattern.replace(QUOTED_VALUE, QUOTED_BEGINNING)) for form in FORMS.values()]
_AFTER_WORD = [head[len(WORD) :] for head in _HEADS if head.startswith(WORD)]
PATTERNS = (f"{WORD}(?:{'|'.join(_AFTER_WORD)})", *(head for head in _HEADS if not head.startswith(WORD)))

NAME_BEFORE = re.compile(r"[\w.\-$]{0,40}$")
NAME = re.compile(r"[\w.\-$]+")
GIVEN_TO = re.compile(r"(?P<name>[\w.\-]{2,40})['\"\])]{0,2}[ \t]{0,4}(?:=>|:?=|:)[ \t]{0,4}b?$")
MOST_NAME = 60  # characters of a name and what stands between it and its value
NAME_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
QUERY_END = re.compile(r"&(?:amp;)?\w+=|\\[nrt]")
# Words that a name may end in and still be the credential itself: password_test, secret1, token_base64.
NEUTRAL = frozenset((
    "again", "b64", "base", "base64", "bytes", "confirm", "confirmation", "default", "dev", "development", "env", "hex",
    "live", "local", "new", "old", "plain", "plaintext", "prod", "production", "raw", "repeat", "staging", "str",
    "string", "test", "text", "val", "value",
))  # fmt: skip
PASSWORD = re.compile(
    r".*(?:password|passwd|passwort|passphrase|passcode|pwd|pswd|contrase\w*|senha|kennwort)s?|(?:.*[^m]|)pass"
    r"|(?:|admin|db|ftp|login|mail|my|root|smtp|user)pw"
)
NOT_PASS = frozenset(("bypass", "surpass", "trespass", "overpass", "underpass", "multipass"))
KEY = re.compile(rf".*(?:secret|token|credential)s?|salt|(?:.*(?:{'|'.join(KEY_OF)}))keys?")
# Tokens of pages and of texts, and keys that anyone may see.
OPEN_OF = frozenset((
    "bos", "cls", "continuation", "cursor", "delimiter", "end", "eos", "mask", "next", "pad", "page", "pagination", "prev",
    "public", "sep", "special", "start", "sync", "unk", "stop", "image", "audio", "video", "prefix", "suffix",
))  # fmt: skip
# Tokens that say which request, version or place is meant, and open nothing.
OPEN_TOKEN_OF = frozenset((
    "action", "authenticity", "cancellation", "change", "idempotency", "idempotent", "lock", "request", "resume",
    "sequence", "starting", "update",
))  # fmt: skip
# Keys of tables, caches and pages, and what may be a key's name where the value is random.
MAY_BE_KEY = frozenset(("api", "auth", "cred", "creds", "key", "pat", "seed"))
PLAIN_KEY_OF = frozenset((
    "cache", "column", "dedup", "dict", "foreign", "group", "index", "lookup", "object", "partition", "primary", "publishable",
    "row", "s3", "site", "sort", "state", "storage", "translation", "unique",
))  # fmt: skip
SOMETHING_ELSE = frozenset((
    "arn", "body", "certificate", "content", "cursor", "description", "etag", "file", "filename", "href", "icon", "id", "ids",
    "image", "location", "message", "name", "path", "src", "text", "thumbprint", "title", "uri", "url", "version",
))  # fmt: skip
# Digests, public keys and alphabets are random too; what a line says about itself tells them apart.
DIGEST_WORDS = (
    "md5", "hash", "digest", "integrity", "checksum", "commit", "revision", "crc", "fingerprint", "etag", "blake", "uuid",
    "guid", "public", "certificate", "alphabet", "charset", "base64", "b64", "nonce", "salt", "signature", "authenticity",
    "csrf", "src=", "fromhex", "unhexlify",
)  # fmt: skip
DIGEST_PART = re.compile(r"sha[-_]?\d|sha(?![a-z])|\bgit|\bid\b")
DIGEST_LINE = re.compile("|".join((DIGEST_PART.pattern, *DIGEST_WORDS)), re.IGNORECASE)


class Given(NamedTuple):
    """A value on a line: how it is given, what the name says it holds, the name's words, and offsets in the line."""

    form: Form
    holds: Holds
    words: tuple[str, ...]
    start: int
    end: int


def assigned(line: str) -> Iterator[Given]:
    """The values on ``line`` that are given to a telling name."""
    starts = _word_starts(line)
    for form, regex in FORMS.items():
        for match in regex.finditer(line) if form in LED else _matches(regex, line, starts):
            word = match.start("name" if form == "word" else 0)
            before = NAME_BEFORE.search(line, max(0, word - 40), word)
            first = before.start() if before else word
            name = NAME.match(line, first)
            words = name_words(name.group()) if name else ()
            holds = "key" if form == "header" else holding(words)
            # A qualified type, or a piece of a URN; but a symbol of Ruby is a name.
            typed = form != "element" and bool(re.search(r"[\w:*]:$", line[max(0, first - 2) : first]))
            if holds and match.lastgroup and not typed and not (form in ("setter", "spaced") and _is_verb(form, words)):
                start, end = match.span(match.lastgroup)
                if form in EXTENDED and (rest := BARE_REST.match(line, end)):
                    end = rest.end()
                if cut := QUERY_END.search(line, start, end):
                    end = cut.start()
                yield Given(form, holds, words, start, end)


def _word_starts(line: str) -> list[int]:
    """Where WORD matches, in order."""
    lower = line.lower() if line.isascii() else re.sub("[A-Z]", lambda letter: letter[0].lower(), line)
    found = {match.start() for stem in STEMS for match in re.finditer(stem, lower)}
    for match in re.finditer("key", lower):
        for end in (match.start(), match.start() - (lower[match.start() - 1 : match.start()] in ("_", "-", " "))):
            found.update(end - len(word) for word in KEY_OF if lower.endswith(word, 0, end))
    return sorted(at for at in found if WORD_AT.match(line, at))


def _matches(regex: re.Pattern[str], line: str, starts: Sequence[int]) -> Iterator[re.Match[str]]:
    """What ``finditer`` finds, where every match begins at one of ``starts``: the search for them is made once."""
    last = 0
    for start in starts:
        if start >= last and (match := regex.match(line, start)):
            last = match.end()
            yield match


def _is_verb(form: Form, words: tuple[str, ...]) -> bool:
    """``pass "x"``, ``passValue("x")``, ``getPassword("x")`` and ``splitpasswd("x")`` give nothing to a password."""
    if form == "setter" and ASKING.intersection(words):
        return True
    if words[0] == "pass":
        return form == "spaced" or len(words) > 1
    return form == "setter" and len(words) == 1 and not re.fullmatch(rf"(?:set|with)?{WORD}\w{{0,6}}", words[0])


def name_words(name: str) -> tuple[str, ...]:
    """The lower-case words of a name in any style: ``db.userPassword2`` is db, user, password, 2."""
    return tuple(word.lower() for word in NAME_WORDS.findall(name))


def names_credential(name: str) -> bool:
    """Whether a name holds a credential, or says nothing, as the attribute ``value`` does."""
    words = name_words(name)
    return holding(words) is not None or NEUTRAL.issuperset(words)


def is_given_to_key(text: str, start: int, at: int) -> bool:
    """Whether the quote ``text[at]``, on a line from ``start`` on, opens what is given to a name that may be a key's.

    Such as ``weather_key``: only a random value of it is a credential.
    """
    match = GIVEN_TO.search(text, max(start, at - MOST_NAME), at)
    words = name_words(match["name"]) if match else ()
    return bool(words) and words[-1] in MAY_BE_KEY and not (PLAIN_KEY_OF | OPEN_OF).intersection(words)


def speaks_of_digests(line: str) -> bool:
    """Whether ``line`` tells that a random value on it is a digest, a public key, an alphabet or an identifier."""
    if not line.isascii():
        return bool(DIGEST_LINE.search(line))
    lower = line.lower()  # the same at a tenth of the price
    return any(word in lower for word in DIGEST_WORDS) or bool(DIGEST_PART.search(lower))


def says_otherwise(name: str) -> bool:
    """Whether a name tells that a random value of it is no credential: an identifier, a place, a text, an open token."""
    words = name_words(name)
    return bool(words) and (words[-1] in SOMETHING_ELSE or (words[-1] == "token" and holding(words) is None))


def holding(words: tuple[str, ...]) -> Holds | None:
    """What a name of these words holds, which its last word says: a token_type is no token, nor a password_field one."""
    while len(words) > 1 and (words[-1] in NEUTRAL or words[-1].isdigit()):
        words = words[:-1]
    if not words or OPEN_OF.intersection(words):
        return None
    last = words[-1]
    if last in ("token", "tokens") and OPEN_TOKEN_OF.intersection(words):
        return None
    if any(word.startswith(("csrf", "xsrf")) for word in words):  # a page's, new with each
        return None
    if PASSWORD.fullmatch(last) and last not in NOT_PASS:
        return "password"
    return "key" if KEY.fullmatch(last) or (last in ("key", "keys") and words[-2:-1] and words[-2] in KEY_OF) else None
