"""What a person at a terminal sees: progress, results, and errors in our words, never in an exception's own."""

from __future__ import annotations

import errno
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from scrubber.core.errors import AskedWrongly, Interrupted, ScrubberError
from scrubber.core.quiet import silent

# typer may carry a click of its own, so its errors are told by the class that its public ones descend from
_CallerMistake: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")

BYTES = ("scan", "mask")  # work that is counted in bytes


def guarded(app: Callable[..., Any]) -> None:
    """Runs the command line and exits with its code. Nothing that goes wrong leaves a traceback or an exception's own
    words: they may hold values."""
    for number in (signal.SIGTERM, signal.SIGINT):  # typer has an exit code of its own for a key that interrupts
        signal.signal(number, _stop)
    try:
        code = app(standalone_mode=False)
    except ScrubberError as error:
        say(f"scrubber: {error}")
        code = error.exit_code
    except typer.Exit as error:
        code = error.exit_code
    except typer.Abort:
        say("scrubber: interrupted. Start it again with the same --run-dir to go on.")
        code = 3
    except Exception as error:
        code = _unexpected(error)
    sys.exit(code if isinstance(code, int) else 0)


def _unexpected(error: Exception) -> int:
    if isinstance(error, _CallerMistake):
        say(f"scrubber: {error.format_message()} Try: scrubber --help")
        return 2
    if isinstance(error, BrokenPipeError):
        return 3
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        say("scrubber: the disk is full. Nothing is half-written; free some space and start it again.")
        return 3
    place = "?"
    trace = error.__traceback__
    while trace is not None:
        if "scrubber" in trace.tb_frame.f_code.co_filename:
            place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    say(f"scrubber: internal error, {type(error).__name__} at {place}. Please report it; its own text is withheld, "
         "since it may quote private data.")  # fmt: skip
    return 3


def _stop(number: int, frame: Any) -> None:
    what = "interrupted" if number == signal.SIGINT else "asked to stop by a signal"
    raise Interrupted(what, mend="Start it again with the same --run-dir to go on.")


def progress(quiet: bool) -> Any:
    """A bar on a terminal, a line a step elsewhere, nothing when quiet. Always on standard error."""
    if quiet:
        return silent
    return _bar if sys.stderr.isatty() else _line


@contextmanager
def _bar(label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        *((DownloadColumn(), TransferSpeedColumn()) if label in BYTES else (MofNCompleteColumn(),)),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(label, total=total)
        yield lambda count: progress.advance(task, count)


@contextmanager
def _line(label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    say(f"{label} ...")
    yield lambda count: None


def choose(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise AskedWrongly(f"{option} cannot be {value!r}", mend=f"Use one of: {', '.join(allowed)}.")


def deliver(text: str, output: Path | None) -> None:
    if output is None:
        if text:
            typer.echo(text)
        return
    try:
        output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise AskedWrongly(f"the output cannot be written: {error.strerror}", where=str(output)) from None


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
