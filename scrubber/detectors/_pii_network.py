"""E-mail and IP addresses that can lead to somebody: no reserved, famous, version-like or example ones."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

import phonenumbers

from scrubber.detectors._pii_rules import Found, Line, Rule, table

_DOMAINS = {name: frozenset(words.split()) for name, words in table("email_domains.toml").items()}
_ADDRESSES = table("ip_addresses.toml")

EMAIL = re.compile(
    r"(?:(?<=\\[nrt])|(?<![\w.+%@/\\\-]))[A-Za-z0-9][A-Za-z0-9._%+\-]{0,62}"
    r"@((?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,18})(?![\w@]|-\w|\.\w)"
)
MESSAGE_ID = re.compile(r"message-id|references:|in-reply-to", re.IGNORECASE)
URL_USERINFO = re.compile(r"(?:://[^\s/]*|//[^\s/]*:)$")
COUNTRY_TLDS = frozenset(region.lower() for region in phonenumbers.SUPPORTED_REGIONS) | {"uk", "eu", "su"}
PERSONAL_TLDS = (COUNTRY_TLDS | _DOMAINS["generic_tlds"]) - _DOMAINS["reserved_tlds"]
NOBODY = re.compile(
    r"git|hg|svn|no[\-_.]?reply|do[\-_.]?not[\-_.]?reply|notifications?|mailer-daemon|postmaster|(?:john|jane)[._]?doe"
    r"|user(?:name)?\d?|foo|bar|baz|foobar|you|yourname|your[._\-]?(?:name|email)|some(?:one|body)|name|email|me|test\d*"
    r"|[\d.]{15,}",
    re.IGNORECASE,
)
# Second-level labels that are nobody's under any ending: aaa, d, exampel.
NO_DOMAIN = re.compile(
    r"(.)\1*|x?exam?p\w*|xample|foo(?:bar)?|ba[rz]|qux|abc|test(?:ing)?|(?:no|some)where"
    r"|(?:my|your)?(?:domain|company|host|server)"
)
# Addresses that many people or none read.
ROLE = re.compile(
    r"(?:.*[\-_.+])?(?:info|support|sales|contact|help|admin|owner|request|list|dev|devel|users?|announce|discuss|sig|bugs?|security"
    r"|abuse|webmaster|hostmaster|team|office|hello|press|jobs|legal|privacy|billing|feedback|maintainers?|opensource|oss)",
    re.IGNORECASE,
)

IPV4 = re.compile(r"(?<![\w.\-])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\w|-\w)")
FAMOUS = frozenset(tuple(octets) for name in ("resolvers", "samples") for octets in _ADDRESSES[name])
SPECIAL = ipaddress.IPv4Network((192 << 24, 24))  # protocol assignments: Python versions differ on which are global
OID_LINE = re.compile(r"oid|object.?identifier", re.IGNORECASE)
VERSION_LINE = re.compile(r"version|\bver\b|release|\boid\b|\bv\d|build|section|>=|~=", re.IGNORECASE)
IPV6 = re.compile(r"(?<![\w:.])[23][0-9A-Fa-f]{3}:(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{0,4}(?![\w:]|\.\d)")
# Outside strings and comments colons are slices and scopes; a line without brackets is no such code.
IN_TEXT = re.compile(r"['\"#]|//|^[^\[\](){}]*$")

# In an address these are someone's example.
WORDS = frozenset(("cafe", "babe", "beef", "dead", "face", "feed", "fade", "c0de", "f00d", "d00d", "abcd"))


def email_addresses(line: Line) -> Iterator[Found]:
    """Addresses at domains that a person can have."""
    text = line.text
    for match in () if MESSAGE_ID.search(text) else EMAIL.finditer(text):
        local, domain = match.group().split("@")[0], match.group(1).lower()
        labels = domain.split(".")
        remote_path = re.match(r":[A-Za-z~]", text[match.end() :])  # host:path of git and scp
        if (
            labels[-1] in PERSONAL_TLDS
            and "example" not in labels
            and domain not in _DOMAINS["placeholder_domains"]
            and ".".join(labels[-2:]) not in _DOMAINS["placeholder_domains"]
            and not NO_DOMAIN.fullmatch(labels[-2])
            and not NOBODY.fullmatch(local)
            and not remote_path
            and not URL_USERINFO.search(text, 0, match.start())
        ):
            yield Found("email-address", *match.span(), 0.4 if ROLE.fullmatch(local) else 0.9)


def ipv4_addresses(line: Line) -> Iterator[Found]:
    """Public addresses, told from versions by the size of their octets."""
    text = line.text
    for match in IPV4.finditer(text):
        parts = match.group().split(".")
        octets = tuple(map(int, parts))
        if max(octets) > 255 or any(part != str(octet) for part, octet in zip(parts, octets, strict=True)):
            continue
        address = ipaddress.IPv4Address(match.group())
        versionlike = max(octets) < 100 and (
            max(octets) < 32
            or sum(octet < 10 for octet in octets) >= (2 if max(octets) < 50 else 3)
            or VERSION_LINE.search(text)
        )
        network = octets[-1] == 0 and (octets[-2] == 0 or text[match.end() : match.end() + 1] == "/")
        identifier = octets[0] < 3 and OID_LINE.search(text)
        public = address.is_global and not address.is_multicast
        if public and not (versionlike or network or identifier or _is_sample(octets, address)):
            yield Found("ipv4-address", *match.span(), 0.8)


def _is_sample(octets: tuple[int, ...], address: ipaddress.IPv4Address) -> bool:
    return octets in FAMOUS or octets[:3] == (1, 2, 3) or len(set(octets)) == 1 or address in SPECIAL


def ipv6_addresses(line: Line) -> Iterator[Found]:
    """Addresses of 2000::/3, which is all that is given out. No slice has a part of four digits and three more."""
    in_text = IN_TEXT.search(line.text)
    for match in IPV6.finditer(line.text):
        if not in_text and "::" in match.group():
            continue
        try:
            address = ipaddress.IPv6Address(match.group())
        except ValueError:  # its message quotes the value
            continue
        groups = [group.lower() for group in match.group().split(":") if group]
        sample = int(address) >> 96 in _ADDRESSES["ipv6_prefixes"] or WORDS.intersection(groups)
        if address.is_global and len(groups) >= 3 and not sample:
            network = match.group().endswith("::")
            yield Found("ipv6-address", *match.span(), 0.4 if network else 0.8)


RULES = (
    # A decorator has no letter before its sign.
    Rule("email-address", (r"[A-Za-z0-9._%+\-]@[A-Za-z0-9]",), email_addresses),
    # Of fewer than six digits are only versions.
    Rule("ipv4-address", (), ipv4_addresses, (r"\d\.\d{1,3}\.\d{1,3}\.\d",)),
    Rule("ipv6-address", (r"[23][0-9A-Fa-f]{3}:[0-9A-Fa-f]{0,4}:",), ipv6_addresses),
)
