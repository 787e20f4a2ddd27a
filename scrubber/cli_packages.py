"""The door to package names: the list of every mention, and the indexes that tell invented names from real ones."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from scrubber.core.errors import AskedWrongly
from scrubber.terminal import choose, progress, say

MOST_NAMED = 20  # unread files that are named one by one

app = typer.Typer(rich_markup_mode=None)
index = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Indexes of all names of a registry: without one, no name is called invented. None is shipped.",
)
app.add_typer(index, name="index")

Folder = Annotated[
    Path | None, typer.Option("--index", help="Folder of the indexes; else SCRUBBER_INDEX, else the user's own.")
]
EcosystemArgument = Annotated[str, typer.Argument(help="pypi, npm, crates, go or rubygems.")]
Popular = Annotated[
    Path | None, typer.Option("--popular", help="Names to suggest, one a line, the most popular first.")
]
Snapshot = Annotated[str, typer.Option("--snapshot", help="The day that the list is of; else today.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress, no chatter.")]


@app.command()
def packages(
    paths: Annotated[
        list[str], typer.Argument(help="What scrubber scan takes: folders, files, JSONL, notebooks, - ...")
    ],
    format: Annotated[str, typer.Option("--format", help="text or jsonl.")] = "text",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the mentions there.")] = None,
    folder: Folder = None,
    cutoff: Annotated[str, typer.Option("--cutoff", help="The day that the model's knowledge ends: 2025-06-30.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Go on although the index is older than the cut-off.")] = False,
    modules: Annotated[Path | None, typer.Option("--modules", help='TOML file: module = ["distribution"].')] = None,
    environment: Annotated[
        str, typer.Option("--environment", help="A folder site-packages that tells which modules are whose.")
    ] = "",
    allow: Annotated[
        list[str] | None, typer.Option("--allow", help="Names to skip, such as '@corp/*'. Repeatable.")
    ] = None,
    origin: Annotated[str, typer.Option("--origin", help="corpus, or generation: what a model wrote.")] = "corpus",
    gitignore: Annotated[bool, typer.Option("--gitignore", help="Leave out what git ignores.")] = False,
    text_column: Annotated[str | None, typer.Option("--text-column", help="Field of rows that holds the text.")] = None,
    fail_on: Annotated[str, typer.Option("--fail-on", help="never, or bad: exit 1 where a name is bad.")] = "never",
    allow_errors: Annotated[
        bool, typer.Option("--allow-errors", help="Unread files do not spoil the verdict.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """List every mention of a package, with its verdict. Names are shown: an invented one may be free to register."""
    from scrubber.core.mentions import BAD
    from scrubber.core.types import Origin
    from scrubber.detectors._packages.verdicts import Judge, check_cutoff
    from scrubber.detectors.packages import day_of, index_folder, open_indexes
    from scrubber.pipelines.packages import (
        Counts,
        corpus_mentions,
        environment_modules,
        project,
        rows,
        user_modules,
    )

    choose("--format", format, ("text", "jsonl"))
    choose("--fail-on", fail_on, ("never", "bad"))
    choose("--origin", origin, get_args(Origin))
    if folder is not None and not folder.is_dir():
        raise AskedWrongly("there is no such folder", where=str(folder), mend="Build an index: scrubber index build.")
    indexes, until = open_indexes(folder or index_folder()), day_of(cutoff, "--cutoff")
    if not force:
        check_cutoff(until, indexes)
    mapped = {**(environment_modules(environment) if environment else {}), **(user_modules(modules) if modules else {})}
    judge = Judge(indexes, until, project(paths), mapped, tuple(allow or ()))
    counts = Counts()
    found = corpus_mentions(
        paths, judge, counts, text_column=text_column, origin=cast("Origin", origin), gitignore=gitignore
    )
    lines = (
        json.dumps(row) if format == "jsonl" else _line(row)
        for document, mentions in found for row in rows(document, mentions)
    )  # fmt: skip
    if output is None:
        for line in lines:
            typer.echo(line)
    else:
        try:
            with output.open("w", encoding="utf-8") as file:
                file.writelines(line + "\n" for line in lines)
        except OSError as error:
            raise AskedWrongly(f"the output cannot be written: {error.strerror}", where=str(output)) from None
    if not quiet:
        say(f"{counts.mentions} mentions in {counts.documents} documents; indexes: {', '.join(indexes) or 'none'}")
        for verdict, count in counts.verdicts.most_common():
            say(f"  {count:7} {verdict}")
        for unread in counts.errors[:MOST_NAMED]:
            say(f"not read: {unread.path}: {unread.reason}")
    if (counts.errors and not allow_errors) or not counts.documents:
        raise typer.Exit(3)
    raise typer.Exit(int(fail_on == "bad" and any(counts.verdicts[verdict] for verdict in BAD)))


@index.command()
def build(
    ecosystem: EcosystemArgument,
    names: Annotated[
        Path,
        typer.Argument(
            help="A list, one a line (name, or name and day by a tab or comma), JSON or JSONL; - is standard input."
        ),
    ],
    folder: Folder = None,
    snapshot: Snapshot = "",
    source: Annotated[str, typer.Option("--source", help="What the index says of where it is from.")] = "",
    popular: Popular = None,
    quiet: Quiet = False,
) -> None:
    """Build an index from a list that you have."""
    from scrubber.pipelines import index as stage

    header = stage.build(stage.place(folder), ecosystem, names, snapshot=_day(snapshot), source=source, popular=popular)
    _tell(header, stage.place(folder), quiet)


@index.command(name="import")
def import_(
    file: Annotated[Path, typer.Argument(help="An index that someone else has built.")],
    folder: Folder = None,
    quiet: Quiet = False,
) -> None:
    """Take over an index, after reading it through."""
    from scrubber.pipelines import index as stage

    _tell(stage.take_over(stage.place(folder), file), stage.place(folder), quiet)


@index.command()
def update(
    ecosystem: EcosystemArgument,
    folder: Folder = None,
    url: Annotated[str, typer.Option("--url", help="A mirror of the registry; else the registry itself.")] = "",
    popular: Popular = None,
    quiet: Quiet = False,
) -> None:
    """Bring an index up to date from its registry (reaches the network): PyPI, npm, crates.io or Go."""
    from scrubber.pipelines import index as stage

    header = stage.update(stage.place(folder), ecosystem, url, popular=popular, progress=progress(quiet))
    _tell(header, stage.place(folder), quiet)


@index.command()
def info(
    folder: Folder = None, format: Annotated[str, typer.Option("--format", help="text or json.")] = "text"
) -> None:
    """What the indexes say of themselves; each is read through, and a damaged one refused."""
    from dataclasses import asdict

    from scrubber.pipelines import index as stage

    choose("--format", format, ("text", "json"))
    headers = stage.headers(stage.place(folder))
    if format == "json":
        typer.echo(json.dumps([asdict(header) for header in headers], indent=1))
    for header in headers if format == "text" else ():
        typer.echo(_told(header))
    if not headers:
        say(f"there is no index in {stage.place(folder)}")
    raise typer.Exit(0 if headers else 3)


def _line(row: dict[str, object]) -> str:
    near = cast("list[str]", row["nearest"])
    return (
        f"{row['document']}:{row['line']}: {row['ecosystem']} {row['name'] or row['raw']} "
        f"{row['verdict'] or 'not judged'} ({row['kind']}, {row['context']})"
        + (f"; near: {', '.join(near)}" if near else "")
    )


def _day(text: str) -> date | None:
    from scrubber.detectors.packages import day_of

    return day_of(text, "--snapshot")


def _tell(header: object, folder: Path, quiet: bool) -> None:
    if not quiet:
        say(f"{_told(header)}; in {folder}")


def _told(header: object) -> str:
    from scrubber.core.name_index import Header

    told = cast(Header, header)
    return f"{told.ecosystem}: {told.count} names, {told.dated} with their first day, of {told.snapshot}, from {told.source}"
