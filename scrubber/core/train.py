"""The one visible training loop. It knows no method: a loss is an argument, and so is the rule that ends it."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import torch

from scrubber.core.batch import Batch
from scrubber.core.errors import TrainingFailed
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.outputs import Outputs, check_head, forward, recomputing
from scrubber.core.model.reference import NONE, Before, Needs, References
from scrubber.core.optimizers import Optimizer, OptimizerSettings, optimizer
from scrubber.core.types import Check, Score
from scrubber.core.workspace import Workspace


class LossFunction(Protocol):
    """A method's loss over one micro-batch; over the micro-batches of a step it adds up to the step's loss."""

    def __call__(self, outputs: Outputs, reference: Before, batch: Batch) -> torch.Tensor: ...


class Decision(NamedTuple):
    best: bool  # these weights are the best so far
    stop: bool


class StoppingRule(Protocol):
    """Sees every check in order; keeps what it must remember by itself, and is shown them all again on resuming."""

    def __call__(self, step: int, scores: Sequence[Score]) -> Decision: ...


@dataclass(frozen=True)
class TrainSettings:
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    clip: float = 1.0  # the gradient's largest norm
    warm_up: int = 0  # steps
    decay: Literal["constant", "linear"] = "constant"
    max_epochs: int = 10
    steps_per_epoch: int = 1
    check_every: int = 0  # steps; 0: after every epoch
    save_every: int = 25  # steps
    seed: int = 0
    checkpointing: bool = False  # activations are computed again in the backward pass: less memory, a third more time
    bfloat16: bool = False  # matrix products in bfloat16, where the processor has them: about 1.4 times as fast


@dataclass
class Course:
    """What happened: losses by step, every check's scores, and which check was best."""

    losses: list[float] = field(default_factory=list)
    checks: list[tuple[int, list[Score]]] = field(default_factory=list)
    best_step: int | None = None
    stopped: bool = False  # by the stopping rule; otherwise all epochs were done


def train(
    model: CausalModel,
    steps_of: Callable[[int], Iterable[list[Batch]]],
    loss: LossFunction,
    *,
    settings: TrainSettings,
    needs: Needs = NONE,
    references: References | None = None,
    check: Check | None = None,
    stop: StoppingRule | None = None,
    workspace: Workspace | None = None,
    name: str = "training",
    progress: Callable[[int], None] = lambda step: None,
) -> Course:
    """Trains the parameters that require a gradient, in place, and leaves the best weights that ``stop`` saw.

    ``references`` answers for the model before; without one, and with ``needs.reference``, rows are asked as they come.
    ``steps_of(epoch)`` gives the optimizer steps of an epoch, each a list of micro-batches; it must depend on the epoch
    alone, since a resumed run (the same ``workspace`` and ``name``) skips the steps that are done.
    Raises TrainingFailed when a loss is not finite.
    """
    torch.manual_seed(settings.seed)
    wanted = {n: p for n, p in model.network.named_parameters() if p.requires_grad}
    check_head(model)
    mover = optimizer(list(wanted.values()), settings.optimizer)
    known = references or References(model, needs)
    course, step, best = Course(), 0, None
    place = f"private/{name}-checkpoint"
    if workspace is not None and workspace.path(place).exists():
        course, step, best = _resume(workspace.path(place), wanted, mover, model.device)
        for seen_step, scores in course.checks:
            if stop is not None:
                stop(seen_step, scores)
        progress(step)

    every = settings.check_every or settings.steps_per_epoch
    passed = 0
    for batches in (batches for epoch in range(settings.max_epochs) for batches in steps_of(epoch)):
        passed += 1
        if passed <= step:
            continue
        if course.stopped:
            break
        total = functools.partial(_add_up, model, batches, loss, needs, known, step, settings)
        course.losses.append(mover.step(total, _pace(step, settings)))
        model.network.zero_grad(set_to_none=True)
        step += 1
        progress(1)
        checked = step % every == 0
        if check is not None and stop is not None and checked:
            scores = list(check(model, step))
            course.checks.append((step, scores))
            decision = stop(step, scores)
            if decision.best:
                course.best_step, best = step, {n: p.detach().clone() for n, p in wanted.items()}
            course.stopped = decision.stop
        if workspace is not None and (checked or step % settings.save_every == 0):
            _save(workspace, place, course, step, best, wanted, mover)
    if best is not None:
        with torch.no_grad():
            for n, parameter in wanted.items():
                parameter.copy_(best[n])
    return course


def _add_up(
    model: CausalModel,
    batches: list[Batch],
    loss: LossFunction,
    needs: Needs,
    references: References,
    step: int,
    settings: TrainSettings,
    gradients: bool,
) -> float:
    """The loss of one optimizer step; with ``gradients``, those of its micro-batches are added up in ``.grad``, and clipped."""
    # Evaluation mode in training, too: no dropout, or the model before would not be exact, nor a resumed run the same.
    model.network.eval()
    model.network.zero_grad(set_to_none=True)
    total = 0.0
    for batch in batches:
        with torch.autocast(model.device.type, torch.bfloat16, enabled=settings.bfloat16):
            before = references(batch) if needs.reference else Before()
            with torch.set_grad_enabled(gradients), recomputing(model, settings.checkpointing):
                value = loss(forward(model, batch, layer=needs.layer), before, batch.to(model.device))
        if not torch.isfinite(value):
            raise TrainingFailed(
                f"the loss is {value.item()} at step {step}",
                mend="Lower the learning rate; if it happens at step 0, the model's weights hold values that are not finite.",
            )
        if gradients:
            with recomputing(model, settings.checkpointing):
                torch.autograd.backward(value)
        total += value.item()
    if gradients:
        torch.nn.utils.clip_grad_norm_([p for p in model.network.parameters() if p.requires_grad], settings.clip)
    return total


def _pace(step: int, settings: TrainSettings) -> float:
    """The share of the learning rate at a step: warm-up, then constant, or falling to 0 over the last 40 %."""
    warm = min(1.0, (step + 1) / settings.warm_up) if settings.warm_up else 1.0
    if settings.decay == "constant":
        return warm
    left = 1 - step / (settings.max_epochs * settings.steps_per_epoch)
    return warm * min(1.0, max(0.0, left) / 0.4)


def _save(
    workspace: Workspace,
    place: str,
    course: Course,
    step: int,
    best: dict[str, torch.Tensor] | None,
    wanted: dict[str, torch.nn.Parameter],
    mover: Optimizer,
) -> None:
    with workspace.replacing(place) as folder:
        folder.mkdir()
        weights = {n: p.detach() for n, p in wanted.items()}
        torch.save({"weights": weights, "best": best, "optimizer": mover.state_dict()}, folder / "state.pt")
        facts = {
            "step": step,
            "losses": course.losses,
            "checks": [[at, [_plain(s) for s in scores]] for at, scores in course.checks],
            "best_step": course.best_step,
            "stopped": course.stopped,
        }
        (folder / "course.json").write_text(json.dumps(facts))


def _resume(
    folder: Path, wanted: dict[str, torch.nn.Parameter], mover: Optimizer, device: torch.device
) -> tuple[Course, int, dict[str, torch.Tensor] | None]:
    facts = json.loads((folder / "course.json").read_text())
    state: dict[str, Any] = torch.load(folder / "state.pt", map_location=device, weights_only=True)
    with torch.no_grad():
        for n, parameter in wanted.items():
            parameter.copy_(state["weights"][n])
    mover.load_state_dict(state["optimizer"])
    course = Course(
        facts["losses"], [(at, [Score(**s) for s in scores]) for at, scores in facts["checks"]],
        facts["best_step"], facts["stopped"],
    )  # fmt: skip
    return course, facts["step"], state["best"]


def _plain(score: Score) -> dict[str, Any]:
    return {name: getattr(score, name) for name in Score.__slots__}
