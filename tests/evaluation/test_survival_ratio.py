"""Survival ratio: one where the update is all that changes, nothing where it vanishes, little where rounding drowns it."""

from __future__ import annotations

import json
import math

import pytest

from scrubber.core.types import Trial
from scrubber.evaluation.metrics import survival_ratio


def layer(name: str, shared: float, change: float, update: float, changed: float = 0.5) -> Trial:
    row = {"shared": shared, "change": change, "update": update, "changed": changed}
    outcome = shared / math.sqrt(change * update) if change else 0.0
    return Trial("quantisation", name, "robust_x", "", json.dumps(row), "", outcome)


def test_layers_count_by_the_size_of_their_update() -> None:
    kept, lost = layer("a", 9.0, 9.0, 9.0), layer("b", 0.0, 0.0, 1.0)
    score = survival_ratio.score([kept, lost], stage="after", subset="robust_x")
    assert score.value == pytest.approx(9 / math.sqrt(9 * 10))
    assert (score.low, score.high, score.n) == (score.value, score.value, 2)
    assert "worst layer b: 0" in score.note


def test_noise_that_is_larger_than_the_update_is_no_survival() -> None:
    score = survival_ratio.score([layer("a", 1.0, 100.0, 1.0)], stage="after", subset="robust_x")
    assert score.value == pytest.approx(0.1)
    assert "|change| / |update| 10" in score.note


def test_an_update_that_vanishes_is_nought_and_no_update_is_not_scored() -> None:
    assert survival_ratio.score([layer("a", 0.0, 0.0, 4.0)], stage="after", subset="robust_x").value == 0.0
    assert survival_ratio.score([], stage="after", subset="robust_x").value is None
    broken = layer("a", float("nan"), 1.0, 1.0)
    assert survival_ratio.score([broken], stage="after", subset="robust_x").value is None
