"""The door to the discovery loop: one command that a scheduler may start every night."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from scrubber.cli_runs import QuietOption, RunDir
from scrubber.core.errors import AskedWrongly
from scrubber.terminal import choose, deliver, progress, say

if TYPE_CHECKING:
    from scrubber.pipelines.discover.loop import DiscoverReport

app = typer.Typer(rich_markup_mode=None)


@app.command()
def discover(
    config: Annotated[
        Path | None, typer.Argument(help="TOML file, or a pyproject.toml with [tool.scrubber]. Keys: --show-config.")
    ] = None,
    run_dir: RunDir = Path("scrubber-discover"),
    max_minutes: Annotated[
        float | None,
        typer.Option("--max-minutes", help="End the turn after so long; a later one goes on. Else: no end."),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="section.key=value; repeatable. Keys: --show-config.")
    ] = None,
    show_config: Annotated[
        bool, typer.Option("--show-config", help="Print every key with its default and meaning, as TOML to start from.")
    ] = False,
    format: Annotated[str, typer.Option("--format", help="text or json (the result.json).")] = "text",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the result there.")] = None,
    quiet: QuietOption = False,
) -> None:
    """Find the packages that a model makes up, and train an adapter (LoRA) until it names real ones instead.

    Each round asks the current model for packages, looks its answers up in an index of names (scrubber index build), trains a
    few steps of Adaptive Unlearning on them, and asks new prompts. It ends when held-back prompts bring few enough invented
    names, when that share falls no more, or when the model's utility leaves its budget. No labels are needed.

    The run folder then holds adapter/, result.json, report.html, rounds.jsonl and invented.jsonl (fingerprints, never names:
    those stay in private/). Everything is stored as it is done: killed, or out of minutes, it goes on when it is started
    again with the same --run-dir; started twice, the second says so and exits 3; finished, it exits at once.

    Exit codes: 0 the limits are kept; 1 they are not; 2 asked wrongly; 3 no verdict yet: unfinished, or undecided.
    """
    from scrubber.pipelines.discover.config import help_text, read

    if show_config:
        typer.echo(help_text(), nl=False)
        return
    choose("--format", format, ("text", "json"))
    if config is None:
        raise AskedWrongly(
            "no configuration is given",
            where="CONFIG",
            mend="Start from: scrubber discover --show-config > discover.toml",
        )
    if max_minutes is not None and not max_minutes > 0:
        raise AskedWrongly("a turn needs more than no time", where="--max-minutes", mend="Give minutes, such as 30.")
    settings = read(config, set_ or ())
    from scrubber.api import need_training, tracked

    need_training()
    from scrubber.core.quiet import NoTracker
    from scrubber.core.workspace import Workspace
    from scrubber.pipelines.discover.inputs import read_inputs
    from scrubber.pipelines.discover.loop import discover as walk
    from scrubber.pipelines.discover.loop import is_finished

    inputs = read_inputs(settings)
    with Workspace(run_dir.absolute()) as workspace:
        # a turn with nothing to do is no run of a tracker's, and loads no library
        idle = is_finished(settings, inputs, workspace)
        opened: Any = nullcontext(NoTracker()) if idle else tracked(cast(Any, settings), workspace)
        with opened as tracker:
            made = walk(settings, workspace, tracker, progress(quiet), minutes=max_minutes, inputs=inputs)
            tracker.close()
        if idle and not quiet:
            say("nothing to do: an earlier turn finished this loop")
        stored = workspace.path("result.json").read_text()
        deliver(_text(made) if format == "text" else json.dumps(json.loads(stored), indent=1), output)
        raise typer.Exit(made.report.verdict.exit_code)


def _text(made: DiscoverReport) -> str:
    from scrubber.pipelines.discover.ending import SAID
    from scrubber.reporting.rows import number
    from scrubber.reporting.text import table

    lines = ["rounds, on watched prompts", "  round   rate   names/answer   distinct   solved   drift"]
    lines += [
        f"  {one.number:>5}   {number(one.rate):>4}   {number(one.mentions):>12}   {number(one.distinct):>8}"
        f"   {number(0.0 - one.lost):>6}   {number(one.drift):>5}"
        for one in made.rounds
    ]
    adapter = f"adapter: {made.adapter}" if made.adapter else "no adapter: the model stays as it is"
    return "\n".join([*lines, f"ended: {SAID[made.ended]}", adapter, "", table(made.report).rstrip("\n")])
