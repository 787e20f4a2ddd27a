"""Manifests are read by their names and by their looks, damaged or cut off too, each entry at its place."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubber.core.types import Document
from scrubber.detectors._packages.extract import mentions
from scrubber.detectors._packages.manifests import manifest_of, own_name

FILES = {
    "requirements-dev.txt": (
        "# a comment\n-r base.txt\nrequests==2.0 --hash=sha256:abc \\\n    --hash=sha256:def\n"
        "Flask[async]>=2 ; python_version < '3.9'  # why\ngit+https://example.org/x#egg=z\n./local\ntyping_extensions\n"
        "named @ https://example.org/x.whl\n",
        "requests flask typing-extensions",
    ),
    "pyproject.toml": (
        '[build-system]\nrequires = ["setuptools>=77", "wheel"]\n[project]\nname = "me"\ndependencies = [\n'
        '  "detect-secrets>=1.5,<1.6",  # "not-this"\n  "aa[bb]>=1", \'cc; python_version < "3.1"\'\n]\n'
        '[project.optional-dependencies]\ndev = ["pytest", "ruff"]\n'
        '[dependency-groups]\ntest = ["hypothesis", {include-group = "dev"}]\n'
        '[tool.poetry.dependencies]\npython = "^3.8"\npendulum = "^2.0"\nprivate = {git = "https://example.org"}\n'
        '[tool.poetry.group.dev.dependencies]\nblack = {version="1", optional=true}\n[project.scripts]\nx = "a.b:c"\n',
        "setuptools wheel detect-secrets aa cc pytest ruff hypothesis pendulum black",
    ),
    "web/package.json": (
        '{"name":"x","version":"1","scripts":{"a":"npm install from-script"},\n'
        ' "dependencies":{"lodash":"^4","alias":"npm:@real/pkg@1","loc":"file:../x","@types/node":"*"},\n'
        ' "devDependencies": {"jest":"1"}, "peerDependenciesMeta":{"react":{"optional":true}},\n'
        ' "optionalDependencies":{"fsevents":"2"}, "overrides":{"foo-a":{".":"1","bar-b@2":"3"},"qux-c":"1"}}',
        "from-script lodash @real/pkg @types/node jest fsevents foo-a bar-b qux-c",
    ),
    "Cargo.toml": (
        '[package]\nname="x"\n[dependencies]\nserde = { version = "1", features=["derive"] }\ntokio_util = "1"\n'
        'ren = { package = "real-name", version = "1" }\nloc = { path = "../x" }\n[dev-dependencies.criterion]\n'
        "version = \"1\"\n[target.'cfg(unix)'.dependencies]\nnix = \"1\"\n[features]\ndefault = [\"a\"]\n",
        "serde tokio-util real-name criterion nix",
    ),
    "go.mod": (
        "module example.org/me/x\n\ngo 1.21\n\nrequire (\n\tgithub.com/gin-gonic/gin v1.9.1\n"
        "\tgolang.org/x/text v0.3.0 // indirect\n)\nrequire rsc.io/quote v1.5.2\n"
        "replace rsc.io/quote => github.com/fork/quote v1.0.0\nreplace a.b/c => ../c\n",
        "github.com/gin-gonic/gin golang.org/x/text rsc.io/quote github.com/fork/quote",
    ),
    "environment.yml": (
        "name: x\ndependencies:\n  - python=3.9\n  - numpy\n  - pip:\n    - torch==2.0\n    # why\n"
        '    - "transformers>=4"\n    - -r requirements.txt\n  - scipy\n',
        "torch transformers",
    ),
    "script.py": (
        "#!/usr/bin/env python\n# /// script\n# dependencies = [\n#   \"requests<3\",\n#   'rich',\n# ]\n# ///\n",
        "requests rich",
    ),
    "Dockerfile": (
        'FROM python:3\nRUN apt-get install -y gcc \\\n && pip install --no-cache-dir \\\n    gunicorn==1 \\\n    uvicorn\n'
        'CMD ["npx", "serve"]\n',
        "gunicorn uvicorn",
    ),
    "page.html": ('<script src="https://cdn.jsdelivr.net/npm/vue@3/dist/vue.js"></script>', "vue"),
}  # fmt: skip


def found(path: str, text: str) -> list[str]:
    language = "python" if path.endswith(".py") else None
    rows = mentions(Document("d", text, path=path, language=language))
    assert all(text[one.start : one.end] == one.raw or one.skip for one in rows)
    return [one.name for one in rows if not one.skip]


@pytest.mark.parametrize("path", FILES)
def test_every_entry_once(path: str) -> None:
    text, expected = FILES[path]
    assert found(path, text) == expected.split()


@pytest.mark.parametrize("path", FILES)
def test_every_entry_before_a_cut(path: str) -> None:
    """What stood whole before the cut is found; the last entry may be a part of one."""
    text, _ = FILES[path]
    for cut in range(0, len(text), 7):
        whole = [name for name in found(path, text) if name in found(path, text[:cut])]
        assert len(found(path, text[:cut])) <= len(whole) + 1


@pytest.mark.parametrize(
    "name", ["requirements.txt", "requirements/base.in", "dev_requirements.txt", "constraints.txt", "a/go.mod"]
)
def test_names_of_manifests(name: str) -> None:
    assert manifest_of(name)


def test_other_names() -> None:
    assert not any(map(manifest_of, ("notes.txt", "cargo.toml", "my_package.json", "requirements.md")))


def test_what_a_project_calls_itself() -> None:
    assert own_name(FILES["pyproject.toml"][0], "pyproject") == ("pypi", "me")
    assert own_name(FILES["web/package.json"][0], "package.json") == ("npm", "x")
    assert own_name(FILES["go.mod"][0], "go.mod") == ("go", "example.org/me/x")
    assert own_name("[tool.ruff]\n", "pyproject") is None


@pytest.mark.parametrize(
    "piece", ["a.", '"dependencies":{', "# /// script\n# x\n", "dependencies = [\n", "- pip:\n", "[project]\nname"]
)
@pytest.mark.parametrize("path", ["go.mod", "package.json", "pyproject.toml", "environment.yml", "script.py"])
def test_long_repeats_take_no_longer_than_they_are(path: str, piece: str) -> None:
    began = time.process_time()
    found(path, piece * (20_000 // len(piece)))
    assert time.process_time() - began < 3


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_any_damage_keeps_spans_sound(path: str, data: st.DataObject) -> None:
    text, _ = FILES[path]
    at = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(at, len(text)))
    names = found(path, text[:at] + data.draw(st.text("[]{}\"'\n#=,: é", max_size=5)) + text[end:])  # asserts the spans
    assert all(names), path
