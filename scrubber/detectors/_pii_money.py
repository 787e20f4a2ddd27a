"""Payment cards and bank accounts: issuer, length and checksum, less the numbers that manuals print."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scrubber.detectors._pii_rules import EDGE, Found, Line, Rule, digits, is_bare_literal, luhn, table

_CARDS = table("payment_cards.toml")
_IBAN = table("iban.toml")

TEST_CARDS = frozenset(_CARDS["published"]["tests"].split())
CARD = re.compile(
    r"(?<![\w.+\-/])(?:[2-6]\d{12,18}|[2-6]\d{3}([ \-])\d{4}\1\d{4}\1\d{1,7}"
    r"|3\d{3}([ \-])\d{6}\2\d{4,5})(?!\w|[.\-]\w)"
)
CARD_NAME = re.compile(
    r"card|(?<![a-z])pan(?![a-z])|(?<![a-z])cc(?![a-z])|credit|debit|payment|kreditkarte|tarjeta|carta", re.IGNORECASE
)
# Other long numbers that have a name of their own.
OTHER_NUMBER = re.compile(
    r"(?<![a-z])(?:ts|ns|us|id|key|nr|num|sku|ean|upc|seed|size|pid|rev|ref|crc)(?![a-z])|_id|time|date|epoch|nano|hash|digest|serial"
    r"|order|track|imei|isbn|gtin|version|checksum|offset|addr|0x|phone|user|float|double|decimal|precision|random",
    re.I,
)
NUMBER_NEXT = re.compile(r"\d[\s,;|]*$"), re.compile(r"[\s,;|]*[+\-]?\d")

IBAN_LENGTHS: dict[str, int] = _IBAN["lengths"]
IBAN_EXAMPLES = frozenset(_IBAN["published"]["examples"].split())
IBAN = re.compile(
    rf"(?<![\w+/\-])(?:{'|'.join(IBAN_LENGTHS)})\d\d(?: ?[A-Z0-9]{{4}}){{2,7}}(?: ?[A-Z0-9]{{1,3}})?(?![\w+/=])"
)
COUNTING = re.compile(r"1234567|2345678|3456789|9876543|([1-9])\1{6}")


def card_numbers(line: Line) -> Iterator[Found]:
    """Cards by Luhn, issuer and length. A bare integer counts only on a line that speaks of cards."""
    text = line.text
    for match in CARD.finditer(text):
        number = digits(match.group())
        if not (luhn(number) and is_issued(number)) or number in TEST_CARDS or COUNTING.search(number):
            continue
        if len(set(number[6:])) < 4:  # the likes of 4000000000000000: someone's own test number
            continue
        grouped = match.group(1) or match.group(2)
        if CARD_NAME.search(text):
            yield Found("payment-card", *match.span(), 0.9)
        elif not is_bare_literal(line, *match.span()):
            before, after = NUMBER_NEXT
            other = OTHER_NUMBER.search(text) or before.search(text, 0, match.start()) or after.match(text, match.end())
            yield Found("payment-card", *match.span(), 0.4 if other else 0.8 if grouped else 0.6)


def is_issued(number: str) -> bool:
    """Whether a network issues cards with this beginning and length."""
    return any(len(number) in lengths and low <= number[: len(low)] <= high for low, high, lengths in _ISSUED)


def bank_accounts(line: Line) -> Iterator[Found]:
    """IBANs by the length of their country and the check of ISO 7064, mod 97-10."""
    for match in IBAN.finditer(line.text):
        # What follows after a space may be the next word, so the country says how long the number is.
        end = match.start() + _length_with_spaces(match.group(), IBAN_LENGTHS[match.group()[:2]])
        value = line.text[match.start() : end]
        number = value.replace(" ", "")
        if (
            len(number) == IBAN_LENGTHS[number[:2]]
            and not line.text[end : end + 1].isalnum()
            and mod_97(number)
            and number not in IBAN_EXAMPLES
            and not COUNTING.search(number[4:])
        ):
            yield Found("iban", match.start(), end, 0.9)


def mod_97(number: str) -> bool:
    """The check of an IBAN: country and check digits moved to the end, letters as 10 to 35, remainder 1."""
    return int("".join(str(int(character, 36)) for character in number[4:] + number[:4])) % 97 == 1


def _length_with_spaces(value: str, characters: int) -> int:
    places = [place for place, character in enumerate(value) if character != " "]
    return places[min(characters, len(places)) - 1] + 1


def _issued() -> Iterator[tuple[str, str, frozenset[int]]]:
    for issuer in _CARDS["issuers"]:
        for prefix in issuer["prefixes"]:
            low, _, high = prefix.partition("-")
            yield low, high or low, frozenset(issuer["lengths"])


_ISSUED = tuple(_issued())

RULES = (
    Rule(
        "payment-card",
        (),
        card_numbers,
        (
            EDGE + r"[2-6]\d{12}",
            EDGE + r"[2-6]\d{3}[ \-]\d{4}[ \-]\d{4}[ \-]\d",
            EDGE + r"3\d{3}[ \-]\d{6}[ \-]\d{4}",
        ),
    ),
    Rule("iban", (), bank_accounts, (r"[A-Z]{2}\d\d ?[A-Z0-9]{4} ?[A-Z0-9]{4} ?[A-Z0-9]{3}",)),
)
