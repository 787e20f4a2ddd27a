"""Published benchmarks within a run: the same problems, prompts and settings put to the model before and after."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from scrubber.core.errors import AskedWrongly
from scrubber.core.types import Model, Trial
from scrubber.evaluation.problems import cut
from scrubber.evaluation.sandbox.runner import Sandbox
from scrubber.pipelines.completions import CPU_SECONDS, Benchmark, Completion, Decoding, benchmark, generate, judge
from scrubber.pipelines.config import Config


class Asked(NamedTuple):
    """A benchmark's problems and how they are asked."""

    problems: Benchmark
    decoding: Decoding

    @property
    def settings(self) -> dict[str, str | int | float | bool | None]:
        """What has to be the same for two results to be compared; names and numbers only."""
        name, made, how = f"benchmark.{self.problems.name}", self.problems, self.decoding
        drawn = {f"{name}.temperature": how.temperature, f"{name}.top_p": how.top_p} if how.samples > 1 else {}
        return {
            f"{name}.data_sha256": made.data_sha256, f"{name}.prompts_sha256": made.prompts_sha256,
            f"{name}.tasks": len(made.problems), f"{name}.samples": how.samples, f"{name}.seed": how.seed,
            f"{name}.max_new_tokens": made.most_tokens, f"{name}.stops": repr(list(made.stops)), **drawn,
        }  # fmt: skip


def configured(config: Config) -> list[Asked]:
    """The benchmarks that the configuration names, read. Raises AskedWrongly for what is not there, or named twice."""
    made = [
        Asked(benchmark(b.name, b.data, b.subset), Decoding(b.samples, b.temperature, top_p=1.0, seed=config.seed))
        for b in config.evaluate.benchmarks
    ]
    names = [asked.problems.name for asked in made]
    if len(set(names)) < len(names):
        raise AskedWrongly("a benchmark is named twice", where="evaluate.benchmarks", mend="Ask each of them once.")
    return made


def ask(model: Model, benchmarks: Sequence[Asked], config: Config) -> list[Trial]:
    """The model's answers to all of them, judged in a sandbox of the configured strength."""
    if not benchmarks:
        return []
    settings = config.evaluate
    answers = [_answers(model, asked) for asked in benchmarks]
    with Sandbox(
        workers=os.cpu_count() or 1, seconds=CPU_SECONDS, require_isolation=settings.require_isolation,
        layer=settings.isolation,
    ) as sandbox:  # fmt: skip
        return [
            trial
            for asked, made in zip(benchmarks, answers, strict=True)
            for trial in judge(asked.problems, made, sandbox, seed=config.seed).trials
        ]


def _answers(model: Model, asked: Asked) -> list[Completion]:
    """Greedy ones, or several drawn from the whole distribution: of a model with weights all prompts in batches."""
    problems, how = asked
    if how.samples == 1 or "weights" not in model.capabilities:
        return generate(model, problems, how)
    from scrubber.core.model.sample import Sampler  # torch comes with it

    # one with weights is a CausalModel, or stands before one
    sampler = Sampler(model, samples=how.samples, temperature=how.temperature, seed=how.seed)  # type: ignore[arg-type]
    prompts = [problem.prompt for problem in problems.problems]
    drawn = sampler.answers(prompts, max_new_tokens=[problems.most_tokens] * len(prompts))
    return [
        Completion(problem.id, cut(text, problems.stops))
        for problem, texts in zip(problems.problems, drawn, strict=True)
        for text in texts
    ]
