"""National identity numbers: format and checksum, and a telling name where those are too weak."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from scrubber.detectors import _pii_checksums as checks
from scrubber.detectors._pii_rules import EDGE, GAP, Found, Line, Rule, any_case, is_bare_literal, named


class NationalId(NamedTuple):
    """A kind of number. ``alone`` is the confidence without a name before it, None where a name is needed."""

    rule: str
    value: str
    names: tuple[str, ...]
    is_valid: Callable[[str], bool]
    alone: float | None = None


IDS = (
    NationalId(
        "us-ssn", r"\d{3}-\d{2}-\d{4}", ("ssn", "social_sec", "social sec", "socialsec", "tax_id", "taxid"),
        checks.social_security_number, 0.6,
    ),
    NationalId("us-ssn", r"\d{9}", ("ssn", "social_sec", "socialsec"), checks.social_security_number),
    NationalId(
        "uk-nino", r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]",
        ("nino", "national_ins", "national ins", "nationalins", "ni_n", "ni n"), checks.national_insurance_number,
    ),
    NationalId("es-dni", r"\d{8}[\- ]?[A-HJ-NP-TV-Z]", ("dni", "nif"), checks.dni),
    NationalId("es-dni", r"[XYZ][\- ]?\d{7}[\- ]?[A-HJ-NP-TV-Z]", ("nie", "dni", "nif"), checks.dni),
    NationalId(
        "it-codice-fiscale", r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]", ("codice", "fiscal"), checks.codice_fiscale, 0.9
    ),
    NationalId(
        "fr-nir", r"[1-478] ?\d{2} ?(?:0[1-9]|[1-9]\d) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}",
        ("nir", "insee", "secu"), checks.nir,
    ),
    NationalId(
        "de-steuer-id", r"\d{2} ?\d{3} ?\d{3} ?\d{3}", ("steuer", "idnr", "tax_id", "tax id", "taxid", "tin"), checks.steuer_id
    ),
    NationalId("pl-pesel", r"\d{11}", ("pesel",), checks.pesel),
    NationalId("nl-bsn", r"\d{9}|\d{4}\.\d{2}\.\d{3}", ("bsn", "burgerservice", "sofi"), checks.bsn),
    NationalId("br-cpf", r"\d{3}\.\d{3}\.\d{3}-\d{2}", ("cpf",), checks.cpf, 0.9),
    NationalId("br-cpf", r"\d{11}", ("cpf",), checks.cpf),
    NationalId("in-aadhaar", r"[2-9]\d{3}([ \-]?)\d{4}\1\d{4}", ("aadhaar", "aadhar", "uidai"), checks.aadhaar),
    NationalId(
        "se-personnummer", r"(?:\d{2})?\d{2}[01]\d[0-9]\d[\-+]?\d{4}", ("personn", "person_n", "pnr"), checks.personnummer
    ),
    NationalId(
        "ca-sin", r"\d{3}([ \-]?)\d{3}\1\d{3}", ("sin", "social_ins", "social ins", "socialins"), checks.social_insurance_number
    ),
)  # fmt: skip
NAMED = 0.9
SEPARATORS = re.compile(r"[ .\-+]")
# What else is written as a number with dashes; a name of the number itself outweighs it.
OTHER_NUMBER = re.compile(
    r"(?<![a-z])(?:sku|part|isbn|issn|model|serial|version|uuid|cas|phone|date|id)(?![a-z])", re.I
)


class _Compiled(NamedTuple):
    kind: NationalId
    value: re.Pattern[str]
    name: re.Pattern[str]


def national_ids(line: Line) -> Iterator[Found]:
    """Numbers whose checksum is right: those with a name, and those whose format says enough."""
    text = line.text
    for kind, value, name in _COMPILED:
        for match in value.finditer(text):
            if not kind.is_valid(SEPARATORS.sub("", match.group())):
                continue
            if name.search(text, max(0, match.start() - 60), match.start()):
                yield Found(kind.rule, *match.span(), NAMED)
            elif kind.alone and not is_bare_literal(line, *match.span()):
                yield Found(kind.rule, *match.span(), min(kind.alone, 0.4) if OTHER_NUMBER.search(text) else kind.alone)


def _compiled() -> Iterator[_Compiled]:
    for kind in IDS:
        value = re.compile(rf"(?<![\w.\-+])(?:{kind.value})(?![\w]|[.\-]\d)")
        yield _Compiled(kind, value, re.compile(rf"{named(*kind.names)}{GAP}$"))


_COMPILED = tuple(_compiled())
_WORDS = frozenset(("sin", "tin", "nie"))  # names that stand inside many words
_NAMES = sorted({name for kind in IDS for name in kind.names} - _WORDS)

RULES = (
    Rule(
        "national-id",
        (
            any_case(*_NAMES) + GAP + r"\d[\d .\-]{5}",
            EDGE + r"(?:sin|tin|nie|SIN|TIN|NIE)[ _\"':=#]" + GAP + r"\d[\d .\-]{5}",
        ),
        national_ids,
        digits=(
            r"\d{3}-\d{2}-\d{4}",
            r"\d{3}\.\d{3}\.\d{3}-\d{2}",
            r"[A-Z]\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]",
        ),
    ),
)
