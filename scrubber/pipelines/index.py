"""The index stage: builds, updates, takes over and describes the indexes of names in a folder; resumable."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

from scrubber.core.errors import AskedWrongly
from scrubber.core.mentions import ECOSYSTEMS, Ecosystem
from scrubber.core.name_index import Header, NameIndex, checked_ecosystem, index_path, write
from scrubber.core.quiet import silent
from scrubber.core.types import Progress
from scrubber.core.workspace import Workspace
from scrubber.detectors._packages.found import normal
from scrubber.detectors.packages import index_folder
from scrubber.pipelines.registries import HOMES, Page, pages

MOST_POPULAR = 20_000  # names kept for suggestions
NAME_KEYS = ("name", "package", "id", "key", "Path")
DAY_KEYS = ("first_seen", "created_at", "created", "date", "day", "Timestamp")
LISTS = ("projects", "packages", "rows", "names", "results", "crates")


def place(folder: Path | None) -> Path:
    return folder or index_folder()


def build(
    folder: Path,
    ecosystem: str,
    names: Path,
    *,
    snapshot: date | None = None,
    source: str = "",
    popular: Path | None = None,
) -> Header:
    """An index from a list: a name a line, with a day behind a tab or comma or without; JSON or JSONL of names or of objects.

    Raises AskedWrongly when there is no such ecosystem, or nothing that can be read.
    """
    kind = checked_ecosystem(ecosystem)
    listed = dict(_listed(_text(names)))
    return write(
        index_path(folder, kind),
        _normalised(kind, listed),
        ecosystem=kind,
        source=source or names.name,
        snapshot=snapshot or _today(),
        popular=_popular(kind, popular, listed),
    )


def take_over(folder: Path, file: Path) -> Header:
    """Copies an index of someone else's. Raises NoVerdict when it is damaged, AskedWrongly when there is none."""
    with NameIndex(file) as index:
        index.verify()
        header = index.header
    with Workspace(folder) as workspace, workspace.replacing(index_path(folder, header.ecosystem).name) as partial:
        shutil.copyfile(file, partial)
    return header


def headers(folder: Path) -> list[Header]:
    """What each index says of itself, after it was read through. Raises NoVerdict when one is damaged."""
    found = []
    for ecosystem in ECOSYSTEMS:
        if index_path(folder, ecosystem).is_file():
            with NameIndex(index_path(folder, ecosystem)) as index:
                index.verify()
                found.append(index.header)
    return found


def update(
    folder: Path,
    ecosystem: str,
    url: str = "",
    *,
    popular: Path | None = None,
    progress: Progress = silent,
    today: Callable[[], date] = lambda: _today(),
) -> Header:
    """Brings an index up to date from its registry, or from a mirror at ``url``. This reaches the network.

    Every page is kept as it comes, with the cursor behind it: stopped anywhere, the next update goes on from there.
    The snapshot is of the day on which the last page was asked for.
    """
    kind = checked_ecosystem(ecosystem)
    path = index_path(folder, kind)
    with Workspace(folder) as workspace:
        state = _read(workspace.path(f"{kind}.state.json"))
        pending, cursor = (
            workspace.path(f"{kind}.pending.jsonl"),
            state.get("cursor", {}) if path.exists() or state.get("open") else {},
        )
        if not state.get("open"):
            pending.unlink(missing_ok=True)
        began, whole = today(), False
        with progress(f"index {kind}") as step:
            for page in pages(kind, url, cursor):
                with pending.open("a", encoding="utf-8") as file:
                    file.writelines(_lines(page))
                whole |= page.whole
                workspace.write_json(f"{kind}.state.json", {"open": True, "cursor": page.cursor})
                cursor = page.cursor
                step(len(page.names))
        names, removed = _pending(pending)
        older = NameIndex(path) if path.exists() else None
        header = write(
            path,
            _normalised(kind, names),
            ecosystem=kind,
            source=url or HOMES[kind],
            snapshot=began,
            popular=_popular(kind, popular, names, older),
            older=older,
            keep=not whole,
            removed=[normal(kind, name) for name in removed],
        )
        workspace.write_json(f"{kind}.state.json", {"cursor": cursor})
        pending.unlink(missing_ok=True)
    return header


def _lines(page: Page) -> Iterator[str]:
    for name, day in page.names.items():
        yield json.dumps([name, day and day.isoformat()]) + "\n"
    for name in page.removed:
        yield json.dumps([name]) + "\n"


def _pending(path: Path) -> tuple[dict[str, date | None], set[str]]:
    """Names with their earliest day, and those removed at last; a line cut off by a kill is asked for again anyway."""
    names: dict[str, date | None] = {}
    removed: set[str] = set()
    with path.open(encoding="utf-8") as file:
        for line in file:
            if not line.endswith("\n"):
                continue
            name, *day = json.loads(line)
            if not day:
                names.pop(name, None)
                removed.add(name)
            else:
                removed.discard(name)
                names.setdefault(name, date.fromisoformat(day[0]) if day[0] else None)
    return names, removed


def _normalised(ecosystem: Ecosystem, names: dict[str, date | None]) -> dict[str, date | None]:
    found: dict[str, date | None] = {}
    for name, day in names.items():
        key = normal(ecosystem, name)
        known = found.get(key)
        found[key] = min(day, known) if day and known else day or known
    return found


def _popular(
    ecosystem: Ecosystem, path: Path | None, names: Iterable[str], older: NameIndex | None = None
) -> list[str]:
    """The user's list; else that of the index before; else all names of a list that is short enough."""
    if path is not None:
        listed = [name for name, _ in _listed(_text(path))]
    elif older is not None and older.popular:
        return list(older.popular)
    else:
        listed = list(names)
        if len(listed) > MOST_POPULAR:
            return []
    return list(dict.fromkeys(normal(ecosystem, name) for name in listed))[:MOST_POPULAR]


def _text(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AskedWrongly(f"the list cannot be read: {type(error).__name__}", where=str(path)) from None


def _listed(text: str) -> Iterator[tuple[str, date | None]]:
    head = text.lstrip()[:1]
    if head not in ("{", "["):
        for line in text.splitlines():
            name, *rest = re.split(r"[\t,;]| +(?=\d{4}-)", line.strip().strip('"'))
            if name and not name.startswith("#"):
                yield name.strip().strip('"'), _date(rest[0] if rest else None)
        return
    try:
        listed = json.loads(text)
    except ValueError:
        listed = [_line(line) for line in text.splitlines() if line.strip()]
    if isinstance(listed, dict):
        inner = next((listed[key] for key in LISTS if isinstance(listed.get(key), list)), None)
        listed = inner if inner is not None else [{"name": k, "first_seen": v} for k, v in listed.items()]
    for row in listed:
        if isinstance(row, str):
            yield row, None
        elif isinstance(row, dict) and (
            name := next((row[key] for key in NAME_KEYS if isinstance(row.get(key), str)), "")
        ):
            yield name, _date(next((row[key] for key in DAY_KEYS if row.get(key)), None))


def _line(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        raise AskedWrongly("the list begins as JSON, and a line of it is none", mend="Write names, or JSON.") from None


def _date(value: Any) -> date | None:
    try:
        return date.fromisoformat(str(value).strip().strip('"')[:10])
    except ValueError:
        return None


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _today() -> date:
    return datetime.now(timezone.utc).date()
