"""A run's folder: private/, atomic writes, done marks, and a lock, so that a killed run resumes and two never mix."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from scrubber.core.errors import AskedWrongly, NoVerdict

_LEAST_FREE = 1 << 20  # bytes: below it, a failed write means a full disk


class Workspace:
    """The only way a stage writes. Use as a context manager: it holds the folder's lock.

    Layout: ``private/`` (mode 0700: samples, trials, weights), ``done/`` (one mark a stage), everything else public.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock: int | None = None

    def __enter__(self) -> Workspace:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.private.mkdir(exist_ok=True)
            self.private.chmod(0o700)
            (self.root / "done").mkdir(exist_ok=True)
            for mark in (self.private / ".gitignore", self.root / "done" / ".gitignore"):
                if not mark.exists():
                    mark.write_text("*\n")  # no value is committed by mistake, nor scanned as code
            self._lock = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise AskedWrongly(
                f"the run folder cannot be used: {error.strerror}",
                where=str(self.root),
                mend="Choose another --run-dir.",
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            self._lock = None
            raise NoVerdict(
                "another run is using this folder",
                where=str(self.root),
                mend="Wait for it, or choose another --run-dir.",
            ) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def private(self) -> Path:
        return self.root / "private"

    def path(self, name: str) -> Path:
        return self.root / name

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file at once or not at all: a temporary name beside it, then a rename."""
        target = self.root / name
        with self.replacing(name) as partial:
            partial.write_bytes(content.encode() if isinstance(content, str) else content)
        return target

    def write_json(self, name: str, value: Any) -> Path:
        return self.write(name, json.dumps(value, indent=1, allow_nan=False) + "\n")

    def read_json(self, name: str) -> Any:
        return json.loads((self.root / name).read_text())

    @contextmanager
    def replacing(self, name: str) -> Iterator[Path]:
        """A path to write a file or a folder to; it takes the place of ``name`` only when the block ends well."""
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.partial")
        remove(partial)
        try:
            yield partial
            if partial.is_dir():
                remove(target)
            os.replace(partial, target)
        except BaseException as error:
            remove(partial)
            # writers of weights report a full disk in errors of their own, without its number
            full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            if full or (isinstance(error, Exception) and shutil.disk_usage(self.root).free < _LEAST_FREE):
                raise NoVerdict(
                    "the disk is full, or a quota is used up",
                    where=str(self.root),
                    mend="Nothing is half-written: free some space and start it again with the same --run-dir.",
                ) from None
            raise

    def once(self, stage: str, key: str, work: Callable[[], Any]) -> Any:
        """The JSON value of ``work()``, or the stored one of an earlier run whose ``key`` (a digest of inputs) is the same."""
        mark = f"done/{stage}.json"
        if (self.root / mark).exists():
            stored = self.read_json(mark)
            if stored["key"] == key:
                return stored["value"]
            (self.root / mark).unlink()
        value = work()
        self.write_json(mark, {"key": key, "value": value})
        return value

    def is_done(self, stage: str, key: str) -> bool:
        path = self.root / "done" / f"{stage}.json"
        return path.exists() and bool(json.loads(path.read_text())["key"] == key)


def digest(*parts: Any) -> str:
    """A short SHA-256 over JSON-able values, for done marks and reports."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def digest_files(root: Path) -> str:
    """SHA-256 over the names and bytes of every file under ``root`` (or of one file)."""
    total = hashlib.sha256()
    for path in sorted(p for p in (root.rglob("*") if root.is_dir() else [root]) if p.is_file()):
        total.update(str(path.relative_to(root)).encode() + b"\0")
        with path.open("rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                total.update(block)
    return total.hexdigest()[:16]


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
