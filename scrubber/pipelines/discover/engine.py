"""The model behind the loop: loaded once, wearing the adapter of one round or another; it answers, and it is trained."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch

from scrubber.core.batch import Batch, Schedule, Tokens, epoch_steps
from scrubber.core.errors import AskedWrongly
from scrubber.core.model.adapters import add_lora, save_adapter
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.load import load, use_threads
from scrubber.core.model.outputs import Outputs
from scrubber.core.model.reference import Before, Needs, References
from scrubber.core.model.sample import Sampler
from scrubber.core.optimizers import OptimizerSettings
from scrubber.core.train import TrainSettings, train
from scrubber.core.workspace import Workspace, remove
from scrubber.pipelines.config import ModelConfig
from scrubber.pipelines.discover.answers import Answer
from scrubber.pipelines.discover.config import LoopConfig, UnlearnConfig
from scrubber.pipelines.discover.prompts import Prompt
from scrubber.pipelines.unlearn import method_settings
from scrubber.unlearning import terms

TRI_MASKED = ("adaptive",)  # methods that know names to reinforce; for others, answers without inventions are kept
ENDED = "\0"


class Engine:
    """Holds one model; ``wear`` gives it as a round left it."""

    def __init__(self, config: ModelConfig) -> None:
        use_threads(config.threads or os.cpu_count() or 1)
        self._config = config
        self._worn: tuple[CausalModel, Path | None] | None = None

    def wear(self, adapter: Path | None) -> CausalModel:
        """The model with the adapter as it was saved; None: as it was before any round."""
        if self._worn is None or self._worn[1] != adapter:
            self._worn = None  # so that two never are in memory at once
            made = load(self._config.path, self._config.precision, adapter=adapter, batch_size=self._config.batch_size)
            self._worn = made, adapter
        return self._worn[0]

    def worn(self, adapter: Path) -> None:
        """Told after a training: what the model wears now is what was saved there."""
        assert self._worn is not None
        self._worn = self._worn[0], adapter

    def answer(
        self, adapter: Path | None, prompts: Sequence[Prompt], loop: LoopConfig, *, samples: int, seed: int
    ) -> list[list[Answer]]:
        """Sampled answers to each prompt. The same from the same seed, whatever else is asked."""
        model = self.wear(adapter)
        limit = min(loop.max_new_tokens, model.longest - 1)
        telling = cast(CausalModel, _Telling(model, limit))
        sampler = Sampler(telling, samples=samples, temperature=loop.temperature, seed=seed)
        texts = sampler.answers([prompt.text for prompt in prompts], max_new_tokens=[limit] * len(prompts))
        return [
            [
                Answer(prompt.id, number, text.removesuffix(ENDED), text.endswith(ENDED))
                for number, text in enumerate(given)
            ]
            for prompt, given in zip(prompts, texts, strict=True)
        ]


class _Telling:
    """A model whose decoded answers end with a mark where the model ended them itself, before ``limit`` tokens."""

    def __init__(self, model: CausalModel, limit: int) -> None:
        self._model, self._limit = model, limit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def decode(self, ids: Sequence[int]) -> str:
        return self._model.decode(ids) + (ENDED if len(ids) < self._limit else "")


def check_method(config: UnlearnConfig) -> tuple[Any, Any]:
    """The method and its settings. Raises AskedWrongly for one that cannot work on names in answers."""
    method, settings = method_settings(config.method, dict(config.settings))
    if hasattr(method, "edit") or method.needs(settings).counterpart:
        raise AskedWrongly(
            f"{config.method} works on values, not on names in answers",
            where="unlearn.method",
            mend="Use adaptive; for comparison ga, npo, simnpo or graddiff.",
        )
    return method, settings


def train_round(
    model: CausalModel, named: Sequence[Tokens], keep: Sequence[Tokens], *, config: UnlearnConfig, seed: int,
    workspace: Workspace, name: str, place: str, progress: Callable[[int], None],
) -> int:  # fmt: skip
    """Trains the adapter that ``model`` wears (or gets) for ``steps_per_round`` steps and saves it as ``place``.

    ``named``: answers with names; ``keep``: unrelated ones. Returns the steps. Goes on where a stopped one was saved.
    """
    method, settings = check_method(config)
    if getattr(settings, "end_id", 0) < 0 and model.end_ids:
        settings = replace(settings, end_id=model.end_ids[0])
    own: Needs = method.needs(settings)
    needs = replace(own, retain=True, retain_target=own.retain_target or terms.same) if config.hold else own
    whole = config.method in TRI_MASKED
    forget = [row for row in named if whole or any(row.forget)]
    retain = [*keep, *(named if whole else (row for row in named if not any(row.forget)))] if needs.retain else []
    schedule = Schedule(config.batch_size, config.micro_batch, "joint", seed, config.retain_batch_size)
    per_epoch = -(-len(forget) // config.batch_size)
    epochs = -(-config.steps_per_round // per_epoch)

    def steps_of(epoch: int) -> Iterator[list[Batch]]:
        left = config.steps_per_round - epoch * per_epoch
        steps = epoch_steps(forget, retain, schedule, epoch, pad_id=model.pad_id, marked=needs.positions == "marked")
        return itertools.islice(steps, left)

    add_lora(model, rank=config.rank, alpha=config.alpha, seed=seed)
    course = train(
        model,
        steps_of,
        functools.partial(_held, method=method, settings=settings, own=own, hold=config.hold),
        settings=TrainSettings(
            OptimizerSettings(learning_rate=config.learning_rate, betas=config.betas, seed=seed),
            clip=config.clip,
            max_epochs=epochs,
            steps_per_epoch=per_epoch,
            save_every=config.save_every,
            seed=seed,
        ),
        needs=needs,
        references=_references(model, own, config.hold),
        workspace=workspace,
        name=name,
        progress=progress,
    )
    with workspace.replacing(place) as folder:
        save_adapter(model, folder)
    remove(workspace.path(f"private/{name}-checkpoint"))
    return len(course.losses)


def _references(model: CausalModel, own: Needs, hold: float) -> References:
    """What the method asks of the model before, and the whole distribution on texts to keep, where they are held to it."""
    return _ByRole(model, own) if hold and own.retain_target is None else References(model, own)


class _ByRole(References):
    """A method may keep what it asks as lists of few entries: whole distributions are kept as their means."""

    def __init__(self, model: CausalModel, own: Needs) -> None:
        super().__init__(model, own)
        self._hold = References(model, Needs(retain_target=terms.same))

    def __call__(self, batch: Batch) -> Before:
        return self._hold(batch) if batch.role == "retain" else super().__call__(batch)


def _held(
    outputs: Outputs, reference: Before, batch: Batch, *, method: Any, settings: Any, own: Needs, hold: float
) -> torch.Tensor:
    """The method's loss, and OUR hold beside it: hold * mean KL(before || now) over texts to keep, and over what is no name
    in answers about packages, so that only names move."""
    if batch.role == "forget":
        value: torch.Tensor = method.loss(outputs, reference, batch, settings=settings)
        return value
    value = method.loss(outputs, reference, batch, settings=settings) if own.retain else outputs.hidden.sum() * 0.0
    if hold:
        kept = terms.context(batch)
        value = value + hold * terms.share(
            reference.divergence(outputs), kept, batch.context_total - batch.reinforce_total
        )
    return value
