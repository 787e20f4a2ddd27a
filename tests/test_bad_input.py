"""Bad input gives a clear message, exit code 2 or 3, nothing half-written, and never a traceback or a value."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import string
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "scrubber.cli"]


def scrubber(*arguments: object, limit_file: int | None = None) -> subprocess.CompletedProcess[str]:
    def confine() -> None:
        if limit_file:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_file, limit_file))

    done = subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=300, preexec_fn=confine, check=False
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for number in range(6):
        (folder / f"clean_{number}.py").write_text(f"def add_{number}(a, b):\n    return a + b + {number}\n" * 4)
    token = "gh" + "p_" + "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=36))
    (folder / "leaky.py").write_text(f'TOKEN = "{token}"\n')
    return folder


@pytest.mark.middle
def test_five_mistakes_in_a_configuration_are_all_reported_at_once(tmp_path: Path) -> None:
    file = tmp_path / "release.toml"
    file.write_text(
        '[model]\nprecision = "nf5"\nbatch = 3\n[unlearn]\nlearning_rate = -1\n'
        '[evaluate]\nmicro_tasks = "many"\n[colour]\nx = 1\n'
    )
    done = scrubber("release", file, "--run-dir", tmp_path / "run")
    assert done.returncode == 2
    for key in ("model.precision", "model.batch", "unlearn.learning_rate", "evaluate.micro_tasks", "colour"):
        assert key in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.middle
def test_everything_else_that_is_wrong_is_also_one_message(tmp_path: Path) -> None:
    done = scrubber(
        "release", "--run-dir", tmp_path / "run", "--set", "unlearn.method=codeerazer", "--set", "gate.policy=nowhere"
    )
    assert done.returncode == 2
    for words in ("--model", "--corpus", "codeeraser", "nowhere"):
        assert words in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.middle
@pytest.mark.parametrize("command", ["audit", "unlearn", "evaluate", "release"])
def test_a_missing_model_is_named(command: str, corpus: Path, tmp_path: Path) -> None:
    done = scrubber(command, "--model", tmp_path / "nowhere", "--corpus", corpus, "--run-dir", tmp_path / "run")
    assert done.returncode == 2
    assert "nowhere" in done.stderr


@pytest.mark.middle
def test_corrupt_weights_are_no_verdict(tiny_models: dict[str, Path], corpus: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny_models["llama"], broken)
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    done = scrubber("audit", "--model", broken, "--corpus", corpus, "--run-dir", tmp_path / "run")
    assert done.returncode == 3
    assert "cannot be loaded" in done.stderr


@pytest.mark.middle
def test_an_empty_corpus_is_no_verdict(tiny_models: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert scrubber("scan", tmp_path / "empty").returncode == 3
    done = scrubber(
        "audit", "--model", tiny_models["llama"], "--corpus", tmp_path / "empty", "--run-dir", tmp_path / "r"
    )
    assert done.returncode == 3
    assert "no document" in done.stderr


@pytest.mark.middle
def test_files_that_are_not_text_are_named_and_spoil_the_verdict(corpus: Path) -> None:
    (corpus / "latin.py").write_bytes(b"# caf\xe9\n")
    done = scrubber("scan", corpus, "--fail-on", "never")
    assert done.returncode == 3
    assert "latin.py" in done.stderr
    assert scrubber("scan", corpus, "--fail-on", "never", "--allow-errors").returncode == 0


@pytest.mark.middle
def test_an_unknown_option_is_a_mistake_of_the_caller() -> None:
    assert scrubber("scan", "--colour").returncode == 2
    assert scrubber("scan", ".", "--format", "yaml").returncode == 2
    assert scrubber("demo", "--profile", "huge").returncode == 2


@pytest.mark.middle
def test_a_full_disk_is_said_and_nothing_is_half_written(
    tiny_models: dict[str, Path], corpus: Path, tmp_path: Path
) -> None:
    assert scrubber("scan", corpus, "-o", "/dev/full").returncode == 2
    run = tmp_path / "run"
    done = scrubber("audit", "--model", tiny_models["llama"], "--corpus", corpus, "--run-dir", run, limit_file=200)
    assert done.returncode == 3
    assert "disk is full" in done.stderr
    assert not list(run.rglob("*.partial"))
    assert not (run / "done" / "scan.json").exists()


@pytest.mark.middle
def test_a_stored_result_that_was_damaged_is_no_verdict(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("{")
    assert scrubber("gate", tmp_path).returncode == 3
    (tmp_path / "result.json").write_text(json.dumps({"schema_version": 1, "verdict": "passed"}))
    assert scrubber("gate", tmp_path).returncode in (2, 3)


@pytest.mark.slow
def test_sigterm_during_training_ends_three_and_the_run_goes_on(tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = [*COMMAND, "demo", "--profile", "tiny", "--run-dir", str(run)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.time() + 120
    while not (run / "done" / "corpus.json").exists() and time.time() < until:
        time.sleep(0.1)
    time.sleep(4)
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "Traceback" not in output + errors
    assert "same --run-dir" in errors
    assert not list(run.rglob("*.partial"))
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=600, check=False, env={**os.environ})
    assert (run / "result.json").exists(), done.stderr
