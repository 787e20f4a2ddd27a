"""Notebooks give their cells, outputs and metadata; what is no notebook is the text that it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

BOOK = {
    "metadata": {"kernelspec": {"language": "Julia"}, "papermill": {"parameters": {"name": "in metadata"}}},
    "nbformat": 4,
    "cells": [
        {"cell_type": "markdown", "source": ["# Title\n", "text"], "attachments": {"a.png": {"image/png": "AAAA"}}},
        {
            "cell_type": "code",
            "source": "x = 1\n",
            "metadata": {"tags": ["in a cell"]},
            "outputs": [
                {"output_type": "stream", "name": "stdout", "text": ["one\n", "two\n"]},
                {"data": {"text/plain": "<Figure>", "image/png": "BBBB", "application/json": {"k": "é"}}},
                {"output_type": "error", "ename": "KeyError", "evalue": "'k'", "traceback": ["frame 1", "frame 2"]},
            ],
        },
        {"cell_type": "code", "source": [], "outputs": []},
        {"cell_type": "raw", "source": "raw"},
    ],
}  # fmt: skip


def test_cells_and_outputs_are_documents(tmp_path: Path, read: Any) -> None:
    (tmp_path / "a.ipynb").write_text(json.dumps(BOOK))
    found = read(tmp_path)
    metadata = found.texts.pop("a.ipynb#metadata")
    texts = {name: text for name, text in found.texts.items() if name != "a.ipynb#metadata"}
    assert texts == {
        "a.ipynb#cell-1": "# Title\ntext",
        "a.ipynb#cell-2": "x = 1\n",
        "a.ipynb#cell-2-output": 'one\ntwo\n\n<Figure>\n{"k": "é"}\nKeyError\n\'k\'\nframe 1\nframe 2',
        "a.ipynb#cell-4": "raw",
    }
    assert [d.language for d in found.documents] == ["markdown", "julia", "text", None, "json"]
    assert "in metadata" in metadata
    assert "in a cell" in metadata
    assert "AAAA" not in str(found.texts)
    assert "BBBB" not in str(found.texts)


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "{}", '{"cells": {}}', '{"cells": [1]}', "[" * 100_000, '{"worksheets": []}', '{"cells": [{}], "a": 1'],
)
def test_what_is_no_notebook_is_text(tmp_path: Path, read: Any, text: str) -> None:
    (tmp_path / "a.ipynb").write_text(text)
    assert read(tmp_path).texts == {"a.ipynb": text}


@pytest.mark.parametrize(
    "cell",
    [{}, {"source": None}, {"source": {"a": 1}}, {"source": "x", "outputs": "bare"}, {"outputs": [1, {"data": "x"}]},
     {"cell_type": 3, "source": ["a", 1], "outputs": [{"text": None, "traceback": "t", "data": {"text/html": None}}]}],
)  # fmt: skip
def test_odd_cells_are_read_as_far_as_they_go(tmp_path: Path, read: Any, cell: dict[str, Any]) -> None:
    (tmp_path / "a.ipynb").write_text(json.dumps({"cells": [cell], "metadata": []}))
    found = read(tmp_path)
    assert "a.ipynb#metadata" in found.texts
    assert found.errors == []


def test_a_large_or_unopened_notebook_is_text(tmp_path: Path, read: Any) -> None:
    (tmp_path / "a.ipynb").write_text(json.dumps(BOOK))
    assert set(read(tmp_path, unpack=False).texts) == {"a.ipynb"}
    assert all(name.startswith("a.ipynb#") for name in read(tmp_path, limits=read.small).texts)
    (tmp_path / "a.ipynb").write_bytes(b"\xff\x00\x01")
    assert read(tmp_path).texts == {}
