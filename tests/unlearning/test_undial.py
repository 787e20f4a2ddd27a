"""UNDIAL against a slow float64 reference, its limit PROD, and the defect of a known port that ours must not have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scrubber.core.batch import Tokens, collate
from scrubber.unlearning.methods import prod, undial
from tests.unlearning import invariances
from tests.unlearning.slow import VOCABULARY, Step, mean, new_step, ours, slow_loss, with_gradient

CASES = {
    "default": undial.Settings(),
    "span": undial.Settings(positions="span"),
    "mild": undial.Settings(beta=1.5),
    "none": undial.Settings(beta=0.0, positions="span"),
}


@pytest.fixture
def step() -> Step:
    return new_step()


def slow_undial(step: Step, logits: dict[str, torch.Tensor], s: undial.Settings) -> torch.Tensor:
    found = []
    for b, row in enumerate(step.rows["forget"]):
        for t in range(1, len(row.ids)):
            if s.positions == "completion" or row.forget[t]:
                z, z0 = logits["forget"][b, t - 1], step.before["forget"][b, t - 1]
                weight = [torch.exp(z0[v] - (s.beta if v == row.ids[t] else 0)) for v in range(VOCABULARY)]
                shares = [weight[v] / sum(weight) * slow_loss(z, v) for v in range(VOCABULARY)]
                found.append(torch.stack(shares).sum())
    return mean(found)


@pytest.mark.parametrize("case", CASES)
def test_undial_and_its_gradient_are_those_of_the_formula(case: str, step: Step) -> None:
    value, gradient = with_gradient(lambda logits: ours(undial, step, logits, CASES[case]), step)
    expected, slope = with_gradient(lambda logits: slow_undial(step, logits, CASES[case]), step)
    assert value == pytest.approx(expected, abs=1e-5)
    torch.testing.assert_close(gradient["forget"], slope["forget"], atol=1e-5, rtol=0)
    assert slope["forget"].abs().max() > 1e-3


@pytest.mark.parametrize("positions", ["completion", "span"])
def test_with_a_penalty_without_end_it_is_prod_without_a_cut(positions: str, step: Step) -> None:
    limit = undial.Settings(beta=1e9, positions=positions)  # type: ignore[arg-type]
    value, gradient = with_gradient(lambda logits: ours(undial, step, logits, limit), step)
    uncut = prod.Settings(top_p=1.0, positions=positions)  # type: ignore[arg-type]
    expected, slope = with_gradient(lambda logits: ours(prod, step, logits, uncut), step)
    assert value == pytest.approx(expected, abs=1e-6)
    torch.testing.assert_close(gradient["forget"], slope["forget"], atol=1e-6, rtol=0)


def test_without_a_penalty_the_model_before_is_its_own_optimum(step: Step) -> None:
    step.logits["forget"] = step.before["forget"]
    _, gradient = with_gradient(lambda logits: ours(undial, step, logits, undial.Settings(beta=0.0)), step)
    assert gradient["forget"].abs().max() < 1e-6
    _, gradient = with_gradient(lambda logits: ours(undial, step, logits, undial.Settings()), step)
    assert gradient["forget"].abs().max() > 1e-2


def defective(z: torch.Tensor, z0: torch.Tensor, labels: torch.Tensor, beta: float) -> torch.Tensor:
    """What open-unlearning's port comes to: labels (B, T-1) that hold -100 index the logits, and everything is averaged."""
    lowered = z0.clone()
    for b in range(len(labels)):
        for t in range(labels.shape[1]):
            lowered[b, t, labels[b, t]] -= beta  # -100 means the token V - 100
    return -(lowered.softmax(-1) * z.log_softmax(-1)).sum(-1).mean()


def test_no_ignored_label_lowers_any_logit_and_no_padding_is_averaged() -> None:
    vocabulary, ignored = 120, -100
    dice = torch.Generator().manual_seed(5)
    ids = torch.randint(vocabulary, (2, 8), generator=dice).tolist()
    lengths = (8, 5)
    marks = [tuple(t in (2, 3) for t in range(length)) for length in lengths]
    made = [Tokens(tuple(i[:n]), m, (False,) * n) for i, n, m in zip(ids, lengths, marks, strict=True)]
    z, z0 = (torch.randn((2, 7, vocabulary), generator=dice, dtype=torch.float64) for _ in range(2))
    step = Step({"forget": made}, {"forget": z}, {"forget": z0})
    s = undial.Settings(positions="span")
    labels = torch.full((2, 7), ignored)
    for b in range(2):
        for t in (2, 3):
            labels[b, t - 1] = ids[b][t]

    batch = collate(made, "forget", pad_id=0, marked=True)
    assert (batch.labels >= 0).all()
    target = undial.needs(s).target
    assert target is not None
    column = batch.positions % (batch.input_ids.shape[1] - 1)
    q = target(z0[batch.row, column], batch.labels)
    odds = q.log() - z0[batch.row, column].log_softmax(-1)  # how each logit was moved, up to a constant
    moved = (odds - odds.median(-1, keepdim=True).values).abs() > 1e-6
    assert moved.nonzero()[:, 1].tolist() == batch.labels.tolist()  # the true token's alone, and not that of V - 100

    value = ours(undial, step, step.logits, s).item()
    true = [(b, t - 1) for b in range(2) for t in (2, 3)]
    soft = [(z0[at] - s.beta * torch.eye(vocabulary)[labels[at]]).softmax(-1) for at in true]
    expected = mean([-(q * z[at].log_softmax(-1)).sum() for q, at in zip(soft, true, strict=True)])
    assert value == pytest.approx(expected.item(), abs=1e-5)
    assert abs(value - defective(z, z0, labels, s.beta).item()) > 1e-2


def test_it_needs_the_reference_and_no_text_to_keep() -> None:
    needs = undial.needs(undial.Settings())
    assert needs.reference
    assert not needs.retain
    assert needs.positions == "all"
    assert undial.needs(replace(undial.Settings(), positions="span")).positions == "marked"


def test_tokens_to_reinforce_are_none_of_its_business(step: Step) -> None:
    invariances.check_tokens_to_reinforce_are_ignored(undial, step, CASES["span"])


@pytest.mark.parametrize("case", ["default", "span"])
def test_micro_batches_padding_and_rows_without_spans(case: str, step: Step, tiny_models: dict[str, Path]) -> None:
    invariances.check_parts_add_up(tiny_models["gpt2"], undial, CASES[case])
    invariances.check_padding_changes_nothing(tiny_models["gpt2"], undial, CASES[case])
    invariances.check_a_step_without_marks_is_finite(undial, step, CASES[case])
