"""Street addresses: a house number beside a street's name, told by the words that streets have in several languages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scrubber.detectors._pii_rules import CAPITAL, Found, Line, Rule, is_whole_literal, longest_first, named, table

_WORDS = table("addresses.toml")
_PUBLISHED = tuple(_WORDS["published"])


def _any(name: str) -> str:
    return "(?:" + "|".join(map(re.escape, longest_first(_WORDS[name].split()))) + ")"


NAME = r"[A-ZÀ-ÖØ-ÞĀ-Ž][\w'’.\-]*"
NUMBER = r"(?<![\w.+\-/:])\d{1,5}[A-Za-z]?"
NUMBER_BEHIND = r"(?<!\d)\d{1,4} ?[a-z]?(?![\w.]\d|\w)"
LINK = r"(?: (?:de|du|des|del|della|di|da|do|das|dos|la|le|les|l'|of|the|van|von|der|den|św\.))*"
FORMS = tuple(
    re.compile(form)
    for form in (
        rf"{NUMBER} (?:[NSEW]\.? )?(?:{NAME} |\d{{1,3}}(?:st|nd|rd|th) ){{1,4}}?{_any('after')}(?!\w)",
        rf"{NUMBER}(?: bis| ter)?,? {_any('between')}{LINK} (?:[ld]['’])?{NAME}(?: {NAME})*",
        rf"(?<!\w){_any('before')}{LINK} ?{NAME}(?: {NAME}| [a-ząćęłńóśźż]+){{0,3}},? {NUMBER_BEHIND}",
        rf"(?<![\w.])(?:{NAME} )?[A-ZÀ-ÖØ-Þ][\wäöüß\-]*{_any('ending')} {NUMBER_BEHIND}",
    )
)
TOWN_WORD = r"[A-ZÀ-ÖØ-ÞĀ-Ž][^\W\d_]*[^\W\d_A-Z](?!\w)"
TOWN_NAME = rf"{TOWN_WORD}(?:[ '’.\-]{{1,2}}{TOWN_WORD}){{0,2}}"
# Flat, town, state and postcode, as far as they follow.
FLAT = r"(?:,? (?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|#)\.? ?\w{1,5})?"
TOWN = (
    rf"(?:,? \d{{2}}-\d{{3}} {TOWN_NAME}|,? \d{{4,5}}(?: [A-Z]{{2}})? {TOWN_NAME}"
    rf"|, {TOWN_NAME}| {TOWN_NAME}(?= [A-Z]{{1,2}}\d))?"
)
POSTCODE = r"(?:,? [A-Z]{2}(?!\w))?(?:,? \d{5}(?:-\d{4})?(?!\d)| [A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}(?!\w))?"
TAIL = re.compile(rf"{FLAT}({TOWN}{POSTCODE})")
ADDRESS_NAME = re.compile(
    named("address", "addr", "street", "ship", "shipping", "billing", "home", "residence", "adresse")
)

NEAR = 60  # characters before an address in which its name stands


def street_addresses(line: Line) -> Iterator[Found]:
    """Addresses with town and postcode; those without where the line calls it so or the literal is nothing else."""
    text = line.text
    for form in FORMS:
        for match in form.finditer(text):
            if match.group().lower().startswith(_PUBLISHED):
                continue
            tail = TAIL.match(text, match.end())
            end = tail.end() if tail else match.end()
            located = bool(tail and re.search(r"\d|, [A-Z]{2}$", tail.group(1)))
            if located:
                confidence = 0.7
            elif ADDRESS_NAME.search(text, max(0, match.start() - NEAR), match.start()) or is_whole_literal(
                text, match.start(), end
            ):
                confidence = 0.5
            else:
                confidence = 0.4
            yield Found("street-address", match.start(), end, confidence)


RULES = (
    Rule(
        "street-address",
        (
            rf"\d[A-Za-z]? (?:[^\x00-/:-@\[-\x7f][^ \n]{{0,30}} ){{1,4}}{_any('after')}(?m:$|[^A-Za-z\n])",
            rf"\d(?: bis| ter)?,? {_any('between')} ",
            rf"{_any('before')} (?:[a-z]{{1,5}} ){{0,2}}{CAPITAL}[^\n]{{0,60}} \d",
            rf"{_any('ending')} \d",
        ),
        street_addresses,
    ),
)
