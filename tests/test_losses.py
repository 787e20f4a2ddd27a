"""Every method against a slow float64 reference written from its formula, and what no loss may depend on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from scrubber.core.batch import collate, split_step
from scrubber.core.model.adapters import add_lora, reference
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.load import load
from scrubber.core.model.outputs import Outputs, forward
from scrubber.core.model.reference import Needs, References
from scrubber.unlearning import terms
from scrubber.unlearning.methods import codeeraser, cu, ga
from tests.unlearning.invariances import adapted, gradient
from tests.unlearning.slow import Step, before_of, mean, new_step, ours, rows, slow_divergence, slow_loss, with_gradient


@pytest.fixture
def step() -> Step:
    return new_step()


def slow_terms(step: Step, logits: dict[str, torch.Tensor], *, split: bool) -> dict[str, list[torch.Tensor]]:
    """All per-token terms by name: ce_s and kl_s over sensitive tokens, ce_c over context, kl_r over kept texts."""
    found: dict[str, list[torch.Tensor]] = {"ce_s": [], "kl_s": [], "ce_c": [], "kl_r": []}
    for b, row in enumerate(step.rows["forget"]):
        for t in range(1, len(row.ids)):
            z, z0 = logits["forget"][b, t - 1], step.before["forget"][b, t - 1]
            if row.forget[t] or not split:
                found["ce_s"].append(slow_loss(z, row.ids[t]))
                found["kl_s"].append(slow_divergence(z0, z))
            else:
                found["ce_c"].append(slow_loss(z, row.ids[t]))
    for b, row in enumerate(step.rows["retain"]):
        for t in range(1, len(row.ids)):
            found["kl_r"].append(slow_divergence(step.before["retain"][b, t - 1], logits["retain"][b, t - 1]))
    return found


def slow_codeeraser(step: Step, logits: dict[str, torch.Tensor], s: codeeraser.Settings) -> torch.Tensor:
    found = slow_terms(step, logits, split=s.split)
    context, kept = mean(found["ce_c"]), mean(found["kl_r"])
    if s.padding_in_context:
        longest = max(len(row.ids) for row in step.rows["forget"])
        padding = sum(longest - len(row.ids) for row in step.rows["forget"])
        context = sum(found["ce_c"], torch.zeros(())) / (len(found["ce_c"]) + padding)
    if s.retain_sum:
        kept = sum(found["kl_r"], torch.zeros(())) / len(step.rows["retain"])
    divergence = -mean(found["kl_s"]) + s.alpha * kept
    return -mean(found["ce_s"]) + s.gamma * context + s.lambda_ * divergence


def slow_ga(step: Step, logits: dict[str, torch.Tensor], s: ga.Settings) -> torch.Tensor:
    return -mean(slow_terms(step, logits, split=False)["ce_s"])


def slow_cu(step: Step, logits: dict[str, torch.Tensor], s: cu.Settings) -> torch.Tensor:
    found = slow_terms(step, logits, split=False)
    return -mean(found["ce_s"]) + s.lambda_ * (-mean(found["kl_s"]) + s.alpha * mean(found["kl_r"]))


CASES = {
    "codeeraser": (codeeraser, slow_codeeraser, codeeraser.Settings()),
    "codeeraser, other weights": (
        codeeraser,
        slow_codeeraser,
        codeeraser.Settings(gamma=0.3, lambda_=0.7, alpha=1.5),
    ),
    "codeeraser without the split": (codeeraser, slow_codeeraser, codeeraser.Settings(split=False)),
    "codeeraser, retain_sum": (codeeraser, slow_codeeraser, codeeraser.Settings(retain_sum=True)),
    "codeeraser, padding_in_context": (codeeraser, slow_codeeraser, codeeraser.Settings(padding_in_context=True)),
    "ga": (ga, slow_ga, ga.Settings()),
    "cu": (cu, slow_cu, cu.Settings()),
    "cu, other weights": (cu, slow_cu, cu.Settings(lambda_=0.7, alpha=1.5)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_method_and_its_gradient_are_those_of_the_formula(case: str, step: Step) -> None:
    method, slow, settings = CASES[case]
    value, gradient = with_gradient(lambda logits: ours(method, step, logits, settings), step)
    expected, slope = with_gradient(lambda logits: slow(step, logits, settings), step)
    assert value == pytest.approx(expected, abs=1e-5)
    for role in gradient:
        torch.testing.assert_close(gradient[role], slope[role], atol=1e-5, rtol=0)


def test_codeeraser_without_split_and_weights_is_gradient_ascent(step: Step) -> None:
    settings = codeeraser.Settings(gamma=0, lambda_=0, split=False)
    assert ours(codeeraser, step, step.logits, settings).item() == pytest.approx(
        ours(ga, step, step.logits, ga.Settings()).item(), abs=1e-6
    )


def test_codeeraser_without_split_is_constrained_unlearning(step: Step) -> None:
    settings = codeeraser.Settings(gamma=0, lambda_=0.4, alpha=1.2, split=False)
    assert ours(codeeraser, step, step.logits, settings).item() == pytest.approx(
        ours(cu, step, step.logits, cu.Settings(lambda_=0.4, alpha=1.2)).item(), abs=1e-6
    )


@pytest.mark.parametrize("quirk", ["retain_sum", "padding_in_context"])
def test_a_published_quirk_is_off_and_makes_a_difference(quirk: str, step: Step) -> None:
    default = codeeraser.Settings()
    assert getattr(default, quirk) is False
    value = ours(codeeraser, step, step.logits, default).item()
    assert abs(ours(codeeraser, step, step.logits, replace(default, **{quirk: True})).item() - value) > 1e-3


@pytest.mark.parametrize("method", [codeeraser, ga, cu], ids=["codeeraser", "ga", "cu"])
def test_a_row_without_a_span_to_forget_gives_a_finite_loss(method: Any, step: Step) -> None:
    step.rows["forget"] = [replace(row, forget=(False,) * len(row.ids)) for row in step.rows["forget"]]
    value, gradient = with_gradient(lambda logits: ours(method, step, logits, method.Settings()), step)
    assert torch.isfinite(torch.tensor(value))
    assert all(torch.isfinite(slope).all() for slope in gradient.values())


def test_the_divergence_from_itself_is_zero(step: Step) -> None:
    batch = collate(step.rows["forget"], "forget", pad_id=0)
    logits = step.logits["forget"].flatten(0, 1)[batch.positions].float()
    before = before_of(logits, batch, Needs(target=terms.same))
    assert before.divergence(Outputs.of_logits(logits)).abs().max() < 1e-5
    assert (before.divergence(Outputs.of_logits(logits.flip(-1))) > 0).all()


# -- through a real model


@pytest.fixture
def model(tiny_models: dict[str, Path]) -> CausalModel:
    return adapted(tiny_models["gpt2"])


REAL = [(codeeraser, codeeraser.Settings(retain_sum=True)), (codeeraser, codeeraser.Settings())]
REAL += [(ga, ga.Settings()), (cu, cu.Settings())]  # type: ignore[list-item]


@pytest.mark.parametrize(("method", "settings"), REAL, ids=["retain_sum", "codeeraser", "ga", "cu"])
@pytest.mark.parametrize("micro_batch", [1, 3])  # 3: the last micro-batch is short
def test_eight_rows_at_once_or_in_parts_give_the_same_gradient(
    model: CausalModel, method: Any, settings: Any, micro_batch: int
) -> None:
    forget = rows([5, 9, 3, 12, 7, 2, 6, 10], 4, forget=True, vocabulary=300)
    kept = rows([4, 8, 8, 3, 11, 6, 2, 5], 5, forget=False, vocabulary=300)

    def total(size: int) -> torch.Tensor:
        parts = split_step(forget, "forget", size, pad_id=0)
        if method.needs(settings).retain:
            parts += split_step(kept, "retain", size, pad_id=0)
        return gradient(model, method, parts, settings)

    whole = total(8)
    assert whole.norm() > 1e-2
    torch.testing.assert_close(total(micro_batch), whole, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("method", [codeeraser, ga, cu], ids=["codeeraser", "ga", "cu"])
def test_padding_changes_nothing(model: CausalModel, method: Any) -> None:
    batch = collate(rows([5, 9, 3], 6, forget=True, vocabulary=300), "forget", pad_id=0)
    narrow, wide = batch.input_ids.shape[1], batch.input_ids.shape[1] + 7
    wider = replace(
        batch,
        input_ids=torch.nn.functional.pad(batch.input_ids, (0, 7), value=0),
        attention_mask=torch.nn.functional.pad(batch.attention_mask, (0, 7), value=0),
        positions=batch.positions // (narrow - 1) * (wide - 1) + batch.positions % (narrow - 1),
        padding_total=batch.padding_total + 3 * 7,
    )
    settings = method.Settings()
    torch.testing.assert_close(
        gradient(model, method, [wider], settings), gradient(model, method, [batch], settings), atol=1e-6, rtol=1e-4
    )


def test_the_pad_id_may_be_any_real_token(model: CausalModel) -> None:
    made = rows([5, 9, 3], 7, forget=True, vocabulary=4)  # the ids 0 to 3 are in every row
    batches = [collate(made, "forget", pad_id=pad) for pad in (0, 3, 299)]
    real = [token for row in made for token in row.ids[1:]]
    for batch in batches:
        assert batch.labels.tolist() == real  # no pad, no -100, and no real token left out
    first, *others = [gradient(model, codeeraser, [batch], codeeraser.Settings()) for batch in batches]
    for other in others:
        torch.testing.assert_close(other, first, atol=1e-6, rtol=1e-4)


def test_the_reference_is_the_model_before_its_adapter(model: CausalModel, tiny_models: dict[str, Path]) -> None:
    batch = collate(rows([6, 9], 8, forget=True, vocabulary=300), "forget", pad_id=0)
    with torch.no_grad():
        before, now = forward(load(str(tiny_models["gpt2"]), "fp32"), batch).hidden, forward(model, batch).hidden
    with reference(model):
        switched_off = forward(model, batch).hidden
    torch.testing.assert_close(switched_off, before, atol=1e-6, rtol=0)
    assert (now - before).abs().max() > 1e-2
    assert not switched_off.requires_grad


def test_a_new_adapter_diverges_from_nothing(tiny_models: dict[str, Path]) -> None:
    fresh = load(str(tiny_models["qwen2"]), "fp32")
    add_lora(fresh, rank=4, alpha=8, seed=0)
    batch = collate(rows([6, 9], 9, forget=False, vocabulary=300), "retain", pad_id=0)
    settings = codeeraser.Settings()
    before = References(fresh, codeeraser.needs(settings))(batch)
    value = codeeraser.loss(forward(fresh, batch), before, batch, settings=settings)
    assert abs(value.item()) < 1e-6
