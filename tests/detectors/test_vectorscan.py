"""The engine by itself: offsets are those of characters, gates hide nothing, and databases are found again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubber.core import parts
from scrubber.detectors import _vectorscan
from scrubber.detectors._vectorscan import FOREIGN, MOST_LINES, Vectorscan, narrow


@given(st.text())
def test_a_narrow_text_has_one_byte_for_each_character(text: str) -> None:
    expected = "".join(character if character.isascii() else FOREIGN for character in text)
    assert narrow(text) == expected.encode("latin-1")


def test_a_lone_surrogate_is_one_character_too() -> None:
    assert narrow("a\ud800b\U0001f600c") == b"a\xffb\xffc"


REGEXES = ["a+b", r"\d-\d{2}", r"(?m:^|[^0-9])\d{3}(?!x)", "zz", r"[A-Z]\d"]
GATES = {0: "b", 1: r"\d-\d", 2: r"\d{3}", 4: "[A-Z]"}
FREE, GATED = Vectorscan(REGEXES), Vectorscan(REGEXES, GATES)


@settings(max_examples=500, deadline=None)
@given(st.text("ab z-12xA\n\xe9\u0663", max_size=80))
def test_gates_that_keep_their_promise_hide_nothing(text: str) -> None:
    assert sorted(GATED.ends(text)) == sorted(FREE.ends(text))


def test_what_is_behind_a_gate_is_searched_for_on_its_lines() -> None:
    engine = Vectorscan(["ab", "cd"], {0: "gate", 1: "other"})
    assert engine.ends("ab cd") == []
    assert engine.ends("ab cd\nab gate cd\nab\ncd other\xe9\n\nother gate ab") == [(0, 7), (0, 43), (1, 21)]


@pytest.mark.parametrize("lines", [1, MOST_LINES - 1, MOST_LINES, 3 * MOST_LINES])
def test_a_table_is_searched_as_one_piece_and_nothing_is_lost(lines: int) -> None:
    text = "nothing\n" * 5 + "a 1-22 b\nplain\n" * lines
    assert sorted(GATED.ends(text)) == sorted(FREE.ends(text))
    assert len(FREE.ends(text)) == lines


def test_patterns_without_a_literal_are_their_own_gate() -> None:
    text = "x\nzz 1-22 aab\n\nA1 123\xe9 b"
    own = Vectorscan(REGEXES, {1: REGEXES[1], 2: REGEXES[2], 4: REGEXES[4]})
    assert sorted(own.ends(text)) == sorted(FREE.ends(text))
    assert len(own.ends(text)) == 5


def test_a_gate_must_be_an_expression_that_the_engine_knows() -> None:
    with pytest.raises(ValueError, match="gate"):
        Vectorscan(["ab"], {0: "("})


def test_patterns_behind_a_gate_can_be_left_out_too() -> None:
    assert Vectorscan(["ab", "c*", "d"], {1: "c", 2: "d"}).left_out == [1]


def test_the_cache_keeps_the_newest_databases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(_vectorscan, "MOST_KEPT", 2)
    for word in ("one", "two", "three"):
        Vectorscan([word])
        for kept in (tmp_path / "scrubber").iterdir():  # file systems may tell times apart by seconds only
            os.utime(kept, (kept.stat().st_atime, kept.stat().st_mtime - 10))
    assert len(list((tmp_path / "scrubber").iterdir())) == 2


PRINT_PATTERNS = """
from scrubber.core import parts
for name in ("secrets", "pii", "exact"):
    print([tuple(p) for p in parts.load("scrubber.detectors", "scrubber.detectors", name).detector().patterns()])
"""


def test_patterns_are_the_same_in_every_process() -> None:
    """Else the database is never found in the cache, and no scan is ever resumed."""
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    printed = [
        subprocess.run(
            [sys.executable, "-c", PRINT_PATTERNS],
            env={**variables, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert printed[0] == printed[1]
    assert len(printed[0]) > 10_000


def test_no_gate_of_ours_is_too_rich_for_vectorscan() -> None:
    detector = parts.load("scrubber.detectors", "scrubber.detectors", "pii").detector()
    assert detector.gates
    for gate in set(detector.gates.values()):
        re.compile(gate)
        assert Vectorscan(["ab"], {0: gate}).left_out == []
