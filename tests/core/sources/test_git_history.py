"""The history of git gives every content once, under its first path and commit, and harms nobody."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from scrubber.core.corpus import documents
from scrubber.core.errors import AskedWrongly
from scrubber.core.sources.git import ASKED_AT_ONCE


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=n", "-c", "user.email=e", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, files: dict[str, bytes | None]) -> str:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "m", "--allow-empty")
    return git(folder, "rev-parse", "HEAD")[:12]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    return tmp_path


def test_every_content_once_of_every_branch(repository: Path, read: Any) -> None:
    first = commit(repository, {"a.py": b"old\n", "b c é.py": b"kept\n", "x.png": b"png", "bin": b"\0"})
    second = commit(repository, {"a.py": b"new\n", "copy.py": b"old\n", "rows.jsonl": b'{"text": "row"}\n'})
    third = commit(repository, {"a.py": None, "bad.py": b"\xe9", "empty": b""})
    git(repository, "checkout", "-qb", "side", second)
    side = commit(repository, {"side.go": b"side\n"})
    git(repository, "checkout", "-q", "-")
    found = read(f"git:{repository}")
    assert found.texts == {
        f"{first}:a.py": "old\n",
        f"{first}:b c é.py": "kept\n",
        f"{second}:a.py": "new\n",
        f"{second}:rows.jsonl:1": "row",
        f"{third}:empty": "",
        f"{side}:side.go": "side\n",
    }
    assert sorted(found.skipped) == [f"{first}:bin", f"{first}:x.png"]
    assert found.unread == {f"{third}:bad.py": "not UTF-8"}
    assert {d.path for d in found.documents} >= {"a.py", "side.go"}
    shown = next(d for d in found.documents if d.id == f"{first}:a.py")
    assert git(repository, "show", shown.id) == "old"
    assert next(iter(found.texts)).startswith(first)


def test_several_histories_keep_their_names_apart(repository: Path, read: Any) -> None:
    first = commit(repository, {"a.py": b"a"})
    found = read(f"git:{repository}", repository)
    assert f"git:{repository}@{first}:a.py" in found.texts
    assert str(repository / "a.py") in found.texts


def test_more_blobs_than_are_asked_for_at_once(repository: Path, read: Any) -> None:
    wanted = {f"d{n % 7}/{n}.txt": f"{n}\n".encode() * (n % 50 + 1) for n in range(ASKED_AT_ONCE * 2 + 3)}
    first = commit(repository, dict(wanted))
    assert read(f"git:{repository}").texts == {f"{first}:{name}": text.decode() for name, text in wanted.items()}


def test_a_blob_that_is_only_partly_read_does_not_disturb_the_next(repository: Path, read: Any) -> None:
    first = commit(
        repository, {"a.gz": b"no gzip at all" * 1000, "b.dat": b"\0" * 5000, "c.txt": b"fine", "d.zip": b"PK"}
    )
    found = read(f"git:{repository}", limits=read.small)
    assert found.texts == {f"{first}:c.txt": "fine"}
    assert set(found.unread) == {f"{first}:a.gz", f"{first}:d.zip"}


def test_a_history_can_be_left_early(repository: Path) -> None:
    commit(repository, {f"{n}.txt": f"{n}".encode() for n in range(600)})
    some = documents([f"git:{repository}"], errors=[])
    assert next(some).text
    some.close()  # type: ignore[attr-defined]


def test_a_damaged_repository_is_named(repository: Path, read: Any) -> None:
    commit(repository, {"a.py": b"some content\n", "b.py": b"other\n"})
    name = git(repository, "rev-parse", "HEAD:a.py")
    (repository / ".git" / "objects" / name[:2] / name[2:]).unlink()
    found = read(f"git:{repository}")
    assert found.errors
    assert "some content" not in str(found.errors)


def test_an_empty_history_has_no_documents(repository: Path, read: Any) -> None:
    found = read(f"git:{repository}")
    assert (found.documents, found.errors) == ([], [])


def test_what_is_no_repository_is_refused(tmp_path: Path, read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AskedWrongly, match="no git repository"):
        read(f"git:{tmp_path}")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AskedWrongly, match="not installed"):
        read(f"git:{tmp_path}")
