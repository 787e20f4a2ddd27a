"""Loads the tiny models of the tests, fresh for each test that changes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scrubber.core.model.causal import CausalModel
from scrubber.core.model.load import Precision, load


@pytest.fixture
def tiny(tiny_models: dict[str, Path]) -> Callable[..., CausalModel]:
    def loaded(architecture: str = "llama", precision: Precision = "fp32", batch_size: int = 64) -> CausalModel:
        return load(str(tiny_models[architecture]), precision, batch_size=batch_size)

    return loaded
