"""The loop itself: ask, judge, train a bounded round, ask again, until held-back prompts bring few invented names."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrubber.core.errors import NothingToDo
from scrubber.core.fingerprint import Fingerprinter, project_key
from scrubber.core.quiet import NoTracker, silent
from scrubber.core.types import Progress, Report, Score, Tracker
from scrubber.core.workspace import Workspace, digest, remove
from scrubber.pipelines.discover import ending, prompts, rates, samples
from scrubber.pipelines.discover.answers import Judged
from scrubber.pipelines.discover.asking import Asking
from scrubber.pipelines.discover.config import DiscoverConfig
from scrubber.pipelines.discover.ending import Ending, Round
from scrubber.pipelines.discover.inputs import Inputs, read_inputs
from scrubber.pipelines.discover.prompts import Prompt
from scrubber.pipelines.discover.turn import Turn

if TYPE_CHECKING:
    from scrubber.core.batch import Tokens

ADAPTER = "adapter"  # where the best round's one is in the end


@dataclass(frozen=True)
class DiscoverReport:
    """``report``: verdict and scores, as result.json has them. ``idle``: an earlier turn had finished, and nothing was done."""

    report: Report
    ended: Ending
    rounds: tuple[Round, ...]
    adapter: Path | None
    idle: bool


def discover(
    config: DiscoverConfig,
    workspace: Workspace,
    tracker: Tracker | None = None,
    progress: Progress = silent,
    *,
    minutes: float | None = None,
    inputs: Inputs | None = None,
) -> DiscoverReport:
    """Walks the loop to its end, or for ``minutes`` (raises OutOfTime then; a later call goes on in the same workspace).

    A finished loop of the same configuration, files, index and model is read back. Raises AskedWrongly before any model is
    loaded, NothingToDo where the model names no package.
    """
    read = inputs or read_inputs(config)
    return Loop(config, read, workspace, tracker or NoTracker(), progress, Turn(minutes)).walk()


def is_finished(config: DiscoverConfig, inputs: Inputs, workspace: Workspace) -> bool:
    """Whether an earlier turn has walked this loop to its end."""
    return workspace.is_done("discover", _key(config, inputs)) and workspace.path("result.json").exists()


class Loop:
    """One turn. What is done is known by marks and files in the workspace alone, so that a turn may end anywhere."""

    def __init__(
        self, config: DiscoverConfig, inputs: Inputs, workspace: Workspace, tracker: Tracker, progress: Progress, turn: Turn,
    ) -> None:  # fmt: skip
        self.inputs = inputs
        self.config, self.workspace, self.tracker, self.progress, self.turn = config, workspace, tracker, progress, turn
        self.fingerprint = Fingerprinter(project_key(workspace.private / "key"))
        self.asking = Asking(config, self.inputs, workspace, progress, turn)

    def walk(self) -> DiscoverReport:
        from scrubber.reporting.result import from_json

        idle = is_finished(self.config, self.inputs, self.workspace)
        if not idle:
            for name in ("result.json", "done/discover.json"):  # of an older configuration, or damaged
                remove(self.workspace.path(name))
        done = self.workspace.once("discover", _key(self.config, self.inputs), self._work)
        place = self.workspace.path(ADAPTER)
        return DiscoverReport(
            from_json(self.workspace.read_json("result.json")),
            done["ended"],
            tuple(ending.from_json(row) for row in done["rounds"]),
            place if done["best"] else None,
            idle,
        )

    def _work(self) -> dict[str, Any]:
        from scrubber.pipelines.discover.engine import check_method

        check_method(self.config.unlearn)
        began = time.perf_counter()
        rounds, pool = [self._start()], self.inputs.of("loop")
        while not (why := ending.ending(rounds, self.config)):
            rounds.append(self._round(rounds[-1].number + 1, pool))
            pool = prompts.from_jsonl(self.workspace.path(f"private/rounds/{rounds[-1].number}/pool.jsonl").read_text())
        best = ending.best(rounds, self.config).number
        self._finish(rounds, why, best, time.perf_counter() - began)
        return {"ended": why, "rounds": [one._asdict() for one in rounds], "best": best}

    # -- the stages of a round

    def _start(self) -> Round:
        """Round 0: how much the model invents as it is, on the watched prompts."""

        def work() -> dict[str, Any]:
            score = rates.rate(self._watched(0), stage="before", subset="watched")[0]
            if score.value is None:
                raise NothingToDo(
                    "the model names no package in its answers",
                    where="prompts.seeds",
                    mend="Ask as the model was trained to answer, or allow longer answers: loop.max_new_tokens.",
                )
            return Round(0, score.value, score.low or 0.0, score.high or 0.0)._asdict()

        return ending.from_json(self._once("start", work))

    def _round(self, number: int, pool: Sequence[Prompt]) -> Round:
        def work() -> dict[str, Any]:
            began = time.perf_counter()
            with self.tracker.stage(f"round-{number}"):
                judged = self._asked_in(number, pool)
                rows = samples.trained_on(judged)
                steps = self._train(number, rows)
                made = self._check(number)._replace(
                    asked=len({one.prompt.id for one in judged}),
                    inventing=len({one.prompt.id for one in judged if one.invented}),
                    names=len({name for one in judged for name in one.invented}),
                    rows=len(rows),
                    steps=steps,
                    pool=self._renew(number, pool, judged),
                    seconds=round(time.perf_counter() - began, 2),
                )
                self.tracker.scores(_scores(made), step=number)
            return made._asdict()

        return ending.from_json(self._once(f"round-{number}", work))

    def _asked_in(self, number: int, pool: Sequence[Prompt]) -> list[Judged]:
        """The round's answers, of the model as the round before left it."""
        dice = random.Random(f"round-{self.config.seed}-{number}")
        chosen = prompts.chosen(pool, self.config.loop.prompts_per_round, dice)
        return self.asking.judged(f"round-{number}", chosen, number - 1)

    def _train(self, number: int, rows: Sequence[Judged]) -> int:
        """Steps; 0 where no answer had an invented name: the round before's adapter stays as it is."""
        from scrubber.pipelines.discover.engine import train_round

        place, before = f"private/rounds/{number}/adapter", self.asking.adapter(number - 1)
        trained = sorted({name for one in rows for name in one.invented})
        self.workspace.write_json(f"private/rounds/{number}/trained.json", trained)
        if not trained:
            return 0
        if (self.workspace.path(place)).exists() and self.workspace.is_done(f"trained-{number}", self.inputs.key):
            return self.config.unlearn.steps_per_round
        model = self.asking.engine.wear(before)
        end = model.end_ids[0] if model.end_ids else None
        named = samples.rows(
            rows,
            lambda name: self.fingerprint("package", name),
            model.encode,
            end_id=end,
            max_length=model.longest,
            suppress=self.config.unlearn.suppress,
        )
        label = f"round {number}, training"
        stored = self.turn.steps(self.config.unlearn.save_every, label)
        with self.progress(label, self.config.unlearn.steps_per_round) as advance:

            def step(count: int) -> None:
                advance(count)
                stored(count)

            keep = self._kept(model.encode, model.longest)
            model = self.asking.engine.wear(before)  # asking for what to keep may have taken the adapter off
            steps = train_round(
                model, named, keep, config=self.config.unlearn, seed=self.config.seed + number,
                workspace=self.workspace, name=f"round-{number}-{self.inputs.key}", place=place, progress=step,
            )  # fmt: skip
        self.asking.engine.worn(self.workspace.path(place))
        self.workspace.once(f"trained-{number}", self.inputs.key, lambda: steps)
        self.turn.stored(f"round {number}, trained")
        return steps

    def _kept(self, encode: Callable[[str], Any], longest: int) -> list[Tokens]:
        """Unrelated prompts with the answers of the model before: what each round is held to."""
        held = [p for i, p in enumerate(self.inputs.unrelated["loop"]) if i % 5]
        texts = [(prompt, answer) for _, prompt, answer in self.asking.texts("hold", held)]
        return samples.plain_rows(texts, encode, max_length=longest, marked=False)

    def _check(self, number: int) -> Round:
        """What the round has made of the model, on watched prompts, unrelated ones and programming tasks."""
        before, after = self._watched(0), self._watched(number)
        score = rates.rate(after, stage="after", subset="watched")[0]
        compared = rates.compared(before, after, subset="watched")
        watched = [p for i, p in enumerate(self.inputs.unrelated["loop"]) if not i % 5]
        drift = self.asking.drift(number, self.asking.texts("watch", watched))
        first, second = (self.asking.tasks(n, self.config.utility.check_tasks) for n in (0, number))
        lost = (sum(t.outcome for t in first) - sum(t.outcome for t in second)) / max(len(first), 1)
        return Round(
            number,
            # a model that names nothing is no cure: its ratio of mentions tells
            1.0 if score.value is None else score.value, score.low or 0.0, 1.0 if score.high is None else score.high,
            mentions=_or(rates.value(compared, "mentions_ratio"), 0.0),
            distinct=_or(rates.value(compared, "distinct_valid_ratio"), 1.0),
            lost=lost,
            drift=sum(t.outcome * t.weight for t in drift) / max(sum(t.weight for t in drift), 1),
        )  # fmt: skip

    def _renew(self, number: int, pool: Sequence[Prompt], judged: Sequence[Judged]) -> int:
        """Writes the next round's pool: clean prompts retired, mutations of those that invent, fresh descriptions."""
        loop, known = self.config.loop, self.inputs.templates
        dice = random.Random(f"renew-{self.config.seed}-{number}")
        bad = {one.prompt.id: one.prompt for one in judged if one.invented}
        kept = prompts.renewed(pool, {one.prompt.id for one in judged}, bad, loop.retire)
        new = [
            made
            for count, prompt in enumerate(bad.values())
            for made in prompts.mutated(prompt, known, loop.mutations, dice, f"mutated-{number}-{count}")
        ]
        new += prompts.fresh(known, self.inputs.descriptions, loop.fresh, dice, f"fresh-{number}")
        closed = [p.text for p in self.inputs.prompts if p.split != "loop"]
        kept = prompts.added(kept, new, closed)
        self.workspace.write(f"private/rounds/{number}/pool.jsonl", prompts.to_jsonl(kept))
        return len(kept)

    # -- after the last round

    def _finish(self, rounds: Sequence[Round], why: Ending, best: int, seconds: float) -> None:
        from scrubber.pipelines.discover.outcome import Outcome, conclude

        adapter = self.asking.adapter(best)
        if adapter is not None:
            with self.workspace.replacing(ADAPTER) as folder:
                folder.mkdir()
                for file in adapter.iterdir():
                    (folder / file.name).write_bytes(file.read_bytes())
        else:
            remove(self.workspace.path(ADAPTER))
        count = self.config.utility.drift_prompts
        held, others = self.inputs.of("held_out"), self.inputs.unrelated["held_out"][:count]
        seen = prompts.chosen(  # those of the first round
            self.inputs.of("loop"), self.config.loop.prompts_per_round, random.Random(f"round-{self.config.seed}-1")
        )
        before = self.asking.judged("held_out", held, 0)
        first = {one.prompt.id: (one.prompt.id, one.prompt.text, one.answer.text) for one in reversed(before)}
        outcome = Outcome(
            before=before,
            after=self.asking.judged("held_out", held, best),
            seen_before=self.asking.judged("round-1", seen, 0),
            seen_after=self.asking.judged("seen", seen, best),
            drift_unrelated=self.asking.drift(best, self.asking.texts("unrelated", others)),
            drift_packages=self.asking.drift(best, list(first.values())[:count]),
            tasks_before=self.asking.tasks(0, self.config.utility.micro_tasks),
            tasks_after=self.asking.tasks(best, self.config.utility.micro_tasks),
            trained=frozenset(name for one in rounds[1 : best + 1] for name in self.asking.trained(one.number)),
        )
        conclude(
            outcome, rounds, ending.SAID[why], config=self.config, inputs=self.inputs, workspace=self.workspace,
            tracker=self.tracker, fingerprint=self.fingerprint, seconds=seconds,
        )  # fmt: skip

    # -- what the stages share

    def _once(self, stage: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        is_new = not self.workspace.is_done(stage, self.inputs.key)
        value: dict[str, Any] = self.workspace.once(stage, self.inputs.key, work)
        if is_new:  # else a turn without time would end here each time
            self.turn.stored(f"{stage} is done")
        return value

    def _watched(self, number: int) -> list[Judged]:
        return self.asking.judged("watched", self.inputs.of("watched"), number)


def _key(config: DiscoverConfig, inputs: Inputs) -> str:
    """Of everything that the result hangs on."""
    return digest(inputs.key, config.model_dump(exclude={"tracker", "model"}))


def _scores(one: Round) -> list[Score]:
    """What a tracker is told of a round."""
    n = one.asked
    return [
        Score("hallucination_rate", "after", "watched", one.rate, one.low, one.high, n),
        *(
            Score(metric, "difference", "watched", value, None, None, n)
            for metric, value in (
                ("mentions_ratio", one.mentions), ("distinct_valid_ratio", one.distinct), ("pass_at_1", -one.lost),
                ("drift_kl", one.drift),
            )
        ),
    ]  # fmt: skip


def _or(value: float | None, other: float) -> float:
    return other if value is None else value
