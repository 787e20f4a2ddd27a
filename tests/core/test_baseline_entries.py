"""A baseline accepts what somebody answers for, as long as they said, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubber.core.baseline import Baseline, Entry, entries_of, from_json, marker, to_json
from scrubber.core.errors import AskedWrongly
from scrubber.core.types import Finding, Span

TODAY = date(2030, 6, 1)
VOUCHED = Entry("f" * 32, "secret/token", "a.py", "a test value", "ana", date(2030, 6, 1))


def finding(document: str = "a.py", fingerprint: str = "f" * 32, rule: str = "token", line: int = 1) -> Finding:
    return Finding(document, Span(0, 5), line, 1, "secret", rule, 0.9, "***[5]", fingerprint)


def state(entry: Entry, found: Finding) -> str:
    return marker(Baseline((entry,), ""), today=TODAY, path_of=lambda f: f.document)(found).state


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "accepted"),
        ({"expires": None}, "accepted"),
        ({"expires": date(2030, 5, 31)}, "expired"),
        ({"reason": " "}, "unaudited"),
        ({"owner": ""}, "unaudited"),
        ({"owner": "", "expires": date(2000, 1, 1)}, "unaudited"),
    ],
)
def test_an_entry_needs_a_reason_an_owner_and_its_day(changed: dict[str, Any], expected: str) -> None:
    assert state(replace(VOUCHED, **changed), finding()) == expected


def test_another_value_or_place_is_new_and_another_rule_or_line_is_not() -> None:
    assert state(VOUCHED, finding(fingerprint="e" * 32)) == "new"
    assert state(VOUCHED, finding(document="b.py")) == "new"
    assert state(VOUCHED, finding(rule="other", line=99)) == "accepted"


def test_a_value_twice_in_a_file_is_one_entry() -> None:
    made = entries_of([finding(), finding(line=7), finding(document="b.py")], lambda f: f.document)
    assert [(entry.path, entry.rule, entry.state(TODAY)) for entry in made] == [
        ("a.py", "secret/token", "unaudited"),
        ("b.py", "secret/token", "unaudited"),
    ]


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.builds(Entry, st.text(), st.text(), st.text(), st.text(), st.text(), st.none() | st.dates()), max_size=5
    ),
    st.text(),
)
def test_a_baseline_comes_back_equal_from_its_file(entries: list[Entry], key: str) -> None:
    back = from_json(json.loads(json.dumps(to_json(Baseline(tuple(entries), key)))), where="b")
    assert back.key_fingerprint == key
    assert sorted(map(repr, back.entries)) == sorted(map(repr, entries))


def test_the_file_is_the_same_in_any_order() -> None:
    other = Entry("e" * 32, "pii/email", "b.py")
    assert to_json(Baseline((VOUCHED, other), "")) == to_json(Baseline((other, VOUCHED), ""))


@pytest.mark.parametrize("data", [None, [], {}, {"schema_version": 2}, {"schema_version": 1, "entries": {}}])
def test_what_is_no_baseline_is_a_wrong_question(data: Any) -> None:
    with pytest.raises(AskedWrongly):
        from_json(data, where="b")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fingerprint", 5),
        ("path", []),
        ("reason", None),
        ("expires", 5),
        ("expires", "S3cretish"),
        ("more", "S3cretish"),
    ],
)
def test_every_malformed_entry_is_named_by_number_and_none_is_quoted(name: str, value: Any) -> None:
    data = to_json(Baseline((VOUCHED, VOUCHED, VOUCHED), ""))
    for number in (0, 2):
        data["entries"][number][name] = value
    with pytest.raises(AskedWrongly, match="entries 1, 3") as told:
        from_json(data, where="b")
    assert "S3cretish" not in str(told.value)
