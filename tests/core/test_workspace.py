"""A run's folder survives a kill: whole files or none, done marks, one holder at a time, and a closed private/."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from scrubber.core.errors import AskedWrongly, NoVerdict
from scrubber.core.workspace import Workspace, digest, digest_files

ROOT = Path(__file__).parents[2]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def visible(folder: Path) -> list[str]:
    return sorted(
        str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.name not in (".lock", ".gitignore")
    )


def test_private_is_closed_to_others_whatever_the_umask(tmp_path: Path) -> None:
    (tmp_path / "run" / "private").mkdir(parents=True, mode=0o755)
    before = os.umask(0)
    try:
        with Workspace(tmp_path / "run") as workspace, Workspace(tmp_path / "fresh") as fresh:
            assert mode(workspace.private) == mode(fresh.private) == 0o700
    finally:
        os.umask(before)


def test_a_file_is_replaced_at_once(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        workspace.write("deep/down/note.txt", "old")
        with workspace.replacing("deep/down/note.txt") as partial:
            partial.write_text("new, and lon")
            assert workspace.path("deep/down/note.txt").read_text() == "old"
        assert workspace.path("deep/down/note.txt").read_text() == "new, and lon"
        assert visible(tmp_path) == ["deep/down/note.txt"]


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    def fail(workspace: Workspace) -> None:
        with workspace.replacing("note.txt") as partial:
            partial.write_text("half")
            raise KeyboardInterrupt

    with Workspace(tmp_path) as workspace:
        workspace.write("note.txt", "old")
        with pytest.raises(KeyboardInterrupt):
            fail(workspace)
        with pytest.raises(ValueError):
            workspace.write_json("note.txt", float("nan"))
    assert visible(tmp_path) == ["note.txt"]
    assert (tmp_path / "note.txt").read_text() == "old"


def test_a_folder_takes_the_place_of_a_folder(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        for names in (["a", "b"], ["c"]):
            with workspace.replacing("adapter") as folder:
                folder.mkdir()
                for name in names:
                    (folder / name).write_text(name)
        assert visible(tmp_path) == ["adapter/c"]


KILLED = """
import os, signal, sys
from pathlib import Path
from scrubber.core.workspace import Workspace
with Workspace(Path(sys.argv[1])) as workspace, workspace.replacing("note.txt") as partial:
    partial.write_text("half of a")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_write_leaves_nothing_half_written_and_no_lock(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        workspace.write("note.txt", "old")
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "note.txt").read_text() == "old"
    with Workspace(tmp_path) as workspace:  # the lock died with its holder
        workspace.write("note.txt", "new")
    assert visible(tmp_path) == ["note.txt"]
    assert (tmp_path / "note.txt").read_text() == "new"


def test_a_second_holder_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    with Workspace(tmp_path):
        with pytest.raises(NoVerdict, match="another run") as caught:
            Workspace(tmp_path).__enter__()
        assert caught.value.exit_code == 3
    with Workspace(tmp_path):
        pass


def test_a_run_folder_that_cannot_be_one_is_asked_wrongly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AskedWrongly, match="--run-dir"):
        Workspace(tmp_path / "file").__enter__()


def test_work_is_done_once_for_each_key(tmp_path: Path) -> None:
    calls: list[str] = []

    def once(key: str) -> object:
        with Workspace(tmp_path) as workspace:
            return workspace.once("scan", key, lambda: {"calls": len(calls), "key": calls.append(key)})

    first = once("a")
    assert once("a") == first
    assert calls == ["a"]
    with Workspace(tmp_path) as workspace:
        assert workspace.is_done("scan", "a")
        assert not workspace.is_done("scan", "b")
        assert not workspace.is_done("audit", "a")
    assert once("b") != first
    assert once("a") != first  # the mark of another key is gone
    assert calls == ["a", "b", "a"]


def test_work_that_fails_leaves_no_mark_not_even_the_old_one(tmp_path: Path) -> None:
    def fail() -> None:
        raise NoVerdict("it went wrong")

    with Workspace(tmp_path) as workspace:
        workspace.once("scan", "a", lambda: 1)
        with pytest.raises(NoVerdict):
            workspace.once("scan", "b", fail)
        assert not workspace.is_done("scan", "a")
        assert not workspace.is_done("scan", "b")


def test_digests_see_names_bytes_and_order_of_arguments(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("text")
    first = digest_files(tmp_path)
    assert digest_files(tmp_path) == first
    (tmp_path / "one").rename(tmp_path / "two")
    renamed = digest_files(tmp_path)
    (tmp_path / "two").write_text("tixt")
    assert len({first, renamed, digest_files(tmp_path)}) == 3
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1, "b": 3})
