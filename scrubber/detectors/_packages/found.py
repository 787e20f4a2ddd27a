"""A name found in a text, before it is judged; and how each registry writes it."""

from __future__ import annotations

import re
from typing import NamedTuple

from scrubber.core.mentions import Context, Ecosystem, Way

DISTRIBUTION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
NPM = re.compile(r"(?:@[A-Za-z0-9~._-]+/)?[A-Za-z0-9~._-]+")
NAME = {
    "pypi": DISTRIBUTION,
    "npm": NPM,
    "crates": re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}"),
    "go": re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?:/[A-Za-z0-9._~!-]+)*"),
    "rubygems": re.compile(r"[A-Za-z0-9._-]*[A-Za-z][A-Za-z0-9._-]*"),
}


class Found(NamedTuple):
    """Offsets of ``raw`` in the text. ``skip``: it names no package of the registry (a URL, a path, a variable)."""

    start: int
    end: int
    ecosystem: Ecosystem
    kind: Way
    context: Context
    raw: str
    name: str
    modules: tuple[str, ...] = ()
    conditional: bool = False
    skip: bool = False


def normal(ecosystem: Ecosystem, name: str) -> str:
    """The one writing of all that a registry takes for the same name."""
    if ecosystem == "pypi":  # PEP 503
        return re.sub(r"[-_.]+", "-", name).lower()
    if ecosystem == "crates":
        return name.replace("_", "-").lower()
    return name.lower() if ecosystem == "npm" else name


def npm_package(specifier: str) -> str | None:
    """The package of an import specifier (``@a/b/c`` is of ``@a/b``), or None where it names none of the registry.

    Relative and absolute paths, ``#internal``, URLs and aliases of bundlers (``@/x``, ``~/x``, ``$lib``) name none.
    """
    specifier = specifier.split("!")[-1].split("?")[0]  # loaders and queries of bundlers
    if specifier.startswith("npm:"):
        return npm_package(re.sub(r"(?<=.)@[^/]*", "", specifier[4:]))
    if specifier.startswith("node:"):
        return specifier
    if not specifier or specifier[0] in "./#~$\\" or specifier.startswith("@/") or ":" in specifier:
        return None
    parts = specifier.split("/")
    name = "/".join(parts[:2]) if specifier[0] == "@" else parts[0]
    return name if NPM.fullmatch(name) else None


def without_password(raw: str) -> str:
    """A URL less the user and password in it: they may be real."""
    return re.sub(r"(?<=//)[^/@\s]+@", "***@", raw)
