"""`scrubber discover` as a scheduler and as a person start it: turns that end anywhere, exit codes, help, bad input."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scrubber.cli_discover import app
from scrubber.core.errors import AskedWrongly, NoVerdict
from scrubber.core.workspace import Workspace
from tests.pipelines import discover_world as world

START = "from scrubber.terminal import guarded; from scrubber.cli_discover import app; guarded(app)"


@pytest.fixture(scope="session")
def toml(tiny_models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.built(tmp_path_factory.getbasetemp(), tiny_models["llama"])


def started(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", START, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(*arguments: object) -> tuple[int, str, str]:
    process = started(*arguments)
    output, errors = process.communicate(timeout=600)
    return process.returncode, output, errors


@pytest.mark.slow
def test_three_nights_the_first_killed_the_last_with_nothing_to_do(toml: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = started(toml, "--run-dir", run, "--quiet")
    until = time.monotonic() + 300
    while not list(run.glob("private/round-1-*-checkpoint")):  # in the middle of training
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGSTOP)  # so that it is still there when another is started
    code, _, errors = ended(toml, "--run-dir", run)
    assert code == 3
    assert "another run is using this folder" in errors
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (run / "result.json").exists()

    code, output, errors = ended(toml, "--run-dir", run, "--max-minutes", 20)
    assert code == 0, output + errors
    assert "asking: round-1" not in errors, "answers of the first night are not asked again"
    assert "PASSED" in output
    assert "hallucination_rate" in output

    files = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file() and path.name != ".lock"}
    began = time.monotonic()
    code, again, errors = ended(toml, "--run-dir", run)
    assert code == 0
    assert time.monotonic() - began < 30, "it loads no model"
    assert "nothing to do" in errors
    assert again == output
    assert {p: p.stat().st_mtime_ns for p in run.rglob("*") if p.is_file() and p.name != ".lock"} == files


@pytest.mark.slow
def test_a_turn_that_is_asked_to_stop_or_runs_out_of_minutes_exits_3(toml: Path, tmp_path: Path) -> None:
    code, output, errors = ended(toml, "--run-dir", tmp_path / "run", "--max-minutes", 1e-6)
    assert (code, output) == (3, "")
    assert "the minutes of this turn are over" in errors
    assert "same --run-dir" in errors
    process = started(toml, "--run-dir", tmp_path / "run")
    while not list((tmp_path / "run").glob("private/answers/round-1-*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 3


@pytest.mark.slow
def test_mlflow_is_given_numbers_and_no_invented_name(toml: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    small = ["--set", "tracker.name=mlflow", "--set", "loop.rounds=1", "--set", "unlearn.steps_per_round=4"]
    code, output, errors = ended(toml, "--run-dir", run, *small)
    assert code in (0, 1, 3), output + errors
    assert (run / "result.json").exists(), errors
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{run / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "scrubber-discover"]
    runs = client.search_runs([experiment.experiment_id])
    stages = {r.data.tags.get("scrubber.stage"): r for r in runs}
    assert "hallucination_rate.after.watched" in stages["round-1"].data.metrics
    assert "hallucination_reduction.difference.held_out" in stages[None].data.metrics
    assert stages[None].info.status == "FINISHED"
    public = [p for p in run.rglob("*") if p.is_file() and "private" not in p.relative_to(run).parts]
    assert not [p for p in public for name in world.INVENTED if name.encode() in p.read_bytes()]


def test_every_key_is_printed_with_its_meaning() -> None:
    done = CliRunner().invoke(app, ["--show-config"])
    assert done.exit_code == 0
    assert "limit = 0.05  # most invented names among all, of held-out prompts" in done.output
    told = CliRunner().invoke(app, ["--help"]).output
    assert all(
        word in told for word in ("--max-minutes", "--run-dir", "Exit codes", "adapter/", "scrubber index build")
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no configuration is given"),
        (["none.toml"], "cannot be read"),
        (["{toml}", "--max-minutes", "0"], "--max-minutes"),
        (["{toml}", "--max-minutes", "nan"], "--max-minutes"),
        (["{toml}", "--format", "xml"], "--format cannot be 'xml'"),
        (["{toml}", "--set", "loop.limit=7"], "loop.limit"),
        (["{toml}", "--set", "prompts.seeds=none"], "prompts.seeds: there is nothing at none"),
        (["{toml}", "--set", "index.folder={folder}"], "there is no index of pypi names"),
    ],
)
def test_what_is_asked_wrongly_is_told_before_the_run_folder_is_made(
    arguments: list[str], said: str, toml: Path, tmp_path: Path
) -> None:
    places = {"toml": str(toml), "folder": str(tmp_path)}
    asked = [argument.format(**places) for argument in arguments]
    with pytest.raises(AskedWrongly) as caught:
        CliRunner().invoke(app, [*asked, "--run-dir", str(tmp_path / "run")], catch_exceptions=False)
    assert said in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_second_start_says_so(toml: Path, tmp_path: Path) -> None:
    with Workspace(tmp_path / "run"), pytest.raises(NoVerdict, match="another run is using this folder"):
        CliRunner().invoke(app, [str(toml), "--run-dir", str(tmp_path / "run")], catch_exceptions=False)


def test_the_result_can_be_had_as_json(toml: Path, tmp_path: Path) -> None:
    quick = [
        "--set", "loop.rounds=1", "--set", "unlearn.steps_per_round=2", "--set", "loop.samples_per_prompt=1",
    ]  # fmt: skip
    place = tmp_path / "out.json"
    arguments = [str(toml), "--run-dir", str(tmp_path / "run"), "--format", "json", "-o", str(place), "--quiet", *quick]
    done = CliRunner().invoke(app, arguments)
    assert json.loads(place.read_text()) == json.loads((tmp_path / "run" / "result.json").read_text())
    assert done.exit_code == json.loads(place.read_text())["exit_code"]
    text = CliRunner().invoke(app, [*arguments[:3], *quick])
    assert "ended: all rounds were done" in text.output
    assert not [name for name in world.INVENTED if name in text.output]
