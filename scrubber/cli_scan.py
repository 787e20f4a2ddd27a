"""The door to what needs no model: scanning a corpus, masking one, and checking rule packs."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args, get_type_hints

import typer

from scrubber import __version__
from scrubber.core.errors import AskedWrongly
from scrubber.terminal import choose, deliver, progress, say

if TYPE_CHECKING:
    from scrubber.core.baseline import Marker
    from scrubber.core.corpus import Unread
    from scrubber.core.types import Finding
    from scrubber.pipelines.findings import Summary
    from scrubber.pipelines.scan import DefaultScan
    from scrubber.pipelines.shards import Options

MOST_NAMED = 20  # unread files that are named one by one

app = typer.Typer(rich_markup_mode=None)
rules = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Check packs of rules.")
app.add_typer(rules, name="rules")

ProfileOption = Annotated[
    str,
    typer.Option(
        "--profile", help="balanced, recall (also what is not sure), or exact (what detect-secrets 1.5 finds)."
    ),
]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What every command over a corpus is asked."""

    paths: Annotated[
        list[str],
        typer.Argument(
            help="Folders, files, JSONL, Parquet, archives, notebooks; - for standard input; git:PATH for the history "
            "of a repository; hf:NAME[:SPLIT] for a data set of the hub (reaches the network)."
        ),
    ]
    detect: Annotated[
        list[str] | None,
        typer.Option("--detect", help="A detector, instead of secrets and pii; may be given many times."),
    ] = None
    rules: Annotated[
        list[Path] | None,
        typer.Option("--rules", help="A pack of your own rules, TOML, or a folder of them; may be given many times."),
    ] = None
    origin: Annotated[
        str,
        typer.Option("--origin", help="corpus, or generation: a model wrote it, so no mark on a line excuses that."),
    ] = "corpus"
    workers: Annotated[int, typer.Option("--workers", min=0, help="Processes; 0: as many as there are cores.")] = 1
    gitignore: Annotated[bool, typer.Option("--gitignore", help="Leave out what git ignores.")] = False
    text_column: Annotated[
        str | None, typer.Option("--text-column", help="Field of rows that holds the text; else text, content or code.")
    ] = None
    run_dir: Annotated[
        Path | None,
        typer.Option("--run-dir", help="Keep finished parts here: what was killed goes on from them."),
    ] = None
    allow_errors: Annotated[bool, typer.Option("--allow-errors", help="Unread files do not spoil the verdict.")] = False
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no chatter.")] = False

    def scan(self, profile: str) -> DefaultScan:
        """Raises AskedWrongly when the profile, a detector or a pack of rules is wrong."""
        from scrubber.core.fingerprint import Fingerprinter, project_key, user_key
        from scrubber.pipelines.packs import sound_rules
        from scrubber.pipelines.scan import DETECTORS, PROFILES, default_scan

        choose("--profile", profile, tuple(PROFILES))
        if self.detect and PROFILES[profile].detectors:
            raise AskedWrongly(f"the profile {profile} has its own detectors", mend="Leave out --detect or --profile.")
        rules = sound_rules(self.rules or ())
        names = self.detect or DETECTORS
        return default_scan(Fingerprinter(project_key(user_key())), names, profile, rules=rules)

    @contextmanager
    def options(self) -> Iterator[Options]:
        """Those of the stage; the run folder stays locked as long."""
        from scrubber.core.types import Origin
        from scrubber.core.workspace import Workspace
        from scrubber.pipelines.shards import Options

        workers = self.workers or os.cpu_count() or 1
        choose("--origin", self.origin, get_args(Origin))
        origin = cast("Origin", self.origin)
        with Workspace(self.run_dir.absolute()) if self.run_dir else nullcontext() as workspace:
            yield Options(workers, workspace, self.gitignore, self.text_column, origin)

    def is_unsure(self, documents: int, errors: tuple[Unread, ...]) -> bool:
        """Whether there is no verdict: something was not read, or there was nothing to read."""
        return not documents or (bool(errors) and not self.allow_errors)


def asking(command: Callable[..., None]) -> Callable[..., None]:
    """``command(asked, ...)`` as a function whose parameters are the command's own and the fields of Asked."""
    hints = get_type_hints(command, include_extras=True) | get_type_hints(Asked, include_extras=True)
    shared = inspect.signature(Asked).parameters
    own = list(inspect.signature(command).parameters.values())[1:]

    def called(**given: Any) -> None:
        command(Asked(**{name: given.pop(name) for name in shared}), **given)

    parameters = [parameter.replace(annotation=hints[parameter.name]) for parameter in (*own, *shared.values())]
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__name__, called.__doc__ = command.__name__, command.__doc__
    return called


@app.command()
@asking
def scan(
    asked: Asked,
    *,
    profile: ProfileOption = "balanced",
    format: Annotated[str, typer.Option("--format", help="text, json, jsonl, sarif, junit or markdown.")] = "text",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the findings there; *.parquet is written as Parquet.")
    ] = None,
    fail_on: Annotated[str, typer.Option("--fail-on", help="any, high (confidence >= .8) or never.")] = "any",
    explain: Annotated[
        bool, typer.Option("--explain", help="Say below each finding why it is one (text only).")
    ] = False,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="What this file accepts is marked, and does not fail the scan.")
    ] = None,
    latin1: Annotated[bool, typer.Option("--latin-1", help="Read what is not Unicode as Latin-1.")] = False,
) -> None:
    """Find secrets and personal data in files. Values are never shown: only a masked preview and a keyed fingerprint.

    Mark a line with `pragma: allowlist secret` to accept what is on it.
    """
    from scrubber.pipelines.findings import finding_json, summary, write_findings
    from scrubber.pipelines.scan import scan_corpus, to_json
    from scrubber.reporting import formats
    from scrubber.reporting.places import places

    choose("--format", format, ("json", "jsonl", *formats.FINDINGS))
    choose("--fail-on", fail_on, ("any", "high", "never"))
    if explain and (format != "text" or asked.workers != 1 or asked.run_dir is not None):
        raise AskedWrongly("--explain goes with text, one process and no run folder", mend="Leave out the others.")
    chosen = asked.scan(profile)
    mark = _marker(baseline, asked.paths) if baseline else None

    def row(finding: Finding) -> dict[str, Any]:
        return finding_json(finding) | ({"baseline": mark(finding).state} if mark else {})

    reasons: dict[tuple[str, int, str], list[str]] = {}
    with asked.options() as options:
        result = scan_corpus(
            asked.paths, scan=_Explained(chosen, reasons) if explain else chosen, progress=progress(asked.quiet),
            options=options, undecodable="latin-1" if latin1 else "named",
        )  # fmt: skip
        if output is not None and (output.suffix == ".parquet" or format == "jsonl"):
            write_findings(result.findings, output)
        elif format == "json":
            deliver(json.dumps({**to_json(result), "findings": [row(f) for f in result.findings]}, indent=1), output)
        elif format == "jsonl":
            for finding in result.findings:
                typer.echo(json.dumps(row(finding)))
        elif explain:
            for finding in result.findings:
                typer.echo(formats.findings("text", [finding], version=__version__))
                for reason in reasons.get((finding.document, finding.span.start, finding.rule), ()):
                    typer.echo(f"    {reason}")
        else:
            place = places(asked.paths, root=".", origin=options.origin)
            unread = 0 if asked.allow_errors else len(result.errors)
            found = tuple(result.findings)
            deliver(formats.findings(format, found, version=__version__, mark=mark, place=place, unread=unread), output)
        if not asked.quiet:
            _summarize(summary(result.findings), result)
            _name(result.errors)
        counted = any(
            (fail_on == "any" or f.confidence >= 0.8) and not (mark and mark(f).state == "accepted")
            for f in result.findings
        )
    if asked.is_unsure(result.documents, result.errors):
        raise typer.Exit(3)
    raise typer.Exit(1 if counted and fail_on != "never" else 0)


@app.command()
@asking
def mask(
    asked: Asked,
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the cleaned corpus goes.")],
    profile: ProfileOption = "recall",
    copy_binary: Annotated[bool, typer.Option("--copy-binary", help="Copy binary files, unread.")] = False,
) -> None:
    """Write a copy of a corpus in which placeholders of the same format stand for every value that a scan finds.

    The same value gets the same placeholder everywhere, under one key (SCRUBBER_KEY_FILE).
    """
    from scrubber.pipelines.mask import mask_corpus

    chosen = asked.scan(profile)
    with asked.options() as options:
        result = mask_corpus(
            asked.paths, output, scan=chosen, progress=progress(asked.quiet), options=options, copy_binary=copy_binary
        )
    if not asked.quiet:
        say(f"{sum(result.masked.values())} values masked in {result.changed} of {result.documents} documents"
            + (f", {result.left_out} binary files left out" if result.left_out else ""))  # fmt: skip
        _name(result.errors)
    typer.echo(str(output))
    raise typer.Exit(3 if asked.is_unsure(result.documents, result.errors) else 0)


@rules.command()
def check(
    paths: Annotated[list[Path] | None, typer.Argument(help="Packs (TOML); none: our own.")] = None,
) -> None:
    """Try every rule of a pack on its examples and counter-examples, and on strings made to keep it busy."""
    from scrubber.pipelines.packs import packs_at
    from scrubber.pipelines.rules import check as check_rules

    faults = check_rules(packs_at(paths or ()))
    for fault in faults:
        typer.echo(f"{fault.rule}: {fault.what}. {fault.mend}")
    say(f"{len(faults)} faults")
    raise typer.Exit(1 if faults else 0)


def _marker(baseline: Path, paths: list[str]) -> Marker:
    from datetime import date

    from scrubber.core.fingerprint import Fingerprinter, project_key, user_key
    from scrubber.pipelines.baseline import marker

    return marker(baseline, Fingerprinter(project_key(user_key())), paths, today=date.today())


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
