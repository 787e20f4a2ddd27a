"""Jupyter notebooks: each cell and each cell's output is a document, as are the metadata."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from scrubber.core.types import Document

LANGUAGES = {"markdown": "markdown", "raw": None}  # of a cell's source; code is in the kernel's


def notebook(text: str, name: str, path: str) -> list[Document] | None:
    """Documents NAME#cell-N and NAME#cell-N-output, counted from 1, and NAME#metadata; None if it is no notebook.

    Images are left out. Offsets are those of the cell's text.
    """
    try:
        book = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(book, dict) or not isinstance(cells := book.pop("cells", None), list):
        return None
    documents = []
    kernel = _kernel_language(book)
    rest: list[Any] = [book]
    for number, cell in enumerate(cells, 1):
        if not isinstance(cell, dict):
            return None
        source, outputs = cell.get("source", ""), cell.get("outputs", [])
        language = LANGUAGES.get(str(cell.get("cell_type")), kernel)
        rest += [cell["metadata"]] if cell.get("metadata") else []
        if inner := _joined(source):
            documents.append(Document(f"{name}#cell-{number}", inner, path, language))
        if shown := "\n".join(_shown(outputs)):
            documents.append(Document(f"{name}#cell-{number}-output", shown, path, "text"))
    documents.append(Document(f"{name}#metadata", json.dumps(rest, ensure_ascii=False, indent=1), path, "json"))
    return documents


def _kernel_language(book: dict[str, Any]) -> str:
    metadata = book.get("metadata")
    for key, inner in (("language_info", "name"), ("kernelspec", "language")):
        told = metadata.get(key) if isinstance(metadata, dict) else None
        if isinstance(told, dict) and isinstance(told.get(inner), str):
            return str(told[inner]).lower()
    return "python"


def _joined(value: Any) -> str:
    """A notebook writes a text whole or as a list of its lines; anything else as the JSON that it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    return json.dumps(value, ensure_ascii=False)


def _shown(outputs: Any) -> Iterator[str]:
    for output in outputs if isinstance(outputs, list) else [outputs]:
        if not isinstance(output, dict):
            yield _joined(output)
            continue
        for key, value in output.items():
            if key == "traceback" and isinstance(value, list):
                yield "\n".join(map(_joined, value))
            elif key == "data" and isinstance(value, dict):
                yield from (_joined(inner) for kind, inner in value.items() if not kind.startswith("image/"))
            elif key in ("text", "ename", "evalue", "data"):
                yield _joined(value)
