"""Scanning rates beside kingfisher's and plain reading's, in one run: `python benchmarks/scanning.py --megabytes 500`.

The corpus is the Python code of this machine, repeated with a numbered line on top until it is large enough, so that no
two files are the same. kingfisher (pip install kingfisher-bin) runs with validation and update check off and a warm rule cache.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.types import Document
from scrubber.pipelines.scan import default_scan

LARGEST = 4_200_000  # bytes of a file
GENERATION = 1500  # characters


def sources() -> Iterator[Path]:
    standard, installed = (Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib"))
    for root in (standard, installed):
        for path in sorted(root.rglob("*.py")):
            if root != standard or installed not in path.parents:
                yield path


def build(folder: Path, wanted: int) -> tuple[int, int]:
    """Writes the folder, and the same texts as JSONL and Parquet beside it; returns files and bytes."""
    texts = []
    for path in sources():
        data = path.read_bytes()
        if len(data) < LARGEST:
            texts.append(data)
    files = size = round_ = 0
    with (folder / "corpus.jsonl").open("w") as lines:
        while size < wanted:
            round_ += 1
            for number, data in enumerate(texts):
                try:
                    text = f"# copy {round_} of {number}\n{data.decode()}"
                except UnicodeDecodeError:
                    continue
                place = folder / "tree" / f"{round_}" / f"{number // 500}"
                place.mkdir(parents=True, exist_ok=True)
                (place / f"{number}.py").write_text(text, newline="")
                lines.write(json.dumps({"id": f"{round_}/{number}", "text": text, "language": "python"}) + "\n")
                files, size = files + 1, size + len(text.encode())
                if size >= wanted:
                    break
    _parquet(folder)
    return files, size


def _parquet(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    batch: list[dict[str, str]] = []

    def flush() -> None:
        nonlocal writer
        table = pa.Table.from_pylist(batch)
        writer = writer or pq.ParquetWriter(folder / "corpus.parquet", table.schema)
        writer.write_table(table)
        batch.clear()

    with (folder / "corpus.jsonl").open() as lines:
        for line in lines:
            batch.append(json.loads(line))
            if len(batch) == 1000:
                flush()
    if batch:
        flush()
    assert writer is not None
    writer.close()


class Rate(NamedTuple):
    """MB/s."""

    wall: float
    cpu: float


def run(command: list[str], size: int, label: str) -> Rate:
    """By wall time and by CPU-second; prints both, and the peak memory of the largest process."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    complaint = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - began
    rate, cpu = size / 1e6 / wall, size / 1e6 / (usage.ru_utime + usage.ru_stime)
    print(f"{label:52} {rate:7.0f} MB/s wall {cpu:7.0f} MB/s cpu {usage.ru_maxrss / 1024:6.0f} MiB peak"
          f"  exit {process.returncode}", flush=True)  # fmt: skip
    if process.returncode not in (0, 1, 200, 205):  # kingfisher: 200 findings, 205 validated ones
        print(complaint[-2000:])
    return Rate(rate, cpu)


def generations() -> None:
    """Microseconds for one clean generation, all rules, in process."""
    scan = default_scan(Fingerprinter(os.urandom(32)))
    texts = [text[i : i + GENERATION] for path in list(sources())[:300]
             for text in [path.read_text(errors="replace")] for i in range(0, len(text) - GENERATION, GENERATION)]  # fmt: skip
    clean = [Document("g", text, language="python", origin="generation") for text in texts][:4000]
    spent = []
    for document in clean:
        began = time.perf_counter()
        found = scan(document)
        if not found:
            spent.append(time.perf_counter() - began)
    spent.sort()
    print(f"a clean generation of {GENERATION} characters: median {spent[len(spent) // 2] * 1e6:.0f} us, "
          f"mean {sum(spent) / len(spent) * 1e6:.0f} us, "
          f"95th percentile {spent[len(spent) * 95 // 100] * 1e6:.0f} us, n {len(spent)}")  # fmt: skip


def read(folder: Path) -> None:
    for place, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(place, name), "rb") as file:
                file.read()


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--megabytes", type=int, default=500)
    asked.add_argument("--folder", type=Path, help="keep the corpus here, and use it when it is there")
    options = asked.parse_args()
    generations()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="scanning-"))
    note = folder / "size.json"
    if not note.exists():
        folder.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps(build(folder, options.megabytes * 1_000_000)))
    files, size = json.loads(note.read_text())
    print(f"{files} files, {size / 1e6:.0f} MB")
    began = time.perf_counter()
    read(folder / "tree")
    print(f"{'open and read every file':52} {size / 1e6 / (time.perf_counter() - began):7.0f} MB/s wall")
    scrubber = [sys.executable, "-m", "scrubber.cli", "scan", "--quiet", "--format", "jsonl", "-o", "/dev/null"]
    kingfisher = shutil.which("kingfisher") or str(Path(sys.executable).parent / "kingfisher")
    peer = [kingfisher, "scan", str(folder / "tree"), "--no-validate", "--no-update-check", "--git-history", "none",
            "-j", "2", "--format", "json", "-o", "/dev/null"]  # fmt: skip
    for workers in ("1", "2"):
        ours = run(
            [*scrubber, "--workers", workers, str(folder / "tree")],
            size,
            f"ours, balanced, {workers} processes, folder",
        )
    if Path(kingfisher).exists():
        subprocess.run([*peer[:2], str(note), *peer[3:]], capture_output=True, check=False)  # warms its rule cache
        theirs = run(peer, size, "kingfisher, 2 jobs, folder")
        print(f"{'ours / kingfisher':52} {ours.wall / theirs.wall:7.2f} wall {ours.cpu / theirs.cpu:12.2f} cpu")
    for name in ("corpus.jsonl", "corpus.parquet"):
        run([*scrubber, "--workers", "2", str(folder / name)], size, f"ours, balanced, 2 processes, {name}")
    if options.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
