"""Credentials: token formats, expressions of detect-secrets, and values given to telling names, each held to its context.

detect-secrets' plug-ins are asked only for their regular expressions and validators. Its settings, which are one object
per process, and its network verification are never touched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, get_args

from scrubber.detectors import _without_network  # noqa: F401 (before detect-secrets)

# isort: split
from detect_secrets.filters import heuristic
from detect_secrets.plugins import jwt

from scrubber.core.syntax import BARE_STRINGS, GRAMMARS, Context, contexts
from scrubber.core.types import Detector, Document, Hit, Kind, Pattern, Span
from scrubber.detectors import _rules
from scrubber.detectors._assignments import (
    BARE_FORMS,
    NAMED_FORMS,
    PATTERNS,
    Given,
    assigned,
    is_given_to_key,
    names_credential,
    says_otherwise,
    speaks_of_digests,
)
from scrubber.detectors._plausible import (
    URL_PASSWORD,
    Verdict,
    is_drawn,
    is_placeholder,
    is_word_for_url,
    judge,
    judge_nameless,
    looks_like_url_password,
)
from scrubber.detectors._plugins import KEY_HEADERS, PLUGINS, Plugin
from scrubber.detectors.prefilter import lines

# The whole of a confidence: what the pattern is worth, then what the value looks like, then where it stands. The
# balanced profile keeps .5 and more: a password that is a word, or a key without a name, passes only in plain code.
PATTERN = {
    "a provider's token format": 0.95,
    "an expression of detect-secrets": 0.9,
    "the block of a private key": 0.95,
    "a web token with a valid header": 0.85,
    "the password of a URL": 0.85,
    "a value given to the name of a credential": 0.7,
    "a random string given to what may be the name of a key": 0.6,
    "a long random string between quotes": 0.5,
}
VALIDATION = {
    "its characters look drawn": 0.0,
    "it looks like a password that a person chose": -0.1,
    "it is a word, which no key is but some passwords are": -0.2,
    "it is hexadecimal and has no telling name, as digests": -0.2,
}
VERDICTS = dict(zip(get_args(Verdict), VALIDATION, strict=True))
CONTEXT = {"literal": 0.0, "docstring": -0.3}


class Candidate(NamedTuple):
    """A value that a pattern and its validation let through.

    The hit's confidence is its rule's own worth, or 0 for that of PATTERN. ``given``: how the value is given, where the
    verdict hangs on its context.
    """

    hit: Hit
    pattern: str
    validation: str
    given: str = ""


Finder = Callable[[Document, int, int], Iterable[Candidate]]  # finds values on the line text[start:end]


# The lazy last part of detect-secrets' expression leaves the signature out.
JSON_WEB_TOKEN = re.compile(r"eyJ[A-Za-z0-9_\-=]{8,}\.[A-Za-z0-9_\-=]{4,}(?:\.[A-Za-z0-9_\-+/=]*)?")
KEY_END = re.compile(r"-----END|Private-MAC")
KEY_LINE = re.compile(r"[A-Za-z0-9+/=]{32,}")
MOST_KEY_CHARACTERS = 16_384
MOST_NAMELESS = 256  # lines with a random string and no name: more are a table of data, and nobody's credentials
MOST_HEADER_CHARACTERS = 400  # PGP and PuTTY put comment lines between the header and the key
# A digit among the first keeps the names of functions out, and 6 % of drawn strings.
LONG_RUN = r"""['"][A-Za-z+/=_\-]{0,15}[0-9][A-Za-z0-9+/=_\-]{14,}['"]"""
RUN = re.compile(LONG_RUN)
LEAST_KEY = 20  # characters of a value that only might be a key's
EDGE = " \t'\"`"
MADE = frozenset(
    ("byte", "bytes", "bytearray", "str", "string", "String", "text", "SecretStr", "SecretString", "Secret")
)


class SecretsDetector:
    """The Detector of credentials. Its confidences are PATTERN + VALIDATION + CONTEXT."""

    kind: Kind = "secret"
    least_confidence = 0.0  # what cannot reach it is not brought: to parse for its context is dear

    def __init__(self) -> None:
        self._patterns: dict[Pattern, None] = {}
        self._finders: dict[str, list[Finder]] = {}
        for row in _rules.token_formats():
            self._add(row.rule, _rule_finder(row), _rules.prefilter(row))
        for plugin in PLUGINS:
            self._add(f"{plugin.rule}/detect-secrets", _plugin_finder(plugin), plugin.superset)
        self._add("basic-auth", _url_passwords, r"://[^\s/]+@")
        self._add("json-web-token", _web_tokens, r"eyJ[A-Za-z0-9_\-=]{8}")
        self._add("private-key", _private_keys, r"BEGIN [A-Z0-9 ]{0,20}PRIVATE KEY", r"PuTTY-User-Key-File-")
        self._add("keyword-assignment", _assignments, *PATTERNS)
        self._add("high-entropy", _long_runs, LONG_RUN)
        self.gates = {Pattern("high-entropy", LONG_RUN): LONG_RUN}  # it holds no literal

    def _add(self, key: str, finder: Finder, *regexes: str) -> None:
        self._finders.setdefault(key, []).append(finder)
        self._patterns |= dict.fromkeys(Pattern(key, regex) for regex in regexes)

    def patterns(self) -> Sequence[Pattern]:
        return list(self._patterns)

    def confirm(self, document: Document, hits: Sequence[Hit]) -> Iterator[Hit]:
        """The credentials on the lines that were hit; a span is the value alone, without quotes or name."""
        for hit, _, _, _ in self._weighed(document, hits):
            yield hit

    def explain(self, document: Document, hit: Hit) -> list[str]:
        """Why ``hit`` was confirmed: pattern, validation and context, each with its weight; never the value."""
        first = max(0, hit.span.start - MOST_HEADER_CHARACTERS)
        # a key's header or a rule's context may stand some lines above the value
        places = {
            hit.span.start,
            *(first + match.start() for match in re.finditer(r"\n", document.text[first : hit.span.start])),
        }
        near = [Hit(key, Span(at, at + 1), 0.0) for key in self._finders for at in places]
        for found, *reasons in self._weighed(document, near):
            if found == hit:
                return reasons
        return ["not found by this detector"]

    def _weighed(self, document: Document, hits: Sequence[Hit]) -> Iterator[tuple[Hit, str, str, str]]:
        hit_lines = list(lines(document.text, hits))
        table = sum("high-entropy" in keys for _, _, keys in hit_lines) > MOST_NAMELESS
        candidates = [
            candidate
            for start, end, keys in hit_lines
            for key in sorted(keys - {"high-entropy"} if table else keys)
            for finder in self._finders[key]
            for candidate in finder(document, start, end)
            if _worth(candidate) >= self.least_confidence
        ]
        asked = [candidate for candidate in candidates if candidate.given]
        around = iter(contexts(document.text, document.language, [candidate.hit.span for candidate in asked]))
        for candidate in candidates:
            place = _place(candidate, next(around), document.language) if candidate.given else "literal"
            if place is not None:
                yield _weigh(candidate, place)


def detector() -> Detector:
    """The part that ``scrubber.core.parts`` loads."""
    return SecretsDetector()


def explain(document: Document, hit: Hit) -> list[str]:
    """Why the detector confirmed ``hit`` in ``document``: one sentence each for pattern, validation and context."""
    return SecretsDetector().explain(document, hit)


def _worth(candidate: Candidate, place: str = "literal") -> float:
    """Its confidence where it stands; no place is better than a literal."""
    worth = candidate.hit.confidence or PATTERN[candidate.pattern]
    return max(0.0, round(worth + VALIDATION[candidate.validation] + CONTEXT[place], 2))


def _weigh(candidate: Candidate, place: str) -> tuple[Hit, str, str, str]:
    hit, pattern, validation, _ = candidate
    worth = hit.confidence or PATTERN[pattern]
    confidence = _worth(candidate, place)
    return (
        Hit(hit.rule, hit.span, confidence),
        f"pattern: {pattern} ({worth:.2f})",
        f"validation: {validation} ({VALIDATION[validation]:+.2f})",
        f"context: {place} ({CONTEXT[place]:+.2f})",
    )


def _place(candidate: Candidate, context: Context, language: str | None) -> str | None:
    """The row of CONTEXT for a candidate, or None where its context says that it is no value at all."""
    if context.indirect or context.place in ("identifier", "number"):
        return None
    if candidate.given in BARE_FORMS:
        if context.place == "code":
            return None
    elif candidate.given in NAMED_FORMS and context.name and not names_credential(context.name):
        return None
    if candidate.given == "nameless" and says_otherwise(context.name):
        return None
    if candidate.given == "quoted" and context.call and context.call not in MADE:
        return None
    if (
        candidate.given == "argument" and not (context.call or context.name) and language in GRAMMARS
    ):  # two of a list of names
        return None
    return "docstring" if context.place == "docstring" else "literal"


def _rule_finder(row: _rules.TokenFormat) -> Finder:
    def search(document: Document, start: int, end: int) -> Iterator[Candidate]:
        for hit in _rules.find(row, document.text, start, end):
            yield Candidate(hit, "a provider's token format", VERDICTS["drawn"])

    return search


def _plugin_finder(plugin: Plugin) -> Finder:
    accepted = looks_like_url_password if plugin.rule == "basic-auth" else is_drawn

    def find(document: Document, start: int, end: int) -> Iterator[Candidate]:
        text = document.text
        line = text[start:end]  # a copy: expressions with ^ and $ mean the line's
        for expression in plugin.expressions:
            for match in expression.finditer(line):
                span = _trimmed(text, start, *match.span(min(plugin.group, expression.groups)))
                cut = text[span.start - 1 : span.start].isalnum() or text[span.end : span.end + 1].isalnum()
                # A whole match that is a piece of something longer, such as an encoded image, is none.
                if not (plugin.group == 0 and cut) and accepted(text[span.start : span.end]):
                    yield _sure(plugin.rule, span, "an expression of detect-secrets")

    return find


def _url_passwords(document: Document, start: int, end: int) -> Iterator[Candidate]:
    for match in URL_PASSWORD.finditer(document.text, start, end):
        user, value, host = match.groups()
        if looks_like_url_password(value):
            yield _sure("basic-auth", Span(*match.span(2)), "the password of a URL")
        elif is_word_for_url(value, user, host):
            yield Candidate(
                Hit("basic-auth", Span(*match.span(2)), 0.0), "the password of a URL", VERDICTS["word"], "url"
            )


def _web_tokens(document: Document, start: int, end: int) -> Iterator[Candidate]:
    for match in JSON_WEB_TOKEN.finditer(document.text, start, end):
        if jwt.JwtTokenDetector.is_formally_valid(match.group()):
            yield _sure("json-web-token", Span(*match.span()), "a web token with a valid header")


def _private_keys(document: Document, start: int, end: int) -> Iterator[Candidate]:
    """The body of a key, from its first to its last line of base64. A header without a body is no secret."""
    text = document.text
    for header in (match for regex in KEY_HEADERS for match in regex.finditer(text, start, end)):
        limit = min(len(text), header.end() + MOST_KEY_CHARACTERS)
        stop = KEY_END.search(text, header.end(), limit)
        body = list(KEY_LINE.finditer(text, header.end(), stop.start() if stop else limit))
        if body and body[0].start() - header.end() < MOST_HEADER_CHARACTERS and not is_placeholder(body[0].group()):
            last = stop.start() if stop else body[-1].end()
            value = re.sub(r"(?:\\[nr]|[^A-Za-z0-9+/=])+$", "", text[body[0].start() : last])
            span = Span(body[0].start(), body[0].start() + len(value))
            yield _sure("private-key", span, "the block of a private key")


def _assignments(document: Document, start: int, end: int) -> Iterator[Candidate]:
    text = document.text
    for given in assigned(text[start:end]):
        span = _trimmed(text, start, given.start, given.end)
        value = text[span.start : span.end]
        verdict = judge(value, given.holds, given.words)
        if verdict and _is_accepted(given, verdict, document, text[span.end : span.end + 1]):
            yield Candidate(
                Hit("keyword-assignment", span, 0.0),
                "a value given to the name of a credential",
                VERDICTS[verdict],
                given.form,
            )


def _is_accepted(given: Given, verdict: str, document: Document, following: str) -> bool:
    """Whether the way in which a value is given allows for what it looks like."""
    name = document.path or document.id
    if heuristic.is_lock_file(name) or heuristic.is_swagger_file(name):
        return False
    if given.form in ("quoted", "header", "element"):
        return True
    if given.form == "word":
        return document.language in BARE_STRINGS
    return verdict != "word" and not (given.form in ("bare", "flag") and following in ("(", "[", "{") and following)


def _long_runs(document: Document, start: int, end: int) -> Iterator[Candidate]:
    if speaks_of_digests(document.text[start:end]):
        return
    for match in RUN.finditer(document.text, start, end):
        span = Span(match.start() + 1, match.end() - 1)
        value = document.text[span.start : span.end]
        named = is_given_to_key(document.text, start, match.start()) and len(value) >= LEAST_KEY
        if named and judge(value, "key", ("key",)) == "drawn":
            pattern = "a random string given to what may be the name of a key"
            yield Candidate(Hit("keyword-assignment", span, 0.0), pattern, VERDICTS["drawn"], "nameless")
        elif found := judge_nameless(value):
            rule = "high-entropy-hex" if found == "digest" else "high-entropy-base64"
            yield Candidate(Hit(rule, span, 0.0), "a long random string between quotes", VERDICTS[found], "nameless")


def _sure(rule: str, span: Span, pattern: str) -> Candidate:
    return Candidate(Hit(rule, span, 0.0), pattern, VERDICTS["drawn"])


def _trimmed(text: str, offset: int, first: int, last: int) -> Span:
    value = text[offset + first : offset + last]
    left = len(value) - len(value.lstrip(EDGE + "=:"))
    return Span(offset + first + left, offset + first + max(left, len(value.rstrip(EDGE))))
