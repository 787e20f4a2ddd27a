"""What is known without an index: modules of the languages, our table of imports, and words that only stand for a name."""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DATA = Path(__file__).parents[2] / "data" / "packages"

_THING = (
    "package|packages|pkg|module|modules|lib|library|libraries|app|application|project|plugin|plugins|extension|component|"
    "components|name|class|file|script|program|code|repo|tool|dependency|dep|crate|gem|middleware|model|function|test"
)
_MINE = "my|your|our|some|any|the"
_WHOSE = f"{_MINE}|sample|example|dummy|fake|custom|new|another|other|first|second|own|python|py|js|npm|local|private|company"
PLACEHOLDER = re.compile(
    rf"(?:(?:{_MINE})[-_.]?|(?:{_WHOSE})[-_.])(?:(?:{_WHOSE})[-_.])*(?:{_THING}|here)(?:[-_.](?:{_THING}|here|\d+|[a-z])|\d+)*"
    rf"|(?:{_THING})(?:[-_.]?(?:names?|here|\d+)|[-_.](?:path|[a-dx-z]|one|two|three))*"
    r"|foo|bar|baz|qux|quux|foo[-_.]?bar(?:[-_.]?baz)?|spam|eggs|xxx+|abc|xyz|hello[-_.]?world|placeholder|todo|[a-z]"
    r"|(?:.*[-_.])?(?:package|module|library)[-_.]names?(?:[-_.].*)?|name[-_.]of[-_.].*|something|whatever|none|null|true|false|undefined",
    re.IGNORECASE,
)
PLACEHOLDER_SCOPES = re.compile(
    r"@(?:scope|org|myorg|my-?scope|your-?org|your-?scope|company|my-?company|username|user|example)/", re.IGNORECASE
)


@cache
def _builtin() -> dict[str, frozenset[str]]:
    return {key: frozenset(text.split()) for key, text in _load("builtin.toml").items()}


@cache
def python_modules() -> frozenset[str]:
    """Of the standard libraries of all versions."""
    return _builtin()["python"] | sys.stdlib_module_names


def node_modules() -> frozenset[str]:
    return _builtin()["node"]


def namespaces() -> frozenset[str]:
    """Roots of which each part is a distribution of its own."""
    return _builtin()["namespaces"]


def english() -> frozenset[str]:
    """Words that follow an install command in sentences; where people write, a command ends before one."""
    return _builtin()["english"]


def own_modules() -> frozenset[str]:
    """Names that a module of the project itself bears in most projects."""
    return _builtin()["own"]


@cache
def distributions() -> dict[str, tuple[str, ...]]:
    """Distributions of a Python module, where they bear another name than it does."""
    return {module: tuple(names) for module, names in _load("imports.toml").items()}


def is_placeholder(name: str) -> bool:
    """Whether a name only stands for one, as in `pip install package-name`."""
    return bool(PLACEHOLDER.fullmatch(name) or PLACEHOLDER_SCOPES.match(name))


def _load(name: str) -> dict[str, Any]:
    return tomllib.loads((DATA / name).read_text(encoding="utf-8"))
