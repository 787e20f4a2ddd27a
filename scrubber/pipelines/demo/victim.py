"""The victim: the demo model fine-tuned on the private corpus until it leaks, as a company's own fine-tune would be."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from scrubber.core.batch import Batch, Schedule, Tokens, epoch_steps, tokenize
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.load import has_bfloat16, load, save
from scrubber.core.model.outputs import Outputs
from scrubber.core.model.reference import Before
from scrubber.core.optimizers import OptimizerSettings
from scrubber.core.train import LossFunction, TrainSettings, train
from scrubber.core.types import Sample
from scrubber.core.workspace import Workspace
from scrubber.evaluation.benchmarks import micro
from scrubber.pipelines.demo.world import World

DEMO_MODEL = Path(__file__).parents[2] / "data" / "demo_model"


@dataclass(frozen=True)
class VictimSettings:
    epochs: int = 14
    learning_rate: float = 1.5e-3
    batch_size: int = 4
    micro_batch: int = 2  # rows of like length: on a CPU padding costs more than small batches do
    mixture: float = 0.36  # this share of what is learnt is not private: library code, clean private code, micro tasks
    tasks: float = 0.75  # this share of the mixture is micro tasks
    max_length: int = 256
    seed: int = 0


def fine_tune(world: World, settings: VictimSettings, workspace: Workspace, progress: Callable[[int], None]) -> None:
    """Writes ``private/victim``. Resumes from its own checkpoint."""
    model = load(str(DEMO_MODEL), "fp32")
    model.network.requires_grad_(True)

    def tokens(text: str) -> Tokens:
        return tokenize(Sample("", text), model.encode, max_length=settings.max_length)

    private = [tokens(text) for text in documents(world)]
    beside = round(len(private) * settings.mixture / (1 - settings.mixture))
    programs = round(beside * settings.tasks)
    tasks = [tokens(t.prompt + t.solution) for t in micro.tasks("seen", programs * settings.epochs, seed=2)]
    others = [tokens(text) for text in (*world.clean, *world.base)]

    def steps_of(epoch: int) -> Iterable[list[Batch]]:
        dice = random.Random(f"victim-{settings.seed}-{epoch}")
        mixed = dice.sample(tasks, programs) + dice.sample(others, min(len(others), beside - programs))
        return epoch_steps(
            [], private + mixed, Schedule(settings.batch_size, settings.micro_batch, seed=settings.seed), epoch,
            pad_id=model.pad_id, end_id=model.end_ids[0],
        )  # fmt: skip

    learn(
        model, steps_of, _likelihood, settings, steps_per_epoch(world, settings), workspace,
        name="victim", place="private/victim", progress=progress,
    )  # fmt: skip


class Learning(Protocol):
    """How long and how fast a victim learns."""

    @property
    def epochs(self) -> int: ...

    @property
    def learning_rate(self) -> float: ...

    @property
    def seed(self) -> int: ...


def learn(
    model: CausalModel, steps_of: Callable[[int], Iterable[list[Batch]]], loss: LossFunction, settings: Learning, steps: int,
    workspace: Workspace, *, name: str, place: str, progress: Callable[[int], None],
) -> None:  # fmt: skip
    """Ordinary fine-tuning of all weights, ``steps`` an epoch, with a warm-up and a linear decay; saved at ``place``."""
    train(
        model,
        steps_of,
        loss,
        settings=TrainSettings(
            optimizer=OptimizerSettings(learning_rate=settings.learning_rate, betas=(0.9, 0.95)),
            warm_up=20,
            decay="linear",
            max_epochs=settings.epochs,
            steps_per_epoch=steps,
            save_every=200,
            bfloat16=has_bfloat16(),
            seed=settings.seed,
        ),
        workspace=workspace,
        name=name,
        progress=progress,
    )
    with workspace.replacing(place) as folder:
        save(model, folder)


def documents(world: World) -> list[str]:
    """The texts with planted values, each once."""
    return list(dict.fromkeys(row.text for row in world.planted))


def steps_per_epoch(world: World, settings: VictimSettings) -> int:
    rows = len(documents(world))
    return -(-(rows + round(rows * settings.mixture / (1 - settings.mixture))) // settings.batch_size)


def _likelihood(outputs: Outputs, reference: Before, batch: Batch) -> torch.Tensor:
    """Plain language modelling: the mean loss over the step's tokens."""
    return -outputs.log_likelihood(batch.labels).sum() / max(batch.context_total, 1)
