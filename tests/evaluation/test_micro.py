"""The micro tasks: solvable, held out where they say so, and never solved by anything but the right values."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scrubber.evaluation.benchmarks import micro
from scrubber.evaluation.benchmarks.micro import Subset, Task, program, solved, stream, tasks
from scrubber.evaluation.sandbox.runner import Call, Sandbox

TOKENIZER = Path(micro.__file__).parents[2] / "data" / "demo_model" / "tokenizer.json"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(require_isolation=False) as made:
        yield made


def answers(sandbox: Sandbox, asked: list[Task], bodies: list[str]) -> list[bool]:
    calls = [Call(program(t, b), t.entry_point, t.arguments) for t, b in zip(asked, bodies, strict=True)]
    return [solved(t, answer.values) for t, answer in zip(asked, sandbox.run(calls), strict=True)]


def wording(task: Task) -> str:
    """The docstring without its opening verb, its numbers and letters, and the parameter's name."""
    words = task.prompt.split('"""')[1].split(" ", 1)[1]
    return re.sub(r" \w+\.$", "", re.sub(r"\d+|'.'", "_", words))


def first(subset: Subset, count: int, seed: int = 0) -> list[Task]:
    return list(itertools.islice(stream(subset, seed), count))


@pytest.mark.middle
def test_the_reference_solutions_solve_their_tasks(sandbox: Sandbox) -> None:
    asked = [*tasks("seen", 100), *tasks("unseen", 100)]
    assert answers(sandbox, asked, [task.solution for task in asked]) == [True] * 200


def test_a_wrong_body_solves_nothing(sandbox: Sandbox) -> None:
    asked = tasks("unseen", 8)
    assert not any(answers(sandbox, asked, ["    return 'wrong'\n"] * 8))
    assert not any(answers(sandbox, asked, ["    retrun\n"] * 8))
    assert not any(answers(sandbox, asked, [""] * 8))
    # the answer to one of the arguments is not enough
    assert not any(answers(sandbox, asked, [f"    return {task.expected[-1]!r}\n" for task in asked]))


def test_unseen_compositions_never_appear_in_the_seen_stream() -> None:
    seen = {wording(task) for seed in (0, 1) for task in first("seen", 1200, seed)}
    unseen = {wording(task) for task in first("unseen", 600)}
    assert len(unseen) > 100
    assert len(seen) > 500
    assert not seen & unseen


def test_every_piece_of_an_unseen_composition_is_seen() -> None:
    for family in micro.FAMILIES:
        combinations = list(itertools.product(family.filters, family.maps, family.reductions))
        halves = {s: [c for c in combinations if micro.subset_of(family, *c) == s] for s in ("seen", "unseen")}
        assert 0.1 < len(halves["unseen"]) / len(combinations) < 0.3
        for place in range(3):
            assert {c[place] for c in halves["unseen"]} <= {c[place] for c in halves["seen"]}


@pytest.mark.middle
@pytest.mark.parametrize("subset", ["seen", "unseen"])
def test_the_benchmarks_prompts_are_distinct_and_always_the_same(subset: Subset) -> None:
    made = tasks(subset, 300)
    assert len({task.prompt for task in made}) == len({task.id for task in made}) == 300
    assert tasks(subset, 40) == made[:40]
    assert tasks(subset, 40, seed=1) != made[:40]
    assert {task.subset for task in made} == {subset}


def test_no_task_is_wanted_and_none_is_made() -> None:
    assert tasks("seen", 0) == []


@pytest.mark.parametrize("subset", ["seen", "unseen"])
def test_no_task_can_be_solved_by_a_constant(subset: Subset) -> None:
    for task in tasks(subset, 60):
        assert len(task.arguments) == len(task.expected) == 8
        assert not [value for value in task.expected if solved(task, [value] * 8)]


TASK = Task("t", "seen", 'def f(xs):\n    """Return."""\n', "f", "", ((1,), (2,)), (1, [1, 2]))


@pytest.mark.parametrize(
    "values",
    [
        (True, [1, 2]),
        (1.0, [1, 2]),
        (1, [True, 2]),
        (1, [1.0, 2]),
        (1, (1, 2)),
        (1, [1, 2, 3]),
        (1, [1]),
        (1, None),
        (1,),
        (1, [1, 2], 3),
        None,
    ],
)
def test_only_the_very_values_are_right(values: tuple[object, ...] | None) -> None:
    assert solved(TASK, (1, [1, 2]))
    assert not solved(TASK, values)


def test_none_is_right_where_none_is_expected() -> None:
    task = replace(TASK, expected=(None, []))
    assert solved(task, (None, []))
    assert not solved(task, (None, None))
    assert not solved(task, (False, []))


@pytest.mark.parametrize(
    "rest",
    [
        "print('more')\n    return 2\n",
        "def g(xs):\n    return 3\n",
        "# done\n",
        '"""text"""\n',
        ")\n",
        "    "[:0] + "x = 1",
    ],
)
def test_a_program_ends_where_its_function_does(rest: str) -> None:
    body = "    ys = [x for x in xs]\n\n    return ys\n"
    assert program(TASK, body + rest) == TASK.prompt + body
    assert program(TASK, body) == TASK.prompt + body


def test_a_reference_body_fits_into_a_completion_with_room_to_spare() -> None:
    from tokenizers import Tokenizer

    count = Tokenizer.from_file(str(TOKENIZER))
    longest = max(len(count.encode(task.solution).ids) for s in ("seen", "unseen") for task in first(s, 300))  # type: ignore[arg-type]
    assert longest <= micro.MOST_TOKENS - 16
