"""Findings on clean code, and recall and false-positive rate on labelled examples, beside other scanners, in one run.

`SCRUBBER_TEST_DATA=... python benchmarks/accuracy.py`. Clean code is the standard library and the PACKAGES that are installed
here; --sample is how many megabytes of it, drawn at random, the slow ones are given (detect-secrets takes 3 s for one). Others
are run where they are: kingfisher (pip install kingfisher-bin; validation and update check off), CredSweeper (--credsweeper
names its command, which may be of another environment). A labelled example is found when anything in it is.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import random
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections import Counter as Tally
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from scrubber.core.corpus import language_of
from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.types import Document
from scrubber.pipelines.scan import default_scan

PACKAGES = (
    "PIL", "aiohttp", "alembic", "anyio", "attr", "click", "cryptography", "datasets", "docker", "fastapi", "flask",
    "fsspec", "google", "huggingface_hub", "jinja2", "joblib", "matplotlib", "networkx", "numpy", "pandas", "pip", "pydantic",
    "pygments", "requests", "rich", "scipy", "sklearn", "sqlalchemy", "sympy", "transformers", "urllib3",
)  # fmt: skip
SETS = ("rule_fixtures_dev.jsonl.gz", "detect_secrets_cases.jsonl.gz")

Counter = Callable[[Path], dict[str, int]]  # a flat folder -> how many findings each file name has


class Scanner(NamedTuple):
    run: Counter
    slow: bool


def clean_files() -> list[Path]:
    standard, installed = (Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib"))
    files = [path for path in sorted(standard.rglob("*.py")) if "site-packages" not in path.parts]
    return files + [path for name in PACKAGES for path in sorted((installed / name).rglob("*.py"))]


def is_test(path: Path) -> bool:
    """Whether a file is of a folder of tests, or one that a test runner collects."""
    folders = {"test", "tests", "testing", "idle_test"}
    return bool(folders.intersection(path.parts)) or path.name.startswith("test_") or path.name.endswith("_test.py")


def ours(folder: Path) -> dict[str, int]:
    scan = default_scan(Fingerprinter(os.urandom(32)), ["secrets"])
    return {
        path.name: len(scan(Document(path.name, path.read_bytes().decode(), path.name, language_of(path))))
        for path in folder.iterdir()
    }


def detect_secrets(folder: Path) -> dict[str, int]:
    found = json.loads(
        _run([sys.executable, "-m", "detect_secrets", "scan", "--no-verify", "--all-files", "."], folder)
    )
    return {Path(name).name: len(rows) for name, rows in found["results"].items()}


def kingfisher(command: str) -> Counter:
    def count(folder: Path) -> dict[str, int]:
        asked = [
            command,
            "scan",
            ".",
            "--no-validate",
            "--no-update-check",
            "--git-history",
            "none",
            "--no-dedup",
            "--format",
            "jsonl",
        ]
        rows = [json.loads(line) for line in _run(asked, folder, (0, 200, 205)).splitlines() if line.startswith("{")]
        return Tally(Path(row["finding"]["path"]).name for row in rows if "finding" in row)

    return count


def credsweeper(command: str) -> Counter:
    def count(folder: Path) -> dict[str, int]:
        with tempfile.TemporaryDirectory() as place:
            report = Path(place) / "report.json"
            _run([command, "--path", str(folder), "--save-json", str(report), "--no-stdout"], folder)
            rows = json.loads(report.read_text()) if report.exists() else []
        return Tally(Path(row["line_data_list"][0]["path"]).name for row in rows)

    return count


def _run(command: Sequence[str], folder: Path, allowed: Sequence[int] = (0,)) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in allowed:
        sys.exit(f"{Path(command[0]).name} failed with {done.returncode}")  # its own words may quote what it found
    return done.stdout


def scanners(sweeper: str | None) -> dict[str, Scanner]:
    found = {"ours, balanced": Scanner(ours, False)}
    if (theirs := Path(sys.executable).parent / "kingfisher").exists():
        found["kingfisher"] = Scanner(kingfisher(str(theirs)), False)
    if sweeper:
        found["CredSweeper"] = Scanner(credsweeper(sweeper), True)
    return found | {"detect-secrets": Scanner(detect_secrets, True)}


def clean_code(scanners: Mapping[str, Scanner], sample: float) -> None:
    """Prints findings a MB: in the sample for all, and in all of it for the fast ones."""
    files = clean_files()
    drawn = random.Random(0).sample(files, len(files))
    for part, limit, slow in ((files, math.inf, False), (drawn, sample * 1e6, True)):
        with tempfile.TemporaryDirectory() as place:
            sizes: dict[bool, int] = {False: 0, True: 0}
            tests: dict[str, bool] = {}
            for number, path in enumerate(part):
                data = path.read_bytes()
                if sum(sizes.values()) < limit and _decodes(data):
                    name = f"{number}.py"
                    (Path(place) / name).write_bytes(data)
                    tests[name] = is_test(path)
                    sizes[tests[name]] += len(data)
            total = sum(sizes.values())
            print(
                f"\nclean code, {total / 1e6:.1f} MB, {sizes[True] / 1e6:.1f} of it tests: findings, a MB, without tests"
            )
            for name, scanner in scanners.items():
                if slow or not scanner.slow:
                    found = scanner.run(Path(place))
                    count = sum(found.values())
                    outside = sum(number for file, number in found.items() if not tests[file])
                    print(
                        f"  {name:16} {count:6} {count / total * 1e6:7.3f} {outside / sizes[False] * 1e6:7.3f}",
                        flush=True,
                    )


def _decodes(data: bytes) -> bool:
    try:
        return bool(data.decode())
    except UnicodeDecodeError:
        return False


def labelled(scanners: Mapping[str, Scanner], path: Path) -> None:
    """Prints recall and false-positive rate on a set of examples: one JSON object a line, with text and label."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    with tempfile.TemporaryDirectory() as place:
        for number, row in enumerate(rows):
            (Path(place) / f"{number}.txt").write_text(row["text"], encoding="utf-8")
        labels = {f"{number}.txt": bool(row["label"]) for number, row in enumerate(rows)}
        positive = sum(labels.values())
        print(f"\n{path.name}, {positive} true and {len(rows) - positive} false: recall, false-positive rate")
        for name, scanner in scanners.items():
            hit = [file for file, number in scanner.run(Path(place)).items() if number]
            right = sum(labels[file] for file in hit)
            print(f"  {name:16} {right / positive:6.3f} {(len(hit) - right) / (len(rows) - positive):6.3f}", flush=True)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--sample", type=float, default=6.0, help="megabytes of clean code for the slow scanners")
    asked.add_argument("--credsweeper", default=shutil.which("credsweeper"), help="its command")
    options = asked.parse_args()
    found = scanners(options.credsweeper)
    clean_code(found, options.sample)
    if data := os.environ.get("SCRUBBER_TEST_DATA"):
        for name in SETS:
            labelled(found, Path(data) / "secrets" / name)


if __name__ == "__main__":
    main()
