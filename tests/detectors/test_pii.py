"""Personal data is found where code keeps it, and reserved, famous and version-like look-alikes are left alone."""

from __future__ import annotations

import gzip
import ipaddress
import json
import random
from collections import Counter
from pathlib import Path

import phonenumbers
import pytest

from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.types import Document
from scrubber.detectors.pii import detector
from scrubber.detectors.prefilter import scanner

SCAN = scanner([detector()], Fingerprinter(b"k" * 16))
AT = "@"
PLACES = (
    'VALUE = "{}"', "    'k': '{}',", "# ask {} first", '"""Reach {} at night."""', "f(value='{}', n=3)",
    "    assert find('{}') == 1", "log.info('handled %s', '{}')", "HOST={} PORT=22", "({})", "reach {}.",
)  # fmt: skip


def found(text: str) -> list[tuple[str, str]]:
    findings = SCAN(Document("d", text))
    return [(f.rule, text[f.span.start : f.span.end]) for f in findings if f.confidence >= 0.5]


def missed(rule: str, values: list[str]) -> list[str]:
    rng = random.Random(rule)
    return [value for value in values if found("\n" + rng.choice(PLACES).format(value) + "\n") != [(rule, value)]]


def test_an_address_of_an_invented_person_at_an_invented_company_is_found() -> None:
    rng = random.Random(1)
    values = [
        rng.choice(("ana.weber", "lmoreau", "noor_okafor", "kavya7", "jude+ops"))
        + AT
        + rng.choice(("tidalforge", "larkfield-labs", "moss.umbra"))
        + rng.choice((".com", ".io", ".net", ".org", ".co.uk"))
        for _ in range(200)
    ]
    assert missed("email-address", values) == []


@pytest.mark.parametrize(
    "text",
    [
        f"to = 'ana{AT}example.com'",
        f"to = 'ana{AT}mail.example'",
        f"to = 'ana{AT}test.invalid'",
        f"to = 'user{AT}localhost'",
        f"{AT}app.route\ndef f(): ...",
        f"git clone git{AT}github.com:org/repo.git",
        f"url = 'https://svc:hidden{AT}db.tidalforge.io/x'",
        f"pkg = 'left-pad{AT}3.14.5'",
        f"icon = 'logo{AT}2x.png'",
        f"sender = 'noreply{AT}tidalforge.io'",
        f"c = a {AT} b.T",
        f"to = 'ana{AT}zzz.org'",
        f"to = 'ana{AT}test.de'",
        f"list = 'tidalforge-users{AT}tidalforge.io'",
        f"Message-Id: <20240919.4711{AT}tidalforge.io>",
    ],
)
def test_addresses_of_nobody_are_left_alone(text: str) -> None:
    assert found(text) == []


def test_a_public_ipv4_address_is_found() -> None:
    rng = random.Random(2)
    drawn = (ipaddress.IPv4Address(rng.getrandbits(32)) for _ in range(400))
    values = [str(address) for address in drawn if address.is_global and not address.is_multicast]
    assert len(missed("ipv4-address", values)) <= len(values) / 100


@pytest.mark.parametrize(
    ("octets", "place"),
    [
        ((127, 0, 0, 1), "host = '{}'"),
        ((10, 1, 2, 3), "host = '{}'"),
        ((192, 0, 2, 51), "host = '{}'"),
        ((8, 8, 8, 8), "dns = '{}'"),
        ((255, 255, 255, 0), "mask = '{}'"),
        ((6, 3, 18, 6), "VERSION = '{}'"),
        ((3, 46, 0, 12), "'maximum': '{}'"),
        ((52, 61, 70, 80), "package version {}"),
        ((52, 61, 70, 80), "OID = '1.{}.3'"),
        ((52, 61, 70, 0), "network = '{}/24'"),
        ((300, 61, 70, 80), "x = '{}'"),
        ((1, 3, 101, 112), "KEY = ObjectIdentifier('{}')"),
        ((1, 2, 3, 64), "x = '{}'"),
        ((42, 42, 42, 42), "x = '{}'"),
        ((128, 0, 0, 0), "x = '{}'"),
    ],
)
def test_ipv4_addresses_of_nobody_are_left_alone(octets: tuple[int, ...], place: str) -> None:
    assert found(place.format(".".join(map(str, octets)))) == []


def test_a_public_ipv6_address_is_found_in_strings_and_comments() -> None:
    rng = random.Random(3)
    values = [str(ipaddress.IPv6Address(0x2A00 << 112 | rng.getrandbits(112))) for _ in range(100)]
    assert missed("ipv6-address", values) == []


@pytest.mark.parametrize(
    "text",
    [
        "y = x[1::2]",
        "z = x['a'][::2]",
        "mask = std::dec(a::b)",
        "host = '::1'",
        "host = 'fe80::12'",
        "host = '2001:db8::4'",
        "host = '2001:658:22a:cafe::4'",
        "at = '12:30:45'",
        "mac = 'aa:bb:cc:dd:ee:ff'",
    ],
)
def test_slices_times_and_local_ipv6_addresses_are_left_alone(text: str) -> None:
    assert found(text) == []


def test_an_international_phone_number_is_found_in_any_common_form() -> None:
    rng = random.Random(4)
    forms = phonenumbers.PhoneNumberFormat
    values = []
    for region in ("US", "GB", "DE", "FR"):
        known = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        while len(values) % 50 or len(values) == 0 or len(values) // 50 < 1 + ("US", "GB", "DE", "FR").index(region):
            number = phonenumbers.PhoneNumber(
                country_code=known.country_code,
                national_number=int(str(known.national_number)[:4] + str(rng.randrange(10**9)).zfill(9))
                // 10 ** (13 - len(str(known.national_number))),
            )
            if phonenumbers.is_valid_number(number):
                written = phonenumbers.format_number(number, rng.choice((forms.INTERNATIONAL, forms.E164)))
                values.append(written if rng.random() < 0.5 else written.replace(" ", "-"))
    assert len(missed("phone-number", values)) <= len(values) / 100


@pytest.mark.parametrize(
    "number",
    [
        "612 34 68 {}",
        "(11) 96123-52{}",
        "0412 343 5{}",
        "01 23 45 94 {}",
        "090-1234-87{}",
        "06 122457{}",
        "12 345 24 {}",
    ],
)
@pytest.mark.parametrize("place", ["x = '{}'", '"""Call {} at night."""', "contact: {}"])
def test_a_national_phone_number_is_found_where_the_line_says_what_it_is(number: str, place: str) -> None:
    value = number.format(81)
    assert found(place.format(value)) == [("phone-number", value)]
    assert found(f"rows = 3 {value} 4") == []


@pytest.mark.parametrize(
    "text",
    [
        "phone = '(212) 555-0162'",
        "phone = '+1 212 555 0162'",
        "phone = '123-456-7890'",
        "build = '2021-09-17 724-8438'",
        "sku = '918-38-6418'",
        "row = '01-02-03-04'",
        "x = [100, 200, 300] # 100 200 300",
        "x = Decimal('+35236450.6')",
        "y = 3 +49151",
        "date = '2021-09-17 12:30:45'",
    ],
)
def test_fictional_numbers_and_dates_are_left_alone(text: str) -> None:
    assert found(text) == []


RULES = {
    "EMAIL": "email-address",
    "IPV4": "ipv4-address",
    "IPV6": "ipv6-address",
    "PHONE": "phone-number",
    "CREDIT_CARD": "payment-card",
    "IBAN": "iban",
    "US_SSN": "us-ssn",
    "NAME": "person-name",
    "USERNAME": "username",
    "ADDRESS": "street-address",
}


def test_the_development_set_of_personal_data_in_code(test_data: Path) -> None:
    with gzip.open(test_data / "pii" / "pii_code_dev.jsonl.gz", "rt") as file:
        rows = [row for line in file if (row := json.loads(line))["type"] in RULES]
    right: Counter[tuple[str, bool]] = Counter()
    total: Counter[tuple[str, bool]] = Counter()
    for row in rows:
        got = found(row["text"])
        wanted = {(RULES[span["type"]], span["value"]) for span in row["spans"]}
        total[row["type"], row["label"]] += 1
        right[row["type"], row["label"]] += wanted <= set(got) if row["label"] else not got
    assert {kind for kind, _ in total} == set(RULES)
    for key, count in total.items():
        assert right[key] / count >= 0.97, key
