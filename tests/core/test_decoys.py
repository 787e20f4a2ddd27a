"""A decoy has the format of a value and is not the value; the rest of its text stays, and its spans move along."""

from __future__ import annotations

import ipaddress
import random
import string

import pytest

from scrubber.core.decoys import decoy, same_format
from scrubber.core.types import Sample, Span

DICE = random.Random(11)


def drawn(alphabet: str, count: int) -> str:
    return "".join(DICE.choice(alphabet) for _ in range(count))


def classes(text: str) -> list[str]:
    kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits)
    return [next((kind for kind in kinds if c in kind), c) for c in text]


VALUES = [
    drawn(string.ascii_letters + string.digits, 32),
    "-".join(drawn(string.hexdigits, 4) for _ in range(4)),
    drawn(string.ascii_lowercase, 5) + "@example.com",
    "+1 555-01" + drawn(string.digits, 2),
]


@pytest.mark.parametrize("value", VALUES)
def test_length_character_classes_and_marks_are_kept(value: str) -> None:
    other = same_format(value, random.Random(1))
    assert other != value
    assert classes(other) == classes(value)


@pytest.mark.parametrize("prefix", ["gh" + "p_", "AK" + "IA", "sk" + "_live_", "gl" + "pat-"])
def test_the_prefix_that_all_tokens_of_a_provider_share_is_kept(prefix: str) -> None:
    value = prefix + drawn(string.ascii_uppercase + string.digits, 24)
    other = same_format(value, random.Random(2))
    assert other.startswith(prefix)
    assert other != value


@pytest.mark.parametrize("address", ["192.0.2.55", "2001:db8::7:1"])
def test_an_address_stays_an_address_near_by(address: str) -> None:
    true, other = ipaddress.ip_address(address), ipaddress.ip_address(same_format(address, random.Random(3)))
    assert type(other) is type(true)
    assert other != true
    assert other.packed[0] == true.packed[0]


def sample(*values: str, id: str = "doc:0") -> Sample:
    text, spans = "config = [", []
    for value in values:
        spans.append(Span(len(text) + 1, len(text) + 1 + len(value)))
        text += f"'{value}', "
    return Sample(id, text + "]", tuple(spans), fingerprints=tuple(map(str, range(len(values)))))


def test_spans_point_at_the_decoys_where_lengths_change() -> None:
    true = sample("192.0.2.1", VALUES[0], "2001:db8::1", VALUES[2])
    for seed in range(20):
        made = decoy(true, seed)
        values = [made.text[s.start : s.end] for s in made.forget]
        assert made.text == sample(*values).text  # nothing between the values has changed
        for span, value in zip(true.forget, values, strict=True):
            assert value != true.text[span.start : span.end]
        assert made.fingerprints == true.fingerprints
    assert len(decoy(true, 0).text) != len(true.text)


def test_before_and_after_are_asked_the_same_decoys() -> None:
    true = sample(VALUES[0])
    assert decoy(true, 0) == decoy(true, 0)
    assert decoy(true, 0).text != decoy(true, 1).text
    assert decoy(true, 0).text != decoy(sample(VALUES[0], id="doc:1"), 0).text
    assert decoy(true, 0).id != true.id


@pytest.mark.parametrize("value", ["7", "a", "Z9"])
def test_even_a_short_decoy_is_not_the_value(value: str) -> None:
    true = sample(value)
    for seed in range(60):
        made = decoy(true, seed)
        assert made.text[made.forget[0].start : made.forget[0].end] != value


def test_a_value_without_a_letter_or_digit_has_no_other() -> None:
    assert decoy(sample("--"), 0).text == sample("--").text
