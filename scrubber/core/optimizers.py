"""Optimizers by name: AdamW and three that are said to make unlearning harder to undo.

Each is handed ``loss(gradients)``: the step's loss, with ``gradients`` true also its clipped gradients in ``.grad``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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
    smoothing: float = 1e-3  # hybrid: mu, how far it looks along one
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
        norm = torch.linalg.vector_norm(torch.stack([s.norm() for s in slopes])).clamp_min(1e-12)
        kept = [parameter.detach().clone() for parameter in self.parameters]
        with torch.no_grad():
            for parameter, slope in zip(self.parameters, slopes, strict=True):
                parameter.add_(slope, alpha=float(self.settings.radius / norm))
        loss(True)
        with torch.no_grad():  # not subtracted: theta + e - e is not theta in floating point
            for parameter, before in zip(self.parameters, kept, strict=True):
                parameter.copy_(before)
        return value


class Hybrid(Adam):
    """``period`` first-order steps, then as many of zeroth order (arXiv 2510.00761): the slope along random directions of the
    sphere, from losses alone: g = (1/q) sum_i [L(theta + mu u_i) - L(theta - mu u_i)] / (2 mu) u_i, times the number of
    parameters, as the sphere's estimate needs (the paper's equation leaves that to the learning rate)."""

    def __init__(self, parameters: Sequence[torch.nn.Parameter], settings: OptimizerSettings) -> None:
        super().__init__(parameters, settings)
        self.done = 0

    def gradients(self, loss: Loss) -> float:
        first_order = self.done // self.settings.period % 2 == 0
        self.done += 1
        return loss(True) if first_order else self._estimate(loss)

    @torch.no_grad()
    def _estimate(self, loss: Loss) -> float:
        dice = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + self.done)
        count, mu, value = sum(p.numel() for p in self.parameters), self.settings.smoothing, 0.0
        kept = [parameter.clone() for parameter in self.parameters]
        slopes = [torch.zeros_like(parameter) for parameter in self.parameters]
        for _ in range(self.settings.directions):
            drawn = [torch.randn(p.shape, generator=dice).to(p) for p in self.parameters]
            length = math.sqrt(sum(float(d.square().sum()) for d in drawn))
            ends = []
            for side in (mu, -mu):
                for parameter, before, direction in zip(self.parameters, kept, drawn, strict=True):
                    parameter.copy_(before + direction * (side / length))
                ends.append(loss(False))
            rise = (ends[0] - ends[1]) / (2 * mu) * count / self.settings.directions
            value += sum(ends) / 2 / self.settings.directions
            for slope, direction in zip(slopes, drawn, strict=True):
                slope.add_(direction, alpha=rise / length)
        for parameter, before, slope in zip(self.parameters, kept, slopes, strict=True):
            parameter.copy_(before)
            parameter.grad = slope
        return value

    def state_dict(self) -> dict[str, Any]:
        return {"inner": super().state_dict(), "done": self.done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state["inner"])
        self.done = state["done"]
