"""Personal data: e-mail addresses, IP addresses and phone numbers, each held against what only looks like one."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence

import phonenumbers

from scrubber.core.types import Detector, Document, Hit, Kind, Pattern, Span
from scrubber.detectors.prefilter import lines

Finder = Callable[[str], Iterator[tuple[int, int, float]]]

EMAIL = re.compile(
    r"(?<![\w.+%@/\\\-])[A-Za-z0-9][A-Za-z0-9._%+\-]{0,62}@((?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,18})(?![\w@]|-\w|\.\w)"
)
URL_USERINFO = re.compile(r"://[^\s/]*$")
GENERIC_TLDS = frozenset(
    "com net org edu gov mil int info biz name pro aero coop museum dev app io ai xyz online site tech store cloud blog "
    "live agency digital email software systems solutions services company world today life design studio media news "
    "team work works tools group global network academy center ventures capital finance health care bank law legal shop "
    "space club zone run page wiki ninja rocks guru expert foundation community science university school".split()
)
PLACEHOLDER_DOMAINS = frozenset(
    "example.com example.net example.org example.edu domain.com mydomain.com yourdomain.com yourcompany.com company.com "
    "email.com mail.com test.com host.com server.com site.com website.com foo.com bar.com baz.com foobar.com acme.com "
    "a.com b.com x.com y.com abc.com xyz.com users.noreply.github.com localhost.localdomain somewhere.com invalid.com".split()
)
RESERVED_TLDS = frozenset("test example invalid localhost local lan internal localdomain onion arpa".split())
COUNTRY_TLDS = frozenset(region.lower() for region in phonenumbers.SUPPORTED_REGIONS) | {"uk", "eu", "su"}
MACHINE_LOCALS = re.compile(
    r"(?:git|hg|svn|noreply|no-reply|no_reply|donotreply|do-not-reply|notifications?|mailer-daemon|postmaster"
    r"|user(?:name)?\d?|foo|bar|baz|foobar|you|yourname|your[._\-]?(?:name|email)|someone|somebody|name|email|me|test\d*)",
    re.IGNORECASE,
)

IPV4 = re.compile(r"(?<![\w.\-])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d|-\w)")
FAMOUS_RESOLVERS = frozenset(
    ipaddress.ip_address(address)
    for address in (
        f"{a}.{b}.{c}.{d}"
        for a, b, c, d in (
            *((n, n, n, n) for n in (1, 4, 8, 9)),
            (8, 8, 4, 4), (1, 0, 0, 1), (9, 9, 9, 10), (149, 112, 112, 112), (208, 67, 222, 222), (208, 67, 220, 220),
            (4, 2, 2, 1), (4, 2, 2, 2), (64, 6, 64, 6), (94, 140, 14, 14), (94, 140, 15, 15), (1, 2, 3, 4), (5, 6, 7, 8),
        )
    )
)  # fmt: skip
VERSION_LINE = re.compile(r"version|\bver\b|release|\boid\b|\bv\d|__version|build|>=|~=", re.IGNORECASE)
IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:]|\.\d)")
IN_TEXT = re.compile(r"['\"#]|//|^[^=\[\](){}]*$|^\s*[\w.]+\s*[=:]\s*[0-9A-Fa-f:]+\s*$")

PHONE = re.compile(r"(?<![\w.+\-/=])(?:\+\d[\d \-.()/]{6,18}\d|\(?\d{3}\)?[ .\-]\d{3}[.\-]\d{4})(?![\w\-]|\.\d)")
FICTIONAL_PHONE = re.compile(r"555[ .\-]?01\d\d$|5555?[ .\-]?\d{4}$|123[ .\-]?4567?[ .\-]?\d*$|0{6}|1{6}")


class PiiDetector:
    """The Detector of personal data. Each rule has one pattern that is a superset of what its finder accepts."""

    kind: Kind = "pii"

    def __init__(self) -> None:
        self._rules: dict[str, tuple[str, Finder]] = {
            "email-address": (r"@[A-Za-z0-9][A-Za-z0-9.\-]*\.[A-Za-z]", _emails),
            "ipv4-address": (r"\.\d{1,3}\.\d{1,3}\.\d", _ipv4),
            "ipv6-address": (r":[0-9A-Fa-f]{0,4}:", _ipv6),
            "phone-number": (r"\+\d[\d \-.()/]{6}|\d{3}\)?[ .\-]\d{3}[.\-]\d{4}", _phones),
        }

    def patterns(self) -> Sequence[Pattern]:
        return [Pattern(rule, regex) for rule, (regex, _) in self._rules.items()]

    def confirm(self, document: Document, hits: Sequence[Hit]) -> Iterator[Hit]:
        """What is really personal data on the lines that were hit."""
        for start, end, rules in lines(document.text, hits):
            line = document.text[start:end]
            for rule in sorted(rules):
                for first, last, confidence in self._rules[rule][1](line):
                    yield Hit(rule, Span(start + first, start + last), confidence)


def detector() -> Detector:
    return PiiDetector()


def _emails(line: str) -> Iterator[tuple[int, int, float]]:
    for match in EMAIL.finditer(line):
        local, domain = match.group().split("@")[0], match.group(1).lower()
        tld = domain.rpartition(".")[2]
        registered = ".".join(domain.split(".")[-2:])
        if (
            (tld in COUNTRY_TLDS or tld in GENERIC_TLDS)
            and tld not in RESERVED_TLDS
            and domain not in PLACEHOLDER_DOMAINS
            and registered not in PLACEHOLDER_DOMAINS
            and not MACHINE_LOCALS.fullmatch(local)
            and not (line[match.end() : match.end() + 1] == ":" and line[match.end() + 1 : match.end() + 2].isalpha())
            and not URL_USERINFO.search(line, 0, match.start())
        ):
            yield *match.span(), 0.9


def _ipv4(line: str) -> Iterator[tuple[int, int, float]]:
    for match in IPV4.finditer(line):
        octets = [int(part) for part in match.group().split(".")]
        if max(octets) > 255 or any(len(part) > 1 and part[0] == "0" for part in match.group().split(".")):
            continue
        address = ipaddress.IPv4Address(match.group())
        small = max(octets) < 32 or (max(octets) < 100 and VERSION_LINE.search(line))
        if address.is_global and not address.is_multicast and address not in FAMOUS_RESOLVERS and not small:
            yield *match.span(), 0.8


def _ipv6(line: str) -> Iterator[tuple[int, int, float]]:
    if not IN_TEXT.search(line):
        return
    for match in IPV6.finditer(line):
        try:
            address = ipaddress.IPv6Address(match.group())
        except ValueError:  # its message quotes the value
            continue
        groups = sum(bool(group) for group in match.group().split(":"))
        if address.is_global and not address.is_multicast and groups >= 3:
            yield *match.span(), 0.8


def _phones(line: str) -> Iterator[tuple[int, int, float]]:
    for candidate in PHONE.finditer(line):
        for match in phonenumbers.PhoneNumberMatcher(candidate.group(), "US"):
            digits = re.sub(r"\D", "", match.raw_string)
            if not FICTIONAL_PHONE.search(match.raw_string) and not FICTIONAL_PHONE.search(digits):
                plus = match.raw_string.startswith("+")
                yield candidate.start() + match.start, candidate.start() + match.end, 0.8 if plus else 0.6
