"""PROD against a slow float64 reference, its sparse targets against dense ones, and the special cases of its formula."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubber.core.batch import collate, split_step
from scrubber.core.model.outputs import Outputs, forward
from scrubber.core.model.reference import Lists, References
from scrubber.unlearning import terms
from scrubber.unlearning.methods import prod
from tests.unlearning import invariances
from tests.unlearning.slow import VOCABULARY, Step, before_of, mean, new_step, ours, slow_loss, with_gradient

CASES = {
    "default": prod.Settings(),
    "span": prod.Settings(positions="span"),
    "ascent": prod.Settings(alpha=0.5),
    "some mass kept": prod.Settings(alpha=-0.125, positions="span"),
    "narrow": prod.Settings(top_p=0.2),
    "no cut": prod.Settings(top_p=1.0),
    "capped": prod.Settings(top_p=0.95, max_n=2),
    "cooled": prod.Settings(temperature=0.8, max_n=10, positions="span"),
    "dense": prod.Settings(sparse=False, alpha=0.25),
}


@pytest.fixture
def step() -> Step:
    return new_step()


def slow_target(z0: torch.Tensor, y: int, s: prod.Settings) -> torch.Tensor:
    """q (V,), token by token in the order of likelihood."""
    exponent = [torch.exp(z0[v]) for v in range(len(z0))]
    rest = sorted((v for v in range(len(z0)) if v != y), key=lambda v: -float(z0[v]))
    kept: list[int] = []
    mass = 0.0
    for v in rest:
        if kept and (mass > s.top_p or len(kept) == s.max_n):
            break
        kept.append(v)
        mass += float(exponent[v] / sum(exponent[u] for u in rest))
    warm = {v: torch.exp(z0[v] / s.temperature) for v in kept}
    q = torch.zeros_like(z0)
    for v in kept:
        q[v] = warm[v] / sum(warm.values())
    q[y] = -s.alpha * exponent[y] / sum(exponent)
    return q


def slow_prod(step: Step, logits: dict[str, torch.Tensor], s: prod.Settings) -> torch.Tensor:
    found = []
    for b, row in enumerate(step.rows["forget"]):
        for t in range(1, len(row.ids)):
            if s.positions == "completion" or row.forget[t]:
                z = logits["forget"][b, t - 1]
                q = slow_target(step.before["forget"][b, t - 1], row.ids[t], s)
                found.append(torch.stack([q[v] * slow_loss(z, v) for v in range(VOCABULARY)]).sum())
    return mean(found)


@pytest.mark.parametrize("case", CASES)
def test_prod_and_its_gradient_are_those_of_the_formula(case: str, step: Step) -> None:
    value, gradient = with_gradient(lambda logits: ours(prod, step, logits, CASES[case]), step)
    expected, slope = with_gradient(lambda logits: slow_prod(step, logits, CASES[case]), step)
    assert value == pytest.approx(expected, abs=1e-5)
    torch.testing.assert_close(gradient["forget"], slope["forget"], atol=1e-5, rtol=0)
    assert slope["forget"].abs().max() > 1e-3


@pytest.mark.parametrize("top_p", [0.8, 1.0])
def test_without_alpha_the_gradient_at_the_logits_is_f_minus_q(top_p: float, step: Step) -> None:
    s = prod.Settings(top_p=top_p)
    _, gradient = with_gradient(lambda logits: ours(prod, step, logits, s), step)
    count = sum(len(row.ids) - 1 for row in step.rows["forget"])
    for b, row in enumerate(step.rows["forget"]):
        for t in range(1, len(row.ids)):
            f = step.logits["forget"][b, t - 1].softmax(-1)
            q = slow_target(step.before["forget"][b, t - 1], row.ids[t], s)
            torch.testing.assert_close(gradient["forget"][b, t - 1] * count, f - q, atol=1e-5, rtol=0)


def test_the_first_predicted_token_is_forbidden_like_any_other(step: Step) -> None:
    """The published code leaves the first one in before it cuts, so that its row of the target does not sum to 1."""
    batch = collate(step.rows["forget"], "forget", pad_id=0)
    z0 = step.before["forget"].flatten(0, 1)[batch.positions].float()
    q = terms.forbidden_out(z0, batch.labels, top_p=0.8, alpha=0.0, max_n=0, temperature=1.0)
    torch.testing.assert_close(q.sum(-1), torch.ones(len(q)))
    assert not q.gather(-1, batch.labels[:, None]).any()


@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.integers(2, 40),
    spread=st.floats(0.01, 30),
    top_p=st.floats(0.0, 1.0),
    max_n=st.integers(0, 5),
)
@settings(max_examples=100, deadline=None)
def test_a_target_is_the_smallest_nucleus_and_sums_to_one(
    seed: int, size: int, spread: float, top_p: float, max_n: int
) -> None:
    dice = torch.Generator().manual_seed(seed)
    logits = spread * torch.randn((3, size), generator=dice)
    labels = torch.randint(size, (3,), generator=dice)
    q = terms.forbidden_out(logits, labels, top_p=top_p, alpha=0.0, max_n=max_n, temperature=1.0)
    torch.testing.assert_close(q.sum(-1), torch.ones(3))
    assert not q.gather(-1, labels[:, None]).any()
    rest = logits.double().scatter(-1, labels[:, None], -torch.inf).softmax(-1)
    kept = (q > 0).sum(-1)
    assert (kept >= 1).all()
    assert not max_n or (kept <= max_n).all()
    for line in range(3):
        ranked = rest[line].sort(descending=True).values
        fewer, held = ranked[: kept[line] - 1].sum(), ranked[: kept[line]].sum()
        assert fewer <= top_p + 1e-5  # without its last one it does not pass top_p
        assert max_n == kept[line] or held >= min(top_p, 1) - 1e-5


def test_where_f_0_is_sure_of_the_token_the_target_is_the_order_of_the_rest() -> None:
    """In float32 the rest has no mass left beside it; taken out of the logits first, it is what it was."""
    rest = torch.tensor([3.0, 2.0, 1.0, 0.0])
    sure = torch.cat([rest, torch.tensor([500.0])])[None]
    q = terms.forbidden_out(sure, torch.tensor([4]), top_p=1.0, alpha=0.0, max_n=0, temperature=1.0)
    torch.testing.assert_close(q[0, :4], rest.softmax(-1))


def test_where_f_is_tiny_the_gradient_stays() -> None:
    """With 1e-10 inside its logarithm, as published, the loss is flat there."""
    step = new_step()
    for b, row in enumerate(step.rows["forget"]):
        for t, y in enumerate(row.ids[1:]):
            step.logits["forget"][b, t, y] = 60.0  # f of everything else is about 1e-26
    s = prod.Settings(top_p=1.0)
    _, gradient = with_gradient(lambda logits: ours(prod, step, logits, s), step)
    assert gradient["forget"][0, 0, step.rows["forget"][0].ids[1]] > 0.9 / sum(
        len(r.ids) - 1 for r in step.rows["forget"]
    )


@pytest.mark.parametrize("case", ["default", "span", "ascent", "no cut"])
@pytest.mark.parametrize("model", ["gpt2", "llama"])
def test_sparse_targets_give_what_dense_ones_do(case: str, model: str, tiny_models: dict[str, Path]) -> None:
    made, s = invariances.adapted(tiny_models[model]), CASES[case]
    batches = split_step(invariances.some_rows("forget"), "forget", 3, pad_id=0, marked=s.positions == "span")
    sparse = invariances.gradient(made, prod, batches, s)
    dense = invariances.gradient(made, prod, batches, replace(s, sparse=False))
    assert sparse.norm() > 1e-2
    torch.testing.assert_close(sparse, dense, atol=1e-5 * float(dense.norm()), rtol=1e-4)


def test_lists_hold_the_nucleus_alone_and_are_asked_for_once(tiny_models: dict[str, Path]) -> None:
    made, s = invariances.adapted(tiny_models["gpt2"]), prod.Settings(top_p=0.5)
    batch = collate(invariances.some_rows("forget"), "forget", pad_id=0)
    references = References(made, prod.needs(s))
    first = references(batch).targets
    with torch.no_grad():
        for parameter in made.network.parameters():
            if parameter.requires_grad:
                parameter.zero_()  # the model has moved, its reference has not
    second = references(batch).targets
    assert isinstance(first, Lists)
    assert isinstance(second, Lists)
    torch.testing.assert_close(first.shares, second.shares, atol=0, rtol=0)
    with torch.no_grad():
        outputs = forward(made, batch)  # with the adapter at nought: f_0
        q = prod.needs(s).target(outputs.head(outputs.hidden), batch.labels)  # type: ignore[misc]
    assert first.counts.tolist() == (q != 0).sum(-1).tolist()
    assert len(first.ids) < 0.4 * q.numel()


def test_a_span_alone_leaves_the_rest_of_a_row_alone(step: Step) -> None:
    _, gradient = with_gradient(lambda logits: ours(prod, step, logits, prod.Settings(positions="span")), step)
    for b, row in enumerate(step.rows["forget"]):
        touched = [bool(gradient["forget"][b, t - 1].any()) for t in range(1, len(row.ids))]
        assert touched == list(row.forget[1:])


def test_tokens_to_reinforce_are_none_of_its_business(step: Step) -> None:
    invariances.check_tokens_to_reinforce_are_ignored(prod, step, CASES["span"])


def test_it_needs_the_reference_and_no_text_to_keep() -> None:
    needs = prod.needs(prod.Settings())
    assert needs.reference
    assert not needs.retain
    assert needs.sparse
    assert needs.positions == "all"
    assert prod.needs(prod.Settings(positions="span")).positions == "marked"


@pytest.mark.parametrize("case", ["default", "span"])
def test_micro_batches_padding_and_rows_without_spans(case: str, step: Step, tiny_models: dict[str, Path]) -> None:
    invariances.check_parts_add_up(tiny_models["gpt2"], prod, CASES[case])
    invariances.check_padding_changes_nothing(tiny_models["gpt2"], prod, CASES[case])
    invariances.check_a_step_without_marks_is_finite(prod, step, CASES[case])


def test_sparse_and_dense_agree_on_given_logits(step: Step) -> None:
    batch = collate(step.rows["forget"], "forget", pad_id=0)
    z0, z = (of["forget"].flatten(0, 1)[batch.positions].float() for of in (step.before, step.logits))
    for s in CASES.values():
        one, other = (before_of(z0, batch, replace(prod.needs(s), sparse=sparse)).targets for sparse in (True, False))
        assert one is not None
        assert other is not None
        outputs = Outputs.of_logits(z)
        torch.testing.assert_close(one.cross_entropy(outputs), other.cross_entropy(outputs), atol=1e-5, rtol=1e-5)
