"""The HTML report of a large run: 100,000 findings, strata by the hundred, twenty other runs: `python benchmarks/report.py`.

A run folder is made with both files that a report is built of, then built as `scrubber report` builds it: without a
model. Exits 1 when a bound is missed.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from scrubber.core.gate import decide
from scrubber.core.intervals import clopper_pearson
from scrubber.core.types import GatePolicy, Report, Rule, Score
from scrubber.reporting.result import from_json, to_json

FINDINGS, RULES, STRATA, OTHERS = 100_000, 2_000, 400, 20
MOST_SECONDS, MOST_BYTES = 10.0, 2_000_000


def run_folder(folder: Path) -> None:
    """Writes result.json and findings.jsonl."""
    chance = random.Random(0)
    counts: dict[str, int] = {}
    with (folder / "findings.jsonl").open("w", encoding="utf-8") as file:
        for number in range(FINDINGS):
            kind, rule = ("secret", "pii")[number % 2], f"rule-{int(RULES * chance.random() ** 3):04d}"
            counts[f"{kind}/{rule}"] = counts.get(f"{kind}/{rule}", 0) + 1
            row = {
                "document": f"src/package_{number % 97}/module_{number % 4001}.py", "start": number, "end": number + 20,
                "line": number % 900 + 1, "column": 9, "kind": kind, "rule": rule, "confidence": 0.9,
                "preview": "AB***[20]", "fingerprint": f"{chance.getrandbits(128):032x}",
            }  # fmt: skip
            file.write(json.dumps(row) + "\n")
    result = to_json(report(counts, chance), 0)
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")


def report(counts: dict[str, int], chance: random.Random) -> Report:
    def rate(metric: str, subset: str, stage: str, n: int) -> Score:
        leaked = chance.randrange(n // 20) if stage == "after" else n // 2
        return Score(metric, stage, subset, leaked / n, *clopper_pearson(leaked, n), n)  # type: ignore[arg-type]

    subsets = ["planted", "audited", *(f"audited_rule_{number}" for number in range(STRATA))]
    scores = tuple(rate("leak_rate", subset, stage, 400) for subset in subsets for stage in ("before", "after"))
    scores += tuple(rate("pass_at_1", "micro", stage, 600) for stage in ("before", "after"))
    scores += tuple(rate("leak_rate", f"robust_merged_{number}", "after", 400) for number in range(50))
    policy = GatePolicy("p", (Rule("leak_rate", "audited", at_most=0.02), Rule("leak_rate", "audited_*", at_most=0.05)))
    return Report(
        "large", decide(policy, scores), scores, "p", {f"key.{number}": "value" for number in range(100)},
        {"model": "0f3a5c7e9b1d2f40", "data": "1a2b3c4d5e6f7081"}, {"torch": "2.9.1"}, {"scan": 1.0}, 1 << 30, counts, (),
    )  # fmt: skip


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_folder(folder)
        size = (folder / "findings.jsonl").stat().st_size
        wall, cpu = time.perf_counter(), time.process_time()
        from scrubber.reporting.html import report_html

        stored = from_json(json.loads((folder / "result.json").read_text(encoding="utf-8")))
        others = [replace(stored, name=f"run {number}") for number in range(OTHERS)]
        with (folder / "findings.jsonl").open(encoding="utf-8") as lines:
            page = report_html(stored, others, lines)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    written = len(page.encode())
    ok = wall < MOST_SECONDS and written < MOST_BYTES
    print(
        f"{FINDINGS:,} findings ({size / 1e6:.0f} MB) of {len(stored.findings):,} rules, {STRATA} strata, {OTHERS} other runs:"
    )
    print(
        f"{wall:.2f} s wall, {cpu:.2f} s CPU (bound {MOST_SECONDS:.0f}), {written / 1e6:.2f} MB (bound {MOST_BYTES / 1e6:.0f})"
    )
    print("ok" if ok else "MISSED")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
