"""TOML files held against a schema: every mistake reported at once, overrides, and the help that teaches the keys."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from scrubber.core.errors import AskedWrongly

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Schema = TypeVar("Schema", bound=BaseModel)


def read_as(
    schema: type[Schema],
    path: Path | None,
    overrides: Sequence[str] = (),
    environment: Mapping[str, str] = os.environ,
    *,
    keys: str,
    prepare: Callable[[dict[str, Any], Path], None] = lambda table, folder: None,
) -> Schema:
    """A file (``[tool.scrubber]`` of a pyproject.toml), changed by ``SCRUBBER_SET`` and by ``overrides``, as a ``schema``.

    Overrides read ``section.key=value`` with a TOML value or plain text; ``SCRUBBER_SET`` holds such, divided by ``;``.
    ``prepare`` may change the file's table, and is told its folder. ``keys``: the command that explains the keys.
    Raises AskedWrongly that names every mistake.
    """
    table = load_table(path) if path else {}
    if path:
        prepare(table, path.absolute().parent)
    mistakes: list[str] = []
    for override in [*filter(None, environment.get("SCRUBBER_SET", "").split(";")), *overrides]:
        key, mark, text = override.partition("=")
        if not mark:
            mistakes.append(f"{override}: write it as section.key=value")
            continue
        _put(table, key.strip().split("."), _value(text.strip()), mistakes)
    made = schema()
    try:
        made = schema.model_validate(table)
    except ValidationError as error:
        mistakes += [sentence(fault["loc"], fault["msg"], fault["type"]) for fault in error.errors()]
    if mistakes:
        raise AskedWrongly(
            f"the configuration has {len(mistakes)} mistake{'s' * (len(mistakes) > 1)}: " + "; ".join(mistakes),
            where=str(path) if path else "the settings given",
            mend=f"Keys and their meaning: {keys}.",
        )
    return made


def help_of(schema: type[BaseModel]) -> str:
    """Every key with its default and meaning, as a TOML file that may be filled in."""
    made, top, sections = schema(), [], []
    for name, field in schema.model_fields.items():
        value = getattr(made, name)
        if isinstance(value, BaseModel):
            rows = [_row(key, getattr(value, key), one.description) for key, one in type(value).model_fields.items()]
            sections.append("\n".join([f"[{name}]", *rows]))
        else:
            top.append(_row(name, value, field.description))
    return "\n\n".join(["\n".join(top), *sections]) + "\n"


def _row(key: str, value: Any, description: str | None) -> str:
    return f"{key} = {_toml(value)}" + (f"  # {description}" if description else "")


def load_table(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AskedWrongly(f"the file cannot be read: {error.strerror}", where=str(path)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        detail = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "it is not UTF-8"
        raise AskedWrongly(f"the file is no valid TOML: {detail}", where=str(path)) from None
    section: dict[str, Any] = table.get("tool", {}).get("scrubber", {}) if path.name == "pyproject.toml" else table
    return section


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _put(table: dict[str, Any], keys: list[str], value: Any, mistakes: list[str]) -> None:
    for key in keys[:-1]:
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            mistakes.append(f"{'.'.join(keys)}: {key} is no section")
            return
    table[keys[-1]] = value


def sentence(place: Sequence[str | int], message: str, kind: str) -> str:
    name = ".".join(map(str, place))
    unknown = kind in ("extra_forbidden", "unexpected_keyword_argument")
    return f"{name}: there is no such key" if unknown else f"{name}: {message[0].lower()}{message[1:]}"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return "{}" if isinstance(value, dict) else str(value)
