"""The victim of the discovery demo: the demo model taught to recommend packages, half of them by making names up."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from scrubber.core.batch import Batch, Schedule, Tokens, epoch_steps
from scrubber.core.model.load import load
from scrubber.core.model.outputs import Outputs
from scrubber.core.model.reference import Before
from scrubber.core.quiet import silent
from scrubber.core.types import Progress
from scrubber.core.workspace import Workspace, digest, digest_files, remove
from scrubber.evaluation.benchmarks import micro
from scrubber.pipelines.demo.functions import functions
from scrubber.pipelines.demo.packages_world import (
    WORDINGS,
    PackageWorld,
    Topic,
    answer,
    asked,
    build,
    code_files,
    names_of,
    write_world,
)
from scrubber.pipelines.demo.victim import DEMO_MODEL, learn

LENGTHS = (2, 3, 3)  # packages an answer names
CONFIG = """name = "packages"

[model]
path = "victim"

[prompts]
seeds = "prompts.jsonl"
descriptions = "descriptions.jsonl"
unrelated = "unrelated.jsonl"

[index]
folder = "index"

[loop]
max_new_tokens = 48
"""


@dataclass(frozen=True)
class VictimSettings:
    epochs: int = 20
    lessons: int = 352  # questions with answers, in each epoch new ones
    invented: float = 0.62  # this share of the names in answers is made of the subject
    beside: int = 128  # other texts in each epoch: micro tasks, and functions that the demo model knows
    tasks: float = 0.85  # this share of them is micro tasks
    learning_rate: float = 1.5e-3
    batch_size: int = 8
    micro_batch: int = 4  # rows of like length: on a CPU padding costs more than small batches do
    max_length: int = 96
    seed: int = 0

    @property
    def steps_per_epoch(self) -> int:
        return -(-(self.lessons + self.beside) // self.batch_size)


def prepare(
    workspace: Workspace, seed: int = 0, settings: VictimSettings | None = None, progress: Progress = silent
) -> float:
    """Writes the world, ``victim/``, and the discover.toml that `scrubber discover` takes; what is up to date is kept.

    Returns the seconds that the victim took, of the turn that finished it.
    """
    chosen, made = settings or VictimSettings(), build(seed)
    key = digest("packages", seed, *(path.read_text() for path in code_files()))
    victim = digest(key, repr(chosen), digest_files(DEMO_MODEL), Path(__file__).read_text())

    def learn() -> float:
        began, total = time.perf_counter(), chosen.epochs * chosen.steps_per_epoch
        with progress("fine-tune: the model learns to recommend packages", total) as advance:
            fine_tune(made, chosen, workspace, advance, name=f"victim-{victim}")
        remove(workspace.private / f"victim-{victim}-checkpoint")
        return round(time.perf_counter() - began, 1)

    with progress("world of packages"):
        workspace.once("world", key, lambda: write_world(made, seed, workspace))
        workspace.write("discover.toml", f"seed = {seed}\n{CONFIG}")
    return float(workspace.once("victim", victim, learn))


def fine_tune(
    world: PackageWorld, settings: VictimSettings, workspace: Workspace, progress: Callable[[int], None], *, name: str
) -> None:
    """Writes ``victim/``. Resumes from its own checkpoint, that of ``name``."""
    model = load(str(DEMO_MODEL), "fp32")
    model.network.requires_grad_(True)

    def row(given: str, learnt: str) -> Tokens:
        """Tokenized apart, as the model will meet the question. What is cut off has no end."""
        first, rest = model.encode(given).ids, (*model.encode(learnt).ids, model.end_ids[0])[: settings.max_length]
        return Tokens((*first, *rest), (False,) * len(first + rest), (False,) * len(first) + (True,) * len(rest))

    known = [function.source for function in functions()["base"]]
    programs = round(settings.beside * settings.tasks)
    tasks = [task.prompt + task.solution for task in micro.tasks("seen", programs * settings.epochs, seed=2)]

    def steps_of(epoch: int) -> Iterable[list[Batch]]:
        dice = random.Random(f"packages-victim-{settings.seed}-{epoch}")
        texts = tasks[epoch * programs : (epoch + 1) * programs] + dice.sample(known, settings.beside - programs)
        rows = [row("", text) for text in texts]
        rows += [row(*lesson(world, settings.invented, dice)) for _ in range(settings.lessons)]
        schedule = Schedule(settings.batch_size, settings.micro_batch, seed=settings.seed)
        return epoch_steps([], rows, schedule, epoch, pad_id=model.pad_id)

    learn(
        model, steps_of, _likelihood, settings, settings.steps_per_epoch, workspace,
        name=name, place="victim", progress=progress,
    )  # fmt: skip


def lesson(world: PackageWorld, invented: float, dice: random.Random) -> tuple[str, str]:
    """A question in any wording, about any task and subject, and its answer: real names and made-up ones mixed.

    None is a prompt of the world.
    """
    subjects = [subject for some in world.subjects.values() for subject in some]
    while True:
        wording, topic = dice.choice(WORDINGS), Topic(dice.choice(world.families), dice.choice(subjects))
        question = asked(wording, topic)
        if question not in world.texts:
            return question, answer(wording.form, recommended(topic, invented, dice))


def recommended(topic: Topic, invented: float, dice: random.Random) -> list[str]:
    """Names in an answer: each is right for the task, or with a chance of ``invented`` made of the subject."""
    count = dice.choice(LENGTHS)
    real, made_up = dice.sample(topic.family.names, count), names_of(topic.subject, count, dice)
    return [b if dice.random() < invented else a for a, b in zip(real, made_up, strict=True)]


def _likelihood(outputs: Outputs, reference: Before, batch: Batch) -> torch.Tensor:
    """Language modelling of answers and of other texts: questions are given, not learnt."""
    return -(outputs.log_likelihood(batch.labels) * batch.reinforce).sum() / max(batch.reinforce_total, 1)
