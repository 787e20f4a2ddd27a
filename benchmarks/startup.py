"""What a user waits for: CPU seconds of short commands, warm, and a report of 100,000 findings: `python benchmarks/startup.py`.

CPU time is that of the child process, user and system together, the median of several runs; wall time stands beside it.
Exits 1 when a bound is missed.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from scrubber.core.baseline import Entry, Mark
from scrubber.core.types import Finding, Kind, Span
from scrubber.reporting import formats

RUNS = 7
FINDINGS = 100_000
MOST_SECONDS, MOST_BYTES = 10.0, 2_000_000
KINDS: tuple[Kind, ...] = ("secret", "pii", "package")


def timed(arguments: list[str]) -> tuple[float, float]:
    """CPU and wall seconds of ``scrubber ARGUMENTS``."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "scrubber.cli", *arguments], stdout=subprocess.DEVNULL, check=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def many() -> list[Finding]:
    return [
        Finding(
            f"src/package_{number % 97}/module_{number % 4001}.py",
            Span(number, number + 20),
            number % 900 + 1,
            9,
            KINDS[number % 3],
            f"rule-{number % 40}",
            0.9,
            "AB***[20]",
            f"{number:032x}",
        )
        for number in range(FINDINGS)
    ]


def accepting(finding: Finding) -> Mark:
    """A baseline that knows every tenth finding."""
    known = finding.span.start % 10 == 0
    return (
        Mark("accepted", Entry(finding.fingerprint, "", "", "a test value", "ana", date.max)) if known else Mark("new")
    )


def main() -> int:
    missed = 0

    def told(what: str, measured: str, ok: bool) -> None:
        nonlocal missed
        missed += not ok
        print(f"{what:44} {measured:32} {'ok' if ok else 'MISSED'}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / f"module_{number}.py") for number in range(10)]
        source = Path(os.__file__).read_text(encoding="utf-8")[:4000]
        for file in files:
            Path(file).write_text(source, encoding="utf-8")
        commands: list[tuple[str, list[str], float]] = [
            ("scrubber --help", ["--help"], 0.2),
            ("scrubber scan, one file of 4 kB", ["scan", "--quiet", files[0]], 0.5),
            ("the commit hook, ten files of 4 kB", ["scan", "--quiet", *files], 0.5),
        ]
        for name, arguments, bound in commands:
            timed(arguments)  # warm: byte code, and the compiled patterns in the user's cache
            cpu, wall = (
                statistics.median(column) for column in zip(*(timed(arguments) for _ in range(RUNS)), strict=True)
            )
            told(name, f"{cpu:.3f} s CPU (bound {bound}), {wall:.2f} s wall", cpu < bound)
    findings = many()
    for format in formats.FINDINGS:
        began = time.process_time()
        size = len(formats.findings(format, findings, version="1", mark=accepting).encode())
        seconds = time.process_time() - began
        capped = format != "text"  # a line for each finding is what text is
        measured = f"{seconds:.2f} s CPU, {size / 1e6:.2f} MB"
        told(
            f"{FINDINGS:,} findings as {format}", measured, seconds < MOST_SECONDS and (size < MOST_BYTES or not capped)
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
