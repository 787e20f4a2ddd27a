"""The ledger grows, counts each value once, and remembers what every check said."""

from __future__ import annotations

import json

import pytest

from scrubber.core.types import Score
from scrubber.unlearning.ledger import Entry, Ledger, from_json, to_json


def entry(mark: str, request: int = 1) -> Entry:
    return Entry(mark, request, "2026-01-02T03:04:05+00:00", places=2, knew=True)


SCORE = Score("leak_rate", "after", "ledger", 0.0, 0.0, 0.5, 2)


def test_a_value_asked_for_twice_stands_once_with_its_first_request() -> None:
    ledger = Ledger().grown([entry("a"), entry("b")]).grown([entry("b", 2), entry("c", 2)])
    assert [(e.fingerprint, e.request) for e in ledger.entries] == [("a", 1), ("b", 1), ("c", 2)]
    assert ledger.unknown(["c", "d", "d", "a"]) == ["d"]


def test_a_check_is_about_every_entry_there_is() -> None:
    ledger = Ledger().grown([entry("a"), entry("b")])
    with pytest.raises(KeyError):
        ledger.checked({"a": False}, [SCORE], {})
    checked = ledger.checked({"a": False, "b": True}, [SCORE], {"adapter": "d1"})
    assert [e.leaks for e in checked.entries] == [False, True]
    assert checked.requests == 1
    assert ledger.requests == 0


def test_it_survives_a_file() -> None:
    ledger = Ledger().grown([entry("a")]).checked({"a": False}, [SCORE], {"adapter": "d1"})
    ledger = ledger.grown([entry("b", 2)])
    assert from_json(json.loads(json.dumps(to_json(ledger)))) == ledger
