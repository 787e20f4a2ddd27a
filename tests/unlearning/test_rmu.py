"""RMU against a slow float64 reference, on given states and through a real model, whose later layers it leaves alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch

from scrubber.core.batch import Batch, Role, Tokens, collate
from scrubber.core.model.adapters import reference
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.outputs import Head, Outputs, forward
from scrubber.core.model.reference import Before, References
from scrubber.unlearning.methods import rmu
from tests.unlearning import invariances
from tests.unlearning.slow import rows

HIDDEN = 6
HEAD = Head(torch.eye(HIDDEN))
CASES = {
    "default": rmu.Settings(layer=0),
    "span": rmu.Settings(layer=0, positions="span", c=2.0, alpha=0.7, seed=3),
}


def slow_rmu(
    to_forget: list[tuple[Tokens, torch.Tensor]],
    to_keep: list[tuple[Tokens, torch.Tensor, torch.Tensor]],
    s: rmu.Settings,
) -> torch.Tensor:
    """Rows with their states (T, H) and, of those to keep, the states before; one number after the other."""
    drawn = torch.rand(to_forget[0][1].shape[-1], generator=torch.Generator().manual_seed(s.seed)).double()
    length = torch.sqrt(sum((x * x for x in drawn), torch.zeros(())))
    turned, kept = [], []
    for row, h in to_forget:
        for t in range(len(row.ids) - 1):
            if s.positions == "completion" or row.forget[t + 1]:
                turned += [sum((h[t, i] - s.c * x / length) ** 2 for i, x in enumerate(drawn)) / len(drawn)]
    for row, h, before in to_keep:
        for t in range(len(row.ids) - 1):
            kept += [sum((h[t, i] - before[t, i]) ** 2 for i in range(len(drawn))) / len(drawn)]
    return torch.as_tensor(sum(turned)) / len(turned) + s.alpha * torch.as_tensor(sum(kept)) / len(kept)


def states(made: list[Tokens], seed: int) -> torch.Tensor:
    dice = torch.Generator().manual_seed(seed)
    return torch.randn((len(made), max(len(r.ids) for r in made), HIDDEN), generator=dice, dtype=torch.float64)


def on_states(h: torch.Tensor, h0: torch.Tensor, made: list[Tokens], role: Role, s: rmu.Settings) -> torch.Tensor:
    """The method's loss of rows with states (B, T, H)."""
    batch = collate(made, role, pad_id=0, marked=rmu.needs(s).positions == "marked")
    column = batch.positions % (batch.input_ids.shape[1] - 1)
    now, before = (of[batch.row, column].float() for of in (h, h0))
    return rmu.loss(Outputs(now, HEAD, now), Before(states=before), batch, settings=s)


@pytest.mark.parametrize("case", CASES)
def test_rmu_and_its_gradient_are_those_of_the_formula(case: str) -> None:
    s, forget, keep = CASES[case], rows([5, 7, 3], 1, forget=True), rows([4, 6], 2, forget=False)
    slopes, values = [], []
    for slow in (False, True):
        f, k = states(forget, 3).requires_grad_(), states(keep, 4).requires_grad_()
        before = states(keep, 5)
        if slow:
            value = slow_rmu(list(zip(forget, f, strict=True)), list(zip(keep, k, before, strict=True)), s)
        else:
            value = on_states(f, states(forget, 6), forget, "forget", s) + on_states(k, before, keep, "retain", s)
        value.backward()  # type: ignore[no-untyped-call]
        values.append(value.item())
        slopes.append((f.grad, k.grad))
    assert values[0] == pytest.approx(values[1], rel=1e-5)
    for ours, expected in zip(*slopes, strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)
        assert expected.abs().max() > 1e-3


def test_u_is_of_length_one_and_drawn_from_its_seed_alone() -> None:
    one, again, other = rmu.direction(64, 0), rmu.direction(64, 0), rmu.direction(64, 1)
    assert one.norm() == pytest.approx(1)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert (one >= 0).all()


def test_at_its_target_nothing_moves() -> None:
    s, made = CASES["default"], rows([5, 3], 1, forget=True)
    h = (s.c * rmu.direction(HIDDEN, s.seed)).expand(2, 5, HIDDEN)
    assert on_states(h, h, made, "forget", s).item() == pytest.approx(0, abs=1e-10)
    assert on_states(h, h, made, "retain", s).item() == 0


@pytest.mark.parametrize("positions", ["completion", "span"])
def test_a_row_without_a_span_gives_a_finite_loss(positions: Literal["completion", "span"]) -> None:
    s = replace(CASES["default"], positions=positions)
    bare = [Tokens(row.ids, (False,) * len(row.ids), (False,) * len(row.ids)) for row in rows([5, 3], 1, forget=True)]
    h = states(bare, 2).requires_grad_()
    value = on_states(h, h.detach(), bare, "forget", s)
    value.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(value)
    assert h.grad is not None
    assert torch.isfinite(h.grad).all()
    assert (value.item() == 0) == (positions == "span")


# -- through a real model


def own_states(model: CausalModel, row: Tokens) -> torch.Tensor:
    """After the first layer, as transformers itself gives them: (T, H)."""
    made = model.network(input_ids=torch.tensor([row.ids]), output_hidden_states=True, use_cache=False)
    found: torch.Tensor = made.hidden_states[1][0].double()
    return found


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
@pytest.mark.parametrize("case", CASES)
def test_through_a_real_model_it_is_the_formula_on_its_own_states(
    case: str, architecture: str, tiny_models: dict[str, Path]
) -> None:
    s, model = CASES[case], invariances.adapted(tiny_models[architecture])
    forget = rows([5, 9, 3], 6, forget=True, vocabulary=300)
    keep = rows([4, 8], 7, forget=False, vocabulary=300)
    batches = [
        collate(forget, "forget", pad_id=0, marked=rmu.needs(s).positions == "marked"),
        collate(keep, "retain", pad_id=0),
    ]
    found = invariances.gradient(model, rmu, batches, s)
    model.network.zero_grad(set_to_none=True)
    with reference(model):
        before = [own_states(model, row) for row in keep]
    slow = slow_rmu(
        [(row, own_states(model, row)) for row in forget],
        [(row, own_states(model, row), h0) for row, h0 in zip(keep, before, strict=True)],
        s,
    )
    slow.backward()  # type: ignore[no-untyped-call]
    expected = torch.cat([p.grad.flatten() for p in model.network.parameters() if p.grad is not None])
    assert expected.norm() > 1e-3
    torch.testing.assert_close(found, expected, atol=1e-5 * float(expected.norm()), rtol=1e-4)
    assert losses(model, batches, s) == pytest.approx(slow.item(), rel=1e-4)


def losses(model: CausalModel, batches: list[Batch], s: rmu.Settings) -> float:
    known = References(model, rmu.needs(s))
    with torch.no_grad():
        return sum(rmu.loss(forward(model, b, layer=s.layer), known(b), b, settings=s).item() for b in batches)


def test_layers_after_the_one_asked_for_get_no_gradient(tiny_models: dict[str, Path]) -> None:
    model = invariances.adapted(tiny_models["llama"])
    batch = collate(rows([5, 9], 6, forget=True, vocabulary=300), "forget", pad_id=0)
    invariances.gradient(model, rmu, [batch], CASES["default"])
    moved = {name for name, p in model.network.named_parameters() if p.grad is not None}
    assert moved
    assert all("layers.0." in name for name in moved)


@pytest.mark.parametrize("case", CASES)
def test_micro_batches_and_padding(case: str, tiny_models: dict[str, Path]) -> None:
    invariances.check_parts_add_up(tiny_models["gpt2"], rmu, CASES[case])
    invariances.check_padding_changes_nothing(tiny_models["gpt2"], rmu, CASES[case])
