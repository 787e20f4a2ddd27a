"""Damaged texts full of values: both engines and all profiles find the same in them, where it stands, and in time."""

from __future__ import annotations

import importlib.util
import json
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scrubber.core.types import Document, Finding, Span

pytest.importorskip("hyperscan")
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "fuzz_scanner.py"


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_scanner", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_scanner"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.middle
@settings(deadline=None, max_examples=25, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**60))
def test_damaged_texts_full_of_values(fuzz: ModuleType, seed: int) -> None:
    """What is wrong is raised by the case; a seed is a text that can be looked at again."""
    made = fuzz.case(seed)
    assert made.document.text == fuzz.text_of(random.Random(seed))
    assert len(made.findings) <= len(made.document.text)


def test_the_texts_are_worth_scanning(fuzz: ModuleType) -> None:
    scan = fuzz.profiles()["recall"]
    found = [
        finding for seed in range(100) for finding in scan(Document("d", fuzz.text_of(random.Random(seed)), "a.py"))
    ]
    assert {finding.kind for finding in found} == {"secret", "pii"}
    assert len({finding.rule for finding in found}) > 40


FAULTS: dict[str, Callable[[list[Finding]], list[Finding]]] = {
    "the engines differ": lambda found: found[1:],
    "the wrong line": lambda found: [replace(one, line=one.line + 1) for one in found],
    "the wrong column": lambda found: [replace(one, column=0) for one in found],
    "a span outside": lambda found: [replace(one, span=Span(one.span.start, 10**6)) for one in found],
    "the wrong fingerprint": lambda found: [replace(one, fingerprint="f") for one in found],
    "overlaps": lambda found: found + found[-1:],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_scan_is_noticed(fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    seed = next(seed for seed in range(100) if len(fuzz.case(seed).findings) > 2)
    names, (fast, slow) = next((names, pair) for names, pair in fuzz.scans().items() if "secrets" in names)

    def faulty(document: Document) -> list[Finding]:
        return FAULTS[fault](fast(document))

    monkeypatch.setattr(fuzz, "scans", lambda: {names: (faulty, slow if fault == "the engines differ" else faulty)})
    with pytest.raises(AssertionError, match=fault):
        fuzz.case(seed)


def test_failures_are_told_by_seed_and_place_and_never_by_text(
    fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(seed: int) -> None:
        raise ValueError("confidential")

    told: list[dict[str, object]] = []
    clock = iter([0.0, 1.0, 2.0])
    monkeypatch.setattr(fuzz, "case", failing)
    monkeypatch.setattr(fuzz.time, "time", lambda: next(clock))
    fuzz.work(7, 1.5, type("Value", (), {"value": 0})(), type("Queue", (), {"put": staticmethod(told.append)}))
    assert [message.get("seed") for message in told] == [7, 8, None]
    assert "ValueError at test_scan_fuzz.py" in str(told[0]["failed"])
    assert "confidential" not in json.dumps(told)
