"""What the robustness checks judge: the model before, what unlearning left of it, and the values that were to be forgotten."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scrubber.core.decoys import same_format
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.load import Precision, load
from scrubber.core.model.merge import merge
from scrubber.core.types import Sample, Trial
from scrubber.core.workspace import Workspace
from scrubber.pipelines.measure import some, trials_to_jsonl
from scrubber.pipelines.robust.settings import RobustSettings

MERGED = "private/robust/merged"


@dataclass(frozen=True)
class Case:
    """``release`` is the whole model that unlearning left, or None where it left an ``adapter`` on ``before``. Private."""

    before: str  # folder or hub id
    release: str | None
    adapter: Path | None
    precision: Precision
    forget: tuple[Sample, ...]  # texts, with all of their values to forget
    decoys: tuple[Sample, ...]  # values that exist nowhere, to ask for in the same way
    keep: tuple[Sample, ...]  # code of the same domain
    unrelated: tuple[Sample, ...]
    digest: str  # of all of the above
    settings: RobustSettings
    drawn_decoys: bool = True  # of the values' own format, so that chance ranks them evenly
    strata: Mapping[str, str] = field(default_factory=dict)  # kind of value, by fingerprint
    learning_rate: float = 5e-4  # of unlearning
    context_tokens: int = 128
    window_tokens: int = 512
    batch_size: int = 64
    seed: int = 0

    @property
    def values(self) -> list[Sample]:
        """Each value as a sample of its own, a seeded choice of at most ``settings.values``."""
        return some(self.forget, self.settings.values, self.seed)

    @property
    def asked_decoys(self) -> list[Sample]:
        return some(self.decoys, self.settings.values, self.seed)

    @property
    def control(self) -> list[Sample]:
        """Those of the values that the model before is asked for, to see that a check can find anything."""
        return some(self.values, self.settings.control_values, self.seed)

    @property
    def control_decoys(self) -> list[Sample]:
        return some(self.asked_decoys, self.settings.control_values, self.seed)

    def others(self, label: str) -> list[Sample]:
        """The texts to forget with other values of the same formats in place of every one that is asked for."""
        dice = random.Random(f"robust-{label}-{self.seed}")
        swapped = {value: same_format(value, dice) for value in values_of(self.forget)}
        return [Sample(f"{label}:{s.id}", _swapped(s.text, swapped)) for s in self.forget]


class Bench:
    """The models of a case, the two of it loaded once, others as they are asked for; and where trials go."""

    def __init__(self, case: Case, workspace: Workspace) -> None:
        self.case, self.workspace = case, workspace
        self._kept: dict[str, CausalModel] = {}

    def before(self) -> CausalModel:
        case = self.case
        return self._held("before", lambda: load(case.before, case.precision, batch_size=case.batch_size))

    def release(self) -> CausalModel:
        """As unlearning left it: what ships, at its precision."""
        return self._held("release", self.fresh)

    def fresh(self) -> CausalModel:
        """The release once more, to be trained on."""
        case = self.case
        return load(case.release or case.before, case.precision, adapter=case.adapter, batch_size=case.batch_size)

    def at(self, name: str, precision: Precision) -> CausalModel:
        return load(name, precision, batch_size=self.case.batch_size)

    def merged(self) -> str:
        """Folder of the release as whole weights; an adapter is merged into the full-precision model once."""
        case = self.case
        if case.release is not None or case.adapter is None:
            return case.release or case.before

        def work() -> dict[str, Any]:
            assert case.adapter is not None
            with self.workspace.replacing(MERGED) as folder:
                merge(case.before, case.adapter, folder)
            return {}

        self.workspace.once("robust-merge", case.digest, work)
        return str(self.workspace.path(MERGED))

    def keep_trials(self, name: str, trials: Sequence[Trial]) -> None:
        """Answers hold values: they go to private/ alone."""
        self.workspace.write(f"private/robust/{name}.jsonl", trials_to_jsonl(trials))

    def _held(self, name: str, made: Any) -> CausalModel:
        if name not in self._kept:
            self._kept[name] = made()
        return self._kept[name]


def values_of(samples: Sequence[Sample]) -> list[str]:
    """All values, longest first, so that one that holds another is replaced as a whole."""
    found = {s.text[span.start : span.end] for s in samples for span in s.forget}
    return sorted(found, key=lambda value: (-len(value), value))


def _swapped(text: str, swapped: Mapping[str, str]) -> str:
    for value, other in swapped.items():
        text = text.replace(value, other)
    return text
