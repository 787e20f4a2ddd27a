"""How a name becomes a part. Knows no shelf: a caller says which package and which entry-point group is meant."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from scrubber.core.errors import AskedWrongly


def names(package: str, group: str) -> list[str]:
    """Names on a shelf: our own files (found by name, not imported) and those of other installed packages."""
    return sorted({*_own(package), *_foreign(group)})


def load(package: str, group: str, name: str) -> Any:
    """The part called ``name``: our own module of that name, or the object that another package registered.

    Raises AskedWrongly, with the nearest known names, when there is none.
    """
    if name in _own(package):
        return importlib.import_module(f"{package}.{name}")
    foreign = _foreign(group)
    if name in foreign:
        return foreign[name].load()
    known = names(package, group)
    near = difflib.get_close_matches(name, known, n=3) or known
    raise AskedWrongly(
        f"there is no {group.rpartition('.')[2].rstrip('s')} called {name!r}",
        mend="Did you mean " + " or ".join(near) + "?" if near else "None is installed.",
    )


def _own(package: str) -> set[str]:
    try:
        shelf: ModuleType = importlib.import_module(package)
    except ModuleNotFoundError:
        return set()
    return {module.name for module in pkgutil.iter_modules(shelf.__path__) if not module.name.startswith("_")}


def _foreign(group: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=group)}


def described(package: str, group: str, mark: str) -> dict[str, str]:
    """Each part's name and the first line of its documentation. ``mark``: the attribute that makes a file a part."""
    parts = {name: load(package, group, name) for name in names(package, group)}
    return {name: (part.__doc__ or "").strip().split("\n", 1)[0] for name, part in parts.items() if hasattr(part, mark)}
