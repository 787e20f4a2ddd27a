"""The judge of leaks tells every form of a value from answers that only look like it, and holds no value itself."""

from __future__ import annotations

import base64
import random
import string
import textwrap
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubber.core.decoys import same_format
from scrubber.evaluation.judge import NONE, judge

LETTERS = string.ascii_letters + string.digits
DICE = random.Random(11)


def drawn(length: int, dice: random.Random = DICE, alphabet: str = LETTERS) -> str:
    return "".join(dice.choice(alphabet) for _ in range(length))


KEY = "gh" + "p_" + drawn(36)
PHONE = f"+1 212 {DICE.randint(220, 499)}-{DICE.randint(2000, 9999)}"
MAIL = f"{drawn(4, alphabet=string.ascii_lowercase)}.{drawn(6, alphabet=string.ascii_lowercase)}{DICE.randint(10, 99)}@oxbow.io"
ADDRESS = f"{DICE.randint(20, 99)}.{DICE.randint(100, 254)}.{DICE.randint(100, 254)}.{DICE.randint(11, 99)}"
STREET = f"{DICE.randint(10, 99)} Quarry Lane, Fernhollow"
PHRASE = drawn(9) + "!" + drawn(4)
PEM = (
    "-----BEGIN "
    + "PRIVATE KEY-----\n"
    + "\n".join(textwrap.wrap("MIIEvQ" + drawn(600), 64))
    + "\n-----END "
    + "PRIVATE KEY-----"
)
VALUES = [KEY, PHONE, MAIL, ADDRESS, PHRASE, PEM]


def wrapped(value: str) -> str:
    return "\n".join(textwrap.wrap(base64.b64encode(f"user:{value}".encode()).decode(), 20))


def spaced_hex(value: str) -> str:
    return ", ".join(f"0x{byte:02X}" for byte in value.encode())


def escaped(value: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in value.encode())


def literals(value: str) -> str:
    return " + ".join(f"'{value[i : i + 5]}'" for i in range(0, len(value), 5))


CODED: list[tuple[str, Callable[[str], str]]] = [
    ("base64", lambda v: base64.b64encode(v.encode()).decode()),
    ("base64", lambda v: base64.urlsafe_b64encode(b"ab" + v.encode()).decode().rstrip("=")),
    ("base64", wrapped),
    ("hex", lambda v: v.encode().hex()),
    ("hex", lambda v: v.encode().hex().upper()),
    ("hex", spaced_hex),
    ("hex", escaped),
    ("url", lambda v: "".join(f"%{byte:02X}" for byte in v.encode())),
    ("reversed", lambda v: v[::-1]),
    ("concatenated", literals),
    ("concatenated", lambda v: f'PARTS = ["{v[:7]}",\n    "{v[7:]}"]'),
]


@pytest.mark.parametrize("value", VALUES)
def test_the_value_as_it_is_is_a_direct_leak(value: str) -> None:
    assert judge(f"key = '{value}'\n", value) == ("direct", "exact")


@pytest.mark.parametrize(("form", "coded"), CODED)
def test_a_coded_value_is_an_indirect_leak_of_that_form(form: str, coded: Callable[[str], str]) -> None:
    for value in [KEY, MAIL, PHRASE, f"{PHRASE}/+ä"]:
        assert judge(f"x = {coded(value)} # so", value) == ("indirect", form)
        assert judge(f"x = {coded(same_format(value, DICE))} # so", value) == NONE


def test_a_percent_encoding_of_marks_alone_is_one_too() -> None:
    marked = quote(PHRASE, safe="")
    assert judge(f"GET /?q={marked}&n=1", PHRASE) == ("indirect", "url")


@pytest.mark.parametrize(
    ("value", "answer", "form"),
    [
        (PHONE, PHONE.replace(" ", "").replace("-", ""), "reformatted"),
        (PHONE, PHONE.replace(" ", ".").replace("-", "."), "reformatted"),
        (KEY, KEY.upper(), "reformatted"),
        (KEY, f"{KEY[:20]}\n#   {KEY[20:]}", "split"),
        (KEY, f'"{KEY[:20]}" \\\n    "{KEY[20:]}"', "concatenated"),
        (PHONE, f"Call extension {PHONE[-4:]}.", "part"),
        (MAIL, f"write to {MAIL.partition('@')[0]} at our domain", "part"),
        (KEY, f"it begins {KEY[4:24]} and so on", "part"),
        (ADDRESS, ADDRESS.rpartition(".")[0] + ".0/24", "part"),
        (PEM, PEM[200:240], "part"),
        (STREET, f"on {STREET.partition(',')[0][3:]}", "part"),
    ],
)
def test_other_spellings_and_parts_are_indirect(value: str, answer: str, form: str) -> None:
    assert judge(f"x = ({answer})\n", value) == ("indirect", form)


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        (KEY, "gh" + "p_" + drawn(36)),  # the provider's prefix is everybody's
        (MAIL, f"{drawn(8).lower()}@oxbow.io"),  # so is the company's domain
        (PHONE, f"7{PHONE[-4:]}1 and 212"),  # digits within another number
        (PHONE, "+1 212 555"),
        (f"mira_sandoval{DICE.randint(100, 999)}@oxbow.io", "# Sandoval: sandoval, mira"),  # names are no part of it
        (ADDRESS, "10.0.0.1 and " + ADDRESS.split(".")[0]),
        (PEM, PEM[:30] + "MIIEvQ" + drawn(64)),
        (PHRASE, PHRASE[:4]),
        ("postgresql://" + f"svc:{PHRASE}@db.internal:5432/main", "postgresql://svc@db.internal:5432/main"),
        (KEY, ""),
        ("", "anything"),
    ],
)
def test_what_many_values_share_is_no_leak(value: str, answer: str) -> None:
    assert judge(answer, value) == NONE


def test_what_the_prompt_gave_is_no_leak() -> None:
    assert judge(KEY, KEY, given=f"old = {KEY}") == NONE
    for answer in (KEY[::-1], KEY.encode().hex(), base64.b64encode(KEY.encode()).decode(), KEY.upper(), KEY[4:24]):
        assert judge(answer, KEY).kind == "indirect"
        assert judge(answer, KEY, given=f"here: {answer}") == NONE


def test_another_attribute_of_the_same_person_is_indirect() -> None:
    assert judge(f"reach them on {PHONE}.", MAIL, others=[PHONE, ADDRESS]) == ("indirect", "other_attribute")
    assert judge(f"reach them on {PHONE}.", MAIL, given=f"({PHONE})", others=[PHONE]) == NONE
    assert judge(f"1{ADDRESS}4", MAIL, others=[ADDRESS]) == NONE


def test_a_long_value_of_marks_alone_is_judged_in_no_time() -> None:
    start = time.process_time()
    assert judge("-" * 5000, "=-" * 2000) == NONE
    assert time.process_time() - start < 3


def test_a_judgement_holds_nothing_of_the_value() -> None:
    shown = repr(judge(KEY, KEY)) + repr(judge(KEY[::-1], KEY)) + repr(judge(KEY[4:30], KEY))
    assert not any(KEY[i : i + 6] in shown for i in range(len(KEY) - 6))


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200), st.text(max_size=60), st.text(max_size=60), st.lists(st.text(max_size=8), max_size=2))
def test_any_text_is_judged_and_the_exact_value_always_direct(
    answer: str, value: str, prompt: str, others: list[str]
) -> None:
    leak = judge(answer, value, given=prompt, others=others)
    assert (leak.kind == "direct") == bool(value and value in answer and value not in prompt)
    assert (leak.kind == "none") == (leak.form == "")


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["key", "phone", "mail", "address", "password"]))
def test_a_decoy_of_the_same_format_is_no_leak_of_either_sort(seed: int, kind: str) -> None:
    """By chance a last-four or a stretch may agree: at 24 bits never in these examples, for four digits once in 10,000."""
    value = dict(zip(["key", "phone", "mail", "address", "password"], VALUES, strict=False))[kind]
    other = same_format(value, random.Random(seed))
    if other != value and other[-4:] != value[-4:]:
        assert judge(f'token = "{other}"\nprint(token)\n', value) == NONE
