"""A map for Hugging Face ``datasets`` that masks the text of each row and counts what was found in it.

    data.map(masking(default_scan(fingerprinter)), batched=True, num_proc=4)

It takes and gives plain lists, so it needs nothing of the library itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from scrubber.core.errors import NoVerdict
from scrubber.core.sources.records import document
from scrubber.core.types import Scan
from scrubber.pipelines.mask import mask_document

Batch = Mapping[str, Sequence[Any]]


def mask_map(batch: Batch, scan: Scan, column: str = "text", count: str = "findings") -> dict[str, list[Any]]:
    """The column of texts without what ``scan`` finds, and a column of how many findings there were in each.

    An ``id``, ``path`` and ``language`` of a row are used; a text that is None stays so. Raises NoVerdict, and gives
    no row of the batch, when a text cannot be masked.
    """
    known = [name for name in ("id", "path", "language") if name in batch]
    texts: list[str | None] = []
    counts: list[int] = []
    for number, text in enumerate(batch[column]):
        if text is None:
            texts.append(None)
            counts.append(0)
            continue
        row = {name: batch[name][number] for name in known}
        masked = mask_document(document(text, row, where=f"row {number} of the batch", path=""), scan)
        if masked is None:
            raise NoVerdict("a text cannot be masked", where=f"row {number} of a batch", mend="Leave the row out.")
        texts.append(masked.text)
        counts.append(len(masked.findings))
    return {column: texts, count: counts}


def masking(scan: Scan, *, column: str = "text", count: str = "findings") -> Callable[[Batch], dict[str, list[Any]]]:
    """``mask_map`` as a function of the batch alone, which other processes can be handed if ``scan`` can."""
    return partial(mask_map, scan=scan, column=column, count=count)
