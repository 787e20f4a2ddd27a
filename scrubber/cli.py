"""The door: every command of ``scrubber``. Heavy libraries are imported inside the command that needs them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scrubber import __version__, cli_scan
from scrubber.core.errors import AskedWrongly, Interrupted, NoVerdict, ScrubberError
from scrubber.terminal import choose, deliver, guarded, progress

if TYPE_CHECKING:
    from scrubber.core.types import Report, Tracker
    from scrubber.pipelines.config import Config

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Finds the secrets and personal data that a code model has learnt, makes it forget them, proves it, and gates "
    "the release.\n\nExit codes: 0 passed or clean; 1 refused by evidence, or findings; 2 asked wrongly; 3 no verdict.",
)

app.add_typer(cli_scan.app)

RunDir = Annotated[
    Path, typer.Option("--run-dir", help="Folder of the run; a run that was stopped goes on from there.")
]
ConfigFile = Annotated[Path | None, typer.Argument(help="TOML file, or a pyproject.toml with [tool.scrubber].")]
ModelOption = Annotated[
    str, typer.Option("--model", help="Folder of a saved model, or a hub id (reaches the network).")
]
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
OutOption = Annotated[
    Path | None, typer.Option("-o", "--output", help="Write the result there, not to standard output.")
]


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


STAGES = (  # command, last stage, help
    ("audit", "audit", "Scan a corpus, then ask the model for every value found there: which does it know?"),
    ("unlearn", "unlearn", "Train an adapter that makes the model forget what the audit found."),
    ("evaluate", "evaluate", "Measure leaks, memorization and utility, before and after."),
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
        corpus: CorpusOption = None,
        precision: PrecisionOption = "",
        set_: SetOption = None,
        quiet: QuietOption = False,
    ) -> None:
        _flow(until, config, run_dir, model, corpus, precision, set_, quiet)


for _stage in STAGES:
    _stage_command(*_stage)


@app.command()
def demo(
    run_dir: RunDir = Path("scrubber-run"),
    profile: Annotated[str, typer.Option("--profile", help="full (about six minutes) or tiny (under two).")] = "full",
    seed: Annotated[int, typer.Option("--seed")] = 0,
    set_: SetOption = None,
    quiet: QuietOption = False,
) -> None:
    """The whole job on a model of ours that is made to leak first, and three attempts to fool the gate. No network."""
    from scrubber.core.workspace import Workspace

    _need_training()
    from scrubber.pipelines.demo import flow as demo_flow

    chosen = demo_flow.profile_of(profile)
    with Workspace(run_dir.absolute()) as workspace:
        config = demo_flow.demo_config(chosen, seed, workspace, set_ or ())
        _use_threads(config)
        watched = progress(quiet)
        demo_flow.prepare(chosen, seed, workspace, watched)
        with _tracker(config, workspace) as tracker:
            report = demo_flow.run(chosen, config, workspace, tracker, watched)
            _finish(report, workspace, tracker)


@app.command()
def gate(
    result: Annotated[Path, typer.Argument(help="A run folder, or its result.json.")] = Path("scrubber-run"),
    policy: Annotated[
        str, typer.Option("--policy", help="Name of a policy, or a TOML file; else the stored verdict's own.")
    ] = "",
    format: Annotated[str, typer.Option("--format", help="text, json, junit or markdown.")] = "text",
    output: OutOption = None,
) -> None:
    """Judge stored scores again, under the same or another policy. Needs no model: exit 0 passed, 1 refused, 3 undecided."""
    from scrubber.pipelines import config as configuration
    from scrubber.pipelines.publish import regate
    from scrubber.reporting import formats

    choose("--format", format, formats.VERDICT)
    report = _stored(result)
    report = regate(report, configuration.policy(policy or report.policy))
    deliver(formats.verdict(format, report), output)
    raise typer.Exit(report.verdict.exit_code)


@app.command()
def report(
    result: Annotated[Path, typer.Argument(help="A run folder, or its result.json.")] = Path("scrubber-run"),
    compare: Annotated[
        list[Path] | None, typer.Option("--compare", help="Other runs, shown beside it. Repeatable.")
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output")] = Path("report.html"),
) -> None:
    """Build the HTML report of a stored result again. Needs no model."""
    from scrubber.reporting.html import report_html

    output.write_text(report_html(_stored(result), [_stored(other) for other in compare or ()]), encoding="utf-8")
    typer.echo(str(output))


@app.command()
def config() -> None:
    """Print every configuration key with its default and meaning, as TOML to start from."""
    from scrubber.pipelines.config import help_text

    typer.echo(help_text(), nl=False)


@app.command()
def parts(
    shelf: Annotated[str, typer.Argument(help="detectors, methods, probes, metrics or benchmarks; empty: all.")] = "",
    format: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
) -> None:
    """List the parts that can be named in a configuration, ours and those of other installed packages."""
    from scrubber.core.parts import described

    choose("--format", format, ("text", "json"))
    shelves = {  # where each shelf's parts lie, and what makes a file there a part
        "detectors": ("scrubber.detectors", "detector"),
        "methods": ("scrubber.unlearning.methods", "loss"),
        "probes": ("scrubber.evaluation.probes", "ask"),
        "metrics": ("scrubber.evaluation.metrics", "score"),
        "benchmarks": ("scrubber.evaluation.benchmarks", "tasks"),
    }
    if shelf:
        choose("SHELF", shelf, tuple(shelves))
    chosen = {name: place for name, place in shelves.items() if shelf in ("", name)}
    found = {name: described(package, f"scrubber.{name}", mark) for name, (package, mark) in chosen.items()}
    if format == "json":
        typer.echo(json.dumps(found, indent=1))
        return
    for name, rows in found.items():
        typer.echo(f"{name}:")
        for part, sentence in rows.items():
            typer.echo(f"  {part:24} {sentence}")


@app.command()
def doctor() -> None:
    """Say what works on this machine: extras, devices, isolation of generated code, the fingerprint key."""
    from importlib.util import find_spec

    from scrubber.core.fingerprint import KEY_VARIABLE
    from scrubber.evaluation.sandbox.runner import Sandbox

    rows = [("python", sys.version.split()[0]), ("cores", str(os.cpu_count()))]
    for package, extra in (("torch", "train"), ("transformers", "train"), ("peft", "train"), ("bitsandbytes", "train"),
                           ("mlflow", "mlflow"), ("jinja2", "report"), ("matplotlib", "report")):  # fmt: skip
        rows.append((package, "installed" if find_spec(package) else f"missing: pip install 'code-scrubber[{extra}]'"))
    try:
        with Sandbox(require_isolation=True) as sandbox:
            rows.append(("sandbox", sandbox.level))
    except ScrubberError as error:
        rows.append(("sandbox", str(error)))
    rows.append(
        ("fingerprint key", os.environ.get(KEY_VARIABLE) or f"made in each run folder; share one by {KEY_VARIABLE}")
    )
    for name, state in rows:
        typer.echo(f"{name:16} {state}")


def _flow(
    until: Any, config: Path | None, run_dir: Path, model: str, corpus: list[Path] | None, precision: str,
    set_: list[str] | None, quiet: bool,
) -> None:  # fmt: skip
    from scrubber.core.workspace import Workspace
    from scrubber.pipelines import config as configuration

    overrides = [f"model.path={json.dumps(model)}"] if model else []
    overrides += [f"corpus.paths={json.dumps([str(p) for p in corpus])}"] if corpus else []
    overrides += [f"model.precision={json.dumps(precision)}"] if precision else []
    settings = configuration.read(config, [*overrides, *(set_ or ())])
    _need_training()
    from scrubber.pipelines import release as release_flow

    release_flow.check(settings)
    with Workspace(run_dir.absolute()) as workspace, _tracker(settings, workspace) as tracker:
        _use_threads(settings)
        flow = release_flow.Flow(settings, workspace, tracker, progress(quiet))
        made = release_flow.release(flow, until)
        if made is not None:
            _finish(made, workspace, tracker)
        typer.echo(flow.summary())


def _finish(report: Report, workspace: Any, tracker: Tracker) -> None:
    from scrubber.pipelines.publish import publish
    from scrubber.reporting.text import table

    publish(report, workspace, tracker)
    typer.echo(table(report))
    typer.echo(str(workspace.path("report.html")))
    tracker.close()
    raise typer.Exit(report.verdict.exit_code)


@contextmanager
def _tracker(config: Config, workspace: Any) -> Iterator[Tracker]:
    """The tracker that the configuration names, found by entry point; it learns of a run's end whatever that is."""
    from scrubber.core import parts as shelves
    from scrubber.core.quiet import NoTracker
    from scrubber.pipelines.config import flat

    settings = config.tracker
    tracker: Tracker = NoTracker()
    if settings.name:
        made = shelves.load("scrubber.trackers", "scrubber.trackers", settings.name)
        uri = settings.uri or f"sqlite:///{workspace.path('mlflow.db')}"
        tracker = made(
            uri=uri, experiment=settings.experiment, run_name=config.name, resume=workspace.path("tracker.json")
        )
        tracker.settings(flat(config))
    try:
        yield tracker
    except typer.Exit:
        raise
    except (Interrupted, KeyboardInterrupt):
        tracker.close("KILLED")
        raise
    except BaseException:
        tracker.close("FAILED")
        raise


def _stored(path: Path) -> Report:
    from scrubber.reporting.result import from_json

    file = path / "result.json" if path.is_dir() else path
    try:
        return from_json(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        raise NoVerdict(
            "there is no stored result", where=str(file), mend="Run scrubber release or demo first."
        ) from None


def _need_training() -> None:
    from importlib.util import find_spec

    if not all(map(find_spec, ("torch", "transformers", "peft", "bitsandbytes"))):
        raise AskedWrongly("asking and training models needs more libraries", mend="pip install 'code-scrubber[train]'")


def _use_threads(config: Config) -> None:
    from scrubber.core.model.load import use_threads

    use_threads(config.model.threads or os.cpu_count() or 1)


def main() -> None:
    """The console script."""
    guarded(app)


if __name__ == "__main__":
    main()
