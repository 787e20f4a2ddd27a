"""Personal data: e-mail addresses, IP addresses and phone numbers, each held against what only looks like one."""

from __future__ import annotations

import ipaddress
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import resources
from typing import Any

import phonenumbers

from scrubber.core.types import Detector, Document, Hit, Kind, Pattern, Span
from scrubber.detectors.prefilter import lines

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Finder = Callable[[str], Iterator[tuple[int, int, float]]]  # start, end and confidence on a line


def _table(name: str) -> dict[str, Any]:
    return tomllib.loads((resources.files("scrubber") / "data" / name).read_text(encoding="utf-8"))


_DOMAINS = {name: frozenset(words.split()) for name, words in _table("email_domains.toml").items()}
_ADDRESSES = _table("ip_addresses.toml")

EMAIL = re.compile(
    r"(?:(?<=\\[nrt])|(?<![\w.+%@/\\\-]))[A-Za-z0-9][A-Za-z0-9._%+\-]{0,62}"
    r"@((?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,18})(?![\w@]|-\w|\.\w)"
)
URL_USERINFO = re.compile(r"://[^\s/]*$")
COUNTRY_TLDS = frozenset(region.lower() for region in phonenumbers.SUPPORTED_REGIONS) | {"uk", "eu", "su"}
PERSONAL_TLDS = (COUNTRY_TLDS | _DOMAINS["generic_tlds"]) - _DOMAINS["reserved_tlds"]
NOBODY = re.compile(
    r"git|hg|svn|no[\-_.]?reply|do[\-_.]?not[\-_.]?reply|notifications?|mailer-daemon|postmaster|(?:john|jane)[._]?doe"
    r"|user(?:name)?\d?|foo|bar|baz|foobar|you|yourname|your[._\-]?(?:name|email)|some(?:one|body)|name|email|me|test\d*"
    r"|[\d.]{15,}",
    re.IGNORECASE,
)

IPV4 = re.compile(r"(?<![\w.\-])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\w|-\w)")
FAMOUS = frozenset(tuple(octets) for name in ("resolvers", "samples") for octets in _ADDRESSES[name])
VERSION_LINE = re.compile(r"version|\bver\b|release|\boid\b|\bv\d|build|section|>=|~=", re.IGNORECASE)
IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:]|\.\d)")
# Outside strings and comments colons are slices and scopes; a line without brackets is no such code.
IN_TEXT = re.compile(r"['\"#]|//|^[^\[\](){}]*$")

INTERNATIONAL = re.compile(r"(?<![\w.+\-/])\+\d[\d \-.()/]{6,18}\d(?![\w\-]|\.\d)")
AMERICAN = re.compile(r"(?<![\w.+\-/])(?<!\d )\(?\d{3}\)?[ .\-]\d{3}[.\-]\d{4}(?![\w\-]|\.\d)")
NAMED = re.compile(
    r"(?:phone|mobile|contact|cell)[\w\-]{0,24}['\"]?\]?\s*[:=]\s*['\"]?(\(?\d[\d ().\-]{6,16}\d)(?!\w)", re.IGNORECASE
)
REGIONS = ("US", "GB", "FR", "DE", "ES", "IT", "BR", "JP", "IN", "AU", "PL", "NL", "SE", "MX", "CN")
# Numbers kept for fiction: 555-01xx in North America, Ofcom's for drama in Britain; and what stands for a number.
FICTIONAL = re.compile(r"55501\d\d$|^(?:44|0)(?:20794600|7700900|1632960)\d+$|1234567|0{6}|1{6}|(?:555){2}")
DECIMAL = re.compile(r"\+?\d+\.\d+")


class PiiDetector:
    """The Detector of personal data. The patterns of a rule hit each line on which its finder can accept a value."""

    kind: Kind = "pii"

    def __init__(self) -> None:
        self._rules: dict[str, tuple[Finder, tuple[str, ...]]] = {
            "email-address": (_emails, (r"@[A-Za-z0-9][A-Za-z0-9\-]{0,62}\.",)),
            "ipv4-address": (_ipv4, (r"\.\d{1,3}\.\d{1,3}\.\d",)),
            "ipv6-address": (_ipv6, (r":[0-9A-Fa-f]{0,4}:",)),
            "phone-number": (
                _phones,
                (
                    r"\+\d[\d \-.()/]{6}",
                    r"[.\-]\d{4}(?<=[ .\-]\d{3}.\d{4})",
                    *(
                        rf"{name}[\w\-]{{0,24}}['\"]?\]?\s*[:=]"
                        for name in ("[hH][oO][nN][eE]", "[bB][iI][lL][eE]", "[tT][aA][cC][tT]", "[cC][eE][lL][lL]")
                    ),
                ),
            ),
        }

    def patterns(self) -> Sequence[Pattern]:
        return [Pattern(rule, regex) for rule, (_, regexes) in self._rules.items() for regex in regexes]

    def confirm(self, document: Document, hits: Sequence[Hit]) -> Iterator[Hit]:
        """What is really personal data on the lines that were hit."""
        for start, end, rules in lines(document.text, hits):
            line = document.text[start:end]
            for rule in sorted(rules):
                for first, last, confidence in self._rules[rule][0](line):
                    yield Hit(rule, Span(start + first, start + last), confidence)


def detector() -> Detector:
    """The part that ``scrubber.core.parts`` loads."""
    return PiiDetector()


def _emails(line: str) -> Iterator[tuple[int, int, float]]:
    for match in EMAIL.finditer(line):
        local, domain = match.group().split("@")[0], match.group(1).lower()
        labels = domain.split(".")
        remote_path = re.match(r":[A-Za-z~]", line[match.end() :])  # host:path of git and scp
        if (
            labels[-1] in PERSONAL_TLDS
            and "example" not in labels
            and domain not in _DOMAINS["placeholder_domains"]
            and ".".join(labels[-2:]) not in _DOMAINS["placeholder_domains"]
            and not NOBODY.fullmatch(local)
            and not remote_path
            and not URL_USERINFO.search(line, 0, match.start())
        ):
            yield *match.span(), 0.9


def _ipv4(line: str) -> Iterator[tuple[int, int, float]]:
    for match in IPV4.finditer(line):
        parts = match.group().split(".")
        octets = tuple(map(int, parts))
        if max(octets) > 255 or any(part != str(octet) for part, octet in zip(parts, octets, strict=True)):
            continue
        address = ipaddress.IPv4Address(match.group())
        versionlike = max(octets) < 100 and (
            max(octets) < 32
            or sum(octet < 10 for octet in octets) >= (2 if max(octets) < 50 else 3)
            or VERSION_LINE.search(line)
        )
        network = octets[-1] == 0 and line[match.end() : match.end() + 1] == "/"
        if address.is_global and not address.is_multicast and not (versionlike or network or octets in FAMOUS):
            yield *match.span(), 0.8


def _ipv6(line: str) -> Iterator[tuple[int, int, float]]:
    in_text = IN_TEXT.search(line)
    for match in IPV6.finditer(line):
        if not in_text and "::" in match.group():
            continue
        try:
            address = ipaddress.IPv6Address(match.group())
        except ValueError:  # its message quotes the value
            continue
        groups = sum(bool(group) for group in match.group().split(":"))
        prefix = int(address) >> 96
        # Only 2000::/3 is given out; the rest is global for ``ipaddress`` but leads nowhere.
        if address.is_global and prefix >> 29 == 1 and groups >= 3 and prefix not in _ADDRESSES["ipv6_prefixes"]:
            yield *match.span(), 0.8


def _phones(line: str) -> Iterator[tuple[int, int, float]]:
    for regex, regions, confidence in ((INTERNATIONAL, (None,), 0.8), (AMERICAN, ("US",), 0.6), (NAMED, REGIONS, 0.5)):
        for candidate in regex.finditer(line):
            text = candidate.group(regex.groups)
            if FICTIONAL.search(re.sub(r"\D", "", text)) or DECIMAL.fullmatch(text) or text.isdecimal():
                continue
            match = next(filter(None, (_phone(text, region) for region in regions)), None)
            if match:
                start = candidate.start(regex.groups)
                yield start + match.start, start + match.end, confidence


def _phone(text: str, region: str | None) -> phonenumbers.PhoneNumberMatch | None:
    """The first valid number in a short ``text``. The matcher is slow: it must never be given a whole document."""
    return next(iter(phonenumbers.PhoneNumberMatcher(text, region)), None)
