"""The files of a folder, in the order of their names, or those that git does not ignore."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

from scrubber.core.errors import AskedWrongly
from scrubber.core.sources.git import command, environment
from scrubber.core.sources.names import SKIPPED_FOLDERS, printable
from scrubber.core.sources.reading import Reading, Unread


def walk(folder: str, reading: Reading) -> Iterator[str]:
    """Paths of regular files under ``folder``, each beginning with it.

    Links that lead back into the folder are not followed, since what they show is read in its own place. Folders
    that ignore themselves (``.gitignore`` of ``*``) are left out, as virtual environments and our run folders.
    """
    root = os.path.realpath(folder)
    seen = {root}
    stack = [iter(_listed(folder, reading))]
    while stack:
        for entry in stack[-1]:
            try:
                target = os.path.realpath(entry.path) if entry.is_symlink() else None
                if target is not None and _inside(target, root) and os.path.exists(target):
                    continue
                if entry.is_dir():
                    if entry.name in SKIPPED_FOLDERS or target in seen:
                        continue
                    if target is not None:
                        seen.add(target)
                    entries = _listed(entry.path, reading)
                    if not _left_out(entries):
                        stack.append(iter(entries))
                        break
                elif entry.is_file():
                    yield entry.path
                else:
                    reading.errors.append(Unread(printable(entry.path), "not a regular file"))
            except OSError as error:  # a link to itself
                reading.errors.append(Unread(printable(entry.path), error.strerror or "unreadable"))
        else:
            stack.pop()


def not_ignored(folder: str, reading: Reading) -> Iterator[str]:
    """Paths of the files that git tracks or would track under ``folder``, a submodule's too, each beginning with it.

    Raises AskedWrongly when the folder is not in a work tree.
    """
    listing = subprocess.run(
        command(folder, "ls-files", "--cached", "--others", "--exclude-standard", "-z"),
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(), check=False,
    )  # fmt: skip
    if listing.returncode:
        raise AskedWrongly(
            "this is not in a git work tree", where=folder, mend="Leave out --gitignore, or name a work tree."
        )
    root = os.path.realpath(folder)
    for name in sorted({os.fsdecode(name) for name in listing.stdout.split(b"\0") if name}):
        path = os.path.join(folder, name)
        if os.path.islink(path) and _inside(os.path.realpath(path), root):
            continue
        if os.path.isdir(path):  # a submodule, or a link to a folder elsewhere
            yield from walk(path.rstrip("/"), reading)
        elif os.path.lexists(path):  # else deleted, though still tracked
            yield path


def _listed(folder: str, reading: Reading) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        reading.errors.append(Unread(printable(folder), error.strerror or "unreadable"))
        return []


def _left_out(entries: list[os.DirEntry[str]]) -> bool:
    for entry in entries:
        if entry.name == ".gitignore" and entry.is_file():
            try:
                with open(entry.path, "rb") as file:
                    return file.read(4096).strip() == b"*"
            except OSError:
                return False
    return False


def _inside(target: str, root: str) -> bool:
    return target == root or target.startswith(root.rstrip("/") + "/")
