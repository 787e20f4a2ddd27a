"""A data set by its name gives its rows, from a folder here, since the tests have no network."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from scrubber.core.errors import AskedWrongly

pytest.importorskip("datasets")


def test_rows_of_all_splits_or_of_one(tmp_path: Path, read: Any) -> None:
    for split, rows in (("train", ["a", "b"]), ("test", ["c"])):
        lines = [json.dumps({"content": row, "path": f"{row}.py", "n": 1}) + "\n" for row in rows]
        (tmp_path / f"{split}.jsonl").write_text("".join(lines))
    name = f"hf:{tmp_path}"
    assert read(name).texts == {f"{name}:train:1": "a", f"{name}:train:2": "b", f"{name}:test:1": "c"}
    found = read(f"{name}:test")
    assert found.texts == {f"{name}:test:1": "c"}
    assert (found.documents[0].path, found.documents[0].language) == ("c.py", "python")
    assert read(f"{name}:test", text_column="path").texts == {f"{name}:test:1": "c.py"}
    assert list(read(f"{name}:test", text_column="n").unread) == [f"{name}:test:1"]


def test_what_cannot_be_loaded_is_refused(tmp_path: Path, read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AskedWrongly, match="cannot be loaded"):
        read(f"hf:{tmp_path / 'nowhere'}")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(AskedWrongly, match="code-scrubber"):
        read("hf:some/name")
