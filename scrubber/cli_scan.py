"""The door to what needs no model: scanning a corpus, masking one, and checking rule packs."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scrubber import __version__
from scrubber.core.errors import AskedWrongly
from scrubber.terminal import choose, deliver, progress, say

if TYPE_CHECKING:
    from scrubber.core.corpus import Unread
    from scrubber.pipelines.findings import Summary
    from scrubber.pipelines.scan import DefaultScan

MOST_NAMED = 20  # unread files that are named one by one

app = typer.Typer(rich_markup_mode=None)
rules = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Check packs of rules.")
app.add_typer(rules, name="rules")

Paths = Annotated[
    list[str],
    typer.Argument(
        help="Folders, files, JSONL, Parquet, archives, notebooks; - for standard input; git:PATH for the history of a "
        "repository; hf:NAME[:SPLIT] for a data set of the hub (reaches the network)."
    ),
]
ProfileOption = Annotated[
    str,
    typer.Option(
        "--profile", help="balanced, recall (also what is not sure), or exact (what detect-secrets 1.5 finds)."
    ),
]
WorkersOption = Annotated[int, typer.Option("--workers", min=0, help="Processes; 0: as many as there are cores.")]
GitignoreOption = Annotated[bool, typer.Option("--gitignore", help="Leave out what git ignores.")]
ColumnOption = Annotated[
    str | None, typer.Option("--text-column", help="Field of rows that holds the text; else text, content or code.")
]
RunDirOption = Annotated[
    Path | None, typer.Option("--run-dir", help="Keep finished parts here: a scan that was killed goes on from them.")
]
AllowErrors = Annotated[bool, typer.Option("--allow-errors", help="Unread files do not spoil the verdict.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress, no chatter.")]


@app.command()
def scan(
    paths: Paths,
    profile: ProfileOption = "balanced",
    format: Annotated[str, typer.Option("--format", help="text, json, jsonl, sarif or markdown.")] = "text",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the findings there; *.parquet is written as Parquet.")
    ] = None,
    fail_on: Annotated[str, typer.Option("--fail-on", help="any, high (confidence >= .8) or never.")] = "any",
    explain: Annotated[
        bool, typer.Option("--explain", help="Say below each finding why it is one (text only).")
    ] = False,
    workers: WorkersOption = 1,
    gitignore: GitignoreOption = False,
    text_column: ColumnOption = None,
    latin1: Annotated[bool, typer.Option("--latin-1", help="Read what is not Unicode as Latin-1.")] = False,
    run_dir: RunDirOption = None,
    allow_errors: AllowErrors = False,
    quiet: Quiet = False,
) -> None:
    """Find secrets and personal data in files. Values are never shown: only a masked preview and a keyed fingerprint.

    Mark a line with `pragma: allowlist secret` to accept what is on it.
    """
    from scrubber.core.workspace import Workspace
    from scrubber.pipelines.findings import finding_json, summary, write_findings
    from scrubber.pipelines.scan import scan_corpus, to_json
    from scrubber.reporting import formats

    choose("--format", format, ("json", "jsonl", *formats.FINDINGS))
    choose("--fail-on", fail_on, ("any", "high", "never"))
    if explain and (format != "text" or workers != 1 or run_dir is not None):
        raise AskedWrongly("--explain goes with text, one process and no run folder", mend="Leave out the others.")
    chosen = _scan(profile)
    reasons: dict[tuple[str, int, str], list[str]] = {}
    with ExitStack() as stack:
        workspace = stack.enter_context(Workspace(run_dir.absolute())) if run_dir else None
        result = scan_corpus(
            paths, scan=_Explained(chosen, reasons) if explain else chosen, progress=progress(quiet),
            workers=workers or os.cpu_count() or 1, workspace=workspace, gitignore=gitignore, text_column=text_column,
            undecodable="latin-1" if latin1 else "named",
        )  # fmt: skip
        if output is not None and (output.suffix == ".parquet" or format == "jsonl"):
            write_findings(result.findings, output)
        elif format == "json":
            deliver(json.dumps(to_json(result), indent=1), output)
        elif format == "jsonl":
            for finding in result.findings:
                typer.echo(json.dumps(finding_json(finding)))
        elif explain:
            for finding in result.findings:
                typer.echo(formats.findings("text", [finding], version=__version__))
                for reason in reasons.get((finding.document, finding.span.start, finding.rule), ()):
                    typer.echo(f"    {reason}")
        else:
            deliver(formats.findings(format, tuple(result.findings), version=__version__), output)
        if not quiet:
            _summarize(summary(result.findings), result)
            _name(result.errors)
        counted = any(fail_on == "any" or f.confidence >= 0.8 for f in result.findings)
    if (result.errors and not allow_errors) or not result.documents:
        raise typer.Exit(3)
    raise typer.Exit(1 if counted and fail_on != "never" else 0)


@app.command()
def mask(
    paths: Paths,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the cleaned corpus goes.")],
    profile: ProfileOption = "recall",
    workers: WorkersOption = 1,
    gitignore: GitignoreOption = False,
    text_column: ColumnOption = None,
    copy_binary: Annotated[bool, typer.Option("--copy-binary", help="Copy binary files, unread.")] = False,
    run_dir: RunDirOption = None,
    allow_errors: AllowErrors = False,
    quiet: Quiet = False,
) -> None:
    """Write a copy of a corpus in which placeholders of the same format stand for every value that a scan finds.

    The same value gets the same placeholder everywhere, under one key (SCRUBBER_KEY_FILE).
    """
    from scrubber.core.workspace import Workspace
    from scrubber.pipelines.mask import mask_corpus

    with ExitStack() as stack:
        workspace = stack.enter_context(Workspace(run_dir.absolute())) if run_dir else None
        result = mask_corpus(
            paths, output, scan=_scan(profile), progress=progress(quiet), workers=workers or os.cpu_count() or 1,
            workspace=workspace, gitignore=gitignore, text_column=text_column, copy_binary=copy_binary,
        )  # fmt: skip
    if not quiet:
        say(f"{sum(result.masked.values())} values masked in {result.changed} of {result.documents} documents"
            + (f", {result.left_out} binary files left out" if result.left_out else ""))  # fmt: skip
        _name(result.errors)
    typer.echo(str(output))
    raise typer.Exit(3 if (result.errors and not allow_errors) or not result.documents else 0)


@rules.command()
def check(
    paths: Annotated[list[Path] | None, typer.Argument(help="Packs (TOML); none: our own.")] = None,
) -> None:
    """Try every rule of a pack on its examples and counter-examples, and on strings made to keep it busy."""
    from scrubber.pipelines.rules import check as check_rules

    faults = check_rules(paths or ())
    for fault in faults:
        typer.echo(f"{fault.rule}: {fault.what}. {fault.mend}")
    say(f"{len(faults)} faults")
    raise typer.Exit(1 if faults else 0)


def _scan(profile: str) -> DefaultScan:
    from scrubber.core.fingerprint import Fingerprinter, project_key, user_key
    from scrubber.pipelines.scan import PROFILES, default_scan

    choose("--profile", profile, tuple(PROFILES))
    return default_scan(Fingerprinter(project_key(user_key())), profile=profile)


class _Explained:
    """A scan that notes why it found what it found."""

    def __init__(self, scan: DefaultScan, reasons: dict[tuple[str, int, str], list[str]]) -> None:
        self._scan, self._reasons = scan, reasons
        self.marks, self.unpack = scan.marks, scan.unpack

    def __call__(self, document: Any) -> Any:
        found = self._scan(document)
        for finding in found:
            self._reasons[finding.document, finding.span.start, finding.rule] = self._scan.explain(document, finding)
        return found


def _summarize(found: Summary, result: Any) -> None:
    rate = result.bytes / 1e6 / result.seconds if result.seconds else 0.0
    say(f"{len(result.findings)} findings, {found.values} values, in {result.documents} documents, "
        f"{result.bytes} bytes, {rate:.1f} MB/s")  # fmt: skip
    for rule, count in found.rules.items():
        say(f"  {count:7} {rule}")
    if len(found.worst) > 1:
        say("most findings:")
        for document, count in found.worst.items():
            say(f"  {count:7} {document}")
    if result.skipped:
        say(f"{result.skipped} binary files passed over")


def _name(errors: tuple[Unread, ...]) -> None:
    for unread in errors[:MOST_NAMED]:
        say(f"not read: {unread.path}: {unread.reason}")
    if len(errors) > MOST_NAMED:
        say(f"and {len(errors) - MOST_NAMED} more not read; --format json names all")
