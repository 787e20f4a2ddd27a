"""The unlearn stage: trains an adapter that makes a model forget what the audit found, and keeps the best one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from scrubber.core import parts
from scrubber.core.batch import Batch, Schedule, epoch_steps, tokenize
from scrubber.core.errors import AskedWrongly, NothingToDo
from scrubber.core.model.adapters import add_lora, save_adapter, train_all
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.load import save
from scrubber.core.model.reference import Needs, References
from scrubber.core.optimizers import OptimizerSettings
from scrubber.core.train import Course, TrainSettings, train
from scrubber.core.types import Model, Sample, Score, Tracker, Trial
from scrubber.core.workspace import Workspace
from scrubber.evaluation.metrics import extraction_likelihood, memorization_accuracy, perplexity
from scrubber.evaluation.probes import continuation, recall
from scrubber.pipelines.config import UnlearnConfig
from scrubber.pipelines.counterparts import paired
from scrubber.pipelines.measure import some
from scrubber.unlearning import edits
from scrubber.unlearning.diversify import variants
from scrubber.unlearning.stopping import Fenced, ThresholdRule

SHELF, GROUP = "scrubber.unlearning.methods", "scrubber.methods"
LIKELIHOOD_CHECKED = 16  # values whose EL_10 a check measures: enough to see it fall
FENCE_TEXTS = 16  # kept texts whose perplexity a check measures


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
    unknown = sorted(set(values) - set(known))  # pydantic lets them pass, and a mistyped one would change nothing
    if unknown:
        raise AskedWrongly(
            f"{name} has no setting {', '.join(unknown)}",
            where="unlearn.settings",
            mend=f"It has these: {', '.join(known) or 'none'}.",
        )
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
    place: str = "adapter",
    started: Callable[[int], None] = lambda total: None,
    progress: Callable[[int], None] = lambda step: None,
) -> Course:
    """Trains ``model`` in place, with an adapter or without, and saves what changed in the workspace as ``place``.

    Raises NothingToDo where there is nothing to forget, or nothing to keep although the method needs it.
    """
    method, settings = method_settings(config.method, config.settings)
    needs: Needs = method.needs(settings)
    if not material.forget:
        raise NothingToDo("there is no sample to forget", mend="The audit found nothing that the model has learnt.")
    if needs.retain and not material.keep:
        raise NothingToDo(
            f"{config.method} holds the model to texts without findings, and the corpus has none",
            mend="Add some code that may be kept to corpus.paths.",
        )
    fence, kept = _fence(material.keep, config)
    longest = min(material.window_tokens, model.longest)
    cut = functools.partial(tokenize, encode=model.encode, max_length=longest, edges=config.edges)
    both = functools.partial(paired, kind=needs.counterpart, cut=cut, seed=seed) if needs.counterpart else cut
    written = [s for sample in material.forget for s in (sample, *variants(sample, config.variants, seed))]
    forget = [row for row in map(both, written) if len(row.ids) > 1]
    keep = [row for row in map(cut, kept if needs.retain else ()) if len(row.ids) > 1]
    schedule = Schedule(config.batch_size, config.micro_batch, config.order, seed, config.retain_batch_size)
    marked = needs.positions == "marked"
    halves = 2 if keep and config.order == "alternating" else 1
    per_epoch = halves * -(-len(forget) // config.batch_size)
    started(per_epoch * config.max_epochs)

    def steps_of(epoch: int) -> Iterable[list[Batch]]:
        return epoch_steps(forget, keep, schedule, epoch, pad_id=model.pad_id, marked=marked)

    check = Check(model, material, thresholds, fence, config=config, seed=seed, tracker=tracker)
    references = References(model, needs)
    if getattr(settings, "end_id", 0) < 0 and model.end_ids:
        settings = replace(settings, end_id=model.end_ids[0])
    if config.weights == "lora":
        add_lora(model, rank=config.rank, alpha=config.alpha, seed=seed)
    else:
        train_all(model)
        if needs.reference:  # the model before is gone after the first step
            beside = [row.counterpart for row in forget if row.counterpart is not None]
            references.fill([*forget, *beside], "forget")
            references.fill(keep, "retain")
    edited = hasattr(method, "edit")
    before = edits.trainable(model) if edited else {}
    course = train(
        model,
        steps_of,
        functools.partial(method.loss, settings=settings),
        settings=TrainSettings(
            OptimizerSettings(config.optimizer, config.learning_rate, config.betas, seed=seed),
            clip=config.clip,
            max_epochs=config.max_epochs if getattr(method, "TRAINED", True) else 0,
            steps_per_epoch=per_epoch,
            # a check comes after a step on texts to keep, not between the two halves of a pair
            check_every=config.check_every + config.check_every % halves,
            save_every=config.save_every,
            seed=seed,
            checkpointing=config.checkpointing,
        ),
        needs=needs,
        references=references,
        # what is trained is not yet what is kept: a check in between would judge the texts' being learnt
        check=None if edited else check,
        stop=None if edited else Fenced(thresholds, config.budget, config.patience) if fence else thresholds,
        workspace=workspace,
        name=name,
        progress=progress,
    )
    if edited:
        edits.apply(model, method, settings, before=before, forget=forget, keep=keep)
        course.checks.append((len(course.losses), check(model, len(course.losses))))
    if workspace is not None:
        with workspace.replacing(place) as folder:
            save_adapter(model, folder) if config.weights == "lora" else save(model, folder)
    return course


class Check:
    """What the loop asks every few steps: memory of the audited values, and perplexity of texts that are not trained on."""

    def __init__(
        self,
        model: CausalModel,
        material: Material,
        thresholds: ThresholdRule,
        fence: Sequence[Sample],
        *,
        config: UnlearnConfig,
        seed: int,
        tracker: Tracker,
    ) -> None:
        self.context, self.thresholds, self.fence, self.tracker = material.context_tokens, thresholds, fence, tracker
        self.values = some(material.audited, config.check_values, seed)
        self.few = some(self.values, LIKELIHOOD_CHECKED, seed)
        self.before = self._texts(model)

    def _texts(self, model: Model) -> list[Trial]:
        return recall.ask(model, self.fence, subset="kept", context_tokens=self.context)

    def __call__(self, model: Model, step: int) -> list[Score]:
        memory = recall.ask(model, self.values, subset="audited", context_tokens=self.context)
        scores = [memorization_accuracy.score(memory, stage="after", subset="audited")]
        if self.fence:
            scores.append(perplexity.difference(self.before, self._texts(model), subset="kept"))
        if scores[0].value is not None and self.thresholds.near(scores[0].value):
            trials = continuation.ask(model, self.few, subset="audited", context_tokens=self.context)
            scores.append(extraction_likelihood.score(trials, n=10, stage="after", subset="audited"))
        self.tracker.scores(scores, step)
        return scores


def _fence(keep: Sequence[Sample], config: UnlearnConfig) -> tuple[Sequence[Sample], Sequence[Sample]]:
    """Texts that watch over utility, and those that may be trained on: never the same."""
    count = min(FENCE_TEXTS, len(keep) // 4) if config.budget else 0
    return keep[:count], keep[count:]
