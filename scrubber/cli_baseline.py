"""The door to baselines: which findings somebody answers for, why, who, and until when."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scrubber.cli_scan import Asked, ProfileOption, asking
from scrubber.core.errors import AskedWrongly
from scrubber.terminal import progress, say

if TYPE_CHECKING:
    from scrubber.core.baseline import Entry
    from scrubber.core.fingerprint import Fingerprinter
    from scrubber.pipelines.scan import ScanResult

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Accept findings by fingerprint, with a reason, an owner and an end.",
)

DAYS = 180  # how long an entry accepts, if nobody says
NEVER = "never"

BaselineOption = Annotated[Path, typer.Option("--baseline", help="The baseline file; paths in it start at its folder.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why these findings are accepted.")]
OwnerOption = Annotated[str, typer.Option("--owner", help="Who answers for them.")]
ExpiresOption = Annotated[
    str, typer.Option("--expires", help=f"Last day, as 2030-12-31, or {NEVER}; else {DAYS} days.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress, no chatter.")]
DEFAULT = Path(".scrubber-baseline.json")


@app.command()
@asking
def create(
    asked: Asked,
    *,
    baseline: BaselineOption = DEFAULT,
    reason: ReasonOption = "",
    owner: OwnerOption = "",
    expires: ExpiresOption = "",
    profile: ProfileOption = "balanced",
) -> None:
    """Scan, and write every finding into a new baseline. Without --reason and --owner nothing in it is accepted yet."""
    from scrubber.pipelines import baseline as pipeline

    if baseline.exists():
        raise AskedWrongly("there is a baseline already", where=str(baseline), mend="Use: scrubber baseline update.")
    last = _day(expires)
    fingerprint = _fingerprinter()
    result = _scanned(asked, profile)
    made = pipeline.created(result.findings, pipeline.places_from(baseline, asked.paths).path, fingerprint)
    entries = tuple(
        replace(e, reason=reason, owner=owner, expires=last if reason and owner else None) for e in made.entries
    )
    pipeline.write(replace(made, entries=entries), baseline)
    _told(baseline, entries, asked.quiet)
    raise typer.Exit(3 if asked.is_unsure(result.documents, result.errors) else 0)


@app.command()
@asking
def update(
    asked: Asked,
    *,
    baseline: BaselineOption = DEFAULT,
    profile: ProfileOption = "balanced",
) -> None:
    """Scan again: what is gone from there leaves the baseline, what moved follows, what is new waits for its audit."""
    from scrubber.pipelines import baseline as pipeline

    fingerprint = _fingerprinter()
    before = pipeline.read(baseline, fingerprint)
    result = _scanned(asked, profile)
    if asked.is_unsure(result.documents, result.errors):
        raise typer.Exit(3)  # what was not read must not seem gone
    path_of, covered = pipeline.places_from(baseline, asked.paths).path, pipeline.covers(baseline, asked.paths)
    made = pipeline.updated(before, result.findings, path_of, covered=covered)
    pipeline.write(made.baseline, baseline)
    if not asked.quiet:
        say(f"{made.kept} kept, {made.moved} moved, {made.gone} gone, {made.added} new")
    _told(baseline, made.baseline.entries, asked.quiet)


@app.command()
def audit(
    baseline: BaselineOption = DEFAULT,
    reason: ReasonOption = "",
    owner: OwnerOption = "",
    expires: ExpiresOption = "",
    only: Annotated[str, typer.Option("--only", help="Beginning of a fingerprint or path: just these entries.")] = "",
    all_: Annotated[bool, typer.Option("--all", help="List accepted entries too.")] = False,
) -> None:
    """List what is not accepted, and exit 1 if there is any. With --reason and --owner it is accepted; on a terminal
    it is asked for, one by one."""
    from scrubber.pipelines import baseline as pipeline

    if bool(reason) != bool(owner):
        raise AskedWrongly("an entry needs both a reason and an owner", mend="Give --reason and --owner.")
    today, last = date.today(), _day(expires)
    before = pipeline.read(baseline, _fingerprinter())
    asking = not reason and sys.stdin.isatty() and sys.stdout.isatty()
    entries = []
    for entry in before.entries:
        now = entry
        if entry.state(today) != "accepted" and entry.fingerprint.startswith(only) | entry.path.startswith(only):
            if asking:
                now = _ask(entry, last)
            elif reason:
                now = replace(entry, reason=reason, owner=owner, expires=last)
        entries.append(now)
        if all_ or now.state(today) != "accepted":
            end = now.expires.isoformat() if now.expires else NEVER
            told = f"  {now.owner}, until {end}: {now.reason}" if now.reason else ""
            typer.echo(f"{now.state(today):9}  {now.fingerprint[:12]}  {now.rule}  {now.path}{told}")
    if tuple(entries) != before.entries:
        pipeline.write(replace(before, entries=tuple(entries)), baseline)
    raise typer.Exit(0 if all(entry.state(today) == "accepted" for entry in entries) else 1)


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="A .secrets.baseline of detect-secrets; its files are read again.")],
    baseline: BaselineOption = DEFAULT,
    reason: ReasonOption = "no secret, as audited with detect-secrets",
    owner: OwnerOption = "",
    expires: ExpiresOption = "",
    quiet: Quiet = False,
) -> None:
    """Take over a baseline of detect-secrets. What was audited there as no secret is accepted, if --owner answers for it."""
    from scrubber.pipelines import baseline as pipeline

    if baseline.exists():
        raise AskedWrongly("there is a baseline already", where=str(baseline), mend="Name another --baseline.")
    made = pipeline.imported(
        source,
        fingerprint=_fingerprinter(),
        into=baseline,
        reason=reason if owner else "",
        owner=owner,
        expires=_day(expires),
    )
    pipeline.write(made.baseline, baseline)
    if made.missing and not quiet:
        say(f"{made.missing} of its secrets are not there any more, or are nothing to us")
    for unread in made.unread:
        say(f"not read: {unread.path}: {unread.reason}")
    _told(baseline, made.baseline.entries, quiet)
    raise typer.Exit(3 if made.unread else 0)


def _ask(entry: Entry, last: date | None) -> Entry:
    typer.echo(f"\n{entry.rule} in {entry.path}, fingerprint {entry.fingerprint[:12]}")
    reason = typer.prompt("reason (empty: leave it)", default=entry.reason, show_default=bool(entry.reason))
    if not reason.strip():
        return entry
    owner = typer.prompt("owner", default=entry.owner or None)
    return replace(entry, reason=reason.strip(), owner=owner.strip(), expires=last)


def _day(text: str) -> date | None:
    if text == NEVER:
        return None
    try:
        return date.fromisoformat(text) if text else date.today() + timedelta(days=DAYS)
    except ValueError:
        raise AskedWrongly("--expires is no date", mend=f"Write it as 2030-12-31, or {NEVER}.") from None


def _fingerprinter() -> Fingerprinter:
    from scrubber.core.fingerprint import Fingerprinter, project_key, user_key

    return Fingerprinter(project_key(user_key()))


def _scanned(asked: Asked, profile: str) -> ScanResult:
    from scrubber.pipelines.scan import scan_corpus

    scan = asked.scan(profile)
    with asked.options() as options:
        result = scan_corpus(asked.paths, scan=scan, progress=progress(asked.quiet), options=options)
    for unread in result.errors:
        say(f"not read: {unread.path}: {unread.reason}")
    return result


def _told(path: Path, entries: tuple[Entry, ...], quiet: bool) -> None:
    if not quiet:
        waiting = sum(entry.state(date.today()) != "accepted" for entry in entries)
        say(f"{len(entries)} entries, {waiting} to be audited: scrubber baseline audit --baseline {path}")
