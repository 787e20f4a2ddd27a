"""The door to what asks and trains a model: the stages of a release, deletion requests, and the demo."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scrubber import cli_evaluate, cli_robust
from scrubber.terminal import progress

if TYPE_CHECKING:
    from scrubber.core.types import Report
    from scrubber.core.workspace import Workspace

app = typer.Typer(rich_markup_mode=None)

RunDir = Annotated[
    Path, typer.Option("--run-dir", help="Folder of the run; a run that was stopped goes on from there.")
]
ConfigFile = Annotated[Path | None, typer.Argument(help="TOML file, or a pyproject.toml with [tool.scrubber].")]
ModelOption = Annotated[
    str,
    typer.Option(
        "--model", help="Folder of a saved model, a hub id, or an OpenAI-compatible server, http://HOST:PORT/v1."
    ),
]
ServedNameOption = Annotated[str, typer.Option("--served-name", help="The model's name on that server.")]
CorpusOption = Annotated[
    list[Path] | None, typer.Option("--corpus", help="What the model was fine-tuned on. Repeatable.")
]
PrecisionOption = Annotated[
    str, typer.Option("--precision", help="nf4, int8, bf16 or fp32: that of the model that ships.")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="section.key=value; repeatable. Keys: scrubber config.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No progress, no chatter.")]

STAGES = (  # command, last stage, help
    ("audit", "audit", "Scan a corpus, then ask the model for every value found there: which does it know?"),
    ("release", "gate", "The whole job on your own model: scan, audit, unlearn, evaluate, gate, report."),
)


def _stage_command(name: str, until: str, text: str) -> None:
    """A stage's command walks the flow up to that stage; stages that the run folder holds already are not done again."""

    @app.command(
        name, help=f"{text}\n\nStages before it are walked where the run folder lacks them. Keys: scrubber config."
    )
    def command(
        config: ConfigFile = None,
        run_dir: RunDir = Path("scrubber-run"),
        model: ModelOption = "",
        served_name: ServedNameOption = "",
        corpus: CorpusOption = None,
        precision: PrecisionOption = "",
        set_: SetOption = None,
        quiet: QuietOption = False,
    ) -> None:
        _flow(until, config, run_dir, model, corpus, precision, [*_named(served_name), *(set_ or ())], quiet)


for _stage in STAGES:
    _stage_command(*_stage)


@app.command()
def evaluate(
    config: ConfigFile = None,
    run_dir: RunDir = Path("scrubber-run"),
    model: ModelOption = "",
    served_name: ServedNameOption = "",
    corpus: CorpusOption = None,
    precision: PrecisionOption = "",
    set_: SetOption = None,
    suite: cli_robust.SuiteOption = "",
    before_model: cli_robust.BeforeOption = "",
    policy: cli_robust.PolicyOption = "",
    benchmark: cli_evaluate.BenchmarkOption = "",
    data: cli_evaluate.DataOption = "",
    subset: cli_evaluate.SubsetOption = "all",
    completions: cli_evaluate.CompletionsOption = None,
    samples: cli_evaluate.SamplesOption = 1,
    temperature: cli_evaluate.TemperatureOption = 0.2,
    seed: Annotated[int, typer.Option("--seed", help="Of drawn answers.")] = 0,
    save: cli_evaluate.SaveOption = None,
    isolation: cli_evaluate.IsolationOption = "auto",
    format: cli_evaluate.FormatOption = "text",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the result there.")] = None,
    allow_missing: cli_evaluate.AllowMissing = False,
    quiet: QuietOption = False,
) -> None:
    """Measure leaks, memorization and utility, before and after; or, with --benchmark, one published benchmark; or, with
    --suite robust, whether anything comes back under attack.

    Stages before it are walked where the run folder lacks them. Keys: scrubber config.
    """
    set_ = [*_named(served_name), *(set_ or ())]
    if suite == "robust":
        others, table = cli_robust.split(set_)
        asked = cli_robust.asked(suite, before_model, table)
        with _opened(config, run_dir, model, corpus, precision, others, quiet) as flow:
            report = cli_robust.check(flow, asked, policy, quiet=quiet)
        raise typer.Exit(report.verdict.exit_code)
    if not benchmark:
        set_ += [f"evaluate.suite={suite}"] if suite else []
        _flow("evaluate", config, run_dir, model, corpus, precision, set_, quiet)
        return
    from scrubber.pipelines.config import read

    cli_evaluate.measure(
        benchmark=benchmark, data=data, subset=subset, completions=completions, model=model, precision=precision,
        samples=samples, temperature=temperature, seed=seed, save=save, isolation=isolation, format=format,
        output=output, allow_missing=allow_missing, quiet=quiet,
        configured=read(config, [*([f"model.path={json.dumps(model)}"] if model else []), *set_]).model,
    )  # fmt: skip


@app.command()
def unlearn(
    config: ConfigFile = None,
    run_dir: RunDir = Path("scrubber-run"),
    model: ModelOption = "",
    served_name: ServedNameOption = "",
    corpus: CorpusOption = None,
    precision: PrecisionOption = "",
    forget: Annotated[
        Path | None,
        typer.Option(
            "--forget", help='A request: JSONL of {"value": ...}, {"person": ...} or {"file": ...}. See below.'
        ),
    ] = None,
    set_: SetOption = None,
    quiet: QuietOption = False,
) -> None:
    """Train an adapter that makes the model forget what the audit found, or what a request names.

    Stages before it are walked where the run folder lacks them. Keys: scrubber config.

    With --forget the run folder is a deletion ledger: requests are forgotten one on top of the other, each value once, and
    all values of earlier requests are asked for again. Exit 0: none of them comes out, within unlearn.budget; else 1.
    """
    set_ = [*_named(served_name), *(set_ or ())]
    if forget is None:
        _flow("unlearn", config, run_dir, model, corpus, precision, set_, quiet)
        return
    from scrubber.pipelines.forget import forget as work_on
    from scrubber.reporting.rows import interval

    with _opened(config, run_dir, model, corpus, precision, set_, quiet) as flow:
        done = work_on(flow, forget)
    counts = ", ".join(f"{count} {name}" for name, count in done.counts.items())
    typer.echo(f"request {done.request}: {counts}")
    for score in done.scores:
        typer.echo(f"{score.metric} of {score.subset}: {interval(score)}, n {score.n}")
    raise typer.Exit(0 if done.within else 1)


@app.command()
def demo(
    run_dir: RunDir = Path("scrubber-run"),
    profile: Annotated[str, typer.Option("--profile", help="full (about six minutes) or tiny (under two).")] = "full",
    seed: Annotated[int, typer.Option("--seed")] = 0,
    set_: SetOption = None,
    quiet: QuietOption = False,
) -> None:
    """The whole job on a model of ours that is made to leak first, and three attempts to fool the gate. No network."""
    from scrubber.api import need_training, tracked, use_threads
    from scrubber.core.workspace import Workspace
    from scrubber.pipelines.publish import publish

    need_training()
    from scrubber.pipelines.demo import flow as demo_flow

    chosen = demo_flow.profile_of(profile)
    with Workspace(run_dir.absolute()) as workspace:
        config = demo_flow.demo_config(chosen, seed, workspace, set_ or ())
        use_threads(config)
        watched = progress(quiet)
        demo_flow.prepare(chosen, seed, workspace, watched)
        with tracked(config, workspace) as tracker:
            report = demo_flow.run(chosen, config, workspace, tracker, watched)
            publish(report, workspace, tracker)
    _finish(report, workspace)


def _flow(
    until: Any, config: Path | None, run_dir: Path, model: str, corpus: list[Path] | None, precision: str,
    set_: list[str] | None, quiet: bool,
) -> None:  # fmt: skip
    with _opened(config, run_dir, model, corpus, precision, set_, quiet) as flow:
        from scrubber.pipelines.publish import publish
        from scrubber.pipelines.release import release

        made = release(flow, until)
        if made is not None:
            publish(made, flow.workspace, flow.tracker)
    if made is not None:
        _finish(made, flow.workspace)
    typer.echo(flow.summary())


def _named(served_name: str) -> list[str]:
    return [f"model.served_name={json.dumps(served_name)}"] if served_name else []


@contextmanager
def _opened(
    config: Path | None, run_dir: Path, model: str, corpus: list[Path] | None, precision: str, set_: list[str] | None,
    quiet: bool,
) -> Iterator[Any]:  # fmt: skip
    """A Flow on the run folder for what the command line asks; typer.Exit is for after it, since it would be a failure."""
    from scrubber.api import opened
    from scrubber.pipelines import config as configuration

    overrides = [f"model.path={json.dumps(model)}"] if model else []
    overrides += [f"corpus.paths={json.dumps([str(p) for p in corpus])}"] if corpus else []
    overrides += [f"model.precision={json.dumps(precision)}"] if precision else []
    with opened(configuration.read(config, [*overrides, *(set_ or ())]), run_dir, quiet=quiet) as flow:
        yield flow


def _finish(report: Report, workspace: Workspace) -> None:
    from scrubber.reporting.text import table

    typer.echo(table(report))
    typer.echo(str(workspace.path("report.html")))
    raise typer.Exit(report.verdict.exit_code)
