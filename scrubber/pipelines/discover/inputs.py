"""Everything that a run of the loop reads, checked before a model is loaded, every mistake in one message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from scrubber.core.errors import AskedWrongly, ScrubberError
from scrubber.core.provenance import model_digest
from scrubber.core.workspace import digest, digest_files
from scrubber.detectors._packages.verdicts import Judge, check_cutoff
from scrubber.detectors.packages import day_of, index_folder, open_indexes
from scrubber.pipelines.discover.config import DiscoverConfig
from scrubber.pipelines.discover.prompts import (
    Description,
    Prompt,
    Split,
    Template,
    read_descriptions,
    read_seeds,
    read_unrelated,
    templates,
)
from scrubber.pipelines.packages import user_modules

Made = TypeVar("Made")
REVISION = 1  # of the loop: what an older one left in a run folder is not gone on with


@dataclass(frozen=True)
class Inputs:
    """``key``: a digest of all that the rounds hang on; not of what only says when to stop."""

    prompts: Sequence[Prompt]
    descriptions: Sequence[Description]
    unrelated: dict[Split, list[Prompt]]
    templates: Sequence[Template]
    judge: Judge
    model: str  # digest
    data: str  # digest
    key: str

    def of(self, split: Split) -> list[Prompt]:
        return [prompt for prompt in self.prompts if prompt.split == split]


def read_inputs(config: DiscoverConfig) -> Inputs:
    """Raises AskedWrongly that names everything that is wrong with the configuration's files."""
    mistakes: list[str] = []

    def attempt(make: Callable[[], Made]) -> Made | None:
        try:
            return make()
        except ScrubberError as error:
            mistakes.append(str(error))
            return None

    named = (
        ("model.path", config.model.path, True), ("prompts.seeds", config.prompts.seeds, True),
        ("prompts.unrelated", config.prompts.unrelated, True), ("prompts.descriptions", config.prompts.descriptions, False),
        ("index.modules", config.index.modules, False),
    )  # fmt: skip
    missing = set()
    for key, path, needed in named:
        hub = key == "model.path" and path.count("/") == 1 and not path.startswith((".", "~"))
        if (not path and needed) or (path and not hub and not Path(path).expanduser().exists()):
            mistakes.append(f"{key}: there is nothing at {path}" if path else f"{key} is not set")
            missing.add(key)
    seeds, others, described = (Path(getattr(config.prompts, key)) for key in ("seeds", "unrelated", "descriptions"))
    watched = config.loop.watched
    prompts = (
        attempt(lambda: read_seeds(seeds, watched=watched, seed=config.seed))
        if "prompts.seeds" not in missing
        else None
    )
    unrelated = attempt(lambda: read_unrelated(others)) if "prompts.unrelated" not in missing else None
    wanted = config.prompts.descriptions and "prompts.descriptions" not in missing
    descriptions = attempt(lambda: read_descriptions(described)) if wanted else []
    judge = attempt(lambda: _judge(config)) if "index.modules" not in missing else None
    if mistakes:
        raise AskedWrongly(
            f"the loop cannot start: {'; '.join(mistakes)}",
            mend="Keys and their meaning: scrubber discover --show-config.",
        )
    assert prompts is not None
    assert unrelated is not None
    assert judge is not None
    files = [seeds, others, *([described] if wanted else [])]
    data = digest([digest_files(path) for path in files])
    model = model_digest(config.model.path)
    return Inputs(
        prompts, descriptions or [], unrelated, templates([p for p in prompts if p.split == "loop"]), judge, model, data,
        digest(
            REVISION, model, data, judge.identity, config.model.precision, config.prompts.ecosystem, config.seed,
            config.loop.model_dump(exclude={"limit", "rounds", "patience"}), config.unlearn.model_dump(),
            config.utility.model_dump(exclude={"budget", "drift"}),
        ),
    )  # fmt: skip


def _judge(config: DiscoverConfig) -> Judge:
    folder = Path(config.index.folder).expanduser() if config.index.folder else index_folder()
    indexes = open_indexes(folder)
    if config.prompts.ecosystem not in indexes:
        raise AskedWrongly(
            f"there is no index of {config.prompts.ecosystem} names, without which no name can be called invented",
            where=str(folder),
            mend="Build one: scrubber index build.",
        )
    cutoff = day_of(config.index.cutoff, "index.cutoff")
    if not config.index.force:
        check_cutoff(cutoff, indexes)
    modules = user_modules(Path(config.index.modules)) if config.index.modules else {}
    return Judge(indexes, cutoff, modules=modules, allowed=tuple(config.index.allow))
