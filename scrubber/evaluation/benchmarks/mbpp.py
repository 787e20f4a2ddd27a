"""MBPP: 974 short Python programs from a sentence and three asserts (Austin et al. 2021, arXiv 2108.07732), or sanitized.

The sanitized file (427 problems) has the sentence under ``prompt`` and may name imports of its tests. The prompt is the
sentence and the asserts as a docstring, without worked examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scrubber.core.errors import AskedWrongly
from scrubber.evaluation.problems import Problem, Rows, names_of, read_rows

DATA = "hf:google-research-datasets/mbpp"
FIELDS = ("task_id", "code", "test_list")
STOPS = ("\nassert", '\n"""', "\nprint", "\nif ", "\n```", "<|")
MOST_TOKENS = 512
# By number, as the authors divide them; of the sanitized file each division is a part.
SUBSETS = {"all": (1, 10**9), "prompt": (1, 10), "test": (11, 510), "validation": (511, 600), "train": (601, 974)}


def tasks(subset: str, n: int | None = None, *, data: str = DATA) -> list[Problem]:
    """The first ``n`` problems of a subset ("all", "test" of 500, ...), of a file (JSONL or JSON) or of the hub.

    Raises AskedWrongly for data of another shape.
    """
    return problems(read_rows(data, FIELDS, configuration="full"), subset)[:n]


def problems(rows: Rows, subset: str = "all") -> list[Problem]:
    """The problems of rows that were read already."""
    first, last = SUBSETS.get(subset, (0, 0))
    return [problem for row in rows.rows for problem in [_problem(row)] if first <= _number(problem.id) <= last]


def _problem(row: Mapping[str, Any]) -> Problem:
    identity = f"MBPP/{str(row['task_id']).rpartition('/')[2]}"
    imports = [str(line) for line in row.get("test_imports") or ()]
    asserts = [str(line) for line in row["test_list"]]
    tests = "\n".join([*imports, str(row.get("test_setup_code") or ""), *asserts])
    try:
        names = names_of(tests, str(row["code"]))
    except SyntaxError:
        raise AskedWrongly("its code or its tests are no Python", where=identity) from None
    # The authors run everything in one name space, so tests may count on what a solution imports, and the reverse.
    before = "".join(f"import {name}\n" for name in names.modules)
    before += "".join(f"{name} = function_of({name!r})\n" for name in names.functions)
    sentence = str(row.get("text") or row.get("prompt") or "").strip()
    prompt = '"""\n' + "\n".join([sentence, *asserts]) + '\n"""\n'
    head = "".join(f"{line}\n" for line in imports)
    return Problem(identity, "all", prompt, head, str(row["code"]), before + tests)


def _number(identity: str) -> int:
    number = identity.rpartition("/")[2]
    return int(number) if number.isdecimal() else 0
