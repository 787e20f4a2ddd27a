"""Documents come from folders, files and JSONL, in order, and whatever cannot be read is named."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from scrubber.core.corpus import Limits, Unread, documents, language_of
from scrubber.core.errors import AskedWrongly
from scrubber.core.types import Document


def read(*paths: Path) -> tuple[list[Document], list[Unread], list[str]]:
    errors: list[Unread] = []
    skipped: list[str] = []
    return list(documents(paths, errors=errors, skipped=skipped)), errors, skipped


def test_a_folder_is_read_in_order_with_relative_posix_names(tmp_path: Path) -> None:
    for name in ("b.py", "a/z.yaml", "a/c.txt", ".git/config", "node_modules/x.js", "a/__pycache__/m.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    found, errors, skipped = read(tmp_path)
    assert [(d.id, d.text, d.language) for d in found] == [
        ("a/c.txt", "a/c.txt", "text"),
        ("a/z.yaml", "a/z.yaml", "yaml"),
        ("b.py", "b.py", "python"),
    ]
    assert errors == []
    assert skipped == []


def test_several_paths_keep_their_names_apart(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.py").write_text("x")
    found, _, _ = read(tmp_path / "one", tmp_path / "two")
    assert len({d.id for d in found}) == 2


def test_line_ends_stay_what_they_are_so_that_spans_are_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("é\r\nb".encode())
    assert read(tmp_path)[0][0].text == "é\r\nb"


def test_binary_files_are_passed_over_and_counted(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"text, but the suffix says otherwise")
    (tmp_path / "b.dat").write_bytes(b"abc\0def")
    found, errors, skipped = read(tmp_path)
    assert (found, errors, skipped) == ([], [], ["a.png", "b.dat"])


@pytest.mark.parametrize("content", ["café".encode("latin-1"), b"\xed\xa0\x80"])
def test_a_file_that_is_not_utf8_is_named_and_not_quoted(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.py").write_bytes(content)
    (tmp_path / "b.py").write_text("fine")
    found, errors, _ = read(tmp_path)
    assert [d.id for d in found] == ["b.py"]
    assert errors == [Unread("a.py", "not UTF-8")]


def test_a_file_that_the_system_refuses_to_read_is_named() -> None:
    refused = Path("/proc/self/mem")  # refuses root too, unlike a file without permissions
    assert read(refused)[1] == [Unread("/proc/self/mem", "Input/output error")]


def test_links_neither_loop_nor_read_twice_but_lead_outside(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside / "deep", outside):
        folder.mkdir(parents=True)
        (folder / "a.py").write_text("x")
    (inside / "deep" / "up").symlink_to(inside)
    (inside / "again.py").symlink_to(inside / "deep" / "a.py")
    (inside / "away").symlink_to(outside)
    (outside / "back").symlink_to(outside)
    (inside / "dangling").symlink_to(tmp_path / "nowhere")
    found, errors, _ = read(inside)
    assert [d.id for d in found] == ["away/a.py", "deep/a.py"]
    assert [Path(error.path).name for error in errors] == ["dangling"]


def test_a_pipe_in_a_folder_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert [error.reason for error in read(tmp_path)[1]] == ["not a regular file"]


def test_a_folder_that_ignores_itself_is_left_out_unless_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "run" / "private").mkdir(parents=True)
    for name, text in (("a.py", "a"), ("run/private/.gitignore", "*\n"), ("run/private/b.py", "b")):
        (tmp_path / name).write_text(text)
    assert [d.text for d in documents([tmp_path], errors=[])] == ["a"]
    assert "b" in [d.text for d in documents([tmp_path / "run" / "private"], errors=[])]


def test_each_line_of_jsonl_is_a_document(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    rows = [
        {"text": "one", "id": "x", "path": "src/m.py"},
        {"text": "two", "language": "go"},
        {"no": "text"},
        {"text": "ü\n"},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows) + "\nnot json\n")
    found, errors, _ = read(file)
    assert [(d.id, d.text, d.language) for d in found] == [
        ("x", "one", "python"),
        (f"{file}:2", "two", "go"),
        (f"{file}:4", "ü\n", None),
    ]
    assert [error.path for error in errors] == [f"{file}:3", f"{file}:6"]
    assert "not json" not in str(errors)


def test_jsonl_of_something_else_is_plain_text(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"level": "info"}\n{"text": "x"}\n')
    assert [d.id for d in read(tmp_path)[0]] == ["log.jsonl"]


def test_a_line_that_is_too_large_is_named(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text('{"text": "a"}\n{"text": "%s"}\n{"text": "c"}\n' % ("y" * 90))
    errors: list[Unread] = []
    assert [d.text for d in documents([tmp_path], errors=errors, limits=Limits(record=40))] == ["a", "c"]
    assert [error.path for error in errors] == ["b.jsonl:2"]


def test_a_missing_path_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(AskedWrongly, match="nowhere"):
        documents([tmp_path, tmp_path / "nowhere"], errors=[])
    with pytest.raises(AskedWrongly):
        documents([], errors=[])


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("A.PY", "python"),
        ("x/.ENV", "dotenv"),
        ("a.b/c", None),
        (".env.d/a.py", "python"),
        (".env", "dotenv"),
        (".env.local", "dotenv"),
        ("Makefile", None),
    ],
)
def test_the_language_comes_from_the_name(name: str, language: str | None) -> None:
    assert language_of(name) == language


def test_a_source_without_its_library_says_which_extra_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(AskedWrongly, match="code-scrubber\\[data\\]"):
        documents([tmp_path / "a.parquet"], errors=[])
    errors = read(tmp_path)[1]  # in a folder it is one unread file among others
    assert [error.path for error in errors] == ["a.parquet"]
    assert "code-scrubber[data]" in errors[0].reason
