"""Folders are walked in order, once, and git's word on what is ignored is taken where it is asked for."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from scrubber.core.errors import AskedWrongly


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=n", "-c", "user.email=e", "-c", "protocol.file.allow=always")
    subprocess.run(["git", *who, "-C", str(folder), *arguments], check=True, capture_output=True)


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def test_gitignore_leaves_out_what_git_does_not_track(tmp_path: Path, read: Any) -> None:
    write(tmp_path, "a.py", "out/b.py", "keep/é.py", "node_modules/c.js", "gone.py", "new.py", "sub/x.log", "sub/y.py")
    (tmp_path / ".gitignore").write_text("out/\n*.log\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "a.py", "gone.py", "keep")
    (tmp_path / "gone.py").unlink()
    (tmp_path / "again.py").symlink_to(tmp_path / "a.py")
    assert list(read(tmp_path, gitignore=True).texts) == [
        ".gitignore", "a.py", "keep/é.py", "new.py", "node_modules/c.js", "sub/y.py",
    ]  # fmt: skip
    assert list(read(tmp_path / "sub", gitignore=True).texts) == ["y.py"]
    assert "out/b.py" in read(tmp_path).texts


def test_gitignore_reads_submodules_too(tmp_path: Path, read: Any) -> None:
    for name in ("inner", "outer"):
        write(tmp_path / name, f"{name}.py")
        git(tmp_path / name, "init", "-q")
        git(tmp_path / name, "add", ".")
        git(tmp_path / name, "commit", "-qm", "1")
    git(tmp_path / "outer", "submodule", "add", str(tmp_path / "inner"), "sub")
    assert {"outer.py", "sub/inner.py"} <= set(read(tmp_path / "outer", gitignore=True).texts)


def test_gitignore_outside_of_a_work_tree_is_refused(tmp_path: Path, read: Any) -> None:
    with pytest.raises(AskedWrongly, match="git"):
        read(tmp_path, gitignore=True)


def test_a_repository_cannot_make_us_run_a_program(tmp_path: Path, read: Any) -> None:
    write(tmp_path, "a.py")
    git(tmp_path, "init", "-q")
    git(tmp_path, "config", "core.fsmonitor", f"touch {tmp_path / 'ran'}; false")
    assert "a.py" in read(tmp_path, gitignore=True).texts
    assert not (tmp_path / "ran").exists()


def test_links_to_themselves_and_folders_without_access_are_named(tmp_path: Path, read: Any) -> None:
    write(tmp_path, "a.py")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "x").symlink_to(tmp_path / "y")
    (tmp_path / "y").symlink_to(tmp_path / "x")
    found = read(tmp_path)
    assert list(found.texts) == ["a.py"]
    assert sorted(Path(path).name for path in found.unread) == ["loop", "x", "y"]


def test_a_name_that_is_no_utf8_can_be_printed(tmp_path: Path, read: Any) -> None:
    for name in (b"a\xff.py", b"a\xfe.py"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("x")
    found = read(tmp_path)
    assert list(found.texts) == ["a\\udcfe.py", "a\\udcff.py"]
    assert found.documents[0].language == "python"


def test_a_deep_tree_is_no_recursion(read: Any) -> None:
    with tempfile.TemporaryDirectory() as name:  # not pytest's, which would fail to remove it
        here = os.open(name, os.O_RDONLY)
        for _ in range(1200):  # deeper than Python recurses
            os.mkdir("d", dir_fd=here)
            here, before = os.open("d", os.O_RDONLY, dir_fd=here), here
            os.close(before)
        os.close(os.open("a.py", os.O_CREAT, dir_fd=here))
        os.close(here)
        try:
            assert [document.id[-6:] for document in read(name).documents] == ["d/a.py"]
        finally:
            subprocess.run(["rm", "-rf", f"{name}/d"], check=True)
