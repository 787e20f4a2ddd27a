"""The check of rule packs passes our own and refuses what is wrong, slow or never ends, within its time."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from scrubber.core.errors import AskedWrongly
from scrubber.detectors._rules import our_rules
from scrubber.detectors._templates import expand
from scrubber.pipelines.rules import Fault, check

RULE = """
[[rule]]
id = "{id}"
provider = "Acme"
regex = '''{regex}'''
examples = ["{example}"]
counter_examples = ["{counter}"]
{more}
"""


def pack(folder: Path, *rules: dict[str, str]) -> list[Path]:
    given = [
        {"id": f"acme-{number}", "example": "acme_{base36:32}", "counter": "acme_{base36:8}", "more": ""} | rule
        for number, rule in enumerate(rules)
    ]
    path = folder / "pack.toml"
    path.write_text("".join(RULE.format(**rule) for rule in given), encoding="utf-8")
    return [path]


@pytest.mark.middle
def test_our_own_packs_are_sound() -> None:
    assert check() == []


def test_a_sound_pack_has_no_fault(tmp_path: Path) -> None:
    assert check(pack(tmp_path, {"regex": "acme_[a-z0-9]{32}"})) == []


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"regex": "acme_[a-z]{32}"}, "does not match its example"),
        ({"regex": "acme_[a-z0-9]{8,32}"}, "finds its counter-example"),
        ({"regex": "(?:acme_[a-z0-9]{32})?"}, "empty string"),
        ({"regex": "acme_[a-z0-9]{32}", "more": "head = 'acme-'"}, "head does not match"),
        ({"regex": "[a-z_]{5}[a-z0-9]{32}"}, "no literal characters"),
        ({"regex": r"\w+acme_\w{30}", "example": "{lower:5}acme_{base36:32}"}, "begins with a long repeat"),
        ({"regex": "acme_x{32}", "example": "acme_" + "x" * 32}, "looks like a placeholder"),
        ({"regex": "acme_[a-z0-9]{32}", "more": 'checksum = "crc32_base62"'}, "lacks a right crc32_base62"),
    ],
)
def test_a_fault_says_rule_what_and_mend(tmp_path: Path, rule: dict[str, str], told: str) -> None:
    faults = check(pack(tmp_path, {"regex": "acme_[a-z0-9]{32}"}, rule))
    assert {fault.rule for fault in faults} == {"acme-1"}
    assert any(told in fault.what for fault in faults)
    assert all(fault.mend for fault in faults)


@pytest.mark.parametrize(
    "regex",
    [
        "acme_(?:[a-z0-9]+)+!",
        "acme_(?:[a-z0-9]{1,3})*!",
        "acme_[a-z0-9]*[a-z0-9]*[a-z0-9]*[a-z0-9]*!",
    ],
)
def test_catastrophic_backtracking_is_stopped_in_time_and_the_rest_is_checked(tmp_path: Path, regex: str) -> None:
    example = "acme_{base36:12}!"
    rules = pack(tmp_path, {"regex": regex, "example": example}, {"regex": "acme_[a-z]{32}"})
    began = time.monotonic()
    faults = check(rules, limit=2.0)
    assert time.monotonic() - began < 20
    assert [fault.rule for fault in faults] == ["acme-0", "acme-1"]
    assert "take more than 2 s" in faults[0].what


def test_no_generated_value_is_told(tmp_path: Path) -> None:
    faults = check(pack(tmp_path, {"regex": "acme_[a-z]{32}"}, {"regex": "acme_[a-z0-9]{8,32}"}))
    assert len(faults) == 2
    values = [expand(f"acme_{{base36:{length}}}", seed)[5:] for length in (8, 32) for seed in range(10)]
    assert not [value for value in values if any(value in part for fault in faults for part in fault)]
    assert all(isinstance(fault, Fault) for fault in faults)


def test_a_pack_that_is_none_is_asked_wrongly(tmp_path: Path) -> None:
    with pytest.raises(AskedWrongly, match="regex is no regular expression"):
        check(pack(tmp_path, {"regex": "acme_("}))


def test_no_example_stands_complete_in_a_pack() -> None:
    for rule in our_rules():
        for template in rule.examples:
            assert re.search(r"\{\w+(?::\d+(?:-\d+)?)?\}", template), rule.format.rule
