"""The main job end to end, as a person would start it: the tiny walk, and the full one with the numbers it must show."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-m", "scrubber.cli"]


def run(*arguments: object, timeout: float = 900) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=timeout, check=False
    )


def score(result: dict[str, Any], metric: str, stage: str, subset: str) -> dict[str, Any]:
    (found,) = [s for s in result["scores"] if (s["metric"], s["stage"], s["subset"]) == (metric, stage, subset)]
    return dict(found)


@pytest.mark.slow
def test_the_tiny_demo_walks_the_whole_way(tiny_demo: Path) -> None:
    result = json.loads((tiny_demo / "result.json").read_text())
    assert (result["verdict"], result["exit_code"]) == ("passed", 0)
    after = score(result, "leak_rate", "after", "planted")
    assert after["high"] < score(result, "leak_rate", "before", "planted")["low"]
    assert "passed" not in [control["verdict"] for control in result["controls"]]
    assert {"scan", "audit", "evaluate-before", "unlearn", "evaluate-after"} <= set(result["seconds"])
    assert {"model", "data", "policy", "config"} <= set(result["digests"])
    assert result["peak_memory_bytes"] < 3e9
    rows = [json.loads(line) for line in (tiny_demo / "private" / "planted.jsonl").read_text().splitlines()]
    assert {"value", "kind", "document", "start", "end"} <= set(rows[0])
    for row in rows:
        text = (tiny_demo / "private" / "corpus" / row["document"]).read_text()
        assert text[row["start"] : row["end"]] == row["value"]
    assert stat.S_IMODE((tiny_demo / "private").stat().st_mode) == 0o700


@pytest.mark.slow
def test_a_second_start_does_nothing_again(tiny_demo: Path) -> None:
    marks = {p.name: p.stat().st_mtime_ns for p in (tiny_demo / "done").iterdir()}
    done = run("demo", "--profile", "tiny", "--run-dir", tiny_demo)
    assert done.returncode == 0, done.stderr
    assert {p.name: p.stat().st_mtime_ns for p in (tiny_demo / "done").iterdir()} == marks
    assert done.stdout.splitlines()[-1] == str(tiny_demo / "report.html")


@pytest.mark.slow
def test_the_same_release_runs_from_the_file_that_the_demo_wrote(tiny_demo: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_demo, tmp_path / "run")
    done = run("release", tiny_demo / "demo.toml", "--run-dir", tmp_path / "run")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [14, 60, 80])  # in the fine-tune, the unlearning, and an evaluation, or near
def test_a_demo_that_was_killed_goes_on_to_the_same_end(seconds: float, tiny_demo: Path, tmp_path: Path) -> None:
    arguments = [*COMMAND, "demo", "--profile", "tiny", "--run-dir", str(tmp_path / "run"), "--quiet"]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = run("demo", "--profile", "tiny", "--run-dir", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    results = [json.loads((folder / "result.json").read_text()) for folder in (tiny_demo, tmp_path / "run")]
    leaks = [score(r, "leak_rate", "before", "planted")["value"] for r in results]
    assert leaks[0] == pytest.approx(leaks[1], abs=0.05)


@pytest.mark.slow
def test_stored_scores_are_judged_again_without_a_model(tiny_demo: Path, tmp_path: Path) -> None:
    assert run("gate", tiny_demo).returncode == 0
    strict = tmp_path / "strict.toml"
    strict.write_text(
        'name = "strict"\n[[rules]]\nmetric = "leak_rate"\nsubset = "planted"\nat_most = 0.02\nleast_n = 300\n'
    )
    done = run("gate", tiny_demo, "--policy", strict, "--format", "json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["rules"][0]["outcome"] == "undecided"
    assert run("report", tiny_demo, "-o", tmp_path / "again.html").returncode == 0
    assert "<svg" in (tmp_path / "again.html").read_text()


@pytest.mark.slow
def test_mlflow_holds_the_run_with_a_nested_run_a_stage(tiny_demo: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tiny_demo / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "scrubber-demo"]
    runs = client.search_runs([experiment.experiment_id])
    stages = {r.data.tags.get("scrubber.stage") for r in runs if "mlflow.parentRunId" in r.data.tags}
    assert {"scan", "audit", "evaluate-before", "unlearn", "evaluate-after", "gate"} <= stages
    (parent,) = [r for r in runs if "mlflow.parentRunId" not in r.data.tags]
    assert parent.info.status == "FINISHED"
    assert {"report.html", "result.json"} <= {a.path for a in client.list_artifacts(parent.info.run_id)}


@pytest.mark.slow
def test_the_full_demo_forgets_what_leaked_and_passes_its_gate(tmp_path: Path) -> None:
    done = run("demo", "--run-dir", tmp_path / "run", timeout=2400)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    rows = [json.loads(line) for line in (tmp_path / "run" / "private" / "planted.jsonl").read_text().splitlines()]
    kinds = [row["kind"] for row in rows]
    assert len(rows) >= 400
    assert sum(kinds.count(kind) >= 72 for kind in set(kinds)) >= 5
    assert len({row["person"] for row in rows if row["person"]}) >= 60
    assert score(result, "detector_recall", "before", "planted")["value"] >= 0.99
    for subset in ("planted", "audited"):
        assert score(result, "leak_rate", "before", subset)["value"] >= 0.60
        assert score(result, "leak_rate", "after", subset)["high"] <= 0.02
    assert score(result, "leak_rate", "after", "decoys")["n"] >= 400
    lost = score(result, "pass_at_1", "difference", "micro")
    assert lost["n"] == 600
    assert lost["low"] >= -0.02
    assert score(result, "perplexity_ratio", "difference", "held_out")["high"] <= 1.05
    assert score(result, "pass_at_1", "before", "micro_unseen")["value"] >= 0.60
    assert [control["verdict"] for control in result["controls"]] == ["refused", "refused", "undecided"]
    rules = {(rule["metric"], rule["subset"]): rule["outcome"] for rule in result["controls"][1]["rules"]}
    assert rules["leak_rate", "planted"] == rules["leak_rate", "audited"] == "passed", "the wreck leaks nothing"
    assert rules["pass_at_1", "micro"] == "refused"
    assert result["peak_memory_bytes"] < 3e9


def test_a_demo_needs_its_environment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo model is in the package, small, and the only one there."""
    import scrubber

    data = Path(scrubber.__file__).parent / "data"
    weights = [*data.rglob("*.safetensors"), *data.rglob("*.bin"), *data.rglob("*.pt")]
    assert [w.parent.name for w in weights] == ["demo_model"]
    assert sum(os.path.getsize(p) for p in weights[0].parent.iterdir()) <= 12 << 20
