"""Damaged and random files of every kind: no reader raises, quotes them, or gives other work items than documents."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("pyarrow")
SCRIPT = Path(__file__).parents[3] / "benchmarks" / "fuzz_readers.py"
QUICK = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_readers", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def sound(fuzz: ModuleType) -> dict[str, bytes]:
    files: dict[str, bytes] = fuzz.seeds()
    return files


def test_the_sound_files_are_read_without_an_error(tmp_path: Path, read: Any, fuzz: ModuleType, sound: Any) -> None:
    for name, data in sound.items():
        (tmp_path / name).write_bytes(data)
    found = read(tmp_path)
    assert found.errors == []
    assert {document.id.partition("!")[0].partition("#")[0] for document in found.documents} >= {"a.py", "z.zip.bz2"}
    assert all(fuzz.MARK in d.text for d in found.documents if not d.id.endswith("metadata"))


@QUICK
@given(st.integers(0, 2**60))
def test_damaged_files(tmp_path: Path, fuzz: ModuleType, sound: dict[str, bytes], seed: int) -> None:
    """Whatever is wrong with how it is read is raised by the case; a seed is a case that can be looked at again."""
    name, *counts = fuzz.case(seed, sound, tmp_path)
    assert name in sound
    assert fuzz.case(seed, sound, tmp_path) == (name, *counts)


@QUICK
@given(st.data())
def test_files_that_are_cut_off(tmp_path: Path, read: Any, fuzz: ModuleType, sound: Any, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(sound)))
    length = data.draw(st.integers(0, len(sound[name]) - 1))
    (tmp_path / name).write_bytes(sound[name][:length])
    found = read(tmp_path / name, limits=fuzz.LIMITS)
    assert found.documents or found.errors or found.skipped or length == 0 or not name.endswith((".py", ".txt"))
    assert fuzz.MARK not in "".join(error.reason for error in found.errors)


@QUICK
@given(st.data())
def test_random_bytes_under_every_name(
    tmp_path: Path, read: Any, fuzz: ModuleType, sound: Any, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(sound)))
    path = tmp_path / name
    path.write_bytes(data.draw(st.binary(max_size=300)))
    found = read(path, limits=fuzz.LIMITS)
    told = [*(d.id for d in found.documents), *(error.path for error in found.errors), *found.skipped]
    assert all(one.startswith(str(path)) for one in told)
    assert len(told) == len(set(told)) <= 300
