"""A viewer is sent to files that exist, under the path that the repository knows them by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scrubber.core.types import Finding
from scrubber.reporting.places import Place, Places, places


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ("src/a.py", Place("src/a.py", 3, 5)),
        ("data/rows.jsonl:17", Place("data/rows.jsonl", 17, None, "data/rows.jsonl:17")),
        ("rows.parquet:17", Place("rows.parquet", None, None, "rows.parquet:17")),
        ("notes:17", Place("notes:17", 3, 5)),
        ("lib.zip!src/a.py", Place("lib.zip", None, None, "lib.zip!src/a.py")),
        ("wow!.py", Place("wow!.py", 3, 5)),
        ("x.ipynb#cell-3-output", Place("x.ipynb", None, None, "x.ipynb#cell-3-output")),
        ("huge.sql#16777216", Place("huge.sql", None, None, "huge.sql#16777216")),
        ("c#.py", Place("c#.py", 3, 5)),
        ("0123456789ab:src/a.py", Place("src/a.py", 3, 5, "0123456789ab:src/a.py")),
        ("-", Place("", None, None, "-")),
        ("hf:name:train:7", Place("", None, None, "hf:name:train:7")),
    ],
)
def test_each_kind_of_document_has_its_place(document: str, place: Place, make_finding: Callable[..., Finding]) -> None:
    assert Places()(make_finding(document=document)) == place


def test_the_same_file_has_the_same_path_whatever_was_asked_for(
    tmp_path: Path, make_finding: Callable[..., Finding], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").touch()
    monkeypatch.chdir(tmp_path)
    whole = [".", "src", "src/a.py", str(tmp_path / "src"), str(tmp_path / "src" / "a.py"), "git:."]
    ids = ["src/a.py", "a.py", "src/a.py", "a.py", str(tmp_path / "src" / "a.py"), "0123456789ab:src/a.py"]
    for asked, document in zip(whole, ids, strict=True):
        finding = make_finding(document=document)
        assert places([asked], root=".").path(finding) == "src/a.py", asked
        assert places([asked], root=".")(finding)[:3] == ("src/a.py", 3, 5)
    assert places(["src", "lib"], root=str(tmp_path / "src")).path(make_finding(document="src/a.py")) == "a.py"
    monkeypatch.chdir(tmp_path / "src")
    assert places(["a.py"], root=str(tmp_path)).path(make_finding(document="a.py")) == "src/a.py"


def test_a_row_with_a_name_of_its_own_points_to_its_file_or_to_none(
    tmp_path: Path, make_finding: Callable[..., Finding], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "answers.jsonl").touch()
    monkeypatch.chdir(tmp_path)
    row = make_finding(document="task/12")
    assert places(["answers.jsonl"], root=".")(row) == Place("answers.jsonl", None, None, "task/12")
    assert places(["."], root=".")(row) == Place("", None, None, "task/12")


def test_a_path_outside_of_the_root_is_absolute(tmp_path: Path, make_finding: Callable[..., Finding]) -> None:
    (tmp_path / "in").mkdir()
    outside = tmp_path / "a.py"
    assert places([str(outside)], root=str(tmp_path / "in")).path(make_finding(document=str(outside))) == str(outside)
