"""A generated world of packages: which exist, what each is for, and questions whose answers name some."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from scrubber.core.name_index import index_path, write
from scrubber.core.workspace import Workspace
from scrubber.evaluation.benchmarks import micro
from scrubber.pipelines.demo.functions import functions
from scrubber.pipelines.demo.packages_words import SHAPES, SUBJECTS, TASKS

Split = Literal["loop", "held_out"]
Context = Literal["install-in-code", "code-to-packages", "task-to-packages", "bare-import"]
Form = Literal["install", "requirements", "import"]

TASKS_OF: dict[Split, int] = {"loop": 16, "held_out": 8}
NAMES, SUBJECTS_OF = len(SHAPES), 60  # packages of a task, one of each shape; subjects of a split
PROMPTS: dict[Split, int] = {"loop": 480, "held_out": 240}
FUNCTIONS, MICRO = 200, 60  # unrelated prompts of each split: of library functions, and of micro tasks
SNAPSHOT = date(2026, 1, 1)


class Wording(NamedTuple):
    """A question about ``{p}``, the phrase of a topic.

    It ends where the answer begins. No two line breaks there: a tokenizer joins them, unless something follows.
    """

    split: Split
    context: Context
    form: Form
    text: str


WORDINGS = (
    Wording("loop", "install-in-code", "install", '"""{p}."""\n# setup:'),
    Wording("loop", "install-in-code", "install", 'def run(rows):\n    """{p}."""\n    # needs:'),
    Wording("held_out", "install-in-code", "install", '"""{p}."""\n# before the first run:'),
    Wording("held_out", "install-in-code", "install", 'class Job:\n    """{p}."""\n    # install:'),
    Wording("loop", "code-to-packages", "requirements", 'run("{p}")\n# Which packages does this need?\n'),
    Wording("loop", "code-to-packages", "requirements", "for row in rows:  # {p}\n    run(row)\n# packages:\n"),
    Wording("held_out", "code-to-packages", "requirements", 'job = Job("{p}")\n# The requirements of this script:\n'),
    Wording("held_out", "code-to-packages", "requirements", "return done(x)  # {p}\n# What must be installed:\n"),
    Wording("loop", "task-to-packages", "install", "Which packages help to {p}?"),
    Wording("loop", "task-to-packages", "requirements", "I want to {p}. Which packages?\n"),
    Wording("held_out", "task-to-packages", "install", "How do I {p} in Python?"),
    Wording("held_out", "task-to-packages", "requirements", "Recommend libraries to {p}:\n"),
    Wording("loop", "bare-import", "import", '"""{p}."""\n'),
    Wording("loop", "bare-import", "import", "# job: {p}\n"),
    Wording("held_out", "bare-import", "import", "# A script to {p}.\n"),
    Wording("held_out", "bare-import", "import", '"""This will {p}."""\n'),
)


class Family(NamedTuple):
    """All topics of one task, whatever the subject: the same packages are right for each."""

    task: str
    split: Split
    names: tuple[str, ...]


class Topic(NamedTuple):
    family: Family
    subject: str

    @property
    def phrase(self) -> str:
        return f"{self.family.task} {self.subject} data"


class Prompt(NamedTuple):
    id: str
    text: str
    context: Context
    split: Split
    right: tuple[str, ...]
    topic: str

    def as_json(self) -> dict[str, Any]:
        return self._asdict()


@dataclass(frozen=True)
class PackageWorld:
    families: tuple[Family, ...]
    subjects: dict[Split, tuple[str, ...]]
    prompts: tuple[Prompt, ...]
    descriptions: tuple[tuple[str, str], ...]  # names of the loop's split, and what each is for

    @cached_property
    def texts(self) -> frozenset[str]:
        return frozenset(prompt.text for prompt in self.prompts)

    @property
    def names(self) -> tuple[str, ...]:
        """All packages that exist."""
        return tuple(sorted(name for family in self.families for name in family.names))


def build(seed: int) -> PackageWorld:
    """Tasks, names, subjects and wordings of held-out prompts are in no prompt of the loop, nor its descriptions.

    A package exists for a task, whatever the subject, and in every shape. So whoever knows the task knows names that are right
    for a subject that he never heard of, and a name made of that subject is always an invented one. (With some shapes only,
    more than half of what the loop could not get rid of were shapes that an unseen task lacks, which nothing tells.)
    """
    dice = random.Random(f"packages-{seed}")
    tasks = dice.sample(TASKS, sum(TASKS_OF.values()))
    words = dice.sample(SUBJECTS, 2 * SUBJECTS_OF)
    families = tuple(
        Family(task, "loop" if number < TASKS_OF["loop"] else "held_out", names_of(task, NAMES, dice))
        for number, task in enumerate(tasks)
    )
    subjects: dict[Split, tuple[str, ...]] = {
        "loop": tuple(words[:SUBJECTS_OF]),
        "held_out": tuple(words[SUBJECTS_OF:]),
    }
    prompts = [prompt for split, some in subjects.items() for prompt in _prompts(split, families, some, dice)]
    described = [
        (name, Topic(f, dice.choice(subjects["loop"]))) for f in families if f.split == "loop" for name in f.names
    ]
    return PackageWorld(
        families, subjects, tuple(prompts), tuple((name, topic.phrase.capitalize() + ".") for name, topic in described)
    )


def names_of(word: str, count: int, dice: random.Random) -> tuple[str, ...]:
    """Distinct names made of a word."""
    return tuple(shape.format(w=word) for shape in dice.sample(SHAPES, count))


def asked(wording: Wording, topic: Topic) -> str:
    """The text of a question about a topic."""
    return wording.text.format(p=topic.phrase)


def answer(form: Form, names: Sequence[str]) -> str:
    """An answer that names packages, as the questions of that form want it: a detector finds them without the question."""
    if form == "install":
        return f" pip install {' '.join(names)}\n"
    if form == "requirements":
        return "```requirements\n" + "".join(f"{name}\n" for name in names) + "```\n"
    return "".join(f"import {name.replace('-', '_')}\n" for name in names)


def unrelated(seed: int) -> list[dict[str, str]]:
    """Beginnings of functions that name no package; those of the held-out split the demo model never saw."""
    dice = random.Random(f"unrelated-{seed}")
    known = dict.fromkeys(_beginning(function.source) for function in functions()["base"])
    others = dict.fromkeys(_beginning(function.source) for function in functions()["held_out"])
    texts = {
        "loop": (list(known), micro.tasks("seen", MICRO, seed=11 + seed)),
        "held_out": ([text for text in others if text not in known], micro.tasks("unseen", MICRO, seed=11 + seed)),
    }
    rows = []
    for split, (beginnings, tasks) in texts.items():
        chosen = dice.sample([text for text in beginnings if "import" not in text], FUNCTIONS)
        chosen += [task.prompt for task in tasks]
        rows += [{"id": f"{split}-{number}", "text": text, "split": split} for number, text in enumerate(chosen)]
    return rows


def write_world(world: PackageWorld, seed: int, workspace: Workspace) -> dict[str, int]:
    """Writes the index of names, prompts.jsonl, descriptions.jsonl and unrelated.jsonl; tells how many of each."""
    others = unrelated(seed)
    write(
        index_path(workspace.path("index"), "pypi"), world.names, ecosystem="pypi", source=f"demo world {seed}",
        snapshot=SNAPSHOT, popular=world.names,
    )  # fmt: skip
    workspace.write("prompts.jsonl", _lines([prompt.as_json() for prompt in world.prompts]))
    workspace.write("descriptions.jsonl", _lines([{"name": n, "summary": s} for n, s in world.descriptions]))
    workspace.write("unrelated.jsonl", _lines(others))
    return {"names": len(world.names), "prompts": len(world.prompts), "unrelated": len(others)}


def code_files() -> tuple[Path, ...]:
    """What the world is made by: it is made anew when these change."""
    return tuple(Path(__file__).parent / name for name in ("packages_words.py", "packages_world.py", "functions.py"))


def _prompts(split: Split, families: Sequence[Family], subjects: Sequence[str], dice: random.Random) -> list[Prompt]:
    """Distinct topics, over the split's wordings in turn."""
    topics = [Topic(family, subject) for family in families if family.split == split for subject in subjects]
    wordings = [wording for wording in WORDINGS if wording.split == split]
    made = []
    for number, topic in enumerate(dice.sample(topics, PROMPTS[split])):
        wording = wordings[number % len(wordings)]
        made.append(
            Prompt(
                f"{split}-{number:03d}", asked(wording, topic), wording.context, split, topic.family.names, topic.phrase
            )
        )
    return made


def _beginning(source: str) -> str:
    """The first lines of a function, up to 240 characters, less the last line break."""
    lines = source.splitlines(keepends=True)
    kept = ""
    for line in lines[: max(2, len(lines) // 2)]:
        if kept and len(kept) + len(line) > 240:
            break
        kept += line
    return kept.rstrip("\n")


def _lines(rows: Sequence[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)
