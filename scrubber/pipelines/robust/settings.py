"""What the robustness checks ask, and how much: section ``robust`` of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scrubber.core.errors import AskedWrongly
from scrubber.evaluation.prompts import FAMILIES

Check = Literal["residual", "drift", "precision", "prompts", "guided", "relearning"]
CHECKS: tuple[Check, ...] = ("residual", "drift", "precision", "prompts", "guided", "relearning")  # cheap ones first


class RobustSettings(BaseModel):
    """How the checks are run. The defaults are for a few hundred values; the smaller ``tier`` is for a first look."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    checks: tuple[Check, ...] = Field(CHECKS, description="which of them; drift is a report only")
    before: Literal["unknown", "public", "private"] = Field(
        "unknown", description="whether others can have the model before, or the adapter apart from its base"
    )
    values: int = Field(500, ge=1, description="most values that are asked for, a seeded sample of the audited ones")
    control_values: int = Field(40, ge=1, description="of these, asked of the model before: the positive control")
    precisions: tuple[Literal["bf16", "int8", "nf4"], ...] = Field(
        ("bf16", "int8", "nf4"), description="of the merged model"
    )
    choices: int = Field(1000, ge=1, description="values of its format that each value is ranked among")
    neighbours: int = Field(12, ge=3, description="edits of each value, and of its context")
    families: tuple[str, ...] = Field(tuple(FAMILIES), description="of prompts")
    samples: int = Field(10, ge=1, description="answers to each prompt at each temperature")
    temperatures: tuple[float, ...] = Field((0.8, 1.0), description="of drawn answers")
    weights: tuple[float, ...] = Field((1.2, 1.4, 2.0, 3.0), description="w of reversed guidance")
    token_filter: float = Field(1e-5, gt=0, le=1, description="guidance keeps tokens so likely to the model before")
    steps: tuple[int, ...] = Field((10, 25, 50, 100), description="of relearning, at which is asked")
    learning_rate: float = Field(0.0, ge=0, description="of relearning; 0: that of unlearning")
    batch_size: int = Field(8, ge=1, description="of relearning")
    rank: int = Field(16, ge=1, description="of the adapter that relearns")
    share: float = Field(0.1, gt=0, lt=1, description="of the forget set that is shown again, to ask for the rest")
    texts: int = Field(64, ge=1, description="unrelated texts, for the drift")


def settings(table: Mapping[str, Any]) -> RobustSettings:
    """The settings of a table. Raises AskedWrongly that names every mistake in it."""
    try:
        made = RobustSettings.model_validate(dict(table))
    except ValidationError as error:
        faults = [
            f"robust.{'.'.join(map(str, fault['loc']))}: "
            + ("there is no such key" if fault["type"] == "extra_forbidden" else fault["msg"].lower())
            for fault in error.errors()
        ]
        raise AskedWrongly(f"the robustness checks cannot be set so: {'; '.join(faults)}", mend=_KEYS) from None
    faults = [f"robust.families: there is no family {name}" for name in made.families if name not in FAMILIES]
    faults += [f"robust.{key}: it is empty" for key, value in made if value == ()]
    faults += ["robust.temperatures: each must be above 0"] * (min(made.temperatures, default=1) <= 0)
    faults += ["robust.weights: none may be below 0"] * (min(made.weights, default=0) < 0)
    faults += ["robust.steps: each must be at least 1"] * (min(made.steps, default=1) < 1)
    if faults:
        raise AskedWrongly(f"the robustness checks cannot be set so: {'; '.join(faults)}", mend=_KEYS)
    return made


_KEYS = f"Its keys are: {', '.join(RobustSettings.model_fields)}."
