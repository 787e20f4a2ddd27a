"""The door: every command of ``scrubber``. Heavy libraries are imported inside the command that needs them."""

from __future__ import annotations

import json
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scrubber import __version__, cli_baseline, cli_discover, cli_packages, cli_runs, cli_scan
from scrubber.core.errors import AskedWrongly, ScrubberError
from scrubber.terminal import choose, deliver, guarded

if TYPE_CHECKING:
    pass

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Finds the secrets and personal data that a code model has learnt, makes it forget them, proves it, and gates "
    "the release.\n\nExit codes: 0 passed or clean; 1 refused by evidence, or findings; 2 asked wrongly; 3 no verdict.",
)

app.add_typer(cli_scan.app)
app.add_typer(cli_packages.app)
app.add_typer(cli_discover.app)
app.add_typer(cli_baseline.app, name="baseline")
app.add_typer(cli_runs.app)

OutOption = Annotated[
    Path | None, typer.Option("-o", "--output", help="Write the result there, not to standard output.")
]


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def gate(
    result: Annotated[Path, typer.Argument(help="A run folder, or its result.json.")] = Path("scrubber-run"),
    policy: Annotated[
        str, typer.Option("--policy", help="Name of a policy, or a TOML file; else the stored verdict's own.")
    ] = "",
    format: Annotated[str, typer.Option("--format", help="text, json, sarif, junit or markdown.")] = "text",
    explain: Annotated[
        bool, typer.Option("--explain", help="Say what each rule rests on, and how many more samples would decide it.")
    ] = False,
    model: Annotated[
        str,
        typer.Option("--model", help="Judge a version in MLflow's registry by its sealed evidence: models:/NAME/3 or "
                     "models:/NAME@ALIAS. The registry is that of MLFLOW_TRACKING_URI."),
    ] = "",
    publish: Annotated[
        str, typer.Option("--publish", help="Seal RESULT, a run folder, as evidence for that version, models:/NAME/3.")
    ] = "",
    output: OutOption = None,
) -> None:  # fmt: skip
    """Judge stored scores again, under the same or another policy. Needs no model: exit 0 passed, 1 refused, 3 undecided."""
    from scrubber.api import stored
    from scrubber.pipelines import config as configuration
    from scrubber.pipelines.publish import regate
    from scrubber.reporting import formats

    choose("--format", format, formats.VERDICT)
    if model:
        from scrubber.plugins.mlflow.registry import judge

        report = judge(model, policy).report
    elif publish:
        from scrubber.plugins.mlflow.released import prove_run

        report = prove_run(result, publish, policy).report
    else:
        report = stored(result)
        report = regate(report, configuration.policy(policy or report.policy))
    if explain:
        from scrubber.reporting.explain import explain as explained

        if format != "text":
            raise AskedWrongly("--explain is text", mend="Leave out --format.")
        deliver(explained(report), output)
        raise typer.Exit(report.verdict.exit_code)
    file = result / "result.json" if result.is_dir() else result
    deliver(formats.verdict(format, report, version=__version__, file=str(file)), output)
    raise typer.Exit(report.verdict.exit_code)


@app.command()
def report(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RUN]...", help="Run folders, or their result.json: the first one's report, others beside."
        ),
    ] = None,
    beside: Annotated[
        list[Path] | None, typer.Option("--with", "--compare", help="Other runs, shown beside it. Repeatable.")
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output")] = Path("report.html"),
) -> None:
    """Build the HTML report of stored results again, several runs side by side. Needs no model."""
    from scrubber.api import stored
    from scrubber.reporting.html import report_html

    first, *others = [*(runs or [Path("scrubber-run")]), *(beside or [])]
    found = (first if first.is_dir() else first.parent) / "findings.jsonl"
    with found.open(encoding="utf-8", errors="replace") if found.is_file() else nullcontext(()) as lines:
        page = report_html(stored(first), [stored(other) for other in others], lines)
    deliver(page, output)
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
    cards = _method_cards(found.get("methods", {})) if shelf == "methods" else {}
    if format == "json":
        typer.echo(json.dumps({"methods": cards} if cards else found, indent=1))
        return
    for name, rows in found.items():
        typer.echo(f"{name}:")
        for part, sentence in rows.items():
            typer.echo(f"  {part:24} {sentence}")
            for key, said in cards.get(part, {}).items():
                if key != "about":
                    typer.echo(f"  {'':24} {key}: {said}")


def _method_cards(methods: dict[str, str]) -> dict[str, dict[str, str]]:
    """What each method says of itself. Without the training extra there is nothing to load."""
    from scrubber.core.parts import load
    from scrubber.unlearning.about import card

    shelf = ("scrubber.unlearning.methods", "scrubber.methods")
    return {name: {"about": sentence, **card(load(*shelf, name))} for name, sentence in methods.items()}


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


def main() -> None:
    """The console script."""
    guarded(app)


if __name__ == "__main__":
    main()
