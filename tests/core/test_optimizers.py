"""Every optimizer goes down, goes on after a break bit for bit, and does with the gradient what its paper says."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from scrubber.core.batch import collate
from scrubber.core.errors import TrainingFailed
from scrubber.core.model.adapters import add_lora
from scrubber.core.model.load import load
from scrubber.core.optimizers import Adam, Hybrid, Name, Optimizer, OptimizerSettings, Sam, SignAdam, optimizer
from scrubber.core.train import TrainSettings, train
from tests.unlearning.slow import rows

NAMES = [name for name in get_args(Name) if name != "adamw_8bit"]  # that one wants a GPU
SIZE = 300


class Valley:
    """A quadratic of two parameters, steep in some directions and flat in others; counts how often it is asked."""

    def __init__(self, size: int = SIZE) -> None:
        dice = torch.Generator().manual_seed(0)
        self.steepness = torch.exp(torch.randn(size, generator=dice))
        self.goal = torch.randn(size, generator=dice)
        halves = torch.zeros(size).split([size // 3, size - size // 3])
        self.parameters = [torch.nn.Parameter(half.clone()) for half in halves]
        self.asked: list[bool] = []

    def value(self) -> torch.Tensor:
        return (self.steepness * (torch.cat(list(self.parameters)) - self.goal) ** 2).mean() / 2

    def __call__(self, gradients: bool) -> float:
        self.asked.append(gradients)
        for parameter in self.parameters:
            parameter.grad = None
        value = self.value()
        if gradients:
            value.backward()  # type: ignore[no-untyped-call]
        return value.item()

    @property
    def place(self) -> torch.Tensor:
        return torch.cat([parameter.detach().clone() for parameter in self.parameters])

    @property
    def slope(self) -> torch.Tensor:
        """As the optimizer left it in ``.grad``."""
        return torch.cat([torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters])


def settings(name: Name, **others: Any) -> OptimizerSettings:
    return replace(OptimizerSettings(name=name, learning_rate=0.02), **others)


def steps(mover: Optimizer, valley: Callable[[bool], float], count: int) -> list[float]:
    return [mover.step(valley, 1.0) for _ in range(count)]


@pytest.mark.parametrize("name", NAMES)
def test_a_quadratic_is_descended(name: Name) -> None:
    valley = Valley()
    values = steps(optimizer(valley.parameters, settings(name)), valley, 160)
    assert values[-1] < 0.15 * values[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_tiny_model_learns(name: Name, tiny_models: dict[str, Path]) -> None:
    model = load(str(tiny_models["gpt2"]), "fp32")
    add_lora(model, rank=4, alpha=8, seed=0)
    batch = collate(rows([12, 9], 1, forget=False, vocabulary=300), "retain", pad_id=0)
    made = train(
        model,
        lambda epoch: [[batch]],
        lambda outputs, before, part: -outputs.log_likelihood(part.labels).mean(),
        settings=TrainSettings(OptimizerSettings(name, learning_rate=5e-3, period=3), max_epochs=12),
    )
    assert made.losses[-1] < made.losses[0] - 0.3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("broken_at", [3, 7])
def test_a_saved_state_goes_on_bit_for_bit(name: Name, broken_at: int) -> None:
    """``period`` 5: the hybrid breaks in a first-order part, then in one of zeroth order."""
    s = settings(name, weight_decay=0.01, period=5)
    whole, parts = Valley(), Valley()
    expected = steps(optimizer(whole.parameters, s), whole, 14)
    first = optimizer(parts.parameters, s)
    values = steps(first, parts, broken_at)
    saved = io.BytesIO()
    torch.save(first.state_dict(), saved)
    saved.seek(0)
    again = Valley()
    for parameter, place in zip(again.parameters, parts.parameters, strict=True):
        parameter.data.copy_(place.data)
    second = optimizer(again.parameters, s)
    second.load_state_dict(torch.load(saved, weights_only=True))
    values += steps(second, again, 14 - broken_at)
    assert values == expected
    assert torch.equal(again.place, whole.place)


@pytest.mark.parametrize("name", NAMES)
def test_no_pace_is_no_step(name: Name) -> None:
    valley = Valley()
    mover = optimizer(valley.parameters, settings(name))
    steps(mover, valley, 2)
    before = valley.place
    mover.step(valley, 0.0)
    assert torch.equal(valley.place, before)
    mover.step(valley, 1.0)
    assert not torch.equal(valley.place, before)


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_that_is_told_is_that_before_the_step(name: Name) -> None:
    valley = Valley()
    mover = optimizer(valley.parameters, settings(name, period=1))
    for first_order in (True, False):
        true = valley.value().item()
        exact = first_order or name != "hybrid"  # an estimate is the mean of both sides
        assert mover.step(valley, 1.0) == pytest.approx(true, abs=0 if exact else 1e-2)


@pytest.mark.parametrize("name", NAMES)
def test_a_parameter_without_a_gradient_stays(name: Name) -> None:
    """As layers after the one that a loss looks at."""
    valley, idle = Valley(), torch.nn.Parameter(torch.ones(3))
    steps(optimizer([*valley.parameters, idle], settings(name, period=2)), valley, 2)
    assert torch.equal(idle.detach(), torch.ones(3))


# -- AdamW


def test_adamw_is_the_papers_update() -> None:
    valley, s = Valley(), settings("adamw", weight_decay=0.1)
    mover = optimizer(valley.parameters, s)
    place, m, v = valley.place.double(), torch.zeros(SIZE).double(), torch.zeros(SIZE).double()
    for t, pace in enumerate((1.0, 0.5, 0.25), 1):
        slope = valley.steepness.double() * (place - valley.goal) / SIZE
        rate = s.learning_rate * pace
        m = s.betas[0] * m + (1 - s.betas[0]) * slope
        v = s.betas[1] * v + (1 - s.betas[1]) * slope**2
        place = place * (1 - rate * s.weight_decay)
        place = place - rate * (m / (1 - s.betas[0] ** t)) / (torch.sqrt(v / (1 - s.betas[1] ** t)) + 1e-8)
        mover.step(valley, pace)
        torch.testing.assert_close(valley.place.double(), place, atol=2e-6, rtol=1e-5)


# -- sign-Adam


def test_sign_adam_looks_at_signs_alone() -> None:
    """The same steps when every slope is many times as large; other ones where a sign turns."""
    dice = torch.Generator().manual_seed(3)
    slopes = [torch.randn(6, generator=dice) for _ in range(5)]
    larger = [slope * torch.rand(6, generator=dice) * 1000 for slope in slopes]
    turned = [*slopes[:4], slopes[4] * torch.tensor([-1.0, 1, 1, 1, 1, 1])]

    def walk(course: list[torch.Tensor], name: Name) -> torch.Tensor:
        parameter = torch.nn.Parameter(torch.zeros(6))
        mover = optimizer([parameter], settings(name))
        for slope in course:

            def loss(gradients: bool, slope: torch.Tensor = slope) -> float:
                parameter.grad = slope.clone()
                return 0.0

            mover.step(loss, 1.0)
        return parameter.detach()

    assert torch.equal(walk(slopes, "sign_adam"), walk(larger, "sign_adam"))
    assert not torch.equal(walk(slopes, "adamw"), walk(larger, "adamw"))
    assert torch.equal(walk(slopes, "sign_adam"), walk([slope.sign() for slope in slopes], "adamw"))
    moved = walk(slopes, "sign_adam") != walk(turned, "sign_adam")
    assert moved.tolist() == [True] + [False] * 5


# -- SAM


def test_sam_steps_as_adamw_would_with_the_gradient_of_the_steepest_place_near_by() -> None:
    valley, other = Valley(), Valley()
    s = settings("sam", radius=0.7)
    sam, adam = optimizer(valley.parameters, s), optimizer(other.parameters, settings("adamw"))
    for _ in range(3):
        place = other.place
        slope = other.steepness * (place - other.goal) / SIZE
        ahead = place + 0.7 * slope / slope.norm()
        perturbed = other.steepness * (ahead - other.goal) / SIZE

        def loss(gradients: bool, perturbed: torch.Tensor = perturbed) -> float:
            for parameter, part in zip(
                other.parameters, perturbed.split([len(p) for p in other.parameters]), strict=True
            ):
                parameter.grad = part.clone()
            return 0.0

        sam.step(valley, 1.0)
        adam.step(loss, 1.0)
        torch.testing.assert_close(valley.slope, perturbed, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(valley.place, other.place, atol=1e-5, rtol=1e-5)
    assert valley.asked == [True] * 6


def test_sam_puts_the_weights_back_bit_for_bit() -> None:
    valley = Valley()
    dice = torch.Generator().manual_seed(1)
    for parameter in valley.parameters:  # of many magnitudes, where adding and subtracting would round
        parameter.data = torch.randn(len(parameter), generator=dice) * 10 ** torch.randn(len(parameter), generator=dice)
    mover = Sam(valley.parameters, settings("sam", radius=0.7))
    before = valley.place
    mover.gradients(valley)
    assert torch.equal(valley.place, before)


def test_without_a_radius_sam_is_adamw() -> None:
    one, other = Valley(), Valley()
    steps(optimizer(one.parameters, settings("sam", radius=0.0)), one, 5)
    steps(optimizer(other.parameters, settings("adamw")), other, 5)
    assert torch.equal(one.place, other.place)


def test_at_the_bottom_sam_stays() -> None:
    valley = Valley()
    for parameter, goal in zip(valley.parameters, valley.goal.split([len(p) for p in valley.parameters]), strict=True):
        parameter.data.copy_(goal)
    before = valley.place
    steps(optimizer(valley.parameters, settings("sam")), valley, 2)
    assert torch.equal(valley.place, before)


@pytest.mark.parametrize(("name", "dies_at"), [("sam", 2), ("hybrid", 2), ("hybrid", 3)])
def test_a_loss_that_fails_elsewhere_leaves_the_weights_where_they_were(name: Name, dies_at: int) -> None:
    valley = Valley()
    mover = optimizer(valley.parameters, settings(name, period=1))
    calls = itertools.count(1)

    def failing(gradients: bool) -> float:
        if next(calls) == dies_at:
            raise TrainingFailed("the loss is nan at step 0")
        return valley(gradients)

    if name == "hybrid":
        mover.step(failing, 1.0)
    before = valley.place
    with pytest.raises(TrainingFailed):
        mover.step(failing, 1.0)
    assert torch.equal(valley.place, before)


# -- the hybrid of first and zeroth order


def test_the_hybrid_takes_turns() -> None:
    valley = Valley()
    mover = optimizer(valley.parameters, settings("hybrid", period=2, directions=3))
    steps(mover, valley, 6)
    first, zeroth = [True] * 2, [False] * 2 * 2 * 3  # two steps, both sides of three directions
    assert valley.asked == first + zeroth + first


def estimate(valley: Valley, **others: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """The true slope, then the zeroth-order one at the same place."""
    mover = Hybrid(valley.parameters, settings("hybrid", period=1, **others))
    mover.gradients(valley)
    true = valley.slope
    before = valley.place
    mover.gradients(valley)
    assert torch.equal(valley.place, before)
    assert valley.asked[0]
    assert not any(valley.asked[1:])
    return true, valley.slope


@pytest.mark.parametrize(("directions", "least"), [(20, 0.15), (300, 0.6), (6000, 0.95)])
def test_an_estimate_points_the_more_along_the_slope_the_more_directions_it_has(directions: int, least: float) -> None:
    true, found = estimate(Valley(), directions=directions)
    likeness = torch.nn.functional.cosine_similarity(true, found, dim=0).item()
    # of q random directions out of n the expected cosine is about sqrt(q / (q + n))
    assert likeness > least
    assert likeness == pytest.approx((directions / (directions + SIZE)) ** 0.5, abs=0.1)


def test_along_one_direction_an_estimate_is_the_true_slope() -> None:
    """Of a quadratic the symmetric difference is exact: what is estimated is downhill, whatever was drawn."""
    for seed in range(10):
        true, found = estimate(Valley(), seed=seed)
        assert torch.dot(true, found) > 0


@pytest.mark.parametrize("size", [30, 3000])
def test_an_estimate_is_as_long_as_the_gradient_before_it(size: int) -> None:
    true, found = estimate(Valley(size))
    assert found.norm().item() == pytest.approx(true.norm().item(), rel=1e-4)


def test_steps_of_first_order_are_as_long_after_steps_of_zeroth_order_as_without() -> None:
    """Adam's second moment is shared: longer estimates would stand in it, and stop the next first-order steps."""

    def lengths(name: Name) -> list[float]:
        valley = Valley(3000)
        mover = optimizer(valley.parameters, settings(name, period=10))
        found = []
        for _ in range(30):
            before = valley.place
            mover.step(valley, 1.0)
            found.append(float((valley.place - before).norm()))
        return found[20:]

    assert sum(lengths("hybrid")) > 0.4 * sum(lengths("adamw"))


def test_other_seeds_draw_other_directions() -> None:
    (_, one), (_, same), (_, other) = (estimate(Valley(), seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_each_name_has_its_optimizer() -> None:
    kinds = {"adamw": Adam, "sign_adam": SignAdam, "sam": Sam, "hybrid": Hybrid}
    for name in NAMES:
        assert type(optimizer(Valley().parameters, settings(name))) is kinds[name]
