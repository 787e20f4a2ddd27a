"""How to repeat a run: shell lines that ask for the same versions and settings."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping

from scrubber.core.types import Report
from scrubber.reporting.rows import plain

Value = str | int | float | bool | None
# A Report's settings are plain values: of these keys the value is a list, its parts divided by commas.
LISTS: Mapping[str, Callable[[str], str | float]] = {
    "corpus.paths": str,
    "corpus.detectors": str,
    "corpus.rules": str,
    "corpus.leave_out": str,
    "corpus.spans": str,
    "corpus.whole": str,
    "corpus.patterns": str,
    "audit.keep_also": str,
    "unlearn.betas": float,
    "evaluate.temperatures": float,
}
TABLES = ("evaluate.benchmarks",)  # a list of tables, of which a Report keeps the names


def commands(report: Report) -> str:
    """Shell lines: install these versions, write the configuration, run, and ask the gate again."""
    lines = []
    if wanted := [_pinned(name, version, report) for name, version in sorted(report.versions.items())]:
        lines.append("pip install " + " ".join(shlex.quote(one) for one in wanted if one))
    file = shlex.quote("release.toml")
    lines += [f"cat > {file} <<'END'", toml(report.config).rstrip(), "END"]
    lines += [f"scrubber release {file} --run-dir reproduced", "scrubber gate reproduced --explain"]
    return "\n".join(lines)


def toml(config: Mapping[str, Value]) -> str:
    """The configuration file that ``scrubber release`` reads, with each setting on a line of its own."""
    given = {key: value for key, value in sorted(config.items()) if value is not None}
    lines = [f"{_key(key)} = {_written(key, value)}\n" for key, value in given.items() if key not in TABLES]
    lost = [
        f"# {key}: {plain(str(given[key]))}; write it as in the run's own file\n" for key in TABLES if given.get(key)
    ]
    return "".join(lines + lost)


def _key(key: str) -> str:
    bare = all(part and part.isascii() and part.replace("-", "_").isidentifier() for part in key.split("."))
    return key if bare else json.dumps(plain(key), ensure_ascii=False)


def _written(key: str, value: Value) -> str:
    if key in LISTS and isinstance(value, str):
        parts = [LISTS[key](part) for part in value.split(", ") if part]
        return (
            "[" + ", ".join(json.dumps(plain(p) if isinstance(p, str) else p, ensure_ascii=False) for p in parts) + "]"
        )
    if isinstance(value, str):
        return json.dumps(plain(value), ensure_ascii=False)  # such a string is one of TOML, too
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _pinned(name: str, version: str, report: Report) -> str:
    """A requirement; a build's own mark, as in 2.9.1+cpu, is no version that an index has."""
    if name == "python" or version == "none":
        return ""
    if name in ("scrubber", "code-scrubber"):
        name = "code-scrubber[train]" if "torch" in report.versions else "code-scrubber"
    return f"{name}=={version.partition('+')[0]}"
