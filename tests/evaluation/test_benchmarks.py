"""HumanEval and MBPP: rows of each published form become problems that right programs solve, and wrong ones do not."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrubber.core.errors import AskedWrongly
from scrubber.evaluation import problems
from scrubber.evaluation.benchmarks import humaneval, mbpp
from scrubber.evaluation.problems import Problem, cut, names_of, read_rows
from scrubber.evaluation.sandbox.runner import Exam, Sandbox

DOUBLE = {
    "task_id": "HumanEval/0",
    "prompt": 'import math\n\n\ndef half(x):\n    return x / 2\n\n\ndef double(x):\n    """ Twice x. """\n',
    "entry_point": "double",
    "canonical_solution": "    return 2 * x if half(x) < math.inf else x\n",
    "test": "\n\ndef check(candidate):\n    for x in range(9):\n        assert half(candidate(x)) == x\n"
    "    assert double(1) == 2\n",
}
COUNT = {
    "task_id": "HumanEval/1",
    "prompt": 'def count(xs):\n    """ How many. """\n',
    "entry_point": "count",
    "canonical_solution": "    return 0 if not xs else 1 + count(xs[1:])\n",
    "test": "def check(candidate):\n    assert candidate([1, 2]) == 2\n    assert candidate([]) == 0\n",
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(require_isolation=False, seconds=10.0) as made:
        yield made


def passed(sandbox: Sandbox, asked: Sequence[Problem], completions: Sequence[str]) -> list[bool]:
    exams = [Exam(task.program(text), task.tests) for task, text in zip(asked, completions, strict=True)]
    return [judgement.passed for judgement in sandbox.judge(exams)]


def written(folder: Path, *rows: dict[str, Any], name: str = "data.jsonl") -> str:
    path = folder / name
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return str(path)


@pytest.mark.parametrize("name", ["data.jsonl", "data.jsonl.gz"])
def test_a_humaneval_file_becomes_problems(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    asked = humaneval.tasks("all", data=written(tmp_path, DOUBLE, COUNT, name=name))
    assert [(p.id, p.prompt) for p in asked] == [(row["task_id"], row["prompt"]) for row in (DOUBLE, COUNT)]
    assert passed(sandbox, asked, [p.solution for p in asked]) == [True, True]
    assert passed(sandbox, asked, ["    return x + x\n", "    return len(xs)"]) == [True, True]
    assert passed(sandbox, asked, ["    return x * x\n", "    return 2\n"]) == [False, False]
    assert passed(sandbox, asked, ["", "    retrun"]) == [False, False]


def test_a_completion_that_redefines_what_tests_use_wins_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    asked = humaneval.tasks("all", data=written(tmp_path, DOUBLE))
    cheats = "    return 7\n\ndef half(x):\n    return Any()\n\nclass Any:\n    __eq__ = lambda self, other: True\n"
    assert passed(sandbox, asked, [cheats]) == [False]


def test_the_number_and_the_subset_of_tasks_are_kept(tmp_path: Path) -> None:
    data = written(tmp_path, DOUBLE, COUNT)
    assert [p.id for p in humaneval.tasks("all", 1, data=data)] == ["HumanEval/0"]
    assert humaneval.tasks("test", data=data) == []


def test_further_inputs_find_what_the_tests_miss(sandbox: Sandbox, tmp_path: Path) -> None:
    more = {**COUNT, "base_input": [[[1, 2]]], "plus_input": [[[1] * 3], [["a", None]]], "atol": 0}
    plain, plus = humaneval.tasks("all", data=written(tmp_path, COUNT, more))
    lazy = "    return {0: 0, 2: 2}.get(len(xs), 9)\n"
    assert passed(sandbox, [plain, plus], [lazy, lazy]) == [True, False]
    assert passed(sandbox, [plain, plus], [plain.solution, plus.solution]) == [True, True]
    bare = {key: value for key, value in more.items() if key != "test"}
    assert passed(sandbox, humaneval.tasks("all", data=written(tmp_path, bare)), [plus.solution]) == [True]


@pytest.mark.parametrize(
    ("body", "right"),
    [
        ("    return [x / 3, 'a']", True),
        ("    return [x / 3 + 1e-9, 'a']", True),
        ("    return [x / 3 + 1e-3, 'a']", False),
        ("    return (x / 3, 'a')", False),
        ("    return [x / 3]", False),
        ("    return [float('nan'), 'a']", False),
        ("    return [x / 3, 'b']", False),
    ],
)
def test_floats_of_further_inputs_may_differ_a_little(sandbox: Sandbox, tmp_path: Path, body: str, right: bool) -> None:
    row = {
        "task_id": "x/1", "prompt": "def third(x):\n", "entry_point": "third", "plus_input": [[1], [0.5]],
        "canonical_solution": "    return [x / 3, 'a']\n",
    }  # fmt: skip
    asked = humaneval.tasks("all", data=written(tmp_path, row))
    assert passed(sandbox, asked, [body]) == [right]


def test_where_any_root_is_right_another_than_the_canonical_one_is(sandbox: Sandbox, tmp_path: Path) -> None:
    row = {
        "task_id": "x/1", "entry_point": "find_zero", "plus_input": [[[-4.0, 0.0, 1.0]]],
        "prompt": "def poly(xs, x):\n    return sum(c * x ** i for i, c in enumerate(xs))\n\n\ndef find_zero(xs):\n",
        "canonical_solution": "    return 2.0\n",
    }  # fmt: skip
    asked = humaneval.tasks("all", data=written(tmp_path, row)) * 3
    assert passed(sandbox, asked, ["    return 2.0", "    return -2.0", "    return 1.0"]) == [True, True, False]


SUM = {
    "task_id": 11,
    "text": "Add.",
    "code": "def sum(a, b):\r\n    return a + b",
    "test_list": ["assert sum(1, 2) == 3"],
}
SIZE = {
    "task_id": 12,
    "text": "Size.",
    "code": "import sys\ndef size(x): return sys.getsizeof(x)",
    "test_list": ["assert size((1, 2)) == sys.getsizeof((1, 2))"],
    "test_setup_code": "",
}
TWO = {
    "task_id": 602,
    "text": "Two functions.",
    "code": "from math import pi\nclass C: pass\ndef first(x): return x + 1\ndef second(x, *, by): return x * by",
    "test_setup_code": "numbers = [first(n) for n in range(3)]",
    "test_list": ["assert numbers == [1, 2, 3]", "assert second(2, by=4) == 8 and first(len(numbers)) == 4"],
}
SANITIZED = {
    "task_id": 13,
    "prompt": "Take what is not of a type.",
    "code": "def rest(xs, kind): return [x for x in xs if not isinstance(x, kind)]\ndef root(x): return math.sqrt(x)",
    "test_imports": ["import math"],
    "test_list": ["assert rest((1, 'a', 2.5), int) == ['a', 2.5]", "assert root(4) == math.floor(2.5)"],
}


def test_an_mbpp_file_becomes_problems(sandbox: Sandbox, tmp_path: Path) -> None:
    asked = mbpp.tasks("all", data=written(tmp_path, SUM, SIZE, TWO, SANITIZED))
    assert [p.id for p in asked] == ["MBPP/11", "MBPP/12", "MBPP/602", "MBPP/13"]
    assert passed(sandbox, asked, [p.solution for p in asked]) == [True] * 4
    wrong = ["def sum(*x): return 4", "def size(x): return 0", "def first(x): return x", "def rest(*x): return []"]
    assert passed(sandbox, asked, wrong) == [False] * 4
    assert asked[0].prompt == '"""\nAdd.\nassert sum(1, 2) == 3\n"""\n'
    assert "Take what is not of a type.\nassert rest(" in asked[3].prompt


def test_an_mbpp_file_may_be_one_array(tmp_path: Path) -> None:
    path = tmp_path / "sanitized-mbpp.json"
    path.write_text(json.dumps([SUM, SANITIZED], indent=1))
    assert [p.id for p in mbpp.tasks("all", data=str(path))] == ["MBPP/11", "MBPP/13"]


def test_mbpp_is_divided_as_its_authors_do(tmp_path: Path) -> None:
    data = written(tmp_path, *({**SUM, "task_id": number} for number in range(1, 975)))
    sizes = {subset: len(mbpp.tasks(subset, data=data)) for subset in (*mbpp.SUBSETS, "none")}
    assert sizes == {"all": 974, "prompt": 10, "test": 500, "validation": 90, "train": 374, "none": 0}


def test_the_candidate_never_holds_the_tests(sandbox: Sandbox, tmp_path: Path) -> None:
    asked = mbpp.tasks(
        "all", data=written(tmp_path, {**SUM, "test_list": ["assert sum(1, 2) == 3", "assert sum(5, 5) == 10"]})
    )
    peeking = """
import gc, sys
def sum(a, b):
    frame = sys._getframe()
    while frame:
        for value in [*frame.f_locals.values(), *gc.get_objects()]:
            if isinstance(value, str) and value.startswith("assert"):
                return a + b
        frame = frame.f_back
    return None
"""
    assert passed(sandbox, asked, [peeking]) == [False]


@pytest.mark.parametrize(
    ("tests", "solution", "functions", "modules"),
    [
        ("assert f(g(1)) == 2", "def f(x): pass\ndef g(x): pass\ndef h(): pass", ["f", "g"], []),
        ("assert max([1]) == f()", "def f(): pass", ["f"], []),
        ("assert max([1]) == 2", "def max(x): pass", ["max"], []),
        ("f = 3\nassert f == 3", "def f(): pass", [], []),
        ("assert math.pi > f", "import math, os\nimport sys as math2\nf = 3", ["f"], ["math"]),
        ("import math\nassert math.pi", "import math", [], []),
        ("[x for x in f()]", "class f: pass\nx = 1", ["f", "x"], []),
    ],
)
def test_what_tests_take_from_the_program(tests: str, solution: str, functions: list[str], modules: list[str]) -> None:
    assert names_of(tests, solution) == (functions, modules)


STOPS = ["\nif ", "ab", "b", "\n"]


@given(st.text("ab\nif \u00e9", max_size=30), st.lists(st.sampled_from(STOPS), max_size=3))
def test_a_completion_is_cut_at_the_first_stop_and_nowhere_else(text: str, stops: list[str]) -> None:
    kept = cut(text, stops)
    assert text.startswith(kept)
    assert not [stop for stop in stops if stop in kept]
    assert kept == text or any(text[len(kept) :].startswith(stop) for stop in stops)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read"),
        (b"", "no row"),
        (b"\n \n", "no row"),
        (b'{"task_id": 1}\n', "row 1 has no code and no test_list"),
        (json.dumps(SUM).encode() + b"\n{oops\n", "line 2"),
        (json.dumps(SUM).encode() + b"\n3\n", "row 2"),
        (b"\xff\xfe", "line 1"),
        (b"\x1f\x8b\x08 not gzip", "damaged gzip"),
        (json.dumps({**SUM, "code": "def f(:"}).encode(), "no Python"),
        (b"[" * 100_000, "no JSON"),
    ],
)
def test_data_that_are_none_are_refused(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    path = tmp_path / "data.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AskedWrongly, match=complaint):
        mbpp.tasks("all", data=str(path))


def test_a_hub_name_is_loaded_and_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str | None, str | None]] = []

    def load_dataset(name: str, configuration: str | None, split: str | None) -> Any:
        asked.append((name, configuration, split))
        if name == "broken":
            raise ConnectionError("token")
        rows = [SUM, TWO]
        return rows if split else {"train": rows[:1], "test": rows[1:]}

    monkeypatch.setattr(problems, "library", lambda name: SimpleNamespace(load_dataset=load_dataset))
    assert [p.id for p in mbpp.tasks("all")] == ["MBPP/602", "MBPP/11"]
    assert len(read_rows("hf:some/set:test", ["task_id"]).rows) == 2
    assert asked == [("google-research-datasets/mbpp", "full", None), ("some/set", None, "test")]
    assert read_rows("hf:a/b:x", []).sha256 == read_rows("hf:c/d:x", []).sha256 != read_rows("hf:a/b", []).sha256
    with pytest.raises(AskedWrongly, match=r"cannot be loaded \(ConnectionError\)"):
        mbpp.tasks("all", data="hf:broken")


@pytest.mark.slow
def test_the_canonical_solutions_of_humaneval_pass(sandbox: Sandbox, test_data: Path) -> None:
    asked = humaneval.tasks("all", data=str(test_data / "humaneval" / "HumanEval.jsonl.gz"))
    assert passed(sandbox, asked, [p.solution for p in asked]) == [True] * 164
    assert passed(sandbox, asked, ["    pass\n"] * 164).count(True) == 0


@pytest.mark.slow
def test_the_canonical_solutions_of_mbpp_pass(sandbox: Sandbox, test_data: Path) -> None:
    asked = mbpp.tasks("all", data=str(test_data / "mbpp" / "mbpp.jsonl"))
    failed = [
        p.id for p, right in zip(asked, passed(sandbox, asked, [p.solution for p in asked]), strict=True) if not right
    ]
    # these pass instances of the program's own classes, which cannot cross
    assert failed == ["MBPP/367", "MBPP/601", "MBPP/927"]
