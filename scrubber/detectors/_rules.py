"""Rules of providers' token formats: read from packs (TOML), checked, and matched on the lines that were hit."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from scrubber.core.errors import AskedWrongly
from scrubber.core.types import Hit, Span
from scrubber.detectors._checksums import CHECKSUMS
from scrubber.detectors._plausible import is_drawn, looks_like_url_password, looks_random
from scrubber.detectors._templates import expand

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class TokenFormat(NamedTuple):
    """One format of a provider's credentials; expressions are in the syntax of ``re``.

    ``regex`` matches the credential, or its ``group`` does. ``head`` is a cheaper expression that matches wherever
    ``regex`` does. Where ``context`` is given, one of its words must stand before the match, on its line or the line
    above. ``checksum`` names one of CHECKSUMS. ``value`` says how a value is told from a placeholder: a "token" is
    random, a "password" need not be.
    """

    rule: str
    provider: str
    regex: str
    head: str = ""
    group: int = 0
    context: tuple[str, ...] = ()
    checksum: str = ""
    confidence: float = 0.95
    value: str = "token"


class PackRule(NamedTuple):
    """A rule as its pack has it: the format, templates of examples and counter-examples, and the pack's name."""

    format: TokenFormat
    examples: tuple[str, ...]
    counter_examples: tuple[str, ...]
    pack: str


# The keys of a rule in a pack: their types, and whether a rule must have them.
KEYS: Mapping[str, tuple[type, bool]] = {
    "id": (str, True), "provider": (str, True), "regex": (str, True), "examples": (list, True),
    "counter_examples": (list, True), "head": (str, False), "group": (int, False), "context": (list, False),
    "checksum": (str, False), "confidence": (float, False), "value": (str, False),
}  # fmt: skip
NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
GLOBAL_FLAGS = re.compile(r"\(\?[aiLmsux]+\)")  # they would reach the patterns that a rule is joined with

REACH = 64  # characters between a word of context and the value
LONGEST = 1000  # characters of the lines above and below a hit that are looked at
# What stands before a value that is given to something: a sign, a quote, the name of a scheme.
GIVEN = re.compile(
    r"(?:[=:>,(\[|]|\b(?:bearer|basic|ssws|token|key|secret|password|is)\s)\s*\\?['\"`]?\s*$|['\"`]$", re.IGNORECASE
)
WORD = re.compile(r"[a-z]{5}|[A-Z]{5}|[A-Z][a-z]{4}|[^\w+/=.\-!:]")
SUFFIX = re.compile(r"\.[A-Za-z]{1,5}\b")
FILE_SUFFIX = re.compile(r"\.(?:css|gif|gz|html?|ico|jpe?g|js|json|map|md|pdf|png|py|svg|tgz|whl|woff2?|zip)\b")
DIGEST = re.compile(r"sha\d|md5|hash|digest|integrity|checksum|commit|revision|etag|crc", re.IGNORECASE)
WITH_CHECKSUM, WITHOUT_CHECKSUM = 0.99, 0.7  # a wrong checksum: an old token, or one that was altered


def token_formats(paths: Sequence[Path] = ()) -> tuple[TokenFormat, ...]:
    """The formats of our own packs, then of the packs at ``paths``; raises as ``pack_rules`` does."""
    return tuple(rule.format for rule in (*our_rules(), *pack_rules(paths)))


@cache
def our_rules() -> tuple[PackRule, ...]:
    """The rules that come with this package."""
    folder = resources.files("scrubber") / "data" / "rules"
    packs = sorted((item for item in folder.iterdir() if item.name.endswith(".toml")), key=lambda item: item.name)
    # Their mistakes are looked for by the tests: to compile every expression takes longer than most scans.
    return tuple(
        _rule(row, pack.name) for pack in packs for row in tomllib.loads(pack.read_text(encoding="utf-8"))["rule"]
    )


def pack_rules(paths: Sequence[Path]) -> tuple[PackRule, ...]:
    """The rules of users' packs: files, or folders of ``*.toml`` files.

    Raises AskedWrongly, which names every mistake of every pack.
    """
    files = [file for path in paths for file in (sorted(path.glob("*.toml")) if path.is_dir() else [path])]
    try:
        packs = [(str(file), file.read_text(encoding="utf-8")) for file in files]
    except (OSError, UnicodeError) as error:
        raise AskedWrongly(
            f"a rule pack cannot be read: {type(error).__name__}",
            where=", ".join(map(str, files)),
            mend="Name a TOML file, or a folder of them.",
        ) from None
    return _read(packs, frozenset(rule.format.rule for rule in our_rules())) if packs else ()


def prefilter(row: TokenFormat) -> str:
    """The pattern that hits wherever ``find`` does; with context, a hit begins at the word and ends in the value.

    So ``find`` takes the line on which such a hit begins or the one on which it ends.
    """
    pattern = row.head or row.regex
    return rf"(?i:{'|'.join(map(_word, row.context))})[\s\S]{{0,{REACH}}}?(?:{pattern})" if row.context else pattern


def find(row: TokenFormat, text: str, start: int, end: int) -> Iterator[Hit]:
    """The credentials on the line ``text[start:end]``, and on the next line where the format asks for context."""
    for span in matches(row, text, start, end):
        value = text[span.start : span.end]
        if is_plausible(row, value):
            yield Hit(row.rule, span, confidence(row, value))


def matches(row: TokenFormat, text: str, start: int, end: int) -> Iterator[Span]:
    """Where ``row`` matches in its context, placeholders included.

    With context that is also on the lines above and below, since the hit may be on the other line of a match.
    """
    if row.context:
        start = max(text.rfind("\n", 0, max(0, start - 1)) + 1, start - LONGEST, 0)
        following = text.find("\n", end + 1)
        end = min(len(text) if following < 0 else following, end + LONGEST)
    for match in _bounded(row.regex).finditer(text, start, end):
        span = Span(*match.span(row.group))
        if FILE_SUFFIX.match(text, match.end()):  # the digest in the name of a file
            continue
        if 0 <= span.start < span.end and (not row.context or _in_context(row, text, *match.span())):
            yield span


def is_plausible(row: TokenFormat, value: str) -> bool:
    """Whether ``value`` can be live. A format that only its context tells must look random, too."""
    if row.value == "password":
        return looks_like_url_password(value)
    return is_drawn(value) and (not row.context or looks_random(value) or _is_wordless(value))


def confidence(row: TokenFormat, value: str) -> float:
    """The rule's, or what the checksum of ``value`` says."""
    if not row.checksum:
        return row.confidence
    return WITH_CHECKSUM if CHECKSUMS[row.checksum](value) else WITHOUT_CHECKSUM


def _is_wordless(value: str) -> bool:
    """Digits among letters, and no run of letters that a word could be: short random strings often look no better."""
    return sum(map(str.isdigit, value)) >= 2 and any(map(str.isalpha, value)) and not WORD.search(value)


def _in_context(row: TokenFormat, text: str, at: int, end: int) -> bool:
    """Whether a word of context stands before ``text[at:end]``, at most a line above, and a sign of giving between.

    What goes on as the name of a file does is no value.
    """
    above = text.rfind("\n", 0, max(0, text.rfind("\n", 0, at))) + 1
    words = list(_context(row.context).finditer(text, max(above, at - 2 * REACH), at))
    gap = text[words[-1].end() : at] if words else ""
    return (
        bool(words)
        and len(gap) <= REACH
        and not DIGEST.search(gap)
        and not SUFFIX.match(text, end)
        and (row.group > 0 or bool(GIVEN.search(gap)))
    )


@cache
def _bounded(regex: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![A-Za-z0-9_])(?:{regex})(?![A-Za-z0-9])")


@cache
def _context(words: tuple[str, ...]) -> re.Pattern[str]:
    """A word begins where no other goes on; one of up to four letters ends there too, as ``lob`` does in lobKey."""
    alternatives = [f"(?i:{_word(word)})" + ("(?![a-z])" if len(word) <= 4 else "") for word in words]
    return re.compile(rf"(?:(?<![A-Za-z])|(?<=[a-z])(?=[A-Z]))(?:{'|'.join(alternatives)})")


def _word(word: str) -> str:
    return r"[\s_.\-]?".join(map(re.escape, word.split()))


def _read(packs: Sequence[tuple[str, str]], taken: frozenset[str]) -> tuple[PackRule, ...]:
    mistakes: list[str] = []
    rules: list[PackRule] = []
    for pack, text in packs:
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            mistakes.append(f"{pack}: no TOML: {error}")
            continue
        rows = table.pop("rule", [])
        mistakes += [f"{pack}: unknown key: {key}" for key in table]
        if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
            mistakes.append(f"{pack}: it has no rules: write them as [[rule]]")
            continue
        for number, row in enumerate(rows, 1):
            place = f"{pack}: rule {row.get('id', number)}"
            found = _mistakes(row)
            if row.get("id") in taken | {rule.format.rule for rule in rules}:
                found.append("there is a rule of this id already")
            mistakes += [f"{place}: {what}" for what in found]
            if not found:
                rules.append(_rule(row, pack))
    if mistakes:
        raise AskedWrongly(
            "mistakes in rule packs:\n  " + "\n  ".join(mistakes) + "\n",
            where=", ".join(pack for pack, _ in packs),
            mend="Correct them, then run: scrubber rules check.",
        )
    return tuple(rules)


def _rule(row: Mapping[str, Any], pack: str) -> PackRule:
    optional = {key: row[key] for key in ("head", "group", "checksum", "confidence", "value") if key in row}
    context = tuple(row.get("context", ()))
    return PackRule(
        TokenFormat(row["id"], row["provider"], row["regex"], context=context, **optional),
        tuple(row["examples"]),
        tuple(row["counter_examples"]),
        pack,
    )


def _mistakes(row: Mapping[str, Any]) -> list[str]:
    """What is wrong with the rule ``row`` of a pack, without a run of its expressions."""
    found = [f"unknown key: {key}" for key in row if key not in KEYS]
    found += [f"{key} is missing" for key, (_, needed) in KEYS.items() if needed and not row.get(key)]
    for key, value in row.items():
        kind = KEYS[key][0] if key in KEYS else type(value)
        if type(value) is not kind:
            found.append(f"{key} is no {kind.__name__}")
        elif isinstance(value, list) and not all(isinstance(item, str) and item for item in value):
            found.append(f"{key} is no list of texts")
    if found:
        return found
    if not NAME.fullmatch(row["id"]):
        found.append("id is not of lower-case letters, digits and hyphens")
    for key in ("regex", "head"):
        found += _expression_mistakes(key, row.get(key, ""), row.get("group", 0) if key == "regex" else 0)
    if row.get("checksum", "") not in ("", *CHECKSUMS):
        found.append(f"checksum is none of {', '.join(CHECKSUMS)}")
    if not 0 < row.get("confidence", 0.95) <= 1:
        found.append("confidence is not between 0 and 1")
    if row.get("value", "token") not in ("token", "password"):
        found.append("value is neither token nor password")
    return found + [what for template in (*row["examples"], *row["counter_examples"]) for what in _malformed(template)]


def _malformed(template: str) -> list[str]:
    try:
        expand(template, 0)
    except ValueError as error:
        return [f"a template is malformed: {error}"]
    return []


def _expression_mistakes(key: str, expression: str, group: int) -> list[str]:
    if GLOBAL_FLAGS.search(expression):
        return [f"{key} sets flags for the whole expression: write (?i:...)"]
    try:
        compiled = re.compile(expression)
    except (re.error, RecursionError, OverflowError) as error:
        return [f"{key} is no regular expression: {getattr(error, 'msg', type(error).__name__)}"]
    if not 0 <= group <= compiled.groups:
        return [f"{key} has no group {group}"]
    return []
