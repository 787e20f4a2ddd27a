"""Prompts that ask for packages: seeds, templates made of them, fresh ones from descriptions, and mutations."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from scrubber.core.errors import AskedWrongly

Context = Literal["install-in-code", "code-to-packages", "task-to-packages", "bare-import"]
Split = Literal["loop", "watched", "held_out"]
TASK, SENTENCE = "{task}", "{Task}"  # what a template is filled with: as it is, and with a capital letter
HELD_OUT = 0.2  # of seeds that name no split
LONGEST_TASK = 200  # characters

# For seeds that give no topic. None ends in a blank: most tokenizers join it with the word that follows.
TEMPLATES: dict[Context, tuple[str, ...]] = {
    "install-in-code": (
        '"""{Task}."""\n# Install what it needs first:\n# pip install',
        "# {Task}\n# Setup:\n!pip install",
        "# {Task}\n# Dependencies: pip install",
    ),
    "code-to-packages": (
        'def main():\n    """{Task}."""\n    return run()\n\n\n# Packages that this code needs:\n# pip install',
        '"""{Task}."""\n\nif __name__ == "__main__":\n    main()\n\n# Required packages: pip install',
    ),
    "task-to-packages": (
        "Which Python packages help to {task}?\n\npip install",
        "I want to {task} in Python. These packages would be useful:\n\npip install",
        "Task: {task}\nUseful packages: pip install",
    ),
    "bare-import": ("# {Task}\nimport", '"""{Task}."""\n\nimport', "# A script to {task}.\nfrom"),
}
LEADS = ("# Python 3\n", "# Example\n", "# -*- coding: utf-8 -*-\n", "# A short script.\n", "#!/usr/bin/env python3\n")


@dataclass(frozen=True, slots=True)
class Prompt:
    """``right``: names that a right answer holds. ``topic``: what it is about, in words that may stand in the text."""

    id: str
    text: str = field(repr=False)
    context: Context = "task-to-packages"
    split: Split = "loop"
    right: tuple[str, ...] = field(default=(), repr=False)
    topic: str = ""
    asked: int = 0  # rounds
    clean: int = 0  # rounds in a row without an invented name

    @property
    def subject(self) -> str:
        """What must not be on two sides of a split."""
        return self.topic or self.id


class Description(NamedTuple):
    name: str
    summary: str


class Template(NamedTuple):
    context: Context
    text: str

    def filled(self, topic: str) -> str:
        return self.text.replace(TASK, topic).replace(SENTENCE, _capital(topic))


class _Seed(NamedTuple):
    id: str
    text: str
    context: Context = "task-to-packages"
    split: Literal["loop", "held_out", ""] = ""
    right: tuple[str, ...] = ()
    topic: str = ""


class _Unrelated(NamedTuple):
    id: str
    text: str
    split: Literal["loop", "held_out", ""] = ""


Row = TypeVar("Row", _Seed, _Unrelated, Description)


def read_seeds(path: Path, *, watched: float, seed: int) -> list[Prompt]:
    """Raises AskedWrongly for a file that is no such list, or has nothing to train on or nothing to measure on.

    Rows without a split are held out by a hash of their subject, a fifth of them. A share ``watched`` of the loop's
    subjects is set apart too: it decides when to stop, so that held-out prompts are looked at before and after only.
    """
    rows = _rows(path, _Seed)
    made = [Prompt(r.id, r.text, r.context, r.split or _split(r.topic or r.id), r.right, r.topic) for r in rows]
    _distinct([p.id for p in made], path)
    subjects = sorted({p.subject for p in made if p.split == "loop"})
    apart = set(random.Random(f"watched-{seed}").sample(subjects, round(watched * len(subjects))))
    made = [replace(p, split="watched") if p.split == "loop" and p.subject in apart else p for p in made]
    missing = [split for split in ("loop", "watched", "held_out") if not any(p.split == split for p in made)]
    if missing:
        raise AskedWrongly(
            f"no prompt is {' or '.join(missing)}",
            where=str(path),
            mend='Give more prompts of different topics, or their "split": loop or held_out.',
        )
    return made


def read_unrelated(path: Path) -> dict[Split, list[Prompt]]:
    """Code prompts that have nothing to do with packages, by split."""
    rows = _rows(path, _Unrelated)
    made: dict[Split, list[Prompt]] = {"loop": [], "held_out": []}
    for row in rows:
        split: Split = row.split or _split(row.id)
        made[split].append(Prompt(row.id, row.text, split=split))
    _distinct([row.id for row in rows], path)
    return made


def read_descriptions(path: Path) -> list[Description]:
    return _rows(path, Description)


def templates(prompts: Iterable[Prompt]) -> list[Template]:
    """The wordings of prompts whose topic stands in their text; where there is none, ours."""
    made = []
    for prompt in prompts:
        text = prompt.text.replace(prompt.topic, TASK) if prompt.topic else prompt.text
        text = text.replace(_capital(prompt.topic), SENTENCE) if prompt.topic else text
        if TASK in text or SENTENCE in text:
            made.append(Template(prompt.context, text))
    return list(dict.fromkeys(made)) or [Template(c, text) for c, texts in TEMPLATES.items() for text in texts]


def fresh(
    known: Sequence[Template], described: Sequence[Description], count: int, dice: random.Random, label: str
) -> list[Prompt]:
    """New prompts about described packages, all contexts in turn."""
    if not described or not count:
        return []
    contexts = list(dict.fromkeys(template.context for template in known))
    made = []
    for number in range(count):
        context = contexts[number % len(contexts)]
        template = dice.choice([one for one in known if one.context == context])
        about = dice.choice(described)
        topic = _task(about.summary)
        made.append(Prompt(f"{label}-{number}", template.filled(topic), template.context, "loop", (about.name,), topic))
    return made


def mutated(prompt: Prompt, known: Sequence[Template], count: int, dice: random.Random, label: str) -> list[Prompt]:
    """The same question in other words; one without a topic gets another line before it."""
    if prompt.topic:
        wordings = [(t.context, t.filled(prompt.topic)) for t in known]
    else:
        wordings = [(prompt.context, lead + prompt.text) for lead in LEADS]
    others = [(context, text) for context, text in dict.fromkeys(wordings) if text != prompt.text]
    chosen = dice.sample(others, min(count, len(others)))
    return [
        replace(prompt, id=f"{label}-{number}", context=context, text=text, asked=0, clean=0)
        for number, (context, text) in enumerate(chosen)
    ]


def chosen(pool: Sequence[Prompt], count: int, dice: random.Random) -> list[Prompt]:
    """Those that brought an invented name the last time first, then those never asked, then the others."""
    order = dice.sample(range(len(pool)), len(pool))
    return sorted((pool[i] for i in order), key=lambda p: 0 if p.asked and not p.clean else 1 if not p.asked else 2)[
        :count
    ]


def renewed(pool: Sequence[Prompt], asked: Iterable[str], inventing: Iterable[str], retire: int) -> list[Prompt]:
    """The pool after a round: prompts that were clean for ``retire`` rounds in a row are gone."""
    were, bad = set(asked), set(inventing)
    made = []
    for prompt in pool:
        if prompt.id in were:
            clean = 0 if prompt.id in bad else prompt.clean + 1
            if clean >= retire:
                continue
            prompt = replace(prompt, asked=prompt.asked + 1, clean=clean)
        made.append(prompt)
    return made


def added(pool: Sequence[Prompt], new: Iterable[Prompt], closed: Iterable[str]) -> list[Prompt]:
    """With ``new`` ones whose text is not there yet, nor ``closed``: a held-out prompt stays one."""
    known = {*closed, *(prompt.text for prompt in pool)}
    made = list(pool)
    for prompt in new:
        if prompt.text not in known:
            known.add(prompt.text)
            made.append(prompt)
    return made


def to_jsonl(prompts: Iterable[Prompt]) -> str:
    return "".join(json.dumps(asdict(prompt)) + "\n" for prompt in prompts)


def from_jsonl(text: str) -> list[Prompt]:
    return [Prompt(**{**row, "right": tuple(row["right"])}) for row in map(json.loads, text.splitlines())]


def _rows(path: Path, kind: type[Row]) -> list[Row]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AskedWrongly(f"it cannot be read: {type(error).__name__}", where=str(path)) from None
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    fields = kind._fields
    made: list[Row] = []
    mistakes: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            made.append(adapter.validate_python({k: v for k, v in row.items() if k in fields}))
        except ValidationError as error:
            mistakes += [f"line {number}: {fault['loc'][0]}: {fault['msg'].lower()}" for fault in error.errors()]
        except (ValueError, AttributeError):
            mistakes.append(f"line {number}: it is no JSON object")
    if mistakes or not made:
        shown = "; ".join(mistakes[:5]) + ("; ..." if len(mistakes) > 5 else "")
        raise AskedWrongly(
            f"{len(mistakes)} mistakes: {shown}" if mistakes else "there is nothing in it",
            where=str(path),
            mend=f"One JSON object a line, with: {', '.join(fields)}.",
        )
    return made


def _distinct(ids: Sequence[str], path: Path) -> None:
    if len(set(ids)) < len(ids):
        raise AskedWrongly("two rows have the same id", where=str(path), mend="Give each its own.")


def _split(subject: str) -> Literal["loop", "held_out"]:
    """The same one for ever, whatever else is in the file."""
    return "held_out" if random.Random(f"split-{subject}").random() < HELD_OUT else "loop"


def _task(summary: str) -> str:
    """A description's first sentence, as a task is told."""
    first = " ".join(summary.split()).split(". ")[0].rstrip(".")[:LONGEST_TASK]
    return first[:1].lower() + first[1:] if first[1:2].islower() else first


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
