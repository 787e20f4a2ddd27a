"""For Hugging Face ``datasets``: a map that masks the text of each row, and a filter that drops rows with findings.

    data.map(masking(), batched=True, num_proc=4)
    data.filter(dropping(), batched=True, num_proc=4)

They take and give plain lists, so they need nothing of the library itself. ``scan`` is by default what ``scrubber scan``
looks for, under the key of SCRUBBER_KEY_FILE or of this user; other processes can be handed them if ``scan`` can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from scrubber.core.errors import NoVerdict
from scrubber.core.fingerprint import Fingerprinter, project_key, user_key
from scrubber.core.sources.records import document
from scrubber.core.types import Document, Scan
from scrubber.pipelines.mask import mask_document
from scrubber.pipelines.scan import default_scan, findings_in

Batch = Mapping[str, Sequence[Any]]


def mask_map(batch: Batch, scan: Scan, column: str = "text", count: str = "findings") -> dict[str, list[Any]]:
    """The column of texts without what ``scan`` finds, and a column of how many findings there were in each.

    An ``id``, ``path`` and ``language`` of a row are used; a text that is None stays so. Raises NoVerdict, and gives
    no row of the batch, when a text cannot be masked.
    """
    texts: list[str | None] = []
    counts: list[int] = []
    for number, text in enumerate(_documents(batch, column)):
        if text is None:
            texts.append(None)
            counts.append(0)
            continue
        masked = mask_document(text, scan)
        if masked is None:
            raise NoVerdict("a text cannot be masked", where=f"row {number} of a batch", mend="Leave the row out.")
        texts.append(masked.text)
        counts.append(len(masked.findings))
    return {column: texts, count: counts}


def keep_clean(batch: Batch, scan: Scan, column: str = "text") -> list[bool]:
    """For each row whether ``scan`` finds nothing in it, lines that a person has allowed aside. A text of None is kept."""
    return [text is None or not findings_in(text, scan) for text in _documents(batch, column)]


def masking(
    scan: Scan | None = None, *, column: str = "text", count: str = "findings"
) -> Callable[[Batch], dict[str, list[Any]]]:
    """``mask_map`` as a function of the batch alone, for ``map``."""
    return partial(mask_map, scan=scan or _usual(), column=column, count=count)


def dropping(scan: Scan | None = None, *, column: str = "text") -> Callable[[Batch], list[bool]]:
    """``keep_clean`` as a function of the batch alone, for ``filter``."""
    return partial(keep_clean, scan=scan or _usual(), column=column)


def _usual() -> Scan:
    return default_scan(Fingerprinter(project_key(user_key())))


def _documents(batch: Batch, column: str) -> Iterator[Document | None]:
    """The rows of a batch; None for one without a text."""
    known = [name for name in ("id", "path", "language") if name in batch]
    for number, text in enumerate(batch[column]):
        row = {name: batch[name][number] for name in known}
        yield None if text is None else document(text, row, where=f"row {number} of the batch", path="")
