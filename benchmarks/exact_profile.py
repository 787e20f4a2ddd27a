"""Rates of the exact profile and of detect-secrets itself, side by side: `python benchmarks/exact_profile.py`.

Ours scans the Python files of the standard library and of this environment (or of the folders that are named) in one process,
reading included; the library a random sample of them, on which the two finding sets (file, line, type, SHA-1 of the value)
are compared too. Prints one JSON object; exits with 1 when the sets differ. Rates are MB of UTF-8 per CPU-second.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from hashlib import sha1
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import default_settings

from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.types import Document, Scan
from scrubber.detectors.exact import RULES, detector
from scrubber.detectors.prefilter import scanner

LARGEST = 4_200_000  # bytes
Found = set[tuple[str, int, str, str]]  # file, line, rule, SHA-1 of the value


def readable(folders: Sequence[str], suffix: str) -> Iterator[Path]:
    for folder in folders:
        for path in sorted(Path(folder).rglob(f"*{suffix}")):
            if path.is_file() and 0 < path.stat().st_size <= LARGEST and is_utf8(path):
                yield path


def is_utf8(path: Path) -> bool:
    try:
        return bool(path.read_bytes().decode())
    except UnicodeDecodeError:
        return False


def by_us(scan: Scan, path: Path) -> Found:
    text = path.read_bytes().decode()
    return {
        (str(path), finding.line, finding.rule, sha1(text[finding.span.start : finding.span.end].encode()).hexdigest())
        for finding in scan(Document(str(path), text, path=str(path)))
    }


def by_the_library(path: Path) -> Found:
    collection = SecretsCollection()
    collection.scan_file(str(path))
    return {(str(path), secret.line_number, RULES[secret.type], secret.secret_hash) for _, secret in collection}


def measured(seconds: float, size: int) -> dict[str, float]:
    return {
        "megabytes": round(size / 1e6, 2),
        "cpu_seconds": round(seconds, 3),
        "mb_per_cpu_second": round(size / 1e6 / seconds, 3),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "folders", nargs="*", default=sorted({sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")})
    )
    parser.add_argument("--suffix", default=".py")
    parser.add_argument(
        "--sample", type=float, default=5.0, help="megabytes for the library, which takes 3 to 5 s for each"
    )
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    paths = list(dict.fromkeys(readable(asked.folders, asked.suffix)))

    began = time.process_time()
    scan = scanner([detector()], Fingerprinter(b"k" * 16))
    start = time.process_time() - began
    found: Found = set()
    for path in paths:
        found |= by_us(scan, path)
    ours = measured(time.process_time() - began, sum(path.stat().st_size for path in paths))

    random.Random(asked.seed).shuffle(paths)
    sample, size = [], 0
    while paths and size < asked.sample * 1e6:
        sample.append(paths.pop())
        size += sample[-1].stat().st_size
    wanted: Found = set()
    with default_settings():
        began = time.process_time()
        for path in sample:
            wanted |= by_the_library(path)
        library = measured(time.process_time() - began, size)
    names = set(map(str, sample))
    differences = wanted ^ {row for row in found if row[0] in names}
    report = {
        "ours": {**ours, "findings": len(found), "of_which_start": round(start, 3)},
        "detect_secrets": {**library, "files": len(sample), "findings": len(wanted)},
        "ratio": round(ours["mb_per_cpu_second"] / library["mb_per_cpu_second"], 1),
        "identical_on_the_sample": not differences,
        "differences": sorted(row[:3] for row in differences)[:20],
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps(report, indent=2))
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
