"""Cards, accounts and identity numbers are told from other digits by format, checksum and name."""

from __future__ import annotations

import random
import string
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.types import Document
from scrubber.detectors import _pii_checksums as checks
from scrubber.detectors._pii_money import IBAN_EXAMPLES, IBAN_LENGTHS, TEST_CARDS, is_issued, mod_97
from scrubber.detectors._pii_rules import luhn
from scrubber.detectors.pii import detector
from scrubber.detectors.prefilter import scanner

SCAN = scanner([detector()], Fingerprinter(b"k" * 16))
SURE = 0.5
TEXTS = ('"""Send it to {} tonight."""', "# {}", 'log("%s", "{}")', "    'k': '{}',", "find(value='{}')")


def found(text: str, language: str | None = "python", least: float = SURE) -> list[tuple[str, str]]:
    findings = SCAN(Document("d", text, language=language))
    return [(f.rule, text[f.span.start : f.span.end]) for f in findings if f.confidence >= least]


def some_digits(dice: random.Random, count: int) -> str:
    return "".join(dice.choices(string.digits, k=count))


def completed(body: str, is_valid: Callable[[str], bool], count: int = 1) -> str | None:
    """``body`` with the first check digits that make it valid, found by trying them all."""
    ends = (f"{end:0{count}d}" for end in range(10**count))
    return next((body + end for end in ends if is_valid(body + end)), None)


def drawn(seed: str, make: Callable[[random.Random], str | None], count: int = 60) -> list[str]:
    dice = random.Random(seed)
    values: list[str] = []
    while len(values) < count:
        if value := make(dice):
            values.append(value)
    return values


def card(dice: random.Random) -> str | None:
    prefix, length = dice.choice(
        (("4", 16), ("5" + dice.choice("12345"), 16), ("37", 15), ("6011", 16), ("2" + "4", 16))
    )
    number = completed(prefix + some_digits(dice, length - 1 - len(prefix)), luhn) or ""
    if dice.random() < 0.5 and length == 16:
        return dice.choice(" -").join(number[at : at + 4] for at in range(0, 16, 4))
    return number


def iban(dice: random.Random) -> str:
    country = dice.choice(sorted({"DE", "FR", "ES", "PL", "NL", "GB", "SE"}))
    letters = "".join(dice.choices(string.ascii_uppercase, k=4)) if country in ("NL", "GB") else ""
    body = letters + some_digits(dice, IBAN_LENGTHS[country] - 4 - len(letters))
    number = next(f"{country}{check:02d}{body}" for check in range(2, 99) if mod_97(f"{country}{check:02d}{body}"))
    return " ".join(number[at : at + 4] for at in range(0, len(number), 4)) if dice.random() < 0.3 else number


def test_a_card_is_found_in_text_and_by_its_name() -> None:
    dice = random.Random(1)
    values = drawn("cards", card, 150)
    missed = [v for v in values if found(dice.choice(TEXTS).format(v)) != [("payment-card", v)]]
    assert len(missed) <= 2  # a run of counting digits
    named = [v for v in values if found(f"card_number = {v}") != [("payment-card", v)]]
    assert len(named) <= 2


def test_a_bare_integer_is_no_card_without_a_name() -> None:
    values = [value for value in drawn("bare", card) if value.isdecimal()]
    assert [v for v in values if found(f"total = {v}") or found(f"f({v}, 1)") or found(f"x = [{v}, {v}]")] == []


def test_published_and_failing_cards_are_left_alone() -> None:
    assert [v for v in sorted(TEST_CARDS) if found(f'card = "{v}"', least=0)] == []
    dice = random.Random(2)
    failing = [v for _ in range(300) if not luhn(v := "4" + some_digits(dice, 15))]
    assert [v for v in failing if found(f'card = "{v}"', least=0)] == []
    assert not is_issued("1" * 16)
    assert not is_issued("4" * 14)


def test_the_tables_of_published_values_are_ones_that_would_else_be_found() -> None:
    assert all(luhn(number) and is_issued(number) for number in TEST_CARDS)
    assert all(len(number) == IBAN_LENGTHS[number[:2]] and mod_97(number) for number in IBAN_EXAMPLES)


def test_an_iban_is_found_with_and_without_spaces() -> None:
    dice = random.Random(3)
    values = drawn("iban", iban, 150)
    assert [v for v in values if found(dice.choice(TEXTS).format(v)) != [("iban", v)]] == []


def test_failing_and_published_ibans_are_left_alone() -> None:
    dice = random.Random(4)
    failing = [v for _ in range(300) if not mod_97(v := f"DE{some_digits(dice, 20)}")]
    assert [v for v in failing if found(f'iban = "{v}"', least=0)] == []
    assert [v for v in sorted(IBAN_EXAMPLES) if found(f'iban = "{v}"')] == []
    cut = [value.replace(" ", "")[:-1] for value in drawn("cut", iban)]
    assert [v for v in cut if found(f'iban = "{v}"', least=0)] == []


@given(st.integers(0, 10**14), st.integers(0, 14), st.integers(1, 9))
def test_luhn_and_verhoeff_notice_every_single_wrong_digit(number: int, place: int, shift: int) -> None:
    for is_valid in (luhn, checks.verhoeff):
        right = completed(f"{number:014d}", is_valid)
        assert right is not None
        wrong = right[:place] + str((int(right[place]) + shift) % 10) + right[place + 1 :]
        assert not is_valid(wrong)


@given(st.integers(0, 10**12), st.integers(0, 11))
def test_verhoeff_notices_every_swap_of_neighbours(number: int, place: int) -> None:
    right = completed(f"{number:012d}", checks.verhoeff)
    assert right is not None
    swapped = right[:place] + right[place + 1] + right[place] + right[place + 2 :]
    assert swapped == right or not checks.verhoeff(swapped)


@pytest.mark.parametrize(
    ("is_valid", "head", "tail"),  # the examples that the issuers print, in two halves
    [
        (checks.steuer_id, "860957", "42719"),
        (checks.pesel, "440514", "01359"),
        (checks.bsn, "1938", "47565"),
        (checks.codice_fiscale, "RSSMRA85", "T10A562S"),
        (checks.nir, "2550814", "16802538"),
        (checks.personnummer, "811218", "9876"),
        (checks.verhoeff, "23", "63"),
        (checks.dni, "8765", "4321X"),
        (checks.cpf, "529982", "24725"),
        (checks.social_security_number, "51583", "9010"),
        (checks.national_insurance_number, "AB1234", "59C"),
        (checks.social_insurance_number, "1306", "92544"),
    ],
)
def test_a_known_number_is_valid_and_its_neighbours_are_not(
    is_valid: Callable[[str], bool], head: str, tail: str
) -> None:
    value = head + tail
    assert is_valid(value)
    if is_valid not in (checks.social_security_number, checks.national_insurance_number):
        digit = next(at for at in reversed(range(len(value))) if value[at].isdecimal())
        neighbours = [f"{value[:digit]}{other}{value[digit + 1 :]}" for other in string.digits if other != value[digit]]
        assert not any(map(is_valid, neighbours))


def cpf(dice: random.Random) -> str | None:
    value = completed(some_digits(dice, 9), checks.cpf, 2)
    return f"{value[:3]}.{value[3:6]}.{value[6:9]}-{value[9:]}" if value else None


def codice(dice: random.Random) -> str | None:
    body = (
        "".join(dice.choices("BCDFGLMNPRST", k=6))
        + f"{some_digits(dice, 2)}{dice.choice('ABCDEHLMPRST')}{dice.randint(1, 28):02d}"
    )
    body += f"{dice.choice('ABCDEFGHIL')}{some_digits(dice, 3)}"
    return next((body + letter for letter in string.ascii_uppercase if checks.codice_fiscale(body + letter)), None)


def ssn(dice: random.Random) -> str:
    return f"{dice.randint(1, 665):03d}-{dice.randint(1, 99):02d}-{dice.randint(1, 9999):04d}"


@pytest.mark.parametrize(("rule", "make"), [("br-cpf", cpf), ("it-codice-fiscale", codice), ("us-ssn", ssn)])
def test_a_number_whose_format_says_enough_is_found_anywhere(
    rule: str, make: Callable[[random.Random], str | None]
) -> None:
    dice = random.Random(rule)
    values = drawn(rule, make)
    assert [v for v in values if found(dice.choice(TEXTS).format(v)) != [(rule, v)]] == []


NAMED: dict[str, tuple[str, Callable[[random.Random], str | None]]] = {
    "de-steuer-id": ("steuer_id", lambda dice: completed(some_digits(dice, 10), checks.steuer_id)),
    "nl-bsn": ("bsn", lambda dice: completed(some_digits(dice, 8), checks.bsn)),
    "in-aadhaar": ("aadhaar_number", lambda dice: completed("4" + some_digits(dice, 10), checks.aadhaar)),
    "ca-sin": ("SIN", lambda dice: completed("1" + some_digits(dice, 7), checks.social_insurance_number)),
    "pl-pesel": (
        "customerPesel",
        lambda dice: completed(f"8{dice.randint(0, 9)}0{dice.randint(1, 9)}1{some_digits(dice, 5)}", checks.pesel),
    ),
    "es-dni": ("dni", lambda dice: (n := some_digits(dice, 8)) + checks.DNI_LETTERS[int(n) % 23]),
    "fr-nir": (
        "nir",
        lambda dice: (n := f"1{some_digits(dice, 2)}0575{some_digits(dice, 6)}") + f"{97 - int(n) % 97:02d}",
    ),
    "se-personnummer": (
        "personnummer",
        lambda dice: (
            (n := completed(f"8{dice.randint(0, 9)}0{dice.randint(1, 9)}1{some_digits(dice, 4)}", luhn))
            and f"{n[:6]}-{n[6:]}"
        ),
    ),
    "uk-nino": (
        "nino",
        lambda dice: f"{dice.choice('ABCEHJ')}{dice.choice('ABCEHJ')}{some_digits(dice, 6)}{dice.choice('ABCD')}",
    ),
}


@pytest.mark.parametrize("rule", NAMED)
def test_a_number_with_a_weak_format_is_found_by_its_name_only(rule: str) -> None:
    name, make = NAMED[rule]
    values = drawn(rule, make)
    for place in (f'{name} = "{{}}"', f"# {name}: {{}}", f'{{{{"{name}": "{{}}"}}}}', f"create({name}='{{}}', n=1)"):
        missed = [v for v in values if found(place.format(v)) != [(rule, v)]]
        assert len(missed) <= 3, place  # by chance the number of another country too
    assert [v for v in values if (rule, v) in found(f'total = "{v}"')] == []


@pytest.mark.parametrize(
    "value",
    [
        "000-12-3456",
        "666-12-3456",
        "912-12-3456",
        "123-00-4567",
        "123-45-0000",
        "078-05-" + "1120",
        "111-22-3333",
        "123-45-" + "6789",
    ],
)
def test_an_impossible_or_advertised_social_security_number_is_left_alone(value: str) -> None:
    assert found(f'ssn = "{value}"') == []


def test_sines_and_other_words_name_no_number() -> None:
    value = completed("1" + some_digits(random.Random(8), 7), checks.social_insurance_number)
    assert found(f"y = sin(x) * {value}\ncos = using({value})\nx = math.sin[{value}]") == []
