"""The Adaptive Unlearning loss in its three forms against a slow float64 reference, its masks, and its end-of-text term."""

from __future__ import annotations

import functools
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scrubber.unlearning.methods import adaptive, prod
from tests.unlearning import invariances
from tests.unlearning.slow import VOCABULARY, Step, mean, new_step, ours, slow_loss, with_gradient

END = VOCABULARY - 1
OTHER = {"lambda_r": 0.6, "lambda_f": 1.3, "lambda_eos": 0.7, "end_id": END}
CASES = {
    "default": adaptive.Settings(),
    "ends": adaptive.Settings(end_id=END),
    "other weights": adaptive.Settings(**OTHER),  # type: ignore[arg-type]
    "softplus": adaptive.Settings(suppress="softplus", **OTHER),  # type: ignore[arg-type]
    "softplus, sharper": adaptive.Settings(suppress="softplus", beta=1.7, alpha=0.4, gamma=0.9, temperature=0.6),
    "prod": adaptive.Settings(suppress="prod", **OTHER),  # type: ignore[arg-type]
    "prod, narrow": adaptive.Settings(suppress="prod", top_p=0.3),
}


@pytest.fixture
def step() -> Step:
    """Two rows end with a marked end of text; the last one was cut off. Some of the rest is reinforced, or in no mask."""
    made, dice = new_step(), random.Random(3)
    made.rows["forget"] = [
        replace(
            row,
            ids=(*row.ids[:-1], END) if b < 2 else row.ids,
            forget=(*row.forget[:-1], b == 2),
            reinforce=(*(not f and dice.random() < 0.6 for f in row.forget[:-1]), b < 2),
        )
        for b, row in enumerate(made.rows["forget"])
    ]
    return made


def slow_suppression(z: torch.Tensor, z0: torch.Tensor, y: int, s: adaptive.Settings) -> torch.Tensor:
    f = [torch.exp(z[v]) / sum(torch.exp(z[u]) for u in range(VOCABULARY)) for v in range(VOCABULARY)]
    if s.suppress == "unlikelihood":
        return -torch.log(1 - f[y])
    if s.suppress == "softplus":
        warm = [torch.exp(z[v] / s.temperature) for v in range(VOCABULARY)]
        soft = [w / sum(warm) for w in warm]
        kl = sum(soft[v] * torch.log(soft[v] / f[v]) for v in range(VOCABULARY))
        return s.alpha * torch.log(1 + torch.exp(s.beta * torch.log(f[y]))) + s.gamma * kl
    rest = sorted((v for v in range(VOCABULARY) if v != y), key=lambda v: -float(z0[v]))
    kept: list[int] = []
    while not kept or sum(torch.exp(z0[kept])) / sum(torch.exp(z0[rest])) <= s.top_p:
        kept.append(rest[len(kept)])
    q = [torch.exp(z0[v]) / sum(torch.exp(z0[kept])) for v in kept]
    return torch.stack([-share * torch.log(f[v]) for share, v in zip(q, kept, strict=True)]).sum()


def slow_adaptive(step: Step, logits: dict[str, torch.Tensor], s: adaptive.Settings) -> torch.Tensor:
    valid, invented, ends = [], [], []
    for b, row in enumerate(step.rows["forget"]):
        last = torch.zeros(())
        for t in range(1, len(row.ids)):
            z, z0, y = logits["forget"][b, t - 1], step.before["forget"][b, t - 1], row.ids[t]
            if row.forget[t]:
                invented.append(slow_suppression(z, z0, y, s))
            elif row.reinforce[t]:
                valid.append(slow_loss(z, y))
                last = last + valid[-1] if y == s.end_id else last
        ends.append(last)
    return s.lambda_r * mean(valid) + s.lambda_f * mean(invented) + s.lambda_eos * mean(ends)


@pytest.mark.parametrize("case", CASES)
def test_the_loss_and_its_gradient_are_those_of_the_formula(case: str, step: Step) -> None:
    value, gradient = with_gradient(lambda logits: ours(adaptive, step, logits, CASES[case]), step)
    expected, slope = with_gradient(lambda logits: slow_adaptive(step, logits, CASES[case]), step)
    assert value == pytest.approx(expected, abs=1e-5)
    torch.testing.assert_close(gradient["forget"], slope["forget"], atol=1e-5, rtol=0)


def test_what_no_mask_covers_has_no_part_in_it(step: Step) -> None:
    _, gradient = with_gradient(lambda logits: ours(adaptive, step, logits, CASES["ends"]), step)
    masks = set()
    for b, row in enumerate(step.rows["forget"]):
        for t in range(1, len(row.ids)):
            marked = row.forget[t] or row.reinforce[t]
            masks.add((row.forget[t], row.reinforce[t]))
            assert bool(gradient["forget"][b, t - 1].any()) == marked
    assert len(masks) == 3


def test_valid_tokens_are_pulled_up_and_invented_ones_pushed_down(step: Step) -> None:
    for suppress in ("unlikelihood", "softplus", "prod"):
        s = adaptive.Settings(suppress=suppress, gamma=0.0)
        _, gradient = with_gradient(functools.partial(ours, adaptive, step, settings=s), step)
        for b, row in enumerate(step.rows["forget"]):
            for t in range(1, len(row.ids)):
                slope = float(gradient["forget"][b, t - 1, row.ids[t]])
                assert slope >= 0 if row.forget[t] else slope <= 0
                assert slope != 0 or not (row.forget[t] or row.reinforce[t])


def test_a_token_of_both_kinds_is_an_invented_one(step: Step) -> None:
    only = step.rows["forget"]
    step.rows["forget"] = [replace(row, reinforce=tuple(map(bool.__or__, row.reinforce, row.forget))) for row in only]
    s = adaptive.Settings(lambda_f=0.0)
    _, gradient = with_gradient(lambda logits: ours(adaptive, step, logits, s), step)
    for b, row in enumerate(only):
        for t in range(1, len(row.ids)):
            assert bool(gradient["forget"][b, t - 1].any()) == row.reinforce[t]


def test_an_end_of_text_counts_by_its_own_weight_and_only_where_marked(step: Step) -> None:
    def value(weight: float) -> float:
        return ours(adaptive, step, step.logits, adaptive.Settings(lambda_eos=weight, end_id=END)).item()

    ends = [slow_loss(step.logits["forget"][b, len(row.ids) - 2], END) for b, row in enumerate(step.rows["forget"][:2])]
    assert value(1.0) - value(0.0) == pytest.approx(sum(ends).item() / 3, abs=1e-5)  # type: ignore[union-attr]
    first = step.rows["forget"][0]
    step.rows["forget"][0] = replace(first, ids=(first.ids[0], END, *first.ids[2:]))  # in a span to forget: no end
    assert value(1.0) - value(0.0) == pytest.approx(sum(ends).item() / 3, abs=1e-5)  # type: ignore[union-attr]


def test_unlikelihood_of_a_certain_token_is_finite_and_its_gradient_bounded() -> None:
    """From log f(y) in float32 it would be log 0, and its gradient 0 / 0."""
    logits = torch.tensor([[200.0, 1.0, 0.0, -1.0]], requires_grad=True)
    value = adaptive.unlikelihood(logits, torch.tensor([0]))
    torch.autograd.backward(value.sum())
    rest = logits[0, 1:].detach().softmax(-1)
    assert value.item() == pytest.approx(200 - float(logits[0, 1:].detach().logsumexp(-1)), rel=1e-6)
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad[0], torch.cat([torch.ones(1), -rest]))


def test_suppression_by_prod_is_prod_on_the_spans(step: Step) -> None:
    s = adaptive.Settings(suppress="prod", lambda_r=0.0, lambda_f=1.0, lambda_eos=0.0, top_p=0.6)
    value, gradient = with_gradient(lambda logits: ours(adaptive, step, logits, s), step)
    span = prod.Settings(top_p=0.6, positions="span")
    expected, slope = with_gradient(lambda logits: ours(prod, step, logits, span), step)
    assert value == pytest.approx(expected, abs=1e-6)
    torch.testing.assert_close(gradient["forget"], slope["forget"], atol=1e-6, rtol=0)


def test_the_softened_self_is_not_held_fixed(step: Step) -> None:
    """Were it detached, the gradient of the divergence would be f - softmax(z / temperature)."""
    s = adaptive.Settings(suppress="softplus", alpha=0.0, gamma=1.0)
    z = step.logits["forget"][0, :1].clone().requires_grad_()
    torch.autograd.backward(adaptive.softened(z, torch.tensor([0]), settings=s).sum())
    assert z.grad is not None
    fixed = (z.softmax(-1) - (z / s.temperature).softmax(-1)).detach()
    assert (z.grad - fixed).abs().max() > 1e-2


def test_only_suppression_by_prod_needs_the_reference() -> None:
    assert [adaptive.needs(CASES[case]).reference for case in ("default", "softplus", "prod")] == [False, False, True]
    assert all(adaptive.needs(s).positions == "marked" and not adaptive.needs(s).retain for s in CASES.values())


@pytest.mark.parametrize("suppress", ["unlikelihood", "softplus", "prod"])
def test_micro_batches_padding_and_rows_without_spans(suppress: str, step: Step, tiny_models: dict[str, Path]) -> None:
    ends = {row.ids[t] for row in invariances.some_rows("forget") for t in range(len(row.ids)) if row.reinforce[t]}
    s = adaptive.Settings(suppress=suppress, end_id=min(ends))  # type: ignore[arg-type]
    invariances.check_parts_add_up(tiny_models["gpt2"], adaptive, s)
    invariances.check_padding_changes_nothing(tiny_models["gpt2"], adaptive, s)
    invariances.check_a_step_without_marks_is_finite(adaptive, step, s)
