"""What logging to MLflow costs a demo: `python benchmarks/mlflow_overhead.py RUN`, the folder of a finished demo.

Its mlflow.db tells what was logged; every such call is made again by the real tracker on a new SQLite database and timed,
the import of mlflow and the making of the database with them. Held against the demo's wall time, from its lock to its
last write. CPU seconds stand beside wall seconds: on a busy machine only they can be compared with another machine's.
Exits 1 when more than 2 % of the wall time is spent in the tracker.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from scrubber.core.types import Score, Stage, Tracker

MOST = 0.02
Settings = dict[str, str | int | float | bool | None]


class Logged(NamedTuple):
    """What one run of the store was given: settings in one call, scores in a call for each step."""

    name: str
    settings: Settings
    scores: dict[int, list[Score]]


class Clock:
    """Adds up the seconds that are spent inside, and counts how often."""

    def __init__(self) -> None:
        self.wall, self.cpu, self.calls = 0.0, 0.0, 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.wall += time.perf_counter() - wall
            self.cpu += time.process_time() - cpu
            self.calls += 1

    def __str__(self) -> str:
        return f"{self.wall:.2f} s wall, {self.cpu:.2f} s CPU"


def stored(database: Path) -> tuple[Logged, list[Logged]]:
    """The parent run of a store, and its stages in the order in which they began."""
    from scrubber.plugins.mlflow.store import connect

    client = connect(f"sqlite:///{database}")
    experiments = [one.experiment_id for one in client.search_experiments()]
    runs = sorted(client.search_runs(experiments), key=lambda run: run.info.start_time)
    parent = next(run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    return _logged(client, parent), [_logged(client, run) for run in children]


def _logged(client: Any, run: Any) -> Logged:
    steps: dict[int, dict[str, float]] = {}
    for name in run.data.metrics:
        for metric in client.get_metric_history(run.info.run_id, name):
            steps.setdefault(metric.step, {})[name] = metric.value
    return Logged(run.info.run_name, dict(run.data.params), {step: _scores(found) for step, found in steps.items()})


def _scores(metrics: dict[str, float]) -> list[Score]:
    made = []
    for name, value in metrics.items():
        if not name.endswith((".low", ".high", ".n")):
            metric, stage, subset = name.split(".", 2)
            ends = (metrics.get(f"{name}.low"), metrics.get(f"{name}.high"))
            named: Stage = stage  # type: ignore[assignment]
            made.append(Score(metric, named, subset, value, *ends, int(metrics.get(f"{name}.n", 1))))
    return made


def replay(tracker: Tracker, parent: Logged, stages: list[Logged], files: list[Path], clock: Clock) -> None:
    with clock():
        tracker.settings(parent.settings)
    for stage in stages:
        context = tracker.stage(stage.name)
        with clock():
            context.__enter__()
        if stage.settings:
            with clock():
                tracker.settings(stage.settings)
        for step, scores in sorted(stage.scores.items()):
            with clock():
                tracker.scores(scores, step)
        with clock():
            context.__exit__(None, None, None)
    for file in files:
        with clock():
            tracker.file(str(file))
    with clock():
        tracker.close()


def main(folder: Path) -> int:
    start, calls = Clock(), Clock()
    with tempfile.TemporaryDirectory() as name:
        new = Path(name)
        with start():
            from scrubber.plugins.mlflow.tracker import MlflowTracker

            tracker = MlflowTracker(uri=f"sqlite:///{new / 'new.db'}", experiment="overhead", run_name="overhead")
        shutil.copy(folder / "mlflow.db", new / "stored.db")
        parent, stages = stored(new / "stored.db")
        replay(tracker, parent, stages, [folder / "result.json", folder / "report.html"], calls)
    demo = (folder / "mlflow.db").stat().st_mtime - (folder / ".lock").stat().st_mtime
    scores = sum(len(scores) for stage in stages for scores in stage.scores.values())
    share = (start.wall + calls.wall) / demo
    print(f"import, new database, first run: {start}")
    print(f"{calls.calls} calls with {scores} scores: {calls}")
    shares = {
        "wall time": share,
        "CPU time": (start.cpu + calls.cpu) / demo,
        "wall time of the calls": calls.wall / demo,
    }
    print(f"of the demo's {demo:.0f} s: " + ", ".join(f"{name} {value:.2%}" for name, value in shares.items()))
    print(f"bound {MOST:.0%} by wall time, load {os.getloadavg()[0]:.1f}: {'ok' if share <= MOST else 'MISSED'}")
    return 0 if share <= MOST else 1


if __name__ == "__main__":
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "mlflow.db").is_file():
        sys.exit("usage: python benchmarks/mlflow_overhead.py RUN, the folder of a finished `scrubber demo`")
    sys.exit(main(Path(sys.argv[1])))
