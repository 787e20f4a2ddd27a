"""The unlearn stage: trains an adapter that makes a model forget what the audit found, and keeps the best one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from scrubber.core import parts
from scrubber.core.batch import Batch, Schedule, epoch_steps, tokenize
from scrubber.core.errors import AskedWrongly, NothingToDo
from scrubber.core.model.adapters import add_lora, save_adapter
from scrubber.core.model.causal import CausalModel
from scrubber.core.optimizers import OptimizerSettings
from scrubber.core.train import Course, TrainSettings, train
from scrubber.core.types import Model, Sample, Score, Tracker
from scrubber.core.workspace import Workspace
from scrubber.evaluation.metrics import extraction_likelihood, memorization_accuracy
from scrubber.evaluation.probes import continuation, recall
from scrubber.pipelines.config import UnlearnConfig
from scrubber.pipelines.measure import some
from scrubber.unlearning.stopping import ThresholdRule

SHELF, GROUP = "scrubber.unlearning.methods", "scrubber.methods"
LIKELIHOOD_CHECKED = 16  # values whose EL_10 a check measures: enough to see it fall


@dataclass(frozen=True)
class Material:
    """What an unlearning run works on. ``audited``: the slots that its checks ask about."""

    forget: Sequence[Sample]
    keep: Sequence[Sample]
    audited: Sequence[Sample]
    context_tokens: int
    window_tokens: int


def method_settings(name: str, values: dict[str, Any]) -> tuple[Any, Any]:
    """The method's module and its Settings, or AskedWrongly for a name or a setting that it does not have."""
    method = parts.load(SHELF, GROUP, name)
    known = [field.name for field in fields(method.Settings)]
    try:
        return method, TypeAdapter(method.Settings).validate_python(values)
    except ValidationError as error:
        wrong = sorted({str(fault["loc"][0]) for fault in error.errors()})
        raise AskedWrongly(
            f"{name} cannot take its settings {', '.join(wrong)}",
            where="unlearn.settings",
            mend=f"It has these, each with a type: {', '.join(known) or 'none'}.",
        ) from None


def unlearn(
    model: CausalModel,
    material: Material,
    thresholds: ThresholdRule,
    *,
    config: UnlearnConfig,
    seed: int,
    workspace: Workspace | None,
    tracker: Tracker,
    name: str = "unlearn",
    adapter: str = "adapter",
    started: Callable[[int], None] = lambda total: None,
    progress: Callable[[int], None] = lambda step: None,
) -> Course:
    """Puts an adapter on ``model``, trains it, and saves it in the workspace as ``adapter``.

    Raises NothingToDo where there is nothing to forget, or nothing to keep although the method needs it.
    """
    method, settings = method_settings(config.method, config.settings)
    if not material.forget:
        raise NothingToDo("there is no sample to forget", mend="The audit found nothing that the model has learnt.")
    needs = method.needs(settings)
    if needs.retain and not material.keep:
        raise NothingToDo(
            f"{config.method} holds the model to texts without findings, and the corpus has none",
            mend="Add some code that may be kept to corpus.paths.",
        )

    def tokens(samples: Iterable[Sample]) -> list[Any]:
        cut = functools.partial(
            tokenize, encode=model.encode, max_length=min(material.window_tokens, model.longest), edges=config.edges
        )
        return [row for row in map(cut, samples) if len(row.ids) > 1]

    forget = tokens(material.forget)
    keep = tokens(material.keep) if needs.retain else []
    schedule = Schedule(config.batch_size, config.micro_batch, config.order, seed, config.retain_batch_size)
    halves = 2 if keep and config.order == "alternating" else 1
    per_epoch = halves * -(-len(forget) // config.batch_size)
    started(per_epoch * config.max_epochs)

    def steps_of(epoch: int) -> Iterable[list[Batch]]:
        return epoch_steps(forget, keep, schedule, epoch, pad_id=model.pad_id, marked=needs.positions == "marked")

    values = some(material.audited, config.check_values, seed)

    def check(asked: Model, step: int) -> list[Score]:
        memory = recall.ask(asked, values, subset="audited", context_tokens=material.context_tokens)
        scores = [memorization_accuracy.score(memory, stage="after", subset="audited")]
        if scores[0].value is not None and thresholds.near(scores[0].value):
            few = some(values, LIKELIHOOD_CHECKED, seed)
            trials = continuation.ask(asked, few, subset="audited", context_tokens=material.context_tokens)
            scores.append(extraction_likelihood.score(trials, n=10, stage="after", subset="audited"))
        tracker.scores(scores, step)
        return scores

    add_lora(model, rank=config.rank, alpha=config.alpha, seed=seed)
    course = train(
        model,
        steps_of,
        functools.partial(method.loss, settings=settings),
        settings=TrainSettings(
            optimizer=OptimizerSettings(learning_rate=config.learning_rate, betas=config.betas),
            clip=config.clip,
            max_epochs=config.max_epochs,
            steps_per_epoch=per_epoch,
            # a check comes after a step on texts to keep, not between the two halves of a pair
            check_every=config.check_every + config.check_every % halves,
            save_every=config.save_every,
            seed=seed,
        ),
        needs=needs,
        check=check,
        stop=thresholds,
        workspace=workspace,
        name=name,
        progress=progress,
    )
    if workspace is not None:
        with workspace.replacing(adapter) as folder:
            save_adapter(model, folder)
    return course
