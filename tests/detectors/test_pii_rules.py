"""The heads of personal data are plain enough for any engine, rare, and hit each line on which a value is found."""

from __future__ import annotations

import gzip
import json
import random
import re
import sysconfig
import time
from pathlib import Path

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.types import Document
from scrubber.detectors._pii_network import ipv4_addresses, ipv6_addresses
from scrubber.detectors._pii_rules import Line, any_case, is_bare_literal, is_whole_literal, named
from scrubber.detectors.pii import FINDERS, RULES, detector
from scrubber.detectors.prefilter import scanner

HEADS = [(rule.key, head) for rule in RULES for head in (*rule.heads, *rule.gates)]
COMPILED = {
    rule.key: [
        *((re.compile(head), None) for head in rule.heads),
        *((re.compile(head), re.compile(gate)) for head, gate in rule.gates.items()),
    ]
    for rule in RULES
}
SCAN = scanner([detector()], Fingerprinter(b"k" * 16))
LOOKS_AROUND = re.compile(r"\(\?[<=!]|\(\?P|\\[1-9bBAZ]")


@pytest.mark.parametrize(("key", "head"), HEADS)
def test_a_head_is_plain(key: str, head: str) -> None:
    assert not LOOKS_AROUND.search(head)
    assert len(head) < 16_000  # Vectorscan refuses more
    assert not re.search(head, "")
    assert r"\s" not in head


def lines_of(text: str, language: str | None) -> list[Line]:
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    return [Line(line, text, start, language) for start, line in zip(starts, text.split("\n"), strict=True)]


def is_hit(line: str, head: re.Pattern[str], gate: re.Pattern[str] | None) -> bool:
    return bool(head.search(line)) and (gate is None or bool(gate.search(line)))


def unhit(text: str, language: str | None) -> list[str]:
    """The rules that find a value on a line that no head of theirs hits, or only one whose gate does not."""
    return [
        rule.key
        for line in lines_of(text, language)
        for rule in RULES
        if len(line.text) < 2000
        and any(True for _ in rule.find(line))
        and not any(is_hit(line.text, head, gate) for head, gate in COMPILED[rule.key])
    ]


def library(*names: str) -> list[str]:
    root = Path(sysconfig.get_path("stdlib"))
    return [file.read_text(encoding="utf-8") for name in names for file in sorted((root / name).rglob("*.py"))]


@pytest.mark.middle
def test_each_value_stands_on_a_line_that_a_head_hits() -> None:
    for text in library("email", "http", "ctypes"):
        assert unhit(text, "python") == []


def test_each_value_of_the_development_set_stands_on_a_line_that_a_head_hits(test_data: Path) -> None:
    with gzip.open(test_data / "pii" / "pii_code_dev.jsonl.gz", "rt") as file:
        texts = [json.loads(line)["text"] for line in file]
    assert [key for text in texts for key in unhit(text, None)] == []


@pytest.mark.middle
def test_a_library_of_clean_code_has_few_candidates_and_fewer_false_alarms() -> None:
    texts = library("asyncio", "http", "json", "logging", "urllib", "xml")
    size = sum(map(len, texts)) / 1e6
    candidates = sum(
        any(is_hit(line, head, gate) for heads in COMPILED.values() for head, gate in heads)
        for text in texts
        for line in text.split("\n")
    )
    assert candidates / size < 333
    sure = [f.rule for text in texts for f in SCAN(Document("d", text, language="python")) if f.confidence >= 0.5]
    assert len([rule for rule in sure if rule != "email-address"]) <= 0.3 * size + 1


def test_every_head_of_digits_or_codes_brings_its_gate_but_two() -> None:
    """Those two are wider than what is found behind them, which the next tests look at."""
    wider = {"ipv4-address": r"1.2.3.4", "phone-number": "+1      2"}
    for rule in RULES:
        for head, gate in rule.gates.items():
            if not (rule.key in wider and re.search(head, wider[rule.key])):
                assert_brings(head, gate)


def assert_brings(head: str, gate: str) -> None:
    @settings(max_examples=60, deadline=None)
    @given(st.from_regex(head, fullmatch=True))
    def check(text: str) -> None:
        assert re.search(gate, text)

    check()


def test_no_address_of_fewer_than_six_digits_is_more_than_a_version() -> None:
    octets = [number for number in range(1000) if str(number)[0] in "01259"]
    short = [number for number in octets if number < 100]
    draw = random.Random(0)
    for _ in range(20_000):
        parts = [draw.choice(range(10)) for _ in range(3)] + [draw.choice(short)]
        draw.shuffle(parts)
        text = f"host = '{'.'.join(map(str, parts))}'"
        assert not list(ipv4_addresses(Line(text, text, 0, None)))


def test_no_valid_phone_number_has_fewer_than_six_digits() -> None:
    for region in phonenumbers.SUPPORTED_REGIONS:
        numbers = phonenumbers.PhoneMetadata.metadata_for_region(region)
        assert numbers is not None
        assert numbers.general_desc is not None
        shortest = min(length for length in numbers.general_desc.possible_length if length > 0)
        assert len(str(numbers.country_code)) + shortest >= 6


BOUND = st.one_of(
    st.just(""), st.integers(-9999, 9999).map(str), st.sampled_from(("a", "beef", "len(x)", "n - 1", "2001", "3fff"))
)


@given(
    st.lists(st.lists(BOUND, min_size=2, max_size=3).map(":".join), min_size=1, max_size=4).map(", ".join),
    st.sampled_from(("x", "x['a']", '"ab"')),
)
def test_a_slice_is_never_an_ipv6_address(subscript: str, sliced: str) -> None:
    text = f"y = {sliced}[{subscript}]  # every '{sliced}[{subscript}]'"
    assert list(ipv6_addresses(Line(text, text, 0, "python"))) == []


@given(st.text(max_size=120))
def test_no_line_is_too_strange(text: str) -> None:
    line = text.replace("\n", " ")
    for find in FINDERS.values():
        for value in find(Line(line, line, 0, None)):
            assert 0 <= value.start < value.end <= len(line)
            assert 0 < value.confidence < 1


@pytest.mark.middle
@pytest.mark.parametrize(
    "unit",
    [
        "Rosa ",
        "Rosa Li ",
        "author Ana Li, ",
        "12 A Ro" + "ad ",
        "Calle A ",
        "4111 ",
        "name: ",
        "user='a",
        "DE44 AAAA ",
        "2001:",
        "born 19",
        "é",
    ],
)
def test_a_long_line_takes_time_in_proportion(unit: str) -> None:
    began = time.process_time()
    SCAN(Document("d", unit * (50_000 // len(unit))))
    assert time.process_time() - began < 8


def test_names_are_matched_as_parts_of_names() -> None:
    pattern = re.compile(named("sin", "social_ins"))
    assert all(
        pattern.search(text)
        for text in ("sin=", "user_sin:", "userSin", "SIN", "USER_SIN", "social_insurance", "Social_ins")
    )
    assert not any(pattern.search(text) for text in ("using", "since", "basin", "SINGLE", "antisocial_ins"))
    assert re.fullmatch(any_case("ab_c"), "aB_C")


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("x = 12", True),
        ("f(12, 3)", True),
        ("[1,\n12,\n", True),
        ('x = "12"', False),
        ("# is 12 here", False),
        ("return 12", True),
        ("x = -12", True),
    ],
)
def test_a_bare_literal_is_a_number_in_code(text: str, bare: bool) -> None:
    line = next(line for line in text.split("\n") if "12" in line)
    start = line.index("12")
    assert is_bare_literal(Line(line, text, 0, "python"), start, start + 2) is bare
    assert not is_bare_literal(Line(line, text, 0, "yaml"), start, start + 2)
    assert is_whole_literal('"12"', 1, 3)
    assert not is_whole_literal('"12 "', 1, 3)
