"""All unlearning methods on the same victims, side by side: `python benchmarks/methods.py --out runs/methods`.

Each victim is the demo model fine-tuned on a private corpus of its own seed. Every method gets the same audited values,
the same texts to keep, the same optimizer and at most the same number of steps, and stops by the same measured rule
(memorization accuracy of decoys, within the utility fence). Its learning rate is the best of one grid on a separate
tuning victim, so that no method is shown at its worst; "best" is the highest harmonic mean of 1 - leak rate and the
share of solved tasks that is left, the lower rate on a tie. Each run is a process of its own (peak memory is that of the
process). Prints a table; writes results.jsonl (a killed run goes on), methods.svg, and one MLflow parent run with a
nested run a method and seed. The gate's column says what the demo's policy makes of the run's scores.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

METHODS: dict[str, dict[str, Any]] = {  # settings that differ from the method's defaults, and why
    "codeeraser": {"gamma": 1.0, "alpha": 10.0},  # the published retain normalisation is worth as much (docs/log.md)
    "prod": {"positions": "span"},  # whole samples would be pushed away, templates and all
    "adaptive": {},  # every sample's values as invented names; nothing to reinforce
    "ga": {},
    "cu": {},
    "graddiff": {},
    "npo": {},
    "simnpo": {},
    "undial": {},
    "dpo": {},
    "flat": {},
    "rmu": {"layer": 2, "positions": "span"},  # of four
    "decoy_tuning": {"alpha": 1.0},
    "task_vector": {},
}
GRID = (3e-4, 1e-3, 3e-3)
TUNING_SEED = 100


def victim(out: Path, seed: int, per_kind: int) -> Path:
    """The run folder of a victim: fine-tuned, scanned, audited and asked before unlearning, each once."""
    place = out / f"victim-{per_kind}-{seed}"
    if not (place / "before.json").exists():
        run(["--victim", str(place), "--seed", str(seed), "--per-kind", str(per_kind)])
    return place


def flow_of(place: Path, seed: int, per_kind: int, tasks: int, unlearn: dict[str, Any]) -> Any:
    from scrubber.core.quiet import NoTracker
    from scrubber.core.workspace import Workspace
    from scrubber.pipelines.demo.flow import Profile, demo_config, prepare
    from scrubber.pipelines.demo.victim import VictimSettings
    from scrubber.pipelines.release import Flow

    workspace = Workspace(place)
    profile = Profile(per_kind, VictimSettings(), held_out=100, settings={
        "evaluate": {"micro_tasks": tasks, "likelihood_values": 0}, "audit": {"keep": 400},
    })  # fmt: skip
    prepare(profile, seed, workspace)
    overrides = [f"unlearn.{key}={json.dumps(value)}" for key, value in unlearn.items() if key != "settings"]
    config = demo_config(profile, seed, workspace, [*overrides, "model.threads=2"])
    update = {"settings": unlearn.get("settings", {}), "betas": (0.9, 0.98), "clip": 1.0, "order": "joint"}
    config = config.model_copy(update={"unlearn": config.unlearn.model_copy(update=update)})
    return Flow(config, workspace, NoTracker())


def make_victim(options: argparse.Namespace) -> None:
    flow = flow_of(Path(options.victim), options.seed, options.per_kind, options.tasks, {})
    before = flow.before(flow.audit())
    (Path(options.victim) / "before.json").write_text(json.dumps([asdict(score) for score in before]))


def one(options: argparse.Namespace) -> dict[str, Any]:
    """One method at one learning rate on one victim, in this process."""
    from scrubber.core.gate import decide
    from scrubber.core.model.load import load, use_threads
    from scrubber.core.quiet import NoTracker
    from scrubber.pipelines import config as configuration
    from scrubber.pipelines.measure import differences, scores
    from scrubber.pipelines.unlearn import Material, unlearn
    from scrubber.unlearning.stopping import ThresholdRule

    use_threads(2)
    chosen = {
        "method": options.method, "settings": METHODS[options.method], "learning_rate": options.rate,
        "batch_size": 16, "retain_batch_size": 16, "micro_batch": 8, "check_every": 5, "check_values": 32,
        "hold": 2, "rule": "memorization", "budget": 1.1,
    }  # fmt: skip
    flow = flow_of(Path(options.on), options.seed, options.per_kind, options.tasks, chosen)
    audit = flow.audit()
    before = flow.before(audit)
    config = flow.config
    threshold = next(s.value for s in before if s.metric == "memorization_accuracy" and s.subset == "decoys")
    epochs = max(1, round(options.steps * 16 / max(1, len(audit.forget))))
    model = load(config.model.path, "nf4", batch_size=64)
    material = Material(
        audit.forget, audit.keep, audit.audited, config.audit.context_tokens, config.audit.window_tokens
    )
    began = time.perf_counter()
    course = unlearn(
        model, material, ThresholdRule(threshold or 0.0, 0.0, hold=2, likelihood_counts=False),
        config=config.unlearn.model_copy(update={"max_epochs": epochs}), seed=options.seed, workspace=None,
        tracker=NoTracker(),
    )  # fmt: skip
    seconds = time.perf_counter() - began
    trials = flow.ask(model, "after")
    after = [*before, *scores(trials, "after", flow.subjects.kinds), *differences(flow.trials("before"), trials)]
    verdict = decide(configuration.policy("demo"), after)

    def value(metric: str, subset: str, stage: str = "after") -> float | None:
        return next((s.value for s in after if (s.metric, s.subset, s.stage) == (metric, subset, stage)), None)

    return {
        "method": options.method, "seed": options.seed, "rate": options.rate, "steps": len(course.losses),
        "best_step": course.best_step, "stopped": course.stopped,
        "leak_rate": value("leak_rate", "audited"), "leak_rate_before": value("leak_rate", "audited", "before"),
        "n": next(s.n for s in after if s.metric == "leak_rate" and s.subset == "audited"),
        "extraction_strength": value("extraction_strength", "audited"),
        "memorization_accuracy": value("memorization_accuracy", "audited"),
        "pass_at_1": value("pass_at_1", "micro"), "pass_at_1_before": value("pass_at_1", "micro", "before"),
        "perplexity_ratio": value("perplexity_ratio", "held_out", "difference"),
        "seconds": round(seconds, 1), "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "gate": verdict.outcome,
    }  # fmt: skip


def run(arguments: list[str]) -> str:
    done = subprocess.run([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"a run failed: {' '.join(arguments)}")
    return done.stdout


def result(out: Path, place: Path, method: str, seed: int, rate: float, options: argparse.Namespace) -> dict[str, Any]:
    """From results.jsonl, or measured and put there."""
    file = out / "results.jsonl"
    for line in file.read_text().splitlines() if file.exists() else ():
        row: dict[str, Any] = json.loads(line)
        if (row["method"], row["seed"], row["rate"]) == (method, seed, rate):
            return row
    asked = {"on": place, "method": method, "seed": seed, "rate": rate, "per-kind": options.per_kind,
             "tasks": options.tasks, "steps": options.steps}  # fmt: skip
    text = run([part for name, value in asked.items() for part in (f"--{name}", str(value))])
    row = json.loads(text.strip().splitlines()[-1])
    with file.open("a") as sink:
        sink.write(json.dumps(row) + "\n")
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def goodness(row: dict[str, Any]) -> float:
    forgotten, kept = 1 - row["leak_rate"], row["pass_at_1"] / row["pass_at_1_before"]
    return 2 * forgotten * kept / max(forgotten + kept, 1e-9)


def plot(rows: dict[str, list[dict[str, Any]]], file: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5))
    for name, made in rows.items():
        x, y = (statistics.mean(row[key] for row in made) for key in ("leak_rate", "pass_at_1"))
        axes.scatter(x, y)
        axes.annotate(name, (x, y), xytext=(4, 4), textcoords="offset points", fontsize=8)
    axes.set_xlabel("leak rate of audited values, after")
    axes.set_ylabel("pass_at_1 of micro tasks, after")
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(file)


def track(rows: dict[str, list[dict[str, Any]]], out: Path) -> None:
    from scrubber.core.types import Score
    from scrubber.plugins.mlflow.tracker import MlflowTracker

    tracker = MlflowTracker(uri=f"sqlite:///{out / 'mlflow.db'}", experiment="methods", run_name="methods")
    for name, made in rows.items():
        for row in made:
            with tracker.stage(f"{name}-{row['seed']}"):
                tracker.settings({key: row[key] for key in ("method", "seed", "rate", "gate", "steps")})
                tracker.scores(
                    Score(key, "after", "audited", row[key], None, None, row["n"])
                    for key in (
                        "leak_rate",
                        "extraction_strength",
                        "memorization_accuracy",
                        "pass_at_1",
                        "perplexity_ratio",
                    )
                )
    tracker.file(str(out / "methods.svg"))
    tracker.close()


def table(rows: dict[str, list[dict[str, Any]]]) -> str:
    columns = ("rate", "leak_rate", "extraction_strength", "memorization_accuracy", "pass_at_1", "perplexity_ratio", "steps",
               "seconds")  # fmt: skip
    lines = ["| method | lr | leak rate | ES | MA | pass@1 | perplexity ratio | steps | s | peak GB | gate |"]
    lines.append("|" + "---|" * 11)
    for name, made in rows.items():
        cells = []
        for column in columns:
            values = [row[column] for row in made if row[column] is not None]
            spread = ""
            if len(values) > 1 and column not in ("rate", "steps", "seconds"):
                spread = f" ± {statistics.stdev(values):.3f}"
            cells.append(f"{statistics.mean(values):.3g}{spread}" if values else "not scored")
        peak = max(row["peak_bytes"] for row in made) / 1e9
        verdicts = "/".join(row["gate"] for row in made)
        lines.append(f"| {name} | {' | '.join(cells)} | {peak:.1f} | {verdicts} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/methods"))
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--per-kind", type=int, default=24, help="planted values of each of five kinds")
    parser.add_argument("--tasks", type=int, default=200, help="micro tasks")
    parser.add_argument("--steps", type=int, default=80, help="most optimizer steps")
    parser.add_argument("--grid", type=float, nargs="+", default=list(GRID), help="learning rates")
    for name, kind in (("--victim", str), ("--on", str), ("--method", str), ("--seed", int), ("--rate", float)):
        parser.add_argument(name, type=kind, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.victim:
        make_victim(options)
        return
    if options.on:
        print(json.dumps(one(options)))
        return
    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    tuning = victim(out, TUNING_SEED, options.per_kind)
    rows: dict[str, list[dict[str, Any]]] = {}
    for method in options.methods:
        tried = [result(out, tuning, method, TUNING_SEED, rate, options) for rate in sorted(options.grid)]
        rate = max(tried, key=goodness)["rate"]
        rows[method] = [result(out, victim(out, s, options.per_kind), method, s, rate, options) for s in options.seeds]
    plot(rows, out / "methods.svg")
    track(rows, out)
    print(table(rows))


if __name__ == "__main__":
    main()
