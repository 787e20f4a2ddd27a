"""Verdicts on names, the names they may have meant, and what of it becomes a finding."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrubber.core.errors import AskedWrongly, NoVerdict
from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.mentions import Ecosystem
from scrubber.core.name_index import NameIndex, index_path, write
from scrubber.core.types import Document
from scrubber.detectors import packages
from scrubber.detectors._packages import tables
from scrubber.detectors._packages.found import NAME, normal
from scrubber.detectors._packages.nearest import distance
from scrubber.detectors._packages.verdicts import Judge, Project, check_cutoff
from scrubber.pipelines.scan import default_scan

SNAPSHOT, CUTOFF = date(2026, 1, 31), date(2025, 6, 30)
PYPI: dict[str, date | None] = {
    "requests": date(2011, 2, 14), "beautifulsoup4": None, "opencv-python": None, "pillow": None, "scikit-learn": None,
    "google-cloud-storage": None, "pyyaml": None, "numpy": None, "flask-login": None, "newcomer": date(2025, 9, 1),
    "colorama": None, "dataclasses": None, "typing-extensions": None, "python-dateutil": None, "ujson": None,
}  # fmt: skip
NPM = ["lodash", "react", "left-pad", "@babel/core", "express"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("names")
    popular = ["requests", "numpy", "beautifulsoup4", "flask-login", "python-dateutil"]
    write(index_path(place, "pypi"), PYPI, ecosystem="pypi", source="a list", snapshot=SNAPSHOT, popular=popular)
    write(index_path(place, "npm"), NPM, ecosystem="npm", source="a list", snapshot=SNAPSHOT)
    write(index_path(place, "go"), ["golang.org/x/tools"], ecosystem="go", source="a list", snapshot=SNAPSHOT)
    return place


@pytest.fixture
def indexes(folder: Path) -> Iterator[dict[Ecosystem, NameIndex]]:
    return packages.open_indexes(folder)


def verdicts(text: str, judge: Judge, language: str | None = None) -> dict[str, str | None]:
    return {one.name: one.verdict for one in packages.mentions(Document("d", text, language=language), judge)}


IMPORTS = {
    "os": "stdlib", "urllib2": "stdlib", "distutils": "stdlib", "__future__": "stdlib", "requests": "known",
    "cv2": "known-by-mapping",
    "bs4": "known-by-mapping", "sklearn": "known-by-mapping", "google": "known-by-mapping", "typing_extensions": "known",
    "newcomer": "late", "mine": "local", "utils": "local", "your_module": "placeholder", "reqeusts": "unknown",
    "colorarna": "unknown",
    "c0l0rama": "unregistrable",
}  # fmt: skip


def test_verdicts_on_imports(indexes: dict[Ecosystem, NameIndex]) -> None:
    judge = Judge(indexes, CUTOFF, Project(modules={"mine"}))
    text = "".join(f"import {name}\n" for name in IMPORTS if name not in ("google", "__future__"))
    text = "from __future__ import annotations\n" + text + "from google.cloud import storage\n"
    assert verdicts(text, judge, "python") == IMPORTS


def test_verdicts_on_installs(indexes: dict[Ecosystem, NameIndex]) -> None:
    text = (
        "pip install Requests typing_extensions json dataclasses flask-longin package-name git+https://x.org/y corp-tool\n"
        "npm install lodash @babel/core @babel/nothing leftpad\ngo get golang.org/x/tools/cmd/x example.org/none\n"
    )
    judge = Judge(indexes, None, allowed=["corp-*"])
    assert verdicts(text, judge, "shell") == {
        "requests": "known", "typing-extensions": "known", "json": "unregistrable", "dataclasses": "known",
        "flask-longin": "unknown", "package-name": "placeholder", "": "skip", "corp-tool": "skip",
        "lodash": "known", "@babel/core": "known", "@babel/nothing": "unknown", "leftpad": "unregistrable",
        "golang.org/x/tools/cmd/x": "known", "example.org/none": "unknown",
    }  # fmt: skip


def test_modules_within_packages_are_local_where_nothing_else_is_known(indexes: dict[Ecosystem, NameIndex]) -> None:
    judge = Judge(indexes, project=Project({"pypi": {"me-too"}}, inner={"numpy", "invntd"}))
    assert verdicts("import numpy, invntd, me_too", judge, "python") == {
        "numpy": "known",
        "invntd": "local",
        "me_too": "local",
    }
    assert verdicts("pip install invntd me_too", judge, "shell") == {"invntd": "unknown", "me-too": "local"}


def test_node_modules_and_mapped_modules(indexes: dict[Ecosystem, NameIndex]) -> None:
    script = "import a from 'fs/promises'; import b from 'node:test'; import c from 'react'; import d from 'reactt'"
    assert verdicts(script, Judge(indexes), "javascript") == {
        "fs": "stdlib",
        "node:test": "stdlib",
        "react": "known",
        "reactt": "unknown",
    }
    assert verdicts("import corp.api", Judge(indexes, modules={"corp": ("corp-api",)}), "python") == {
        "corp": "known-by-mapping"
    }


def test_without_an_index_nothing_is_called_invented() -> None:
    text = "import os, cv2, requests, invented_by_a_model, my_package\n"
    assert verdicts(text, Judge(), "python") == {
        "os": "stdlib", "cv2": "known-by-mapping", "requests": None, "invented_by_a_model": None, "my_package": "placeholder",
    }  # fmt: skip


def test_a_cutoff_after_the_snapshot_is_refused(indexes: dict[Ecosystem, NameIndex]) -> None:
    check_cutoff(CUTOFF, indexes)
    check_cutoff(None, indexes)
    with pytest.raises(AskedWrongly, match="later than the snapshot"):
        check_cutoff(date(2026, 2, 1), indexes)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("reqeusts", "requests"), ("numpyy", "numpy"), ("login-flask", "flask-login"), ("dateutil-python", "python-dateutil"),
        ("dateutil", "python-dateutil"), ("python-requests", "requests"), ("flasklogin", None),
        ("beatifulsoup4", "beautifulsoup4"),
        ("ujsonn", "ujson"), ("nothing-like-it", None),
    ],
)  # fmt: skip
def test_the_nearest_names(indexes: dict[Ecosystem, NameIndex], name: str, near: str | None) -> None:
    (found,) = packages.mentions(Document("d", f"pip install {name}\n", language="shell"), Judge(indexes))
    assert near in found.nearest if near else not {*found.nearest} - {"flask-login"}
    assert len(found.nearest) <= 3


WORD = st.text("abc-", max_size=8)


@given(WORD, WORD)
def test_the_distance_is_one(left: str, right: str) -> None:
    assert distance(left, right, 20) == distance(right, left, 20)
    assert (distance(left, right, 20) == 0) == (left == right)
    assert distance(left, right, 2) == min(3, distance(left, right, 20))
    assert distance(left, left[:3] + "x" + left[3:], 5) == 1


def test_the_distance_of_two_swapped() -> None:
    assert distance("reqeusts", "requests", 2) == 1
    assert distance("abcd", "", 9) == 4


def test_what_becomes_a_finding(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(packages.INDEX_VARIABLE, str(folder))
    scan = default_scan(Fingerprinter(b"k" * 32), names=["packages"], profile="recall")
    text = "import requests, invnted\ntry:\n    import speedups_x\nexcept ImportError:\n    pass\n"
    text += "# import commented_x\nimport c0lorama\n"
    found = pickle.loads(pickle.dumps(scan))(Document("d", text, language="python"))
    told = {text[one.span.start : one.span.end]: (one.kind, one.rule, one.confidence) for one in found}
    assert told == {
        "invnted": ("package", "package-unknown", 0.9), "speedups_x": ("package", "package-unknown", 0.6),
        "commented_x": ("package", "package-unknown", 0.4), "c0lorama": ("package", "package-unregistrable", 0.5),
    }  # fmt: skip
    assert not any("invnted" in repr(one) for one in found)
    manifest = scan(Document("d", "invnted==1\n", path="requirements.txt"))
    assert [one.rule for one in manifest] == ["package-unknown"]
    assert default_scan(Fingerprinter(b"k" * 32), names=["pii"])(Document("d", text)) == []


def test_what_findings_hang_on(indexes: dict[Ecosystem, NameIndex]) -> None:
    made = [Judge(), Judge(indexes), Judge(indexes, CUTOFF), Judge(indexes, allowed=["x"])]
    assert len({packages.PackagesDetector(judge).identity for judge in made}) == len(made)
    assert Judge(indexes).identity == Judge(dict(reversed(indexes.items()))).identity


def test_a_damaged_index_or_a_late_cutoff_stops_the_detector(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(packages.INDEX_VARIABLE, str(folder))
    monkeypatch.setenv(packages.CUTOFF_VARIABLE, "2026-12-31")
    with pytest.raises(AskedWrongly, match="later"):
        packages.detector()
    monkeypatch.setenv(packages.CUTOFF_VARIABLE, "soon")
    with pytest.raises(AskedWrongly, match="no date"):
        packages.detector()
    monkeypatch.delenv(packages.CUTOFF_VARIABLE)
    whole = bytearray(index_path(folder, "pypi").read_bytes())
    whole[-40] ^= 1
    index_path(tmp_path, "pypi").write_bytes(whole)
    monkeypatch.setenv(packages.INDEX_VARIABLE, str(tmp_path))
    with pytest.raises(NoVerdict, match="cannot be used"):
        packages.detector()


def test_the_table_of_imports_is_sound() -> None:
    table = tables.distributions()
    assert 300 <= len(table) <= 400
    for module, names in table.items():
        assert module.isidentifier()
        assert names
        assert len({*names}) == len(names)
        assert all(name == normal("pypi", name) and NAME["pypi"].fullmatch(name) for name in names)
        assert names != (normal("pypi", module),), f"{module} needs no row"
        assert module not in tables.python_modules()


def test_most_of_the_table_are_popular_names(test_data: Path) -> None:
    import json

    rows = map(json.loads, (test_data / "packages" / "pypi_descriptions.jsonl").read_text().splitlines())
    known = {normal("pypi", row["package"]) for row in rows if row["package"]}
    first = [names[0] for names in tables.distributions().values()]
    assert sum(name in known for name in first) / len(first) >= 0.85
    wrong = [name for name in known if tables.is_placeholder(name)]
    assert len(wrong) < 8


@pytest.mark.parametrize(
    "name", ["your-package", "mypackage", "my_module", "package_name", "package1", "some-library", "foo", "@your-org/x"]
)
def test_placeholders(name: str) -> None:
    assert tables.is_placeholder(name)


@pytest.mark.parametrize(
    "name", ["mypy-extensions", "toolz", "testpath", "numpy", "packaging", "models-x", "pluggy", "typer"]
)
def test_names_that_are_none(name: str) -> None:
    assert not tables.is_placeholder(name)


def test_the_strings_that_only_look_like_packages(test_data: Path, indexes: dict[Ecosystem, NameIndex]) -> None:
    import csv

    with (test_data / "packages" / "false_positive_packages.csv").open(encoding="utf-8") as file:
        strings = [row[1] for row in csv.reader(file)]
    assert len(strings) > 3000
    judge = Judge(indexes)
    assert not [text for text in strings if packages.mentions(Document("d", text, origin="generation"), judge)]
