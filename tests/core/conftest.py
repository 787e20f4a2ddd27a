"""What tests of the sources share: reading everything, with what was unread and what was passed over."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import pytest

from scrubber.core.corpus import Limits, Unread, documents
from scrubber.core.types import Document

SMALL = Limits(text=400, window=200, overlap=20, record=2000, expansion=4, slack=50_000, index=5000)


class Read(NamedTuple):
    documents: list[Document]
    errors: list[Unread]
    skipped: list[str]

    @property
    def texts(self) -> dict[str, str]:
        assert len({document.id for document in self.documents}) == len(self.documents)
        return {document.id: document.text for document in self.documents}

    @property
    def unread(self) -> dict[str, str]:
        return {error.path: error.reason for error in self.errors}


class Reader:
    """Called with paths and the options of ``documents``; ``small`` are limits that a test can reach."""

    small = SMALL

    def __call__(self, *paths: str | os.PathLike[str], **options: Any) -> Read:
        errors: list[Unread] = []
        skipped: list[str] = []
        return Read(list(documents(paths, errors=errors, skipped=skipped, **options)), errors, skipped)


@pytest.fixture(scope="session")
def read() -> Reader:
    return Reader()
