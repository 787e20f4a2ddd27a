"""Phone numbers: valid in the numbering plan of a country, and not kept for fiction."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import phonenumbers

from scrubber.detectors._pii_rules import GAP, Found, Line, Rule, any_case, is_whole_literal, named

INTERNATIONAL = re.compile(r"(?<![\w.+\-/])\+\d[\d \-.()/]{6,18}\d(?![\w\-]|\.\d)")
AMERICAN = re.compile(r"(?<![\w.+\-/])(?<!\d )\(?\d{3}\)?[ .\-]\d{3}[.\-]\d{4}(?![\w\-]|\.\d)")
# In groups, as people write it: digits alone are only believed after a name.
GROUPED = re.compile(
    r"(?<![\w.+\-/(])(?<![\d)] )(?:(?:\(0?\d{2,4}\)|0\d{1,5})(?:[ \-]\d{2,8}){1,4}"
    r"|\d{2,3}(?:[ \-]\d{2,5}){2,4})(?!\w|[ .\-]\d|-\w)"
)
SPEAKS = re.compile(
    rf"{named('phone', 'mobile', 'tel', 'telephone', 'cell', 'fax', 'whatsapp', 'sms', 'hotline', 'pager', 'contact')}"
    r"|\b(?i:call|dial|ring|reach|escalate|text)\b"
)
NAMED = re.compile(
    r"(?:phone|mobile|contact|cell|fax|whatsapp|(?<![a-zA-Z])tel|telefon\w*)[\w\-]{0,24}['\"]?\]?\s*[:=]\s*['\"]?"
    r"(\(?\d[\d ().\-]{6,16}\d)(?!\w)",
    re.IGNORECASE,
)
REGIONS = ("US", "GB", "FR", "DE", "ES", "IT", "BR", "JP", "IN", "AU", "PL", "NL", "SE", "MX", "CN")
# Numbers kept for fiction: 555-01xx in North America, Ofcom's for drama in Britain; and what stands for a number.
FICTIONAL = re.compile(r"55501\d\d$|^(?:44|0)(?:20794600|7700900|1632960)\d+$|1234567|0{6}|1{6}|(?:555){2}")
DECIMAL = re.compile(r"\+?\d+\.\d+")
DATE = re.compile(r"\d{4}-\d\d-\d\d|(?:\d\d-){2,3}\d\d(?:\d\d)?|\d\d-\d{4}|\d{3}-\d\d-\d{4}")  # and identity numbers


def phone_numbers(line: Line) -> Iterator[Found]:
    """International numbers, North American ones, and national ones where the line says what they are."""
    for candidate in INTERNATIONAL.finditer(line.text):
        yield from _found(candidate, (None,), 0.8)
    for candidate in AMERICAN.finditer(line.text):
        yield from _found(candidate, ("US",), 0.6)
    for candidate in GROUPED.finditer(line.text):
        if _is_written_as_phone(line.text, *candidate.span()):
            yield from _found(candidate, REGIONS, 0.5, whole=True)


def named_phone_numbers(line: Line) -> Iterator[Found]:
    """Numbers that are given to the name of a phone."""
    for candidate in NAMED.finditer(line.text):
        yield from _found(candidate, REGIONS, 0.5)


def _found(
    candidate: re.Match[str], regions: Sequence[str | None], confidence: float, *, whole: bool = False
) -> Iterator[Found]:
    """The number in the last group of a candidate, if it is one; ``whole``: if all of it is."""
    value, start = candidate.group(candidate.re.groups), candidate.start(candidate.re.groups)
    if FICTIONAL.search(re.sub(r"\D", "", value)) or DECIMAL.fullmatch(value) or value.isdecimal():
        return
    match = _phone(value, regions)
    if match and (not whole or len(match.raw_string) == len(value)):
        yield Found("phone-number", start + match.start, start + match.end, confidence)


def _is_written_as_phone(text: str, start: int, end: int) -> bool:
    """For digits in groups: the line speaks of phones, or a literal is nothing else and no date or other number."""
    value = text[start:end]
    if SPEAKS.search(text):
        return not DATE.fullmatch(value)
    return is_whole_literal(text, start, end) and not DATE.fullmatch(value) and (value[0] in "(0" or "-" not in value)


def _phone(text: str, regions: Sequence[str | None]) -> phonenumbers.PhoneNumberMatch | None:
    """The longest valid number in a short ``text``. The matcher is slow: it must never be given a whole document."""
    found = None
    for region in regions:
        for match in phonenumbers.PhoneNumberMatcher(text, region):
            if len(match.raw_string) == len(text):
                return match
            found = max(found or match, match, key=lambda one: len(one.raw_string))
    return found


RULES = (
    Rule(
        "phone-number",
        (),
        phone_numbers,
        (
            r"\+\d[\d \-.()/]{6}",
            r"\d{3}[). \-]{1,2}\d{3}[.\-]\d{4}",
            r"(?m:^|[^0-9A-Za-z.\-+/\n])\(?\d{2,6}\)?[ \-]\d{2,4}[ \-]?\d{2}",
        ),
    ),
    Rule(
        "phone-named",
        (
            any_case("hone", "obile", "cell", "contact", "fax", "tel", "telefon", "whatsapp")
            + GAP
            + r"\(?\d[\d ().\-]{6}",
        ),
        named_phone_numbers,
    ),
)
