"""`scrubber packages` lists every mention under the names of its contract; `scrubber index` minds the indexes."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from scrubber.cli_packages import app
from scrubber.core.errors import AskedWrongly, NoVerdict
from scrubber.detectors.packages import INDEX_VARIABLE
from scrubber.pipelines.packages import FIELDS, environment_modules, project


@pytest.fixture(autouse=True)
def _no_index_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(INDEX_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def rows(*arguments: object) -> list[dict[str, Any]]:
    return [
        json.loads(line) for line in run("packages", *arguments, "--format", "jsonl", "--quiet").output.splitlines()
    ]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    (folder / "pkg").mkdir(parents=True)
    (folder / "own.py").write_text("import os\n\nimport requests, pkg, own\n")
    (folder / "pkg" / "inner.py").write_text("é = 1\nfrom reqeusts.api import get\n")
    (folder / "requirements.txt").write_text("flask==2\nme-too\n")
    (folder / "pyproject.toml").write_text('[project]\nname = "Me_Too"\n')
    (folder / "chat.md").write_text("Run `npm i left-pad`.\n")
    cells = [
        {"cell_type": "code", "source": ["%pip install cell-thing\n", "import yaml"], "metadata": {}, "outputs": []}
    ]
    (folder / "book.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return folder


@pytest.fixture
def index(tmp_path: Path) -> Path:
    (tmp_path / "names.txt").write_text("requests\t2011-02-14\nflask\t2025-09-09\npyyaml\n")
    result = run(
        "index", "build", "pypi", tmp_path / "names.txt", "--index", tmp_path / "index", "--snapshot", "2026-01-31"
    )
    assert result.exit_code == 0
    return tmp_path / "index"


def test_every_mention_under_the_names_of_the_contract(corpus: Path) -> None:
    found = rows(corpus)
    assert all(tuple(row) == FIELDS for row in found)
    told = {
        (row["document"], row["line"], row["ecosystem"], row["kind"], row["context"], row["name"], row["verdict"])
        for row in found
    }
    assert told == {
        ("own.py", 1, "pypi", "import", "code", "os", "stdlib"),
        ("own.py", 3, "pypi", "import", "code", "requests", None),
        ("own.py", 3, "pypi", "import", "code", "pkg", "local"),
        ("own.py", 3, "pypi", "import", "code", "own", "local"),
        ("pkg/inner.py", 2, "pypi", "import", "code", "reqeusts", None),
        ("requirements.txt", 1, "pypi", "manifest", "code", "flask", None),
        ("requirements.txt", 2, "pypi", "manifest", "code", "me-too", "local"),
        ("chat.md", 1, "npm", "install", "prose", "left-pad", None),
        ("book.ipynb#cell-1", 1, "pypi", "magic", "code", "cell-thing", None),
        ("book.ipynb#cell-1", 2, "pypi", "import", "code", "yaml", "known-by-mapping"),
    }
    for row in found:
        if not row["document"].startswith("book"):
            assert (corpus / row["document"]).read_text()[row["start"] : row["end"]] == row["raw"]


def test_with_an_index(corpus: Path, index: Path) -> None:
    told = {
        row["raw"]: (row["verdict"], row["nearest"]) for row in rows(corpus, "--index", index, "--cutoff", "2025-06-30")
    }
    assert told["reqeusts.api"] == ("unknown", ["requests"])
    assert told["requests"] == ("known", [])
    assert told["flask"][0] == "late"
    assert told["left-pad"][0] is None  # of another registry
    assert run("packages", corpus, "--index", index, "--quiet").exit_code == 0
    assert run("packages", corpus, "--index", index, "--fail-on", "bad").exit_code == 1
    allowed = rows(corpus, "--index", index, "--allow", "reqeus*")
    assert {row["verdict"] for row in allowed if row["name"] == "reqeusts"} == {"skip"}


def test_a_cutoff_after_the_snapshot_must_be_forced(corpus: Path, index: Path) -> None:
    with pytest.raises(AskedWrongly, match="later than the snapshot"):
        run("packages", corpus, "--index", index, "--cutoff", "2026-02-01")
    assert run("packages", corpus, "--index", index, "--cutoff", "2026-02-01", "--force").exit_code == 0


def test_rows_of_generations(tmp_path: Path) -> None:
    lines = [
        {"id": "a", "text": "```python\nimport cv2\n"},
        {"id": "b", "text": "import numpy as np\nx = np.ones(3)\n"},
    ]
    (tmp_path / "out.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = rows(tmp_path / "out.jsonl", "--origin", "generation")
    assert [(row["document"], row["name"], row["context"]) for row in found] == [
        ("a", "cv2", "code"),
        ("b", "numpy", "code"),
    ]


def test_no_password_of_a_url_is_shown(tmp_path: Path) -> None:
    secret = "".join(random.Random(5).choices("abcdefghij0123456789", k=24))
    (tmp_path / "x.sh").write_text(f"pip install git+https://me:{secret}@example.org/x.git\n")
    result = run("packages", tmp_path, "--format", "jsonl")
    assert "example.org" in result.output
    assert secret not in result.output + result.stderr


def test_the_user_s_own_tables(corpus: Path, tmp_path: Path, index: Path) -> None:
    (tmp_path / "modules.toml").write_text('reqeusts = "corp-requests"\n')
    found = {
        row["name"]: row["verdict"] for row in rows(corpus, "--index", index, "--modules", tmp_path / "modules.toml")
    }
    assert found["reqeusts"] == "known-by-mapping"
    (tmp_path / "bad.toml").write_text("reqeusts = 3\n")
    for name in ("bad.toml", "absent.toml"):
        with pytest.raises(AskedWrongly):
            run("packages", corpus, "--modules", tmp_path / name)


def test_an_environment_tells_its_modules() -> None:
    site = str(Path(pytest.__file__).parents[1])
    assert "pytest" in environment_modules(site)["pytest"]
    with pytest.raises(AskedWrongly):
        environment_modules("/nowhere")


def test_what_a_project_defines(corpus: Path) -> None:
    (corpus / "whole").mkdir()
    (corpus / "whole" / "__init__.py").touch()
    (corpus / "whole" / "within.py").touch()
    found = project([str(corpus)])
    assert found.modules == {"own", "pkg", "inner", "whole"}
    assert found.inner == {"within"}
    assert found.names == {"pypi": {"me-too"}}
    assert project(["-"]) == ({}, set(), set())


def test_wrong_options_and_nothing_to_read(corpus: Path, tmp_path: Path) -> None:
    for wrong in (
        ["--format", "xml"],
        ["--fail-on", "often"],
        ["--index", "/nowhere"],
        ["--cutoff", "soon"],
        ["--origin", "x"],
    ):
        with pytest.raises(AskedWrongly):
            run("packages", corpus, *wrong)
    (tmp_path / "empty").mkdir()
    assert run("packages", tmp_path / "empty").exit_code == 3


def test_the_indexes_say_what_they_are(index: Path, tmp_path: Path) -> None:
    (header,) = json.loads(run("index", "info", "--index", index, "--format", "json").output)
    assert (header["ecosystem"], header["count"], header["snapshot"], header["source"]) == (
        "pypi",
        3,
        "2026-01-31",
        "names.txt",
    )
    assert "3 names" in run("index", "info", "--index", index).output
    assert run("index", "import", index / "pypi.names", "--index", tmp_path / "copy").exit_code == 0
    assert "3 names" in run("index", "info", "--index", tmp_path / "copy").output
    assert run("index", "info", "--index", tmp_path / "none").exit_code == 3
    whole = bytearray((index / "pypi.names").read_bytes())
    whole[len(whole) // 2] ^= 4
    (index / "pypi.names").write_bytes(whole)
    for command in (["index", "info"], ["packages", tmp_path]):
        with pytest.raises(NoVerdict, match="cannot be used"):
            run(*command, "--index", index)
