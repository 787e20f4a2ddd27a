"""Standard input is JSONL where it begins as such, else a text."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from scrubber.core.corpus import documents_of, shards


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (b"x = 1\n", {"-": "x = 1\n"}),
        (b'\n{"text": "a"}\n{"text": "b"}\n', {"-:2": "a", "-:3": "b"}),
        (b'{"a": 1}\n', {"-": '{"a": 1}\n'}),
        (b"", {"-": ""}),
    ],
)
def test_text_or_rows(read: Any, monkeypatch: pytest.MonkeyPatch, given: bytes, wanted: dict[str, str]) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(given)))
    assert read("-").texts == wanted
    sys.stdin.buffer.seek(0)
    (source,) = shards(["-"], errors=[])
    assert {d.id: d.text for d in documents_of(source, errors=[])} == wanted


def test_it_is_read_in_windows_and_as_it_is(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"line\n" * 200)))
    assert len(read("-", limits=read.small).texts) > 3
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b'{"text": "a"}')))
    assert read("-", unpack=False).texts == {"-": '{"text": "a"}'}
