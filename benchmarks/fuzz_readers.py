"""Gives damaged files of every kind to the readers for SECONDS (600): none may raise, crash, hang, quote or take memory.

    python benchmarks/fuzz_readers.py [SECONDS] [SEED]

Prints one JSON object, with the seeds of the cases that failed; exits with 1 when there are any. A process of its own reads
the files, so that a crash of a library is one more case.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import multiprocessing
import os
import random
import resource
import sys
import tarfile
import tempfile
import time
import zipfile
from collections import Counter
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from scrubber.core.corpus import Limits, Unread, documents, documents_of, shards

MARK = "confidential"  # in every text, and in no error
LIMITS = Limits(text=4000, window=1000, overlap=100, record=20_000, expansion=20, slack=2**20, index=2**16)
HANGS_AFTER = 20  # seconds
MOST_MEMORY = 2**29  # bytes of a process, the libraries' own 130 MiB included
NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)


def seeds() -> dict[str, bytes]:
    """A sound file of every kind, by name."""
    text = "".join(f"{MARK} é {number}\n" for number in range(60))
    rows = "".join(json.dumps({"text": f"{MARK} {n}", "id": n, "path": "a.py"}) + "\n" for n in range(30)).encode()
    cells = [{"cell_type": "code", "source": [text], "outputs": [{"text": text, "data": {"text/plain": text}}]}] * 2
    book = json.dumps({"cells": cells, "metadata": {"kernelspec": {"language": "r"}}}).encode()
    files = {"a.py": text.encode(), "b.txt": text.encode("utf-16"), "c.jsonl": rows, "d.ipynb": book, **_tables(text)}
    packed = {
        "t.tar": _tar(files),
        "z.zip": _zip(files),
        "w.whl": _zip({"i.zip": _zip(files), "t.tgz": gzip.compress(_tar(files))}),
    }
    packers = ((".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress), (".zst", _zstd))
    compressed = {
        f"{name}{suffix}": pack(data) for suffix, pack in packers for name, data in (*files.items(), *packed.items())
    }
    return {**files, **packed, **compressed}


def mutated(data: bytes, chance: random.Random) -> bytes:
    """``data`` with a few bits, bytes, numbers or pieces changed, removed or repeated."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(len(changed) + 1)
        kind = chance.randrange(7)
        if kind == 0 and changed:
            changed[at % len(changed)] ^= 1 << chance.randrange(8)
        elif kind == 1:
            changed[at : at + 1] = chance.randbytes(1)
        elif kind == 2:
            size = chance.choice((1, 2, 4, 8))
            number = chance.choice(NUMBERS) % 2 ** (8 * size)
            changed[at : at + size] = number.to_bytes(size, chance.choice(("little", "big")))
        elif kind == 3:
            del changed[at : at + chance.choice((1, 8, 100, 5000))]
        elif kind == 4:
            other = chance.randrange(len(changed) + 1)
            changed[at:at] = changed[other : other + chance.choice((1, 16, 600))]
        elif kind == 5:
            changed[at : at + chance.choice((1, 30))] = bytes(chance.choice((1, 30)))
        elif chance.random() < 0.3:
            del changed[at:]
    return bytes(changed)


def case(seed: int, files: dict[str, bytes], folder: Path) -> tuple[str, int, int]:
    """Reads one damaged file whole and in work items. Name of its kind, count of documents and of errors."""
    chance = random.Random(seed)
    name = chance.choice(sorted(files))
    path = folder / name
    path.write_bytes(mutated(files[name], chance))
    try:
        errors: list[Unread] = []
        skipped: list[str] = []
        found = list(documents([path], errors=errors, skipped=skipped, limits=LIMITS))
        assert found or errors or skipped or path.stat().st_size < 100 or not name.endswith((".py", ".txt")), "silent"
        told = "".join(error.reason for error in errors)
        assert MARK not in told, "a reason quotes content"
        again = [
            document
            for source in shards([path], errors=[], size=500)
            for document in documents_of(source, errors=[], limits=LIMITS)
        ]
        if not errors:
            assert found == again, "work items give other documents"
        return name, len(found), len(errors)
    finally:
        path.unlink()


def work(start: int, stop: float, current: Synchronized[int], results: Any) -> None:
    """Cases from seed ``start`` on until the time ``stop``; each failure is sent as it happens."""
    files, counts = seeds(), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        seed = start
        while time.time() < stop:
            current.value = seed
            try:
                name, found, errors = case(seed, files, Path(folder))
                counts.update({"cases": 1, "documents": found, "errors": errors, f"kind {name.split('.', 1)[1]}": 1})
            except Exception as error:
                results.put({"seed": seed, "failed": f"{type(error).__name__}: {error}"[:300]})
            seed += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    results.put({"counts": dict(counts), "next": seed, "peak_memory_bytes": peak})


def fuzz(seconds: float, seed: int) -> dict[str, Any]:
    """All cases of ``seconds``, over as many processes, one after another, as crashes and hangs make needed."""
    stop, counts, failures, peak = time.time() + seconds, Counter[str](), list[dict[str, Any]](), 0
    context = multiprocessing.get_context("spawn")
    while time.time() < stop:
        current, results = context.Value("q", seed), context.SimpleQueue()
        process = context.Process(target=work, args=(seed, stop, current, results))
        process.start()
        seen, since = -1, time.time()
        while process.is_alive():
            process.join(0.5)
            if current.value != seen:
                seen, since = current.value, time.time()
            elif time.time() - since > HANGS_AFTER + 10:  # the first case waits for the imports
                failures.append({"seed": seen, "failed": "hangs"})
                process.kill()
            while not results.empty():
                message = results.get()
                if "failed" in message:
                    failures.append(message)
                else:
                    counts.update(message["counts"])
                    peak = max(peak, message["peak_memory_bytes"])
        if process.exitcode and process.exitcode != -9:
            failures.append({"seed": current.value, "failed": f"exit code {process.exitcode}"})
        seed = current.value + 1
    if peak > MOST_MEMORY:
        failures.append({"failed": "takes memory"})
    return {"seconds": seconds, "counts": dict(counts), "failures": failures, "peak_memory_bytes": peak}


def _tables(text: str) -> dict[str, bytes]:
    import pyarrow
    from pyarrow import ipc, parquet

    table = pyarrow.table({"text": [f"{text} {n}" for n in range(20)], "id": [str(n) for n in range(20)]})
    files = {}
    for name, opened in (("e.arrow", ipc.new_file), ("f.ipc", ipc.new_stream)):
        sink = io.BytesIO()
        with opened(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=7)
        files[name] = sink.getvalue()
    for name, compression in (("g.parquet", "snappy"), ("h.parquet", "zstd"), ("i.parquet", "none")):
        sink = io.BytesIO()
        parquet.write_table(table, sink, row_group_size=6, compression=compression)
        files[name] = sink.getvalue()
    return files


def _tar(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{'é' * 60}/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return data.getvalue()


def _zip(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def _zstd(data: bytes) -> bytes:
    import pyarrow

    packed: bytes = pyarrow.compress(data, "zstd", asbytes=True)
    return packed


if __name__ == "__main__":
    os.nice(10)
    result = fuzz(float(sys.argv[1]) if len(sys.argv) > 1 else 600.0, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    print(json.dumps(result, indent=1))
    sys.exit(bool(result["failures"]))
