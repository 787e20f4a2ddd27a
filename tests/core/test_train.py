"""The loop: a killed run ends as an unbroken one does, the best weights win, and a loss that is no number is refused."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scrubber.core.batch import Batch, Schedule, Tokens, epoch_steps
from scrubber.core.errors import AskedWrongly, Interrupted, TrainingFailed
from scrubber.core.model.adapters import add_lora, train_all
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.load import load
from scrubber.core.model.outputs import Outputs
from scrubber.core.model.reference import Before, Needs, References
from scrubber.core.optimizers import OptimizerSettings
from scrubber.core.train import Course, Decision, TrainSettings, train
from scrubber.core.types import Model, Score
from scrubber.core.workspace import Workspace

SETTINGS = TrainSettings(
    OptimizerSettings(learning_rate=1e-2), max_epochs=4, steps_per_epoch=3, save_every=2, warm_up=2, decay="linear"
)
SAME = Needs(likelihood=True, target=lambda z, y: z.softmax(-1), retain_target=lambda z, y: z.softmax(-1))
STEPS = 12
DICE = random.Random(7)
ROWS = [Tokens(tuple(DICE.randrange(300) for _ in range(8)), (False,) * 8, (False,) * 8) for _ in range(6)]


@pytest.fixture
def new_model(tiny_models: dict[str, Path]) -> Callable[[], CausalModel]:
    """Models with an adapter, each the same; the GPT-2 brings dropout along."""

    def made() -> CausalModel:
        model = load(str(tiny_models["gpt2"]), "fp32")
        add_lora(model, rank=4, alpha=8, seed=0)
        return model

    return made


def steps_of(epoch: int) -> Iterable[list[Batch]]:
    return epoch_steps([], ROWS, Schedule(2, 1), epoch, pad_id=0)


def likelihood(outputs: Outputs, reference: Before, batch: Batch) -> torch.Tensor:
    return -outputs.log_likelihood(batch.labels).sum() / batch.context_total


def trained(model: CausalModel) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in model.network.named_parameters() if p.requires_grad}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    assert first.keys() == second.keys()
    return all(torch.equal(first[name], second[name]) for name in first)


def score(step: int) -> list[Score]:
    return [Score("memorization_accuracy", "after", "audited", 1 / (step + 1), 0.0, 1.0, 5)]


class At:
    """Calls the checks of some steps the best so far, and stops at one."""

    def __init__(self, best: Sequence[int] = (), stop: int | None = None) -> None:
        self.best, self.stop, self.seen = best, stop, list[int]()

    def __call__(self, step: int, scores: Sequence[Score]) -> Decision:
        self.seen.append(step)
        return Decision(step in self.best, step == self.stop)


def check(model: Model, step: int) -> list[Score]:
    return score(step)


class Killer:
    """A progress bar that dies at a step."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, steps: int) -> None:
        self.left -= steps
        if self.left <= 0:
            raise Interrupted("killed")


def test_training_learns_and_touches_nothing_but_the_adapter(new_model: Callable[[], CausalModel]) -> None:
    model = new_model()
    before = {n: p.detach().clone() for n, p in model.network.named_parameters()}
    course = train(model, steps_of, likelihood, settings=SETTINGS)
    assert len(course.losses) == STEPS
    assert course.losses[-1] < course.losses[0] - 0.1
    moved = {n for n, p in model.network.named_parameters() if not torch.equal(p, before[n])}
    assert moved == set(trained(model))
    assert all("lora_" in name for name in moved)


@pytest.mark.parametrize("killed_at", sorted(random.Random(1).sample(range(1, STEPS), 4)))
def test_a_killed_run_goes_on_to_the_same_weights_bit_for_bit(
    new_model: Callable[[], CausalModel], tmp_path: Path, killed_at: int
) -> None:
    def run(model: CausalModel, folder: str, progress: Callable[[int], None] = lambda step: None) -> Course:
        with Workspace(tmp_path / folder) as workspace:
            rule = At(best=[3, 9], stop=None)
            return train(
                model, steps_of, likelihood, settings=SETTINGS, needs=SAME, check=check, stop=rule,
                workspace=workspace, progress=progress,
            )  # fmt: skip

    whole, parts = new_model(), new_model()
    course = run(whole, "whole")
    with pytest.raises(Interrupted):
        run(parts, "parts", Killer(killed_at))
    torch.manual_seed(12345)  # a new process would have other dice
    parts = new_model()
    again = run(parts, "parts")
    assert same(trained(whole), trained(parts))
    assert again == course
    assert again.best_step == 9
    assert [step for step, _ in again.checks] == [3, 6, 9, 12]


def test_a_run_killed_before_its_last_check_ends_with_the_same_last_weights(
    new_model: Callable[[], CausalModel], tmp_path: Path
) -> None:
    whole, parts = new_model(), new_model()
    train(whole, steps_of, likelihood, settings=SETTINGS)
    with Workspace(tmp_path) as workspace:
        with pytest.raises(Interrupted):
            train(parts, steps_of, likelihood, settings=SETTINGS, workspace=workspace, progress=Killer(11))
        train(parts, steps_of, likelihood, settings=SETTINGS, workspace=workspace)
    assert same(trained(whole), trained(parts))


def test_a_finished_run_is_not_trained_again(new_model: Callable[[], CausalModel], tmp_path: Path) -> None:
    first, second = new_model(), new_model()
    with Workspace(tmp_path) as workspace:
        for model in (first, second):
            course = train(
                model,
                steps_of,
                likelihood,
                settings=SETTINGS,
                check=check,
                stop=At(best=[6], stop=6),
                workspace=workspace,
            )
            assert course.stopped
            assert len(course.losses) == 6
    assert same(trained(first), trained(second))


def test_the_rule_sees_every_check_again_when_a_run_goes_on(
    new_model: Callable[[], CausalModel], tmp_path: Path
) -> None:
    rule = At()
    with Workspace(tmp_path) as workspace:
        with pytest.raises(Interrupted):
            train(new_model(), steps_of, likelihood, settings=SETTINGS, check=check, stop=At(), workspace=workspace,
                  progress=Killer(8))  # fmt: skip
        train(new_model(), steps_of, likelihood, settings=SETTINGS, check=check, stop=rule, workspace=workspace)
    assert rule.seen == [3, 6, 9, 12]


def test_the_rule_ends_the_run(new_model: Callable[[], CausalModel]) -> None:
    course = train(new_model(), steps_of, likelihood, settings=SETTINGS, check=check, stop=At(stop=6))
    assert course.stopped
    assert len(course.losses) == 6
    course = train(new_model(), steps_of, likelihood, settings=SETTINGS, check=check, stop=At())
    assert not course.stopped
    assert len(course.losses) == STEPS


def test_the_best_weights_that_the_rule_saw_are_left(new_model: Callable[[], CausalModel]) -> None:
    model = new_model()
    seen: dict[int, dict[str, torch.Tensor]] = {}

    def remember(asked: Model, step: int) -> list[Score]:
        seen[step] = trained(model)
        return score(step)

    course = train(model, steps_of, likelihood, settings=SETTINGS, check=remember, stop=At(best=[3, 6]))
    assert course.best_step == 6
    assert same(trained(model), seen[6])
    assert not same(trained(model), seen[12])


@pytest.mark.parametrize(("every", "steps"), [(0, [3, 6, 9, 12]), (5, [5, 10]), (1, list(range(1, 13))), (40, [])])
def test_checks_come_in_their_cadence(new_model: Callable[[], CausalModel], every: int, steps: list[int]) -> None:
    settings = replace(SETTINGS, check_every=every)
    course = train(new_model(), steps_of, likelihood, settings=settings, check=check, stop=At())
    assert [step for step, _ in course.checks] == steps


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_fails_with_a_mend(new_model: Callable[[], CausalModel], bad: float) -> None:
    model, calls = new_model(), []

    def broken(outputs: Outputs, reference: Before, batch: Batch) -> torch.Tensor:
        calls.append(1)
        value = likelihood(outputs, reference, batch)
        return value * bad if len(calls) > 4 else value  # two micro-batches a step: step 2 is bad

    with pytest.raises(TrainingFailed, match="at step 2") as caught:
        train(model, steps_of, broken, settings=SETTINGS)
    assert caught.value.exit_code == 3
    assert "learning rate" in caught.value.mend
    assert all(torch.isfinite(weights).all() for weights in trained(model).values())


def test_the_reference_is_the_model_before_without_dropout(new_model: Callable[[], CausalModel]) -> None:
    model = new_model()
    apart: list[float] = []

    def compare(outputs: Outputs, reference: Before, batch: Batch) -> torch.Tensor:
        assert reference.log_likelihood is not None
        assert not reference.log_likelihood.requires_grad
        apart.append((outputs.log_likelihood(batch.labels) - reference.log_likelihood).abs().max().item())
        return likelihood(outputs, reference, batch)

    train(model, steps_of, compare, settings=SETTINGS, needs=SAME)
    assert max(apart[:2]) < 1e-6  # both micro-batches of the first step: a new adapter changes nothing
    assert apart[-1] > 1e-3


def test_no_reference_is_computed_for_a_loss_that_needs_none(new_model: Callable[[], CausalModel]) -> None:
    def alone(outputs: Outputs, reference: Before, batch: Batch) -> torch.Tensor:
        assert reference == Before()
        return likelihood(outputs, reference, batch)

    train(new_model(), steps_of, alone, settings=replace(SETTINGS, max_epochs=1))


@pytest.mark.parametrize("name", ["gpt2", "llama", "qwen2"])
def test_activations_computed_again_give_the_same_weights(name: str, tiny_models: dict[str, Path]) -> None:
    def run(checkpointing: bool) -> tuple[dict[str, torch.Tensor], int]:
        model = load(str(tiny_models[name]), "fp32")
        add_lora(model, rank=4, alpha=8, seed=0)
        calls: list[int] = []
        layer = next(m for m in model.network.modules() if hasattr(m, "gradient_checkpointing") and hasattr(m, "mlp"))
        layer.mlp.register_forward_pre_hook(lambda *seen: calls.append(1))  # it is left before its end, the second time
        train(model, steps_of, likelihood, settings=replace(SETTINGS, max_epochs=1, checkpointing=checkpointing))
        assert not any(module.training for module in model.network.modules())
        return trained(model), len(calls)

    (kept, once), (again, twice) = run(False), run(True)
    assert twice > once  # or nothing was computed again
    for weight in kept:
        torch.testing.assert_close(again[weight], kept[weight], atol=1e-6, rtol=0)


def test_all_weights_train_but_embeddings_and_head_and_the_model_before_stays_known(
    tiny_models: dict[str, Path],
) -> None:
    model = load(str(tiny_models["llama"]), "fp32")
    train_all(model)
    ends = {id(p) for part in (model.network.get_input_embeddings(), model.network.get_output_embeddings())
            for p in part.parameters()}  # fmt: skip
    assert all(p.requires_grad != (id(p) in ends) for p in model.network.parameters())
    references, seen = References(model, SAME), []
    references.fill(ROWS, "retain")

    def compare(outputs: Outputs, reference: Before, batch: Batch) -> torch.Tensor:
        seen.append(reference.divergence(outputs).mean().item())
        return likelihood(outputs, reference, batch)

    train(model, steps_of, compare, settings=SETTINGS, needs=SAME, references=references)
    assert max(map(abs, seen[:2])) < 1e-5
    assert seen[-1] > 1e-3


def test_quantised_weights_cannot_train_themselves(tiny_models: dict[str, Path]) -> None:
    with pytest.raises(AskedWrongly, match="nf4"):
        train_all(load(str(tiny_models["llama"]), "nf4"))
