"""People, user names, birth dates and street addresses are found where a name or a table says what they are."""

from __future__ import annotations

import random

import pytest

from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.types import Document
from scrubber.detectors._pii_people import GIVEN_NAMES, is_handle, is_person
from scrubber.detectors.pii import detector
from scrubber.detectors.prefilter import scanner

SCAN = scanner([detector()], Fingerprinter(b"k" * 16))
FAMILY = ("velm", "arkwrite", "tolwyn", "brasko", "quillon", "deverest")  # invented
GIVEN = sorted(name for name in GIVEN_NAMES if len(name) > 3)


def found(text: str, least: float = 0.5, language: str | None = None) -> list[tuple[str, str]]:
    findings = SCAN(Document("d", text, language=language))
    return [(f.rule, text[f.span.start : f.span.end]) for f in findings if f.confidence >= least]


def people(count: int) -> list[str]:
    dice = random.Random(count)
    return [f"{dice.choice(GIVEN)} {dice.choice(FAMILY).capitalize()}" for _ in range(count)]


@pytest.mark.parametrize(
    "place",
    [
        'customer_name = "{}"', "patient: '{}'", "cfg = {{'fullName': '{}', 'n': 3}}", "create(full_name='{}', n=1)",
        "# recipient: {}", "CARDHOLDER_NAME={}", 'log.info("by %s", "{}")', '"""Ask {} first."""',
    ],
)  # fmt: skip
def test_a_person_is_found_by_field_literal_and_address(place: str) -> None:
    assert [name for name in people(80) if found(place.format(name)) != [("person-name", name)]] == []


@pytest.mark.parametrize(
    "place",
    [
        "# Author: {}",
        '__author__ = "{}"',
        "@author {}",
        "# Copyright (c) 2024 {}",
        "# Written by {}.",
    ],
)
def test_a_person_of_a_header_is_for_the_curious_only(place: str) -> None:
    names = people(60)
    assert [name for name in names if found(place.format(name))] == []
    assert [name for name in names if found(place.format(name), least=0) != [("person-name", name)]] == []


def test_several_authors_are_each_found() -> None:
    first, second = people(2)
    text = f"# Authors: {first} <x@localhost>, {second}"
    assert found(text, least=0) == [("person-name", first), ("person-name", second)]


def test_a_first_name_is_sure_beside_a_last_name() -> None:
    given, family = (name.capitalize() for name in ("hesper", "velm"))
    both = f'user = {{\n    "first_name": "{given}",\n    "last_name": "{family}",\n}}'
    assert found(both) == [("person-name", given), ("person-name", family)]
    assert found(f'x.firstName = "{given}"') == []
    assert found(f'x.firstName = "{given}"', least=0) == [("person-name", given)]


@pytest.mark.parametrize(
    "text",
    [
        'class X:\n    """{} prior, see {} method."""'.format("Cauchy", "Newton"),
        "# Copyright 2024 Google Inc. All Rights Reserved",
        "# Copyright 2019 The Some Project Authors",
        'full_name = "{} Doe"'.format("John"),
        "customer_name = get_name()",
        "# Author: Some Company Developers",
        'label = _("User Name")',
        "name: Some Workflow",
    ],
)
def test_organisations_eponyms_and_labels_are_no_persons(text: str) -> None:
    assert found(text, least=0) == []


def test_a_list_of_capitalised_words_is_no_person() -> None:
    assert found(" ".join(GIVEN[:20]), least=0) == []


def test_given_names_are_words_with_a_capital_that_code_does_not_use() -> None:
    assert len(GIVEN_NAMES) > 2000
    words = {"Test", "User", "Will", "Mark", "May", "June", "Table", "Python", "Java", "Ruby", "Value", "Paris", "Can"}
    assert not words & GIVEN_NAMES
    assert all(name == name.capitalize() and name.isalpha() for name in GIVEN_NAMES)


@pytest.mark.parametrize(
    "place",
    [
        'username = "{}"',
        "cfg = {{'login': '{}'}}",
        "connect(db_user='{}')",
        "# user: {}",
        "USERNAME={}",
        'const user: string = "{}";',
    ],
)
def test_the_user_name_of_a_person_is_found(place: str) -> None:
    dice = random.Random(place)
    names = [name for name in GIVEN if name.isascii()]
    values = [
        f"{dice.choice(names).lower()}{dice.choice(('', '_', '.'))}{dice.choice(FAMILY)[:5]}{dice.choice(('', '47'))}"
        for _ in range(80)
    ]
    assert [value for value in values if found(place.format(value)) != [("username", value)]] == []


@pytest.mark.parametrize(
    "text",
    [
        'user = "admin"', "user = 'postgres'", "username = get_user()", "username: str", "USER=root", "login = request.login",
        'user="${USER}"', "HANDLE = ctypes.c_void_p", "user = None",
        "username=username,", 'user = "testuser"', "# user: the one who asks",
    ],
)  # fmt: skip
def test_user_names_of_services_and_code_are_left_alone(text: str) -> None:
    assert found(text) == []


def test_the_owner_of_a_tag_is_for_the_curious_only() -> None:
    text = "# TODO" + "(mvelm): later"
    assert found(text) == []
    assert found(text, least=0) == [("username", "mvelm")]
    assert is_handle(GIVEN[0].lower() + "velm")
    assert not is_handle("service_account")
    assert not is_person("Some Company")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('date_of_birth = "{}"', "1984-03-19"), ("dob: {}", "19/03/1984"), ("birthDate: '{}'", "1984/3/19"),
        ("born = date({})", "1984, 3, 19"), ("# geburtsdatum {}", "19.03.1984"), ('"dob": "{}"', "03/19/1984"),
    ],
)  # fmt: skip
def test_a_birth_date_is_found_by_its_name(text: str, value: str) -> None:
    assert found(text.format(value)) == [("birth-date", value)]


@pytest.mark.parametrize(
    "text",
    ['dob = "1970-01-01"', 'created = "1984-03-19"', "birth_date = None", 'dob = "1984-13-39"', "rebirth(1984, 3, 19)"],
)
def test_other_dates_are_no_birth_dates(text: str) -> None:
    assert found(text) == []


STREETS = {
    "{n} {s} Road, Austin, TX 78704": 0.7,
    "{n} {s} Lane, Leeds LS1 4AP": 0.7,
    "{n} N. {s} Ave., Apt 4, Salem, OR 97301": 0.7,
    "{n} rue {s}, 75011 Paris": 0.7,
    "{s}straße {n}, 10115 Berlin": 0.7,
    "Calle {s} {n}, 28012 Madrid": 0.7,
    "Via {s} {n}, 20121 Milano": 0.7,
    "{s}straat {n}, 1012 AB Amsterdam": 0.7,
    "{n} {s} Street": 0.5,
    "Rua {s}, {n}": 0.5,
    "ul. {s} {n}": 0.5,
}


@pytest.mark.parametrize("form", STREETS)
def test_a_street_address_is_found_in_several_languages(form: str) -> None:
    dice = random.Random(form)
    for _ in range(20):
        value = form.format(n=dice.randint(2, 400), s=dice.choice(FAMILY).capitalize())
        for place in ('ship_to = "{}"', "# {}", "address: {}", "find('{}')"):
            sure = STREETS[form] if STREETS[form] > 0.5 or place != "# {}" else 0.4
            assert ("street-address", value) in found(place.format(value), least=sure), place.format(value)


@pytest.mark.parametrize(
    "text",
    [
        'address = "123 Main Street"',
        "# 51 Franklin Street, Fifth Floor, Boston, MA 02110-1301 USA",
        "address = 0x1200  # 12 bytes away",
        "x = a[3:5]  # 3 Way merge",
        "chapter 4 in place of 5",
        'label = "Step 3"',
        "Python 3 Drive",
    ],
)
def test_addresses_of_nobody_and_other_text_are_left_alone(text: str) -> None:
    assert found(text) == []
