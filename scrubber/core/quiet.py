"""The tracker and the progress of a run that nobody watches."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any


class NoTracker:
    """A Tracker that nobody reads."""

    def stage(self, name: str) -> AbstractContextManager[None]:
        return nullcontext()

    def settings(self, values: Any) -> None: ...

    def scores(self, scores: Any, step: int | None = None) -> None: ...

    def file(self, path: str) -> None: ...

    def close(self, status: str = "FINISHED") -> None: ...


def silent(label: str, total: int | None = None) -> AbstractContextManager[Callable[[int], None]]:
    """Progress that nobody sees."""
    return nullcontext(lambda step: None)
