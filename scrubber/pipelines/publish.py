"""What becomes of a Report: files in the run folder, numbers for a tracker, and a second verdict by another policy."""

from __future__ import annotations

from dataclasses import asdict, replace

from scrubber.core.gate import decide
from scrubber.core.types import GatePolicy, Report, Tracker
from scrubber.core.workspace import Workspace, digest


def publish(report: Report, workspace: Workspace, tracker: Tracker) -> None:
    """Writes result.json and report.html and hands both to the tracker."""
    from scrubber.reporting.html import report_html
    from scrubber.reporting.result import to_json

    workspace.write_json("result.json", to_json(report, report.verdict.exit_code))
    found = workspace.path("findings.jsonl")
    lines = found.read_text(encoding="utf-8").splitlines() if found.is_file() else ()
    workspace.write("report.html", report_html(report, findings=lines))
    tracker.scores(report.scores)  # on the run itself, so that runs can be compared without opening their stages
    tracker.settings({"verdict": report.verdict.outcome, "policy": report.policy})
    tracker.settings({f"digest.{name}": value for name, value in report.digests.items()})
    for name in ("result.json", "report.html"):
        tracker.file(str(workspace.path(name)))


def regate(report: Report, policy: GatePolicy) -> Report:
    """The verdict of another policy on stored scores: needs neither model nor trials."""
    digests = {**report.digests, "policy": digest(asdict(policy))}
    return replace(report, verdict=decide(policy, report.scores), policy=policy.name, digests=digests)
