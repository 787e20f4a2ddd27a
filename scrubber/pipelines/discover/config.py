"""What ``scrubber discover`` reads: one TOML file, every mistake in it reported at once, before a model is loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from scrubber.core.mentions import Ecosystem
from scrubber.pipelines.config import ModelConfig, TrackerConfig
from scrubber.pipelines.tables import help_of, read_as


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PromptsConfig(_Strict):
    seeds: str = Field("", description='JSONL of {"id", "text"}; also "context", "split", "right", "topic"')
    descriptions: str = Field(
        "", description='JSONL of {"name", "summary"}: packages to ask about; empty: no fresh prompts'
    )
    unrelated: str = Field(
        "", description='JSONL of {"id", "text"}; also "split": code prompts whose answers must not drift'
    )
    ecosystem: Ecosystem = Field("pypi", description="of names in plain lists, which say of themselves no registry")


class IndexConfig(_Strict):
    folder: str = Field("", description="of the name indexes; else SCRUBBER_INDEX, else the user's own")
    cutoff: str = Field("", description="the day that the model's knowledge ends, such as 2025-06-30")
    force: bool = Field(False, description="go on although the index is older than the cut-off")
    modules: str = Field("", description='TOML file of module = ["distribution"]')
    allow: list[str] = Field([], description="names that are no one else's business, such as @corp/*")


class LoopConfig(_Strict):
    limit: float = Field(0.05, gt=0, lt=1, description="most invented names among all, of held-out prompts")
    rounds: int = Field(5, ge=1, description="at most")
    patience: int = Field(2, ge=1, description="rounds in a row without a lower rate that end it")
    prompts_per_round: int = Field(240, ge=1)
    samples_per_prompt: int = Field(4, ge=1, description="answers to each prompt, in rounds and in measurements")
    temperature: float = Field(0.7, gt=0)
    max_new_tokens: int = Field(64, ge=1)
    watched: float = Field(
        0.2, gt=0, lt=1, description="share of the loop's subjects that is watched, never trained on"
    )
    min_mentions: float = Field(
        0.8, ge=0, le=1, description="least names an answer, and least distinct real ones, to before: no silence"
    )
    mutations: int = Field(1, ge=0, description="new prompts of each that still brings an invented name")
    fresh: int = Field(40, ge=0, description="new prompts from descriptions, a round")
    retire: int = Field(2, ge=1, description="clean rounds in a row after which a prompt is asked no more")


class UnlearnConfig(_Strict):
    method: str = Field("adaptive", description="see: scrubber parts methods")
    settings: dict[str, bool | int | float | str] = Field({}, description="the method's own")
    suppress: Literal["divergent", "all"] = Field(
        "divergent", description="tokens of an invented name: the first that no real one has there, or all"
    )
    learning_rate: float = Field(1e-3, gt=0)
    rank: int = Field(16, ge=1)
    alpha: int = Field(32, ge=1)
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = Field(1.0, gt=0)
    batch_size: int = Field(16, ge=1)
    retain_batch_size: int = Field(16, ge=0, description="texts to keep beside; 0: as many")
    micro_batch: int = Field(16, ge=1)
    steps_per_round: int = Field(60, ge=1)
    hold: float = Field(
        40.0, ge=0, description="weight of KL(before || now) on unrelated answers and outside of names; ours"
    )
    save_every: int = Field(10, ge=1, description="steps between two checkpoints; a stopped turn loses no more")


class UtilityConfig(_Strict):
    micro_tasks: int = Field(600, ge=0, description="half of seen, half of unseen compositions; 0: none")
    check_tasks: int = Field(100, ge=0, description="of them, after each round")
    budget: float = Field(0.02, ge=0, le=1, description="most that pass_at_1 may fall")
    drift: float = Field(0.01, gt=0, description="most drift on unrelated prompts: KL(before || after), nats a token")
    drift_prompts: int = Field(200, ge=1, description="prompts that drift is measured on, of each sort")
    isolation: Literal["auto", "bubblewrap", "landlock", "limits-only"] = Field(
        "auto", description="layer of the sandbox"
    )
    require_isolation: bool = Field(True, description="no verdict where generated code cannot be confined")


class LoopTrackerConfig(TrackerConfig):
    experiment: str = "scrubber-discover"


class DiscoverConfig(_Strict):
    """What ``scrubber discover`` reads."""

    model: ModelConfig = ModelConfig()
    prompts: PromptsConfig = PromptsConfig()
    index: IndexConfig = IndexConfig()
    loop: LoopConfig = LoopConfig()
    unlearn: UnlearnConfig = UnlearnConfig()
    utility: UtilityConfig = UtilityConfig()
    tracker: LoopTrackerConfig = LoopTrackerConfig()
    name: str = Field("discover", description="of the run")
    seed: int = 0


def read(
    path: Path | None, overrides: Sequence[str] = (), environment: Mapping[str, str] = os.environ
) -> DiscoverConfig:
    """The configuration of a file (``[tool.scrubber]`` of a pyproject.toml), changed by ``SCRUBBER_SET`` and ``overrides``.

    Relative paths in a file are of that file's folder. Raises AskedWrongly that names every mistake.
    """
    return read_as(
        DiscoverConfig, path, overrides, environment, keys="scrubber discover --show-config", prepare=_rooted
    )


def help_text() -> str:
    return help_of(DiscoverConfig)


PATHS = (("model", "path"), ("prompts", "seeds"), ("prompts", "descriptions"), ("prompts", "unrelated"),
         ("index", "folder"), ("index", "modules"))  # fmt: skip


def _rooted(table: dict[str, Any], folder: Path) -> None:
    """Paths that are there as seen from the file's folder; another one may be a hub id, or a mistake for later to tell."""
    for section, key in PATHS:
        value = table.get(section, {}).get(key) if isinstance(table.get(section), dict) else None
        if isinstance(value, str) and value and (folder / value).exists():
            table[section][key] = str(folder / value)
