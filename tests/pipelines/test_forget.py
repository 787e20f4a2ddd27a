"""Requests to forget, one after the other, on a model that leaks: all of them stay forgotten, and none is done twice."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def planted(run: Path) -> list[str]:
    """Values that the victim knows, by the demo's own audit."""
    rows = [json.loads(line) for line in (run / "private" / "planted.jsonl").read_text().splitlines()]
    trials = map(json.loads, (run / "private" / "trials" / "before.jsonl").read_text().splitlines())
    known = {t["expected"] for t in trials if t["probe"] == "prefix" and t["subset"] == "planted" and t["outcome"] == 1}
    return [row["value"] for row in rows if row["value"] in known]


def ask(folder: Path, run: Path, values: list[str], *more: str) -> subprocess.CompletedProcess[str]:
    request = folder / "request.jsonl"
    request.write_text("".join(json.dumps({"value": value}) + "\n" for value in values))
    command = [
        sys.executable,
        "-m",
        "scrubber.cli",
        "unlearn",
        "--run-dir",
        str(folder / "run"),
        "--forget",
        str(request),
    ]
    command += ["--model", str(run / "private" / "victim"), "--corpus", str(run / "private" / "corpus")]
    command += ["--set", "corpus.leave_out=['person-name']", "--set", "unlearn.batch_size=4"]
    for key, value in {"learning_rate": 1e-3, "clip": 0.002, "betas": [0.8, 0.9], "order": '"alternating"',
                       "retain_batch_size": 16, "budget": 1.5, "settings.gamma": 1.0}.items():  # fmt: skip
        command += ["--set", f"unlearn.{key}={value}"]
    return subprocess.run([*command, *more], capture_output=True, text=True, timeout=600, check=False)


def test_two_requests_and_one_again(tiny_demo: Path, tmp_path: Path) -> None:
    values = planted(tiny_demo)
    assert len(values) > 8
    first = ask(tmp_path, tiny_demo, values[:4])
    assert first.returncode == 0, first.stdout + first.stderr
    assert "request 1: 4 values, 4 new" in first.stdout
    second = ask(tmp_path, tiny_demo, values[3:7])
    assert second.returncode == 0, second.stdout + second.stderr
    assert "request 2: 4 values, 3 new" in second.stdout
    ledger = json.loads((tmp_path / "run" / "ledger.json").read_text())
    assert [entry["request"] for entry in ledger["entries"]] == [1] * 4 + [2] * 3
    assert [entry["leaks"] for entry in ledger["entries"]] == [False] * 7
    assert all(entry["knew"] for entry in ledger["entries"][:4])  # of those after, some went with the first
    (rate,) = (score for score in ledger["checks"][1]["scores"] if score["metric"] == "leak_rate")
    assert (rate["value"], rate["n"]) == (0.0, 7)

    weights = (tmp_path / "run" / "adapter" / "adapter_model.safetensors").read_bytes()
    again = ask(tmp_path, tiny_demo, values[:2])
    assert again.returncode == 0, again.stdout + again.stderr
    assert "request 3: 2 values, 0 new" in again.stdout
    assert (tmp_path / "run" / "adapter" / "adapter_model.safetensors").read_bytes() == weights

    public = [p for p in (tmp_path / "run").rglob("*") if p.is_file() and "private" not in p.parts]
    text = b"".join(p.read_bytes() for p in public) + (first.stdout + first.stderr + second.stdout).encode()
    assert public
    assert not [number for number, value in enumerate(values[:7]) if value.encode() in text]


def test_a_request_for_what_is_not_there_changes_nothing(tiny_demo: Path, tmp_path: Path) -> None:
    done = ask(tmp_path, tiny_demo, ["value-that-is-in-no-document"])
    assert done.returncode == 3
    assert "nothing of the request stands in the corpus" in done.stderr
    assert "value-that-is-in-no-document" not in done.stdout + done.stderr
    assert not (tmp_path / "run" / "ledger.json").exists()
    shutil.rmtree(tmp_path / "run")
