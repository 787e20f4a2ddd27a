"""Whether a string can be a live credential: random characters are told from placeholders, references and words."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from math import log2
from typing import Literal

# Drawn at random; chosen by a person (hunter2); a word of a language, which a password can be; hexadecimal.
Verdict = Literal["drawn", "chosen", "word", "digest"]

PLACEHOLDER = re.compile(
    r"example|placeholder|change.?me|change.?this|replace.?(?:me|this|with)|your.{0,12}(?:key|token|secret|pass|here)"
    r"|insert.{0,8}here|dummy|fake|mock|bogus|sample|redacted|deadbeef|cafebabe|not.?a.?real|foo.?bar|\btodo\b|fixme"
    r"|x{4,}|\*{3,}|\.{3,}|#{4,}|_{4,}",
    re.IGNORECASE,
)
# Interpolation and references: {x}, ${x}, #{x}, {{ x }}, %(x)s, %s, <x>, $(x), $X.
TEMPLATE = re.compile(r"[$#%]?\{[^{}]*\}|%\(\w+\)|%[sdr]|<[^<>]*>|^\$\(?\w+[)\-]?$|^%\w+%$|\w\.\$\d$")
VERSIONED = re.compile(r"[A-Za-z][A-Za-z_.\-]*[\-@_:]v?\d+(?:\.\d+){1,3}[\w.\-]{0,10}")  # jackson-core-2.1.0
ESCAPES = re.compile(r"(?:\\+[uUxX][0-9a-fA-F]{2,8}){2,}")
REPEATED = re.compile(r"([^A])\1{5}")  # base64 of zero bytes is a run of A, also in live keys
# What a word says that tells what it stands for and not what it is: password, client-secret, access_token_1.
DESCRIBING = frozenset((
    "access", "an", "any", "api", "app", "auth", "authorization", "bad", "basic", "bearer", "bool", "boolean", "bytes",
    "changed", "client", "code", "confirm", "correct", "credential", "credentials", "current", "customer", "db", "default",
    "disabled", "email", "empty", "enabled", "enter", "env", "expired", "false", "field", "file", "forgot", "grant", "hash",
    "hashed", "hidden", "id", "input", "int", "integer", "invalid", "is", "jwt", "key", "keys", "login", "missing", "my",
    "name", "new", "no", "none", "not", "null", "number", "oauth", "object", "old", "optional", "param", "pass", "passcode",
    "passphrase", "passwd", "password", "passwords", "path", "pin", "plain", "private", "prompt", "public", "pw", "pwd",
    "query", "refresh", "required", "reset", "secret", "secrets", "secure", "security", "service", "session", "set", "shared",
    "show", "signing", "some", "str", "string", "text", "the", "this", "token", "tokens", "true", "type", "unknown",
    "undefined", "unset", "update", "user", "username", "valid", "value", "verify", "visible", "weak", "wrong",
    "another", "bar", "baz", "blah", "does", "exist", "foo", "generated", "good", "other", "random", "temp", "test", "testing",
    "tests", "tmp",
    "clave", "contrasena", "haslo", "heslo", "kennwort", "parola", "passwort", "salasana", "senha", "wachtwoord",
))  # fmt: skip
GLUED = re.compile(rf"(?:{'|'.join(sorted(DESCRIBING, key=len, reverse=True))}){{2,6}}\d{{0,3}}")
ALGORITHM = re.compile(
    r"(?:pbkdf2|sha|md|aes|rsa|ed|ec|ecdsa|dsa|hs|rs|es|ps|oauth|base|utf|x|v|argon|blake|bcrypt|scrypt|hmac|p|curve|des)"
    r"[\-_]?\d.{0,12}",
    re.IGNORECASE,
)
LOWER_WORD = re.compile(r"[a-z]{4,20}")
LETTERS_THEN_SIGNS = re.compile(r"[A-Za-z]{3,}[\d!@#$]+")
EXPRESSION = re.compile(r"\\+[wdsWDSb]|\[\^|\(\?|[\])][+*]")  # a regular one
NAME_SHARE = 0.7
WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
# A URL's userinfo may hold the sub-delimiters that detect-secrets excludes, and an @ of its own.
URL_PASSWORD = re.compile(r"://([^\s:/?#@'\"`<>()]*):((?:[^\s@/'\"`<>\\]|@(?=[^\s/'\"`@]*@))+)@([\w\[][\w.\-]*)")
UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")  # some providers' keys are UUIDs
WORDLIKE = re.compile(r"[a-z]+(?:[_\-.][a-z]+)*\d?|[A-Z]+(?:[_\-.][A-Z]+)*\d?|[A-Z][a-z]+\d?")
# Code and not a value: a call, an index, a dotted or slashed name, a flag, a path, a URL, a name in any case.
REFERENCE = re.compile(
    r"[\w.\-]+[(\[].*|[A-Za-z_][\w\-]*(?:(?:\.|::|->|/)[A-Za-z_][\w\-]*)+[/?]?|[./~].*|--?[a-z][\w\-]*=?"
    r"|_*[A-Za-z]+(?:[_\-][A-Za-z]+)*[_\-]?\d?|[a-z]+(?:[A-Z][a-z]+)+|[a-z][a-z0-9+.\-]*://.*"
)
# What base64 of PNG, GIF, JPEG, gzip, ZIP, PDF, WOFF, WebAssembly and of public keys in DER begins with.
ENCODED = (
    "iVBORw0KGgo", "R0lGOD", "/9j/", "H4sI", "UEsDB", "JVBERi", "d09G", "AGFzb", "MIIBIjAN", "MIIBCgKC", "MIICIjAN", "MIGfMA0G",
    "MFkwEwYH", "MFIwDQYJ", "AAAAB3NzaC1", "AAAAC3NzaC1", "AAAAE2VjZHNh",
)  # fmt: skip
HEXADECIMAL = re.compile(r"[0-9a-fA-F]{32,}")
# The letters that follow each letter of the alphabet in 93 % of the pairs in names and words of code; of pairs of random
# letters these are 36 %. The rest of a word's letters, and a random string's, tell it from the other.
FOLLOWING = {
    "a": "bcdgilmnprstuvy", "b": "aeilorsu", "c": "acehiklorstu", "d": "aeiorsu", "e": "acdefgilmnopqrstvwx",
    "f": "aefilortu", "g": "aehilnorsu", "h": "aeiot", "i": "abcdefglmnoprstvxz", "j": "aeou", "k": "eis",
    "l": "adeilostuy", "m": "abeimopsu", "n": "acdefgiknostuv", "o": "abcdgiklmnoprstuvw", "p": "aehiloprstuy",
    "q": "u", "r": "acdegiklmnoprstuy", "s": "acehilopstuy", "t": "acehilorstuy", "u": "abceilmnprst", "v": "aei",
    "w": "aei", "x": "ipt", "y": "ps", "z": "e",
}  # fmt: skip
LEAST_GIBBERISH = 15  # characters
MOST_COUNTED = 10  # letters in the order of the alphabet, whatever stands between
LEAST_PAIRS, WORDS_PAIRS, DRAWN_PAIRS = 8, 0.8, 0.6  # neighbouring letters, and the shares of them that words have
LEAST_RUN, LEAST_PIECE = 24, 16  # characters; a piece is what separators leave: names and paths have short ones
PIECE = re.compile(r"[A-Za-z0-9+=]+")
CLASS_CHANGES = 0.34  # least share in two-case strings; 99 % of random base-62 strings of 20 characters have more
CLASS_CHANGES_ONE_CASE = 0.22  # the same for base-36 and hexadecimal
WORD_SHARE = 0.5  # most characters in words of three or more lower-case letters, where both cases occur
NAME_PREFIX = re.compile(r"(?:[A-Za-z]{2,10}[_\-.]){1,2}(?=.{12})")  # as in NRAK-..., sm_pat_...
WORD_RUN = re.compile(r"[A-Z]?[a-z]{3,}")
SEPARATORS = re.compile(r"[_\-.]")
CODE_CHARACTERS = re.compile(r"[\s<>,;(){}\[\]\\'\"`]")
RELATIVE_ENTROPY = 0.72  # of the most that so many characters of the alphabet can have


def is_placeholder(value: str) -> bool:
    """A value that stands for another: example keys, templates, runs of one character, counting sequences."""
    return bool(
        PLACEHOLDER.search(value)
        or TEMPLATE.search(value)
        or REPEATED.search(value)
        or is_describing(value)
        or _longest_count(value) >= 8
        or _longest_count("".join(filter(str.isalpha, value.lower()))) >= MOST_COUNTED
    )


def is_describing(value: str, name: Sequence[str] = ()) -> bool:
    """A value that only says what it stands for, or what its ``name`` says, perhaps with a digit: ``my-token-1``."""
    words = [word.lower() for word in WORDS.findall(value)]
    return bool(GLUED.fullmatch(value.lower())) or (
        bool(words)
        and all(word in DESCRIBING or word in name for word in words)
        and sum(map(len, words)) >= len(re.sub(r"[\W_]", "", value)) - 1
    )


def is_reference(value: str) -> bool:
    """A value that is code or a name, such as ``settings.token``."""
    return bool(REFERENCE.fullmatch(value))


def is_drawn(value: str) -> bool:
    """For a value in a provider's format, which says enough by itself: it is no example of the format, nor words."""
    few_digits = sum(map(str.isdigit, value)) < 0.1 * len(value)
    written = few_digits and (share_of_words(value, 2 * LEAST_PAIRS) or 0) >= WORDS_PAIRS
    wordy = written or (len(value) >= 32 and class_changes(value) < 0.15)
    return not wordy and not is_placeholder(value) and len(set(value)) >= min(10, len(value) // 2)


def share_of_words(value: str, least: int = LEAST_PAIRS) -> float | None:
    """The share of neighbouring letters that stand so in words; None where there are fewer than ``least`` of them."""
    letters = value.lower()
    pairs = [(a, b) for a, b in pairwise(letters) if a in FOLLOWING and b in FOLLOWING]
    return sum(b in FOLLOWING[a] for a, b in pairs) / len(pairs) if len(pairs) >= least else None


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


def judge(value: str, holds: Literal["password", "key"], name: Sequence[str]) -> Verdict | None:
    """What a value can be that is given to a name of these words; None where it is no credential."""
    if (
        PLACEHOLDER.search(value)
        or TEMPLATE.search(value)
        or EXPRESSION.search(value)
        or ESCAPES.fullmatch(value)
        or ALGORITHM.fullmatch(value)
        or is_describing(value, name)
    ):
        return None
    return _judge_key(value) if holds == "key" else _judge_password(value, name)


def judge_nameless(value: str) -> Verdict | None:
    """What a long string can be that nothing names: only characters drawn from both cases can be a key."""
    short = len(value) < LEAST_RUN or max(map(len, PIECE.findall(value))) < LEAST_PIECE
    if short or is_placeholder(value) or not looks_random(value) or _is_name(value) or _is_encoded(value):
        return None
    if value.lower() == value or value.upper() == value:  # names, paths and UUIDs, too
        return "digest" if HEXADECIMAL.fullmatch(value) else None
    return "drawn"


def _is_encoded(value: str) -> bool:
    """Whether base64 of text, which any reader sees through, of a known format of files, or of a public key."""
    if value.startswith(ENCODED):
        return True
    try:
        text = base64.b64decode(value[: len(value) // 4 * 4]).decode("ascii")
    except ValueError:
        return False
    return all(character.isprintable() or character.isspace() for character in text)


def _judge_key(value: str) -> Verdict | None:
    if (
        len(value) < 8
        or VERSIONED.fullmatch(value)
        or REPEATED.search(value)
        or _longest_count(value) >= 8
        or _counts(value)
    ):
        return None
    if looks_random(value) or UUID.fullmatch(value) or _is_gibberish(value):
        return "drawn"
    return "chosen" if _is_mixed(value) and not is_reference(value) and not _is_name(value) else None


def _judge_password(value: str, name: Sequence[str]) -> Verdict | None:
    if LOWER_WORD.fullmatch(value):
        return "word" if tuple(name) != ("pass",) else None  # which is also a verb, and a band of a filter
    if LETTERS_THEN_SIGNS.fullmatch(value) or value.isdecimal():
        return "chosen"
    if is_reference(value) and not (len(value) >= 8 and class_changes(value) > 0.4):
        return None
    if len(value) >= 12 and looks_random(value):
        return "drawn"
    return "chosen" if _is_mixed(value) else None


def _is_gibberish(value: str) -> bool:
    """Letters and digits, with letters next to each other as in no word: what ``looks_random`` needs more digits for."""
    share = share_of_words(value) if len(value) >= LEAST_GIBBERISH and re.fullmatch(r"[\w+/=\-.~]+", value) else None
    return share is not None and share < DRAWN_PAIRS and len(set(value)) >= LEAST_GIBBERISH // 2


def _is_mixed(value: str) -> bool:
    return any(map(str.isalpha, value)) and not value.strip("_-.:/#@*!?").isalpha()


def _is_name(value: str) -> bool:
    """Words in a row, with separators or humps, as identifiers are, even where a digit stands among them."""
    words = WORDS.findall(value)
    return len(words) > 1 and sum(len(word) for word in words if len(word) > 2) >= NAME_SHARE * len(value)


def _counts(value: str) -> bool:
    """``1a2b3c4d`` and ``abcd1234efgh``: letters that count, digits that count."""
    chunks = re.findall(r"[a-z]+|\d+", value.lower())
    if chunks and all(len(chunk) > 2 and _longest_count(chunk) == len(chunk) for chunk in chunks):
        return True
    letters = "".join(filter(str.isalpha, value.lower()))
    digits = "".join(filter(str.isdigit, value))
    return _longest_count(letters) >= min(6, len(letters)) > 2 and _longest_count(digits) >= min(6, len(digits)) > 2


def looks_like_url_password(value: str) -> bool:
    """The same between the colon and the at sign of a URL, a place that holds passwords and little else."""
    return len(value) >= 4 and not value.isdecimal() and not is_placeholder(value) and not WORDLIKE.fullmatch(value)


def is_word_for_url(value: str, user: str, host: str) -> bool:
    """A word as password of a URL, as development databases have: not where user or host only stand for others."""
    names_nobody = is_describing(user) or PLACEHOLDER.search(f"{user} {host}")
    return bool(LOWER_WORD.fullmatch(value)) and not names_nobody and not is_placeholder(value)


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
