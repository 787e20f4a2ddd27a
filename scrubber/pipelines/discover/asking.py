"""What the loop asks of the model after one round or another: answers, drift and programming tasks, each stored once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scrubber.core.types import Progress, Trial
from scrubber.core.workspace import Workspace, digest
from scrubber.pipelines.discover import answers
from scrubber.pipelines.discover.answers import Answer, Judged
from scrubber.pipelines.discover.config import DiscoverConfig
from scrubber.pipelines.discover.inputs import Inputs
from scrubber.pipelines.discover.prompts import Prompt
from scrubber.pipelines.discover.turn import Turn

if TYPE_CHECKING:
    from scrubber.pipelines.discover.engine import Engine

CHUNK = 4  # batches of answers that are stored at once


class Asking:
    """``number`` is a round everywhere: the model with that round's adapter, and for 0 the model as it was."""

    def __init__(
        self, config: DiscoverConfig, inputs: Inputs, workspace: Workspace, progress: Progress, turn: Turn
    ) -> None:
        self.config, self.inputs, self.workspace, self.progress, self.turn = config, inputs, workspace, progress, turn
        self._engine: Engine | None = None

    @property
    def engine(self) -> Engine:
        """Made when it is first wanted: a turn that only reads what is stored loads no model."""
        from scrubber.pipelines.discover.engine import Engine

        if self._engine is None:
            self._engine = Engine(self.config.model)
        return self._engine

    def trained(self, number: int) -> list[str]:
        """Invented names that a round trained against."""
        names: list[str] = self.workspace.read_json(f"private/rounds/{number}/trained.json")
        return names

    def adapter(self, number: int) -> Path | None:
        """What the model wears after a round; one without training leaves what was there."""
        while number and not self.trained(number):
            number -= 1
        return self.workspace.path(f"private/rounds/{number}/adapter") if number else None

    def judged(self, label: str, asked: Sequence[Prompt], number: int) -> list[Judged]:
        """Answers to ``asked``, judged; those of the same ``label``, prompts and round are asked once only."""
        given = self.answers(label, asked, number)
        return answers.judged(asked, given, self.inputs.judge, self.config.prompts.ecosystem)

    def texts(self, label: str, asked: Sequence[Prompt]) -> list[tuple[str, str, str]]:
        """Each prompt's id and text, with one answer of the model as it was."""
        given = self.answers(label, asked, 0, samples=1)
        return [(prompt.id, prompt.text, answer.text) for prompt, answer in zip(asked, given, strict=True)]

    def answers(self, label: str, asked: Sequence[Prompt], number: int, samples: int = 0) -> list[Answer]:
        """``samples`` to each prompt, else as many as the configuration says. Stored in parts, so that a turn may end
        between two of them."""
        loop = self.config.loop
        count = samples or loop.samples_per_prompt
        size = max(1, CHUNK * self.config.model.batch_size // count)
        place = f"private/answers/{label}-{number}-{digest(self.inputs.key, count, [p.text for p in asked])}"
        made: list[Answer] = []
        for part, begin in enumerate(range(0, len(asked), size)):
            file = f"{place}/{part:04d}.jsonl"
            if not self.workspace.path(file).exists():
                some = asked[begin : begin + size]
                with self.progress(f"asking: {label}, after round {number}", len(some) * count) as advance:
                    new = self.engine.answer(self.adapter(number), some, loop, samples=count, seed=self.config.seed)
                    advance(len(some) * count)
                self.workspace.write(file, answers.to_jsonl(answer for given in new for answer in given))
                self.turn.stored(f"asking: {label}")
            made += answers.from_jsonl(self.workspace.path(file).read_text())
        return made

    def drift(self, number: int, texts: Sequence[tuple[str, str, str]]) -> list[Trial]:
        """Of each (id, prompt, answer of the model as it was); before any training it is nought."""
        adapter = self.adapter(number)
        if adapter is None:
            return [Trial("drift", name, "", "", "", "", 0.0) for name, _, answer in texts if answer]
        from scrubber.pipelines.discover import drift

        return drift.ask(self.engine.wear(adapter), texts, subset="")

    def tasks(self, number: int, count: int) -> list[Trial]:
        """Micro tasks, half of them of unseen compositions, each solved or not."""
        from scrubber.evaluation.benchmarks import micro
        from scrubber.evaluation.sandbox.runner import Sandbox
        from scrubber.pipelines.measure import ask_tasks, trials_from_jsonl, trials_to_jsonl

        if not count // 2:
            return []
        file = f"private/tasks/{self.inputs.key}-{number}-{count}.jsonl"
        if not self.workspace.path(file).exists():
            utility = self.config.utility
            asked = [*micro.tasks("seen", count // 2), *micro.tasks("unseen", count // 2)]
            with (
                self.progress(f"programming tasks, after round {number}"),
                Sandbox(require_isolation=utility.require_isolation, layer=utility.isolation) as sandbox,
            ):
                made = ask_tasks(self.engine.wear(self.adapter(number)), asked, sandbox)
            self.workspace.write(file, trials_to_jsonl(made))
            self.turn.stored("programming tasks")
        return trials_from_jsonl(self.workspace.path(file).read_text())
