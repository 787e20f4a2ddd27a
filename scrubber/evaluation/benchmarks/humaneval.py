"""HumanEval: 164 Python functions to complete from signature and docstring (Chen et al. 2021, arXiv 2107.03374).

Rows may bring more inputs, as HumanEval+ does (Liu et al. 2023, arXiv 2305.01210): ``plus_input``, ``base_input``, ``atol``.
On those a completion must agree with the canonical solution.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from scrubber.evaluation.problems import Problem, Rows, read_rows

DATA = "hf:openai/openai_humaneval"
FIELDS = ("task_id", "prompt", "canonical_solution", "entry_point")
# Where a function is over: those that lm-eval, bigcode and EvalPlus use. A prompt ends in a line break, a body's first
# line is indented, so none of them can be right at its very start.
STOPS = ("\nclass ", "\ndef ", "\n#", "\n@", "\nif ", "\nprint", "\nassert", "\nimport ", "\nfrom ", "\n```", "<|")
TOLERANCE = 1e-6  # of floats on the further inputs, where a row names none
MOST_TOKENS = 512  # of a completion; the longest canonical body has about 250 of most vocabularies

# Runs among the tests. The canonical solution lives in a name space of its own, so that a recursive one calls itself.
_MORE = """
import json, math

def _close(got, want, tolerance):
    if isinstance(want, float) and isinstance(got, (int, float)):
        return got == want or math.isclose(got, want, rel_tol=1e-7, abs_tol=tolerance) or want != want and got != got
    if isinstance(want, (list, tuple)):
        same = type(got) is type(want) and len(got) == len(want)
        return same and all(_close(a, b, tolerance) for a, b in zip(got, want))
    return got == want

_space = {{}}
exec({canonical!r}, _space)
for _inputs in json.loads({inputs!r}):
    _got = {name}(*_inputs)
    assert {agrees}
"""
_AGREES = "_close(_got, _space[{name!r}](*_inputs), {tolerance!r})"
# Its task allows any root, the data set's own test asks for a small value there, and HumanEval+ does so, too.
_ORACLES = {"find_zero": "abs(_space['poly'](*_inputs, _got)) <= 1e-4"}


def tasks(subset: str, n: int | None = None, *, data: str = DATA) -> list[Problem]:
    """The first ``n`` problems of a file (JSONL, perhaps gzipped) or of a data set of the hub.

    ``subset``: "all" alone. Raises AskedWrongly for data of another shape.
    """
    return problems(read_rows(data, FIELDS), subset)[:n]


def problems(rows: Rows, subset: str = "all") -> list[Problem]:
    """The problems of rows that were read already."""
    return [_problem(row) for row in rows.rows] if subset == "all" else []


def _problem(row: Mapping[str, Any]) -> Problem:
    prompt, solution, name = str(row["prompt"]), str(row["canonical_solution"]), str(row["entry_point"])
    # Tests use what the prompt defines besides the function, and some call the function by its own name.
    tests = f"{prompt}{solution}\n{name} = function_of({name!r})\n"
    if "test" in row:
        tests += f"{row['test']}\ncheck({name})\n"
    if inputs := [*(row.get("base_input") or ()), *(row.get("plus_input") or ())]:
        agrees = _AGREES.format(name=name, tolerance=row.get("atol") or TOLERANCE)
        tests += _MORE.format(
            canonical=prompt + solution, inputs=json.dumps(inputs), name=name, agrees=_ORACLES.get(name, agrees)
        )
    return Problem(str(row["task_id"]), "all", prompt, prompt, solution, tests)
