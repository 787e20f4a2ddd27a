"""A row of JSONL, of a table or of a data set becomes a document: which field is the text, and which its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scrubber.core.sources.names import language_of
from scrubber.core.types import Document

TEXT_FIELDS = ("text", "content", "code")
FIELDS = ("id", "path", "language")


def text_field(names: Iterable[str], asked: str | None) -> str | None:
    """The field that holds the text: the one that was asked for, else the first known one; None if it is not there."""
    known = set(names)
    return next((name for name in ((asked,) if asked else TEXT_FIELDS) if name in known), None)


def text_of(row: Mapping[str, Any], asked: str | None) -> str | None:
    """The text of a row, or None where it has none."""
    for name in (asked,) if asked else TEXT_FIELDS:
        text = row.get(name)
        if isinstance(text, str):
            return text
    return None


def document(text: str, row: Mapping[str, Any], *, where: str, path: str) -> Document:
    """``where`` is the id, and ``path`` the path, of a row that names none itself."""
    id, inner, language = row.get("id"), row.get("path"), row.get("language")
    if not isinstance(inner, str) or not inner:
        inner = None
    return Document(
        id=where if id is None else str(id),
        text=text,
        path=inner or path,
        language=language if isinstance(language, str) else language_of(inner) if inner else None,
    )
