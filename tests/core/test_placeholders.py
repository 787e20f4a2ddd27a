"""A placeholder keeps a value's format and none of its content, is the same at each place, and breaks no code."""

from __future__ import annotations

import ast
import ipaddress
import json
import random
import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scrubber.core.placeholders import placeholders

DICE = random.Random(5)
FINGERPRINT = "0123456789abcdef" * 2


def drawn(alphabet: str, count: int) -> str:
    return "".join(DICE.choice(alphabet) for _ in range(count))


def first(value: str, rule: str = "github-token", fingerprint: str = FINGERPRINT, public_prefix: bool = True) -> str:
    return next(placeholders(value, rule, fingerprint, public_prefix=public_prefix))


def shape(text: str) -> str:
    return re.sub(r"[^\W_]", "a", text)


TOKEN = "gh" + "p_" + drawn(string.ascii_letters + string.digits, 36)


def test_a_token_keeps_its_prefix_length_and_marks_and_says_that_it_is_an_example() -> None:
    other = first(TOKEN)
    assert re.fullmatch(r"ghp_[A-Za-z0-9]{29}EXAMPLE", other)
    assert not any(TOKEN[4:][i : i + 4] in other for i in range(32))
    assert first(TOKEN) == other
    assert first(TOKEN, fingerprint="f" * 32) != other


def test_a_password_has_no_public_prefix() -> None:
    assert not first("summer_holiday_1999", "keyword-assignment", public_prefix=False).startswith("summer")


@pytest.mark.parametrize(
    ("alphabet", "count", "expected"),
    [
        ("0123456789abcdef", 32, r"[0-9a-f]{24}deadbeef"),
        ("0123456789ABCDEF", 32, r"[0-9A-F]{24}DEADBEEF"),
        (string.ascii_lowercase + string.digits, 20, r"[0-9a-z]{13}example"),
        (string.ascii_uppercase + string.digits, 20, r"[0-9A-Z]{13}EXAMPLE"),
        (string.ascii_letters, 6, r"[A-Za-z]{2}XXXX"),
        (string.digits, 12, r"\d{12}"),
    ],
)
def test_the_alphabet_stays(alphabet: str, count: int, expected: str) -> None:
    value = drawn(alphabet, count)
    other = first(value, "key")
    assert re.fullmatch(expected, other)
    assert other != value


def test_addresses_and_numbers_move_to_the_ranges_that_are_kept_for_documentation() -> None:
    assert re.fullmatch(r"user\d{6}@example\.com", first("ana.weber" + "@" + "tidalforge.io", "email-address"))
    networks = [ipaddress.ip_network(n) for n in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")]
    for value, rule in (("93.184" + ".217.34", "ipv4-address"), ("2a02:8388" + ":1:2::77", "ipv6-address")):
        address = ipaddress.ip_address(first(value, rule))
        assert any(address in network for network in networks)
    assert re.fullmatch(r"\(\d{3}\) 555-01\d\d", first("(415)" + " 867-5309", "phone-number"))
    assert re.fullmatch(r"\+1 \d{3} 555 01\d\d", first("+1 415" + " 867 5309", "phone-number"))
    assert re.fullmatch(r"\+1 \d{3}-555-01\d\d", first("+49 30" + " 901820", "phone-number"))
    assert re.fullmatch(r"000-\d\d-\d{4}", first("219-09" + "-9123", "us-ssn"))


def test_people_become_an_example() -> None:
    assert re.fullmatch(r"Example [A-Z][a-z]{4}", first("Maria " + "Weber", "person-name"))
    assert first("m" + "weber", "username") == "example"


def test_the_mark_goes_where_there_are_letters() -> None:
    value = "xo" + "xb-" + drawn(string.digits, 30) + "-" + drawn(string.ascii_letters + string.digits, 24)
    assert re.fullmatch(r"xoxb-\d{30}-[A-Za-z0-9]{17}EXAMPLE", first(value, "slack-token"))


def test_each_line_of_a_key_says_that_it_is_an_example() -> None:
    lines = [drawn(string.ascii_letters + string.digits + "+/", 64) for _ in range(3)]
    for end in ("\n", "\\n", "\r\n"):
        other = first(end.join(lines), "private-key").split(end)
        assert [len(line) for line in other] == [64] * 3
        assert all("example" in line.lower() or "xxxx" in line.lower() for line in other)


@given(st.text(min_size=1), st.sampled_from(["password", "email-address", "phone-number", "us-ssn"]), st.booleans())
@example("a", "password", True)
@example("\\x41\\u0042", "password", False)
def test_every_candidate_is_another_value_and_there_are_always_some(value: str, rule: str, prefix: bool) -> None:
    candidates = list(placeholders(value, rule, FINGERPRINT, public_prefix=prefix))
    assert candidates[-1] == ""
    assert value not in candidates
    assert len(set(candidates)) == len(candidates)


@given(st.text(min_size=1), st.booleans())
def test_marks_and_length_stay_and_nothing_else_does(value: str, prefix: bool) -> None:
    for candidate in list(placeholders(value, "password", FINGERPRINT, public_prefix=prefix))[:-1]:
        assert len(candidate) == len(value)
        assert shape(candidate) == shape(value)
        if "\\" not in value and "&" not in value:
            assert not any(c.isalnum() and not c.isascii() for c in candidate)


@pytest.mark.filterwarnings("ignore:invalid escape")
@given(st.text(min_size=1), st.sampled_from(["'", '"', '"""']), st.booleans())
@example("\\", "'", True)
@example("line\nline", '"""', True)
def test_a_string_literal_stays_one(value: str, quote: str, raw: bool) -> None:
    literal = value if raw else json.dumps(value)[1:-1]
    code = f"key = {quote}{{}}{quote}\nother = 1\n"
    try:
        ast.parse(code.format(literal))
    except (SyntaxError, ValueError):
        return
    for candidate in placeholders(literal, "password", FINGERPRINT, public_prefix=True):
        assert isinstance(ast.parse(code.format(candidate)).body[1], ast.Assign)


@given(st.one_of(st.integers(min_value=0).map(str), st.integers(min_value=0).map(hex)))
def test_a_number_stays_one(value: str) -> None:
    for candidate in placeholders(value, "card", FINGERPRINT, public_prefix=False):
        if candidate:
            (statement,) = ast.parse(f"number = {candidate}").body
            assert isinstance(statement, ast.Assign)
            assert isinstance(statement.value, ast.Constant)
            assert isinstance(statement.value.value, int)


@given(st.text(st.sampled_from("aB1-_."), min_size=1, max_size=20))
def test_a_placeholder_depends_on_format_and_fingerprint_only(value: str) -> None:
    other = value.translate(str.maketrans("aB1", "bC2"))
    of_one, of_other = (list(placeholders(v, "password", FINGERPRINT, public_prefix=False)) for v in (value, other))
    assert [v for v in of_one if v != other] == [v for v in of_other if v != value]
