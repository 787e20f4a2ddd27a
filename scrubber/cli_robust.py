"""The door to the robustness checks: scrubber evaluate --suite robust, on what a release run left."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scrubber.core.errors import AskedWrongly
from scrubber.terminal import say

if TYPE_CHECKING:
    from scrubber.core.types import Report
    from scrubber.pipelines.release import Flow
    from scrubber.pipelines.robust.settings import RobustSettings
    from scrubber.pipelines.robust.suite import Estimate

SuiteOption = Annotated[
    str,
    typer.Option(
        "--suite",
        help="quick (greedy, the default) or full (sampled prompt families; what the policies standard and strict need); or "
        "robust: does anything come back when what unlearning left is quantised, trained on, prompted in other words, or held "
        "beside the model before? Keys: robust.* (docs/robustness.md).",
    ),
]
BeforeOption = Annotated[
    str,
    typer.Option("--before-model", help="public or private: can others have the model before? For --suite robust."),
]
PolicyOption = Annotated[
    str, typer.Option("--policy", help="Of the verdict of --suite robust: a policy's name, or a TOML file.")
]
POLICY = "robust"


def split(overrides: Sequence[str] | None) -> tuple[list[str], dict[str, Any]]:
    """The overrides of the configuration, and those of the checks (``robust.key=value``, the value in JSON or plain)."""
    others, table = [], dict[str, Any]()
    for override in overrides or ():
        key, mark, text = override.partition("=")
        if not key.strip().startswith("robust."):
            others.append(override)
            continue
        if not mark:
            raise AskedWrongly(f"{override}: write it as robust.key=value", where="--set")
        table[key.strip().removeprefix("robust.")] = _value(text.strip())
    return others, table


def asked(suite: str, before: str, table: dict[str, Any]) -> RobustSettings:
    """Raises AskedWrongly for everything that can be known to be wrong before a model loads."""
    from scrubber.pipelines.robust.settings import settings

    if suite != "robust":
        raise AskedWrongly(f"there is no suite {suite!r}", where="--suite", mend="Use robust.")
    return settings({**table, **({"before": before} if before else {})})


def check(flow: Flow, settings: RobustSettings, policy: str, *, quiet: bool = False) -> Report:
    """Runs the checks on an open flow, prints them, and writes result.json and report.html. The policy has decided."""
    from scrubber.pipelines import config as configuration
    from scrubber.pipelines.publish import publish
    from scrubber.pipelines.robust.released import case_of, joined
    from scrubber.pipelines.robust.suite import run
    from scrubber.pipelines.robust.table import estimate, table

    judge = configuration.policy(policy or POLICY)
    case, report = case_of(flow, settings)

    def tell(rows: Sequence[Estimate]) -> None:
        if not quiet:
            say(estimate(rows))

    scores = run(case, flow.workspace, progress=flow.progress, tell=tell)
    report = joined(report, scores, judge)
    flow.tracker.scores(scores)
    publish(report, flow.workspace, flow.tracker)
    typer.echo(table(report))
    typer.echo(str(flow.workspace.path("report.html")))
    return report


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
