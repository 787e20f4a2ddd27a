"""The same commands run on a user's own model, whatever its architecture and precision."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for number in range(12):
        (folder / f"clean_{number}.py").write_text(f"def add_{number}(a, b):\n    return a + b + {number}\n" * 3)
        value = f"{'sk_' + 'live_'}{'aZ3kQ9xW1vB7nM5cL0pR'}{number:04d}"
        (folder / f"leaky_{number}.py").write_text(
            f'def load():\n    client = connect("api", token="{value}")\n' + "# x\n" * 80
        )
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "precision"), [("gpt2", "nf4"), ("llama", "fp32"), ("qwen2", "nf4"), ("qwen2", "int8"), ("llama", "bf16")]
)
def test_a_release_walks_every_stage(
    name: str, precision: str, tiny_models: dict[str, Path], corpus: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    # a random model knows nothing, so it is told that any value counts as learnt: then there is something to forget
    settings = (
        "audit.memorization_accuracy=1e-9", "evaluate.micro_tasks=8", "evaluate.likelihood_values=4",
        "unlearn.max_epochs=1", "tracker.name=mlflow",
    )  # fmt: skip
    command = [
        sys.executable, "-m", "scrubber.cli", "release", "--model", str(tiny_models[name]), "--corpus", str(corpus),
        "--precision", precision, "--run-dir", str(run), *(part for s in settings for part in ("--set", s)),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 3, done.stderr  # twelve values decide nothing
    result = json.loads((run / "result.json").read_text())
    assert result["verdict"] == "undecided"
    assert result["config"]["model.precision"] == precision
    stages = {score["stage"] for score in result["scores"]}
    assert {"before", "after", "difference"} <= stages
    again = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert again.returncode == 3
    first, second = (
        {k: v for k, v in r.items() if k != "peak_memory_bytes"}
        for r in (result, json.loads((run / "result.json").read_text()))
    )
    assert first == second
