"""Scrubber: finds what a code model must not know, makes it forget, proves it, and gates the release."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scrubber.api import audit, evaluate, gate, release, scan, unlearn

__version__ = "0.1.0"
__all__ = ["__version__", "audit", "evaluate", "gate", "release", "scan", "unlearn"]


def __getattr__(name: str) -> Any:
    """The verbs, imported when the first of them is asked for: ``import scrubber`` itself stays light."""
    if name in __all__:
        return getattr(import_module("scrubber.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
