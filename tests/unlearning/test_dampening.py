"""Dampening: importances are squared slopes sample by sample, the rule is the paper's, and what it shrinks was the memory."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scrubber.core.batch import Tokens, collate
from scrubber.core.errors import AskedWrongly
from scrubber.core.model.adapters import add_lora
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.load import load
from scrubber.core.model.outputs import forward
from scrubber.core.optimizers import OptimizerSettings
from scrubber.core.train import TrainSettings, train
from scrubber.unlearning import edits
from scrubber.unlearning.edits import Statistics
from scrubber.unlearning.methods import dampening
from tests.unlearning import invariances
from tests.unlearning.pairs import Logits
from tests.unlearning.slow import Step, mean, new_step, ours, rows, slow_loss, with_gradient

CASES = {"default": dampening.Settings(), "span": dampening.Settings(positions="span")}


# -- the rule


def slow_dampening(weight: float, forget: float, retain: float, s: dampening.Settings) -> float:
    if forget > s.alpha * retain:
        return min(s.lambda_ * retain / forget, 1) * weight
    return weight


IMPORTANCE = st.one_of(st.just(0.0), st.floats(2**-30, 1024, width=32))


@given(
    st.lists(st.tuples(st.floats(-5, 5, width=32), IMPORTANCE, IMPORTANCE), min_size=1, max_size=12),
    st.sampled_from([0.1, 1.0, 10.0]),
    st.sampled_from([0.1, 1.0, 5.0]),
)
def test_each_weight_is_dampened_by_the_rule(
    weights: list[tuple[float, float, float]], alpha: float, lambda_: float
) -> None:
    s = dampening.Settings(alpha=alpha, lambda_=lambda_)
    value, forget, retain = ({"w": torch.tensor(column)} for column in zip(*weights, strict=True))
    made = dampening.edit(value, Statistics(value, forget, retain), settings=s)["w"]
    for got, (weight, f, d) in zip(made.tolist(), weights, strict=True):
        if abs(f - alpha * d) > 1e-5 * f:  # float32 may round to either side of the limit
            assert got == pytest.approx(slow_dampening(weight, f, d, s), rel=1e-5, abs=1e-9)
        assert abs(got) <= abs(weight)
        assert got * weight >= 0


def test_what_matters_to_texts_to_forget_alone_goes_and_what_does_not_stays() -> None:
    ones = {"w": torch.ones(3)}
    statistics = Statistics(ones, {"w": torch.tensor([1.0, 0.0, 1.0])}, {"w": torch.tensor([0.0, 1.0, 1.0])})
    assert dampening.edit(ones, statistics, settings=CASES["default"])["w"].tolist() == [0, 1, 1]


def test_a_new_adapter_is_refused(tiny_models: dict[str, Path]) -> None:
    model = load(str(tiny_models["gpt2"]), "fp32")
    add_lora(model, rank=4, alpha=8, seed=0)
    made = rows([5, 4], 1, forget=True, vocabulary=300)
    with pytest.raises(AskedWrongly, match="new adapter holds none"):
        edits.apply(model, dampening, CASES["default"], before=edits.trainable(model), forget=made, keep=made)


# -- the loss whose squared slopes are the importances


def slow_likelihood(step: Step, logits: Logits, s: dampening.Settings) -> torch.Tensor:
    total = torch.zeros((), dtype=torch.float64)
    for role in ("forget", "retain"):
        total = total + mean(
            [
                slow_loss(logits[role][b, t - 1], row.ids[t])
                for b, row in enumerate(step.rows[role])
                for t in range(1, len(row.ids))
                if role == "retain" or s.positions == "completion" or row.forget[t]
            ]
        )
    return total


@pytest.mark.parametrize("case", CASES)
def test_the_loss_and_its_gradient_are_those_of_plain_likelihood(case: str) -> None:
    step, s = new_step(), CASES[case]
    value, gradient = with_gradient(lambda logits: ours(dampening, step, logits, s), step)
    expected, slope = with_gradient(lambda logits: slow_likelihood(step, logits, s), step)
    assert value == pytest.approx(expected, abs=1e-5)
    for role in ("forget", "retain"):
        torch.testing.assert_close(gradient[role], slope[role], atol=1e-5, rtol=0)


@pytest.mark.parametrize("case", CASES)
def test_micro_batches_padding_and_rows_without_spans(case: str, tiny_models: dict[str, Path]) -> None:
    invariances.check_parts_add_up(tiny_models["gpt2"], dampening, CASES[case])
    invariances.check_padding_changes_nothing(tiny_models["gpt2"], dampening, CASES[case])
    invariances.check_a_step_without_marks_is_finite(dampening, new_step(), CASES[case])


# -- importances of a real model


def importances(model: CausalModel, made: list[Tokens], s: dampening.Settings) -> dict[str, torch.Tensor]:
    return edits.importances(model, made, "forget", partial(dampening.loss, settings=s), dampening.needs(s))


def slow_importances(model: CausalModel, made: list[Tokens], s: dampening.Settings) -> dict[str, torch.Tensor]:
    """A row at a time through transformers itself, and a token at a time through the formula."""
    wanted = {n: p for n, p in model.network.named_parameters() if p.requires_grad}
    sums = {n: torch.zeros_like(p, dtype=torch.float64) for n, p in wanted.items()}
    for row in made:
        logits = model.network(input_ids=torch.tensor([row.ids]), use_cache=False).logits[0].double()
        terms = [
            -torch.log(torch.softmax(logits[t - 1], -1)[row.ids[t]])
            for t in range(1, len(row.ids))
            if s.positions == "completion" or row.forget[t]
        ]
        for name, slope in zip(wanted, torch.autograd.grad(mean(terms), list(wanted.values())), strict=True):
            sums[name] += slope.double() ** 2
    return {n: total / len(made) for n, total in sums.items()}


@pytest.mark.parametrize("case", CASES)
def test_importances_are_mean_squared_slopes_of_single_samples(case: str, tiny_models: dict[str, Path]) -> None:
    model, made = invariances.adapted(tiny_models["gpt2"]), rows([5, 9, 3], 6, forget=True, vocabulary=300)
    found, expected = importances(model, made, CASES[case]), slow_importances(model, made, CASES[case])
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        torch.testing.assert_close(found[name].double(), values, atol=1e-6 * float(values.max()), rtol=1e-3)
    assert max(values.max() for values in expected.values()) > 1e-4
    assert all(p.grad is None for p in model.network.parameters())


def test_importances_do_not_depend_on_the_order_of_rows(tiny_models: dict[str, Path]) -> None:
    model, made = invariances.adapted(tiny_models["gpt2"]), rows([5, 9, 3], 6, forget=True, vocabulary=300)
    one, other = (importances(model, some, CASES["default"]) for some in (made, made[::-1]))
    for name in one:
        torch.testing.assert_close(one[name], other[name], atol=1e-9, rtol=1e-4)


def test_a_model_that_learnt_two_texts_forgets_the_one_far_more(tiny_models: dict[str, Path]) -> None:
    """With all weights, and texts that share no token: some weights then serve the one text alone."""
    model = load(str(tiny_models["gpt2"]), "fp32")
    model.network.requires_grad_(True)
    forget, other = (rows([24, 24], seed, forget=False, vocabulary=150) for seed in (6, 7))
    keep = [replace(row, ids=tuple(token + 150 for token in row.ids)) for row in other]
    s, batch = dampening.Settings(alpha=20.0), collate([*forget, *keep], "retain", pad_id=0)
    train(
        model,
        lambda epoch: [[batch]],
        lambda outputs, before, part: dampening.loss(outputs, before, part, settings=s),
        settings=TrainSettings(OptimizerSettings(learning_rate=3e-3), max_epochs=10),
    )

    def surprise(made: list[Tokens]) -> float:
        part = collate(made, "retain", pad_id=0)
        with torch.no_grad():
            return -forward(model, part).log_likelihood(part.labels).mean().item()

    known, kept = surprise(forget), surprise(keep)
    assert max(known, kept) < 0.5
    edits.apply(model, dampening, s, before=edits.trainable(model), forget=forget, keep=keep)
    assert surprise(forget) - known > 5
    assert surprise(keep) - kept < 2
