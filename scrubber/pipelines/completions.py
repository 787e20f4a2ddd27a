"""Completions of published programming problems: read from a file or asked of a model, judged in the sandbox, scored."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Protocol, runtime_checkable

from scrubber.core import parts
from scrubber.core.errors import AskedWrongly
from scrubber.core.types import Model, Score, Stage, Trial
from scrubber.evaluation.metrics import pass_at_k
from scrubber.evaluation.problems import Problem, cut, read_jsonl, read_rows
from scrubber.evaluation.sandbox.runner import Exam, Sandbox

SHELF = "scrubber.evaluation.benchmarks"
DEFAULT_KS = (1, 5, 10)
BATCH = 64  # completions between two signs of progress
CPU_SECONDS = 10.0  # of one candidate: the slowest canonical solution of MBPP takes 2.5 on an idle core


class Benchmark(NamedTuple):
    """Problems, and what has to be the same before and after for two scores to be compared."""

    name: str
    problems: list[Problem]
    stops: tuple[str, ...]
    most_tokens: int
    data: str
    data_sha256: str

    @property
    def prompts_sha256(self) -> str:
        return hashlib.sha256("\0".join(problem.prompt for problem in self.problems).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Completion:
    """``task``: id of its problem. A completion is a model's text and may hold anything."""

    task: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Decoding:
    """How a model is asked. ``samples`` for each problem: one is greedy, more are drawn at ``temperature``."""

    samples: int = 1
    temperature: float = 0.2
    top_p: float = 0.95
    seed: int = 0


@runtime_checkable
class Sampler(Protocol):
    """A model that can draw answers too, the same ones for the same seed."""

    def sample(
        self, prompts: Sequence[str], *, max_new_tokens: int, temperature: float, top_p: float, seed: int
    ) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Result:
    """Trials are private; scores, errors (how many completions failed in which way) and solved are not."""

    trials: tuple[Trial, ...] = field(repr=False)
    scores: tuple[Score, ...]
    errors: Mapping[str, int]
    solved: Mapping[str, tuple[int, int]]  # by task: completions judged, and how many of them right
    missing: int  # problems without a completion
    isolation: str


def benchmark(name: str, data: str, subset: str = "all", n: int | None = None) -> Benchmark:
    """The problems of a published benchmark (humaneval, mbpp) from a file, or of the hub where ``data`` is empty.

    Raises AskedWrongly for an unknown benchmark or subset, and data that are not of it.
    """
    part: ModuleType = parts.load(SHELF, "scrubber.benchmarks", name)
    if not hasattr(part, "problems"):
        raise AskedWrongly(f"{name} has no data set of its own", mend="It is asked by scrubber evaluate with a model.")
    source = data or part.DATA
    rows = read_rows(source, part.FIELDS)
    problems = part.problems(rows, subset)[:n]
    if not problems:
        raise AskedWrongly(f"{name} has no problem in the subset {subset!r}", where=source)
    return Benchmark(name, problems, part.STOPS, part.MOST_TOKENS, source, rows.sha256)


def read_completions(path: Path, asked: Sequence[Problem]) -> list[Completion]:
    """The samples of a JSONL file as human-eval writes it: ``task_id``, ``completion``; perhaps gzipped.

    A task may also be named by its number alone. Raises AskedWrongly that names the lines it cannot use.
    """
    try:
        rows = read_jsonl(path.read_bytes(), str(path))
    except OSError as error:
        raise AskedWrongly(f"the completions cannot be read: {error.strerror}", where=str(path)) from None
    known = {problem.id: problem.id for problem in asked}
    known |= {problem.id.rpartition("/")[2]: problem.id for problem in asked}
    found, faulty = [], []
    for number, row in enumerate(rows, 1):
        task = str(row.get("task_id")) if isinstance(row, dict) else ""
        name = known.get(task) or known.get(task.rpartition("/")[2])
        if name is None or not isinstance(row.get("completion"), str):
            faulty.append(number)
        else:
            found.append(Completion(name, row["completion"]))
    if faulty or not found:
        raise AskedWrongly(
            f"{len(faulty)} of {len(rows)} rows have no task_id of the data set or no completion"
            + (f", the first is row {faulty[0]}" if faulty else ""),
            where=str(path),
            mend='Each line is {"task_id": ..., "completion": ...}; give the data set that the completions are for.',
        )
    return found


def write_completions(completions: Sequence[Completion], path: Path) -> None:
    """As human-eval reads them."""
    lines = (json.dumps({"task_id": made.task, "completion": made.text}) + "\n" for made in completions)
    path.write_text("".join(lines), encoding="utf-8")


def generate(model: Model, asked: Benchmark, decoding: Decoding = Decoding()) -> list[Completion]:
    """A model's completions, cut at the benchmark's stop sequences.

    Raises AskedWrongly where several answers are wanted of a model that gives only its most likely one.
    """
    prompts = [problem.prompt for problem in asked.problems]
    if decoding.samples == 1:
        rounds = [model.generate(prompts, max_new_tokens=asked.most_tokens)]
    elif isinstance(model, Sampler):
        rounds = [
            model.sample(
                prompts, max_new_tokens=asked.most_tokens, temperature=decoding.temperature, top_p=decoding.top_p,
                seed=decoding.seed * decoding.samples + number,
            )
            for number in range(decoding.samples)
        ]  # fmt: skip
    else:
        raise AskedWrongly("this model cannot be sampled", where="samples", mend="Ask for one greedy answer.")
    return [
        Completion(problem.id, cut(text, asked.stops))
        for texts in rounds
        for problem, text in zip(asked.problems, texts, strict=True)
    ]


def judge(
    asked: Benchmark, completions: Sequence[Completion], sandbox: Sandbox, *, stage: Stage = "after",
    ks: Sequence[int] = DEFAULT_KS, seed: int = 0, advance: Callable[[int], None] = lambda count: None,
) -> Result:  # fmt: skip
    """Judges every completion by its problem's tests, and scores those k that some task has enough samples for.

    Problems without a completion are counted, not scored. Raises NoVerdict if the sandbox fails.
    """
    by_id = {problem.id: problem for problem in asked.problems}
    exams = [Exam(by_id[made.task].program(made.text), by_id[made.task].tests) for made in completions]
    judgements = []
    for start in range(0, len(exams), BATCH):
        judgements += sandbox.judge(exams[start : start + BATCH])
        advance(len(exams[start : start + BATCH]))
    trials = tuple(
        Trial(asked.name, made.task, asked.name, by_id[made.task].prompt, made.text, "", float(judgement.passed))
        for made, judgement in zip(completions, judgements, strict=True)
    )
    counts = Counter(made.task for made in completions)
    right = Counter(trial.subject for trial in trials if trial.outcome)
    most = max(counts.values(), default=1)
    scores = [pass_at_k.score_samples(trials, k, stage=stage, subset=asked.name, seed=seed) for k in ks if k <= most]
    return Result(
        trials,
        tuple(scores),
        dict(sorted(Counter(judgement.error for judgement in judgements if not judgement.passed).items())),
        {task: (counts[task], right[task]) for task in by_id if task in counts},
        len(by_id) - len(counts),
        sandbox.level,
    )


def to_json(asked: Benchmark, result: Result, *, settings: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Numbers and names only. ``settings``: whatever else has to be equal for two results to be compared."""
    return {
        "schema_version": 1,
        "benchmark": asked.name,
        "data": {"source": asked.data, "sha256": asked.data_sha256, "tasks": len(asked.problems)},
        "prompts_sha256": asked.prompts_sha256,
        "settings": dict(settings),
        "isolation": result.isolation,
        "scores": [asdict(score) for score in result.scores],
        "completions": len(result.trials),
        "tasks_without_completion": result.missing,
        "failures": dict(result.errors),
        "tasks": {task: {"n": n, "right": right} for task, (n, right) in result.solved.items()},
        "seconds": round(seconds, 3),
    }
