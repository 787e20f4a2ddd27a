"""An index of names is exact, keeps days, knows look-alikes, opens at once, and is refused when anything of it is wrong."""

from __future__ import annotations

import random
import string
import time
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubber.core.errors import AskedWrongly, NoVerdict
from scrubber.core.name_index import NameIndex, checked_ecosystem, write
from scrubber.detectors._packages.found import normal

DAY = date(2026, 1, 31)
NAMES = st.sets(
    st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=20), min_size=1, max_size=200
)


def built(path: Path, names: dict[str, date | None] | list[str], **more: object) -> NameIndex:
    write(path, names, ecosystem="pypi", source="a list", snapshot=DAY, **more)  # type: ignore[arg-type]
    return NameIndex(path)


def drawn(count: int, seed: int = 0) -> list[str]:
    dice = random.Random(seed)
    return ["".join(dice.choices(string.ascii_lowercase, k=dice.randint(8, 24))) for _ in range(count)]


@settings(max_examples=40, deadline=None)
@given(NAMES, NAMES)
def test_it_has_every_name_that_it_was_given_and_no_other(
    tmp_path_factory: pytest.TempPathFactory, names: set[str], others: set[str]
) -> None:
    with built(tmp_path_factory.mktemp("index") / "x.names", sorted(names)) as index:
        assert all(name in index for name in names)
        assert not [name for name in others - names if name in index]
        assert len(index) == len(names)
        index.verify()


def test_thousands_of_names_none_too_many(tmp_path: Path) -> None:
    names = drawn(50_000)
    with built(tmp_path / "x.names", names) as index:
        assert all(name in index for name in names)
        assert sum(name in index for name in drawn(50_000, seed=1)) == len({*drawn(50_000, seed=1)} & {*names})


def test_days_are_kept(tmp_path: Path) -> None:
    first = {"old": date(2008, 1, 1), "new": date(2025, 12, 31), "never": None}
    with built(tmp_path / "x.names", first) as index:
        assert {name: index.first_seen(name) for name in first} == first
        assert index.first_seen("absent") is None
        assert (index.header.count, index.header.dated) == (3, 2)


def test_a_newer_index_dates_what_is_new(tmp_path: Path) -> None:
    older = built(tmp_path / "a.names", {"kept": None, "dated": date(2020, 2, 2), "gone": None})
    whole = built(tmp_path / "b.names", ["kept", "dated", "fresh"], older=older)
    assert [whole.first_seen(name) for name in ("kept", "dated", "fresh")] == [None, date(2020, 2, 2), DAY]
    assert "gone" not in whole
    more = built(tmp_path / "c.names", {"fresh": None}, older=older, keep=True, removed=["gone"])
    assert [name in more for name in ("kept", "dated", "fresh", "gone")] == [True, True, True, False]


@pytest.mark.parametrize(
    ("name", "alike"),
    [
        ("colorama", True),
        ("c0l0rama", True),
        ("co1orama", True),
        ("color-ama", True),
        ("coiorama", True),
        ("colorema", False),
    ],
)
def test_look_alikes(tmp_path: Path, name: str, alike: bool) -> None:
    with built(tmp_path / "x.names", ["colorama"]) as index:
        assert index.has_lookalike(name) is alike
        assert (name in index) is (name == "colorama")


def test_scopes_of_npm_are_kept_apart(tmp_path: Path) -> None:
    write(tmp_path / "n.names", ["@babel/core", "left-pad"], ecosystem="npm", source="x", snapshot=DAY)
    with NameIndex(tmp_path / "n.names") as index:
        assert "@babel/core" in index
        assert "@babelcore" not in index
        assert not index.has_lookalike("@babel/co-re")
        assert index.has_lookalike("leftpad")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_flipped_byte_is_noticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("index") / "x.names"
    built(path, drawn(300), popular=["numpy", "pandas"])
    whole = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    with pytest.raises(NoVerdict, match="cannot be used"):
        NameIndex(path).verify()


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_wrong_answer_is_never_given_from_a_damaged_file(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("index") / "x.names"
    names = drawn(300)
    built(path, names)
    whole = bytearray(path.read_bytes())
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    try:
        index = NameIndex(path)
        assert all(name in index for name in names)
    except NoVerdict:
        pass


@pytest.mark.parametrize("size", [0, 1, 11, 40, 200, -1, -100])
def test_a_cut_or_longer_file_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "x.names"
    built(path, drawn(100))
    whole = path.read_bytes()
    path.write_bytes(whole[:size])
    with pytest.raises(NoVerdict):
        NameIndex(path)
    path.write_bytes(whole + b"x")
    with pytest.raises(NoVerdict, match="too long"):
        NameIndex(path)


def test_what_is_no_index_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.names").write_text("numpy\n" * 100)
    with pytest.raises(NoVerdict, match="no name index"):
        NameIndex(tmp_path / "x.names")
    with pytest.raises(AskedWrongly):
        NameIndex(tmp_path / "absent.names")
    with pytest.raises(AskedWrongly, match="no name"):
        built(tmp_path / "y.names", [])
    with pytest.raises(AskedWrongly, match="pypi"):
        checked_ecosystem("cran")
    assert checked_ecosystem("Cargo") == "crates"


def test_it_is_small_and_opens_at_once(tmp_path: Path) -> None:
    path = tmp_path / "x.names"
    built(path, {name: date(2015, 1, 1) + timedelta(days=number % 3000) for number, name in enumerate(drawn(100_000))})
    assert path.stat().st_size < 100_000 * 10 + 30_000
    best = 1.0
    for _ in range(20):
        began = time.perf_counter()
        NameIndex(path)
        best = min(best, time.perf_counter() - began)
    assert best < 0.001


def test_the_popular_names_come_back_in_order(tmp_path: Path) -> None:
    with built(tmp_path / "x.names", ["b", "a"], popular=["b", "a"]) as index:
        assert index.popular == ("b", "a")
    with built(tmp_path / "y.names", ["b", "a"]) as index:
        assert index.popular == ()


@given(st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,20}[A-Za-z0-9])?", fullmatch=True))
def test_a_normal_name_is_its_own(name: str) -> None:
    assert normal("pypi", normal("pypi", name)) == normal("pypi", name)
    assert normal("pypi", name.upper().replace("-", "_")) == normal("pypi", name)
