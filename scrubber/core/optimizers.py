"""Optimizers by name: AdamW and three that are said to make unlearning harder to undo.

Each is handed ``loss(gradients)``: the step's loss, with ``gradients`` true also its clipped gradients in ``.grad``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch

Name = Literal["adamw", "adamw_8bit", "sign_adam", "sam", "hybrid"]
Loss = Callable[[bool], float]


@dataclass(frozen=True)
class OptimizerSettings:
    name: Name = "adamw"
    learning_rate: float = 5e-4
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.0
    radius: float = 0.01  # sam: rho
    period: int = 20  # hybrid: steps of the one order, then as many of the other
    directions: int = 1  # hybrid: random directions of a zeroth-order estimate
    smoothing: float = 1e-3  # hybrid: mu, how far it looks along one: this much a weight, in root mean square
    seed: int = 0


class Optimizer(Protocol):
    def step(self, loss: Loss, pace: float) -> float:
        """One step at ``pace`` times the learning rate; returns the loss before it."""
        ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


def optimizer(parameters: Sequence[torch.nn.Parameter], settings: OptimizerSettings) -> Optimizer:
    return {"adamw": Adam, "adamw_8bit": Adam, "sign_adam": SignAdam, "sam": Sam, "hybrid": Hybrid}[settings.name](
        parameters, settings
    )


class Adam:
    """AdamW (arXiv 1711.05101); its 8-bit form (arXiv 2110.02861) is that of bitsandbytes and wants a GPU."""

    def __init__(self, parameters: Sequence[torch.nn.Parameter], settings: OptimizerSettings) -> None:
        self.parameters, self.settings = list(parameters), settings
        options: dict[str, Any] = {
            "lr": settings.learning_rate, "betas": settings.betas, "weight_decay": settings.weight_decay,
        }  # fmt: skip
        if settings.name == "adamw_8bit":
            from scrubber.core.model.load import adamw_8bit

            self.inner: torch.optim.Optimizer = adamw_8bit(self.parameters, options)
        else:
            self.inner = torch.optim.AdamW(self.parameters, fused=True, **options)

    def step(self, loss: Loss, pace: float) -> float:
        value = self.gradients(loss)
        self.update(pace)
        return value

    def gradients(self, loss: Loss) -> float:
        return loss(True)

    def update(self, pace: float) -> None:
        for group in self.inner.param_groups:
            group["lr"] = self.settings.learning_rate * pace
        self.inner.step()

    def state_dict(self) -> dict[str, Any]:
        return self.inner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.inner.load_state_dict(state)


class SignAdam(Adam):
    """AdamW on the signs of the gradient, after "Downgrade to Upgrade" (arXiv 2510.00761); where the sign is taken is our
    reading of it."""

    def gradients(self, loss: Loss) -> float:
        value = loss(True)
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.grad.sign_()
        return value


class Sam(Adam):
    """Sharpness-aware minimisation: the gradient at theta + rho g / |g| (arXiv 2010.01412; for unlearning 2502.05374, whose
    version looks ahead on the forget loss alone, ours on the step's whole loss)."""

    def gradients(self, loss: Loss) -> float:
        value = loss(True)
        slopes = [p.grad.clone() if p.grad is not None else torch.zeros_like(p) for p in self.parameters]
        ahead = float(self.settings.radius / _length(slopes).clamp_min(1e-12))
        with _put_back(self.parameters):
            with torch.no_grad():
                for parameter, slope in zip(self.parameters, slopes, strict=True):
                    parameter.add_(slope, alpha=ahead)
            loss(True)
        return value


class Hybrid(Adam):
    """``period`` first-order steps, then as many of zeroth order (arXiv 2510.00761): the slope along random directions of the
    sphere, from losses alone: g = (1/q) sum_i [L(theta + mu u_i) - L(theta - mu u_i)] / (2 mu) u_i.

    Ours: the sphere's radius is the root of n, the number of parameters, so that mu is a step of a single weight whatever
    n is; on one of radius 1 a model's differences drown in rounding. And g is given the length of the last first-order
    gradient (the paper's equation leaves that to the learning rate): unbiased it would be sqrt(n / q) times as long, and
    Adam's second moment, which both orders share, would remember that and all but stop the next first-order steps.
    """

    def __init__(self, parameters: Sequence[torch.nn.Parameter], settings: OptimizerSettings) -> None:
        super().__init__(parameters, settings)
        self.done, self.length = 0, 0.0

    def gradients(self, loss: Loss) -> float:
        first_order = self.done // self.settings.period % 2 == 0
        self.done += 1
        if not first_order:
            return self._estimate(loss)
        value = loss(True)
        self.length = float(_length([p.grad for p in self.parameters if p.grad is not None]))
        return value

    @torch.no_grad()
    def _estimate(self, loss: Loss) -> float:
        dice = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + self.done)
        ahead, value = self.settings.smoothing * sum(p.numel() for p in self.parameters) ** 0.5, 0.0
        slopes = [torch.zeros_like(parameter) for parameter in self.parameters]
        with _put_back(self.parameters) as kept:
            for _ in range(self.settings.directions):
                drawn = [torch.randn(p.shape, generator=dice).to(p) for p in self.parameters]
                length = float(_length(drawn))
                ends = []
                for side in (ahead, -ahead):
                    for parameter, before, direction in zip(self.parameters, kept, drawn, strict=True):
                        parameter.copy_(before + direction * (side / length))
                    ends.append(loss(False))
                value += sum(ends) / 2 / self.settings.directions
                for slope, direction in zip(slopes, drawn, strict=True):
                    slope.add_(direction, alpha=(ends[0] - ends[1]) / length)
        scale = self.length / float(_length(slopes).clamp_min(1e-12))
        for parameter, slope in zip(self.parameters, slopes, strict=True):
            parameter.grad = slope * scale
        return value

    def state_dict(self) -> dict[str, Any]:
        return {"inner": super().state_dict(), "done": self.done, "length": self.length}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state["inner"])
        self.done, self.length = state["done"], state["length"]


def _length(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """Of all of them as one vector."""
    length: torch.Tensor = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(t) for t in tensors]))
    return length


@contextmanager
def _put_back(parameters: Sequence[torch.nn.Parameter]) -> Iterator[list[torch.Tensor]]:
    """Whatever moves them within it, and however it ends: afterwards they are what they were, which it gives, bit for bit.

    theta + e - e is not theta in floating point.
    """
    kept = [parameter.detach().clone() for parameter in parameters]
    try:
        yield kept
    finally:
        with torch.no_grad():
            for parameter, before in zip(parameters, kept, strict=True):
                parameter.copy_(before)
