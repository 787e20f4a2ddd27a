"""Figures of the packages detector and of the name index, in one run: `python benchmarks/packages.py --megabytes 50`.

Imports: recall against `ast` on files of this machine, whole, with one damaged line, and cut at a random place, beside the
plain expressions that other tools use; a damaged line that itself imports is left out. Rates are of CPU time, one process.
Index: names are random, as many as asked for (`--names 4200000` takes two minutes and 2 GB).
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import re
import string
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from scrubber.core.name_index import NameIndex, write
from scrubber.core.types import Document
from scrubber.detectors._packages import python
from scrubber.detectors._packages.verdicts import Judge
from scrubber.detectors.packages import mentions
from scrubber.pipelines.packages import rows

PLAIN = re.compile(
    r"^(?:import\s+([a-zA-Z0-9_][a-zA-Z0-9\-\._]*)|from\s+([a-zA-Z0-9][a-zA-Z0-9\-\._]*)\s+import)", re.M
)
ROUNDS = 5


def files(most: float) -> Iterator[tuple[str, set[str], list[tuple[int, set[str]]]]]:
    """Text, its top-level modules, and for each statement where it ends (line) and whom it imports."""
    standard, installed = (Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib"))
    paths = [path for path in standard.rglob("*.py") if installed not in path.parents]
    paths += [path for name in ("torch", "transformers") for path in (installed / name).rglob("*.py")]
    random.Random(0).shuffle(paths)
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
            tree = ast.parse(text)
        except (OSError, ValueError, SyntaxError):
            continue
        statements = []
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                statements.append((node.end_lineno or 0, {name.name.split(".")[0] for name in node.names}))
            elif isinstance(node, ast.ImportFrom) and not node.level:
                statements.append((node.end_lineno or 0, {str(node.module).split(".")[0]}))
        yield text, {name for _, names in statements for name in names}, statements
        most -= len(text.encode()) / 1e6
        if most <= 0:
            return


def damaged(text: str, dice: random.Random) -> str:
    lines = text.split("\n")
    at = dice.choice([number for number, line in enumerate(lines) if "import" not in line] or [0])
    line = lines[at]
    shuffled = "".join(dice.sample(line, len(line)))
    lines[at] = dice.choice([line[: len(line) // 2], line + " (((", shuffled, line[:3] + '"' + line[3:], line + '"""'])
    return "\n".join(lines)


def imports(megabytes: float) -> None:
    corpus, dice = list(files(megabytes)), random.Random(1)
    for label in ("whole", "damaged", "cut"):
        hit = plain = total = wrong = coded = 0
        seconds = size = 0.0
        for text, names, statements in corpus:
            if label == "damaged":
                text = damaged(text, dice)
            elif label == "cut":
                at = dice.randrange(len(text) + 1)
                lines = text.count("\n", 0, at)
                text, names = text[:at], {name for end, listed in statements if end <= lines for name in listed}
            began = time.process_time()
            found = list(python.imports(text))
            seconds += time.process_time() - began
            size += len(text.encode()) / 1e6
            code = {one.name for one in found if one.context == "code" and one.kind == "import"}
            total, hit = total + len(names), hit + len(names & {one.name for one in found})
            coded, wrong = coded + len(code & names), wrong + len(code - names)
            plain += len(names & {(one[0] or one[1]).split(".")[0] for one in PLAIN.findall(text)})
        print(f"imports, {label:8}: {len(corpus)} files, {size:.1f} MB, {total} names: recall {hit / total:.4f} "
              f"(of code {coded / total:.4f}, precision {coded / (coded + wrong):.4f}); plain expressions {plain / total:.4f}; "
              f"{size / seconds:.1f} MB a CPU-second")  # fmt: skip
    documents = [Document(str(number), text, language="python") for number, (text, _, _) in enumerate(corpus)]
    size, judge, best = sum(len(document.text.encode()) for document in documents) / 1e6, Judge(), 0.0
    for _ in range(ROUNDS):
        began = time.process_time()
        count = sum(
            len(json.dumps(row)) > 0 for document in documents for row in rows(document, mentions(document, judge))
        )
        best = max(best, size / (time.process_time() - began))
    print(f"all mentions as JSON lines: {count} rows, {best:.1f} MB a CPU-second (best of {ROUNDS})")


def index(count: int) -> None:
    dice = random.Random(2)
    letters = string.ascii_lowercase + string.digits + "-"
    first = date(2005, 1, 1)
    names = {
        "".join(dice.choices(letters, k=dice.randint(6, 32))): first + timedelta(days=dice.randrange(7000))
        for _ in range(count)
    }
    absent = ["".join(dice.choices(letters, k=dice.randint(6, 32))) for _ in range(100_000)]
    asked = dice.sample(list(names), min(100_000, len(names))) + absent
    dice.shuffle(asked)
    asked = ["".join(name) for name in asked]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pypi.names"
        began = time.perf_counter()
        write(path, names, ecosystem="pypi", source="random", snapshot=date(2026, 1, 1))
        built = time.perf_counter() - began
        opening = min(_timed(lambda: NameIndex(path)) for _ in range(20))
        opened = NameIndex(path)
        verified = _timed(opened.verify)
        wrong = sum((name in opened) is not (name in names) for name in asked)
        del names
        best = 0.0
        for _ in range(ROUNDS):
            start = time.process_time()
            for name in asked:
                name in opened  # noqa: B015 (it is the work)
            best = max(best, len(asked) / (time.process_time() - start))
        print(f"index: {len(opened)} names, {path.stat().st_size / 1e6:.1f} MB with days, built in {built:.1f} s, opened in "
              f"{1e3 * opening:.3f} ms, read through in {1e3 * verified:.0f} ms, {best / 1e3:.0f} k look-ups a CPU-second "
              f"(best of {ROUNDS}, half of them absent), {wrong} wrong of {len(asked)}")  # fmt: skip


def _timed(work: object) -> float:
    began = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, default=20.0)
    parser.add_argument("--names", type=int, default=500_000)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    imports(asked.megabytes)
    index(asked.names)


if __name__ == "__main__":
    main()
