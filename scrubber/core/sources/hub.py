"""A data set of the hub or of a folder that ``datasets`` can load, streamed; the only source that may use the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scrubber.core.errors import AskedWrongly
from scrubber.core.sources.reading import Reading, Unread, guarded, library
from scrubber.core.sources.records import FIELDS, document, text_field, text_of
from scrubber.core.types import Document


def hub_rows(asked: str, reading: Reading) -> Iterator[Document]:
    """The rows of ``NAME[:SPLIT]`` (every split where none is named); the id of one without ``id`` is hf:NAME:SPLIT:ROW.

    Raises AskedWrongly when ``datasets`` is missing, or cannot load it.
    """
    datasets = library("datasets")
    name, _, split = asked.partition(":")
    try:
        found = datasets.load_dataset(name, split=split or None, streaming=True)
    except Exception as error:  # it raises its own and those of a dozen libraries
        raise AskedWrongly(
            f"the data set cannot be loaded ({type(error).__name__})", where=f"hf:{asked}",
            mend="Check its name and split, and that you are logged in if it is gated.",
        ) from None  # fmt: skip
    parts = {split: found} if split else dict(found)
    return guarded(_rows(parts, f"hf:{name}", reading), f"hf:{asked}", reading, outermost=True)


def _rows(parts: Mapping[str, Any], path: str, reading: Reading) -> Iterator[Document]:
    for part, rows in parts.items():
        columns = rows.column_names
        text = None if columns is None else text_field(columns, reading.text_column)
        if text is not None:  # an image in another column is not to be decoded
            rows = rows.select_columns([text, *(field for field in FIELDS if field in columns and field != text)])
        for number, row in enumerate(rows, 1):
            where = f"{path}:{part}:{number}"
            inner = text_of(row, reading.text_column)
            if inner is None:
                reading.errors.append(Unread(where, "not a row with a text"))
            else:
                yield document(inner, row, where=where, path=path)
