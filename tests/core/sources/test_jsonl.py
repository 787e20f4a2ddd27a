"""JSONL in every place where it can be: files, compressed files, any reader of JSON, rows with other fields."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from scrubber.core.sources.jsonl import fastest, row_of


@pytest.mark.parametrize("field", ["text", "content", "code"])
def test_the_text_is_in_a_known_field(tmp_path: Path, read: Any, field: str) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({field: "x = 1", "path": "m.go", "n": 1}) + "\n")
    found = read(tmp_path)
    assert found.texts == {"a.jsonl:1": "x = 1"}
    assert (found.documents[0].path, found.documents[0].language) == ("m.go", "go")


def test_the_text_is_in_the_field_that_was_asked_for(tmp_path: Path, read: Any) -> None:
    (tmp_path / "a.ndjson").write_text('{"text": "no", "body": "yes"}\n{"text": "no"}\n')
    found = read(tmp_path, text_column="body")
    assert found.texts == {"a.ndjson:1": "yes"}
    assert found.unread == {"a.ndjson:2": "not a JSON object with a text"}


def test_blank_lines_count_and_other_encodings_are_named(tmp_path: Path, read: Any) -> None:
    (tmp_path / "a.jsonl").write_bytes(
        b'\xef\xbb\xbf{"text": "a"}\n\n \r\n{"text": "b"}\r\n{"text": "\xe9"}\n{"text": 1}\n[]'
    )
    found = read(tmp_path)
    assert found.texts == {"a.jsonl:1": "a", "a.jsonl:4": "b"}
    assert list(found.unread) == ["a.jsonl:5", "a.jsonl:6", "a.jsonl:7"]


def test_without_unpacking_it_is_the_text_that_it_is(tmp_path: Path, read: Any) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    assert read(tmp_path, unpack=False).texts == {"a.jsonl": '{"text": "a"}\n'}


def test_one_huge_line_is_text_in_windows(tmp_path: Path, read: Any) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"x" * 10_000)
    (tmp_path / "b.jsonl").write_bytes(b'{"text": "' + b"x" * 10_000)
    found = read(tmp_path, limits=read.small)
    assert {name.partition("#")[0] for name in found.texts} == {"a.jsonl", "b.jsonl"}
    assert found.errors == []


def test_long_lines_after_the_first_are_named_and_the_rest_is_read(tmp_path: Path, read: Any) -> None:
    rows = [{"text": "a"}, {"text": "x" * 5000}, {"text": "c"}]
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(data))
    found = read(tmp_path, limits=read.small)
    assert found.texts == {"a.jsonl.gz:1": "a", "a.jsonl.gz:3": "c"}
    assert list(found.unread) == ["a.jsonl.gz:2"]


@pytest.mark.parametrize(
    "line",
    [b'{"text": NaN}', b'{"text": "\\ud800"}', b'\xef\xbb\xbf{"text": 1}', b"[" * 10**5, b"{", b"[1]", b"\xff",
     b'{"text": 1}{', b'{"a": 1, "a": 2}', "{\"text\": \"\u2028é\"}".encode(), b'{"id": 12345678901234567890}'],
)  # fmt: skip
def test_every_reader_of_json_gives_the_same_row(line: bytes) -> None:
    pytest.importorskip("orjson")
    assert fastest() is not json.loads
    assert str(row_of(line, fastest())) == str(row_of(line, json.loads))


def test_the_faster_reader_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "orjson", None)
    fastest.cache_clear()
    try:
        assert fastest() is json.loads
    finally:
        fastest.cache_clear()
