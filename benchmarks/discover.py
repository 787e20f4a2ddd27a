"""The discovery loop on the demo's world of packages: `python benchmarks/discover.py --out runs/discover`.

For each seed a world of its own, and the demo model fine-tuned until it invents names of packages; then the loop of
`scrubber discover`, by Adaptive Unlearning or, for comparison, another method at the same settings. Held-out prompts have
tasks, subjects, wordings and names that no prompt of the loop has. Prints the table of docs/benchmarks.md, with 95 %
intervals by bootstrap over prompts, and whether each target is met. What is done is not done again.

    python benchmarks/discover.py --seeds 0 1 2                     about 15 minutes a seed on 2 idle cores
    python benchmarks/discover.py --seeds 0 --methods ga npo        the same victim, other methods
    python benchmarks/discover.py --tiny                            a quick walk whose figures prove nothing
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

METHODS = ("adaptive", "ga", "npo")
LEAST_MENTIONS, MOST_MINUTES = 1000, 10
SAMPLES = 4  # answers to each prompt
TINY = ("loop.rounds=1", "loop.prompts_per_round=24", "loop.samples_per_prompt=1", "unlearn.steps_per_round=4",
        "utility.micro_tasks=20", "utility.check_tasks=10", "utility.drift_prompts=10")  # fmt: skip


class Target(NamedTuple):
    """What the whole interval, or where it has none the value, must keep. ``before``: that stage is shown beside."""

    words: str
    metric: str
    subset: str
    stage: str
    at_least: float | None = None
    at_most: float | None = None


TARGETS = (
    Target("invented, of names", "hallucination_rate", "held_out", "before", at_least=0.20),
    Target("invented, of names", "hallucination_rate", "held_out", "after"),
    Target("prompts with an invented name", "hallucination_rate_prompt", "held_out", "before"),
    Target("prompts with an invented name", "hallucination_rate_prompt", "held_out", "after"),
    Target("mean share in an answer", "hallucination_rate_response", "held_out", "before"),
    Target("mean share in an answer", "hallucination_rate_response", "held_out", "after"),
    Target("less invented, by", "hallucination_reduction", "held_out", "difference", at_least=0.81),
    Target("invented, names never trained on", "hallucination_rate", "held_out_unseen_names", "before"),
    Target("invented, names never trained on", "hallucination_rate", "held_out_unseen_names", "after"),
    Target("less invented, prompts of round 1", "hallucination_reduction", "seen", "difference"),
    Target("names an answer", "mentions_per_answer", "held_out", "before"),
    Target("names an answer, to before", "mentions_ratio", "held_out", "difference", at_least=0.8),
    Target("distinct real names", "distinct_valid_names", "held_out", "before"),
    Target("distinct real names, to before", "distinct_valid_ratio", "held_out", "difference", at_least=0.8),
    Target("right package named", "right_package_rate", "held_out", "before"),
    Target("right package named", "right_package_rate", "held_out", "difference", at_least=-0.02),
    Target("pass_at_1", "pass_at_1", "micro", "before"),
    Target("pass_at_1", "pass_at_1", "micro", "difference", at_least=-0.02),
    Target("drift, unrelated code (nats)", "drift_kl", "unrelated", "difference", at_most=0.01),
    Target("drift, package prompts (nats)", "drift_kl", "packages", "difference"),
    Target("drift, unrelated to packages", "drift_share", "unrelated", "difference", at_most=0.05),
)


def one(options: argparse.Namespace) -> dict[str, Any]:
    """One method on one victim, in this process: the scores, the time, the rounds."""
    from scrubber.core.workspace import Workspace
    from scrubber.pipelines.demo.packages_victim import VictimSettings, prepare
    from scrubber.pipelines.discover import config as configuration
    from scrubber.pipelines.discover.loop import discover

    place, run = Path(options.out) / f"world-{options.seed}", Path(options.out) / f"{options.method}-{options.seed}"
    with Workspace(place) as workspace:
        learnt = prepare(workspace, options.seed, VictimSettings(epochs=2) if options.tiny else VictimSettings())
    chosen = [f"unlearn.method={options.method}", f"loop.samples_per_prompt={SAMPLES}", f"model.threads={options.threads}",
              f"model.precision={options.precision}", *(TINY if options.tiny else ()), *options.set]  # fmt: skip
    config = configuration.read(place / "discover.toml", chosen)
    began = time.perf_counter()
    with Workspace(run) as workspace:
        found = discover(config, workspace)
    return {
        "seed": options.seed,
        "method": options.method,
        "scores": [asdict(score) for score in found.report.scores],
        "verdict": found.report.verdict.outcome,
        "ended": found.ended,
        "rounds": len(found.rounds) - 1,
        "samples": config.loop.samples_per_prompt,
        "victim_minutes": learnt / 60,
        "loop_minutes": (time.perf_counter() - began) / 60,
        "peak_gigabytes": found.report.peak_memory_bytes / 1e9,
    }


def score(row: dict[str, Any], target: Target) -> dict[str, Any] | None:
    wanted = (target.metric, target.subset, target.stage)
    return next((s for s in row["scores"] if (s["metric"], s["subset"], s["stage"]) == wanted), None)


def outcome(found: dict[str, Any], target: Target) -> str:
    """Nothing where there is no target; else whether it is met: by the interval's unlucky end, and by the value."""
    if target.at_least is None and target.at_most is None:
        return ""
    low, high = (found[k] if found[k] is not None else found["value"] for k in ("low", "high"))

    def met(least: float, most: float) -> bool:
        return (target.at_least is None or least >= target.at_least) and (
            target.at_most is None or most <= target.at_most
        )

    return "met" if met(low, high) else "value met, interval not" if met(found["value"], found["value"]) else "NOT met"


def table(rows: list[dict[str, Any]]) -> str:
    """A column for each run, a row for each figure."""
    lines = ["| figure | " + " | ".join(f"{row['method']}, seed {row['seed']}" for row in rows) + " |"]
    lines.append("|---" * (len(rows) + 1) + "|")
    for target in TARGETS:
        limit = f" (>= {target.at_least})" if target.at_least is not None else ""
        limit += f" (<= {target.at_most})" if target.at_most is not None else ""
        cells = []
        for row in rows:
            found = score(row, target)
            if found is None or found["value"] is None:
                cells.append("not scored")
                continue
            span = "" if found["low"] is None else f" [{found['low']:.3f}, {found['high']:.3f}]"
            told = outcome(found, target)
            cells.append(f"{found['value']:.3f}{span}" + (f", {told}" if told else ""))
        lines.append(f"| {target.words}, {target.stage}{limit} | {' | '.join(cells)} |")
    for words, cell in (
        (f"names judged, before and after (>= {LEAST_MENTIONS})", lambda row: " and ".join(map(str, mentions(row)))),
        ("rounds, and why it ended", lambda row: f"{row['rounds']}, {row['ended']}"),
        ("verdict", lambda row: row["verdict"]),
        (
            f"minutes: victim, loop (<= {MOST_MINUTES})",
            lambda row: f"{row['victim_minutes']:.1f}, {row['loop_minutes']:.1f}",
        ),
        ("peak GB", lambda row: f"{row['peak_gigabytes']:.1f}"),
    ):
        lines.append(f"| {words} | {' | '.join(cell(row) for row in rows)} |")
    return "\n".join(lines)


def mentions(row: dict[str, Any]) -> list[int]:
    """Names in answers to held-out prompts, each once an answer."""
    found = [score(row, Target("", "mentions_per_answer", "held_out", stage)) for stage in ("before", "after")]
    return [round(s["value"] * s["n"] * row["samples"]) if s and s["value"] is not None else 0 for s in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/discover"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=["adaptive"])
    parser.add_argument("--precision", choices=("nf4", "int8", "bf16", "fp32"), default="nf4")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tiny", action="store_true", help="two epochs, one round, few prompts")
    parser.add_argument(
        "--set", nargs="*", action="extend", default=[], metavar="KEY=VALUE", help="over the loop's settings"
    )
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--method", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.method:
        from scrubber.core.model.load import use_threads

        use_threads(options.threads)
        print(json.dumps(one(options)))
        return
    options.out.mkdir(parents=True, exist_ok=True)
    kept, rows = options.out / "results.jsonl", []
    for seed in options.seeds:
        for method in options.methods:
            rows.append(result(options, seed, method, kept))
            print(table(rows), flush=True)
            print()


def result(options: argparse.Namespace, seed: int, method: str, kept: Path) -> dict[str, Any]:
    """From results.jsonl, or measured in a process of its own and put there. The time is that of the run that finished."""
    asked = [sys.executable, __file__, "--out", options.out, "--seed", seed, "--method", method, "--threads", options.threads,
             "--precision", options.precision, *(["--tiny"] if options.tiny else []), "--set", *options.set]  # fmt: skip
    key = list(map(str, asked[2:]))
    for line in kept.read_text().splitlines() if kept.exists() else ():
        stored: dict[str, Any] = json.loads(line)
        if stored["asked"] == key:
            return stored
    done = subprocess.run([str(part) for part in asked], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{method} on seed {seed} failed; start it again to go on")
    row = {"asked": key, **json.loads(done.stdout.strip().splitlines()[-1])}
    with kept.open("a") as sink:
        sink.write(json.dumps(row) + "\n")
    return row


if __name__ == "__main__":
    main()
