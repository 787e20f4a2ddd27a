"""The task vector: learnt by plain likelihood, then exactly negated, as a change of the weights that LoRA stands for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from scrubber.core.batch import collate
from scrubber.core.errors import AskedWrongly
from scrubber.core.model.adapters import add_lora, reference
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.load import load
from scrubber.core.model.outputs import forward
from scrubber.core.optimizers import OptimizerSettings
from scrubber.core.train import TrainSettings, train
from scrubber.unlearning import edits
from scrubber.unlearning.edits import Statistics
from scrubber.unlearning.methods import task_vector
from tests.unlearning import invariances
from tests.unlearning.pairs import Logits
from tests.unlearning.slow import Step, mean, new_step, ours, rows, slow_loss, with_gradient

SETTINGS = task_vector.Settings(scale=0.6)
ROWS = rows([5, 9, 3, 12], 4, forget=True, vocabulary=300)


def slow_task_vector(step: Step, logits: Logits) -> torch.Tensor:
    return mean(
        [
            slow_loss(logits["forget"][b, t - 1], row.ids[t])
            for b, row in enumerate(step.rows["forget"])
            for t in range(1, len(row.ids))
        ]
    )


def test_the_loss_and_its_gradient_are_those_of_plain_likelihood() -> None:
    step = new_step()
    value, gradient = with_gradient(lambda logits: ours(task_vector, step, logits, SETTINGS), step)
    expected, slope = with_gradient(lambda logits: slow_task_vector(step, logits), step)
    assert value == pytest.approx(expected, abs=1e-5)
    torch.testing.assert_close(gradient["forget"], slope["forget"], atol=1e-5, rtol=0)


def test_micro_batches_padding_and_rows_without_spans(tiny_models: dict[str, Path]) -> None:
    invariances.check_parts_add_up(tiny_models["gpt2"], task_vector, SETTINGS)
    invariances.check_padding_changes_nothing(tiny_models["gpt2"], task_vector, SETTINGS)
    invariances.check_a_step_without_marks_is_finite(task_vector, new_step(), SETTINGS)


def test_of_whole_weights_it_is_the_formula() -> None:
    dice = torch.Generator().manual_seed(1)
    before, tuned = ({"w": torch.randn(3, 4, generator=dice)} for _ in range(2))
    made = task_vector.edit(tuned, Statistics(before), settings=SETTINGS)["w"]
    for i in range(3):
        for j in range(4):
            start, end = before["w"][i, j].item(), tuned["w"][i, j].item()
            assert made[i, j].item() == pytest.approx(start - SETTINGS.scale * (end - start), abs=1e-6)


@pytest.fixture
def fresh(tiny_models: dict[str, Path]) -> CausalModel:
    model = load(str(tiny_models["gpt2"]), "fp32")
    add_lora(model, rank=4, alpha=8, seed=0)
    return model


def products(model: CausalModel) -> dict[str, torch.Tensor]:
    """B A of each layer: what its weight changes by, but for LoRA's constant."""
    weights = edits.trainable(model)
    return {n: weights[n.replace("lora_A", "lora_B")] @ a for n, a in weights.items() if "lora_A" in n}


def memorise(model: CausalModel) -> None:
    settings = TrainSettings(OptimizerSettings(learning_rate=1e-2), max_epochs=8)
    batch = collate(ROWS, "forget", pad_id=0)
    train(
        model,
        lambda epoch: [[batch]],
        lambda outputs, before, part: task_vector.loss(outputs, before, part, settings=SETTINGS),
        settings=settings,
    )


def likelihood(model: CausalModel) -> float:
    batch = collate(ROWS, "forget", pad_id=0)
    with torch.no_grad():
        return forward(model, batch).log_likelihood(batch.labels).mean().item()


def test_with_lora_every_weight_goes_as_far_the_other_way_and_the_text_is_less_likely(fresh: CausalModel) -> None:
    start = edits.trainable(fresh)
    with reference(fresh):
        at_first = likelihood(fresh)
    memorise(fresh)
    learnt, known = products(fresh), likelihood(fresh)
    edits.apply(fresh, task_vector, SETTINGS, before=start, forget=ROWS, keep=[])
    for name, product in products(fresh).items():
        torch.testing.assert_close(product, -SETTINGS.scale * learnt[name], atol=1e-7, rtol=1e-5)
    assert max(product.abs().max() for product in learnt.values()) > 1e-3
    assert likelihood(fresh) < at_first < known


def test_a_scale_of_nought_is_the_model_before(fresh: CausalModel) -> None:
    start = edits.trainable(fresh)
    with reference(fresh):
        at_first = likelihood(fresh)
    memorise(fresh)
    edits.apply(fresh, task_vector, task_vector.Settings(scale=0.0), before=start, forget=ROWS, keep=[])
    assert likelihood(fresh) == pytest.approx(at_first, abs=1e-6)


def test_an_adapter_that_held_something_before_is_refused(tiny_models: dict[str, Path]) -> None:
    model = invariances.adapted(tiny_models["gpt2"])
    with pytest.raises(AskedWrongly, match="held something before"):
        edits.apply(model, task_vector, SETTINGS, before=edits.trainable(model), forget=ROWS, keep=[])
