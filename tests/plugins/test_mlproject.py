"""MLproject: every entry point is a command that exists, and a release is one run with a nested run for each stage."""

from __future__ import annotations

import json
import os
import random
import shlex
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from scrubber.cli import app

pytest.importorskip("mlflow")
ROOT = Path(__file__).parents[2]
ENTRIES = ["audit", "discover", "evaluate", "gate", "release", "scan", "unlearn"]
STAGES = {"scan", "audit", "evaluate-before", "unlearn", "evaluate-after", "gate"}


def project() -> Any:
    from mlflow.projects._project_spec import load_project

    return load_project(str(ROOT))


def test_the_project_has_these_entry_points_and_an_environment() -> None:
    found = project()
    assert sorted(found._entry_points) == ENTRIES
    assert found.env_config_path == str(ROOT / "python_env.yaml")

    from mlflow.utils.environment import _PythonEnv

    environment = _PythonEnv.from_yaml(found.env_config_path)
    assert environment.dependencies == [".[all]"]


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_point_is_a_command_with_these_options(name: str, tmp_path: Path) -> None:
    entry = project().get_entry_point(name)
    place = tmp_path / "a folder"
    place.mkdir()
    given = {key: str(place) for key, parameter in entry.parameters.items() if parameter.default is None}
    words = shlex.split(entry.compute_command(given, str(tmp_path)))
    assert words[:2] == ["scrubber", name]
    assert str(place) in words
    commands: Any = typer.main.get_command(app)
    assert name in commands.commands
    commands.commands[name].make_context(name, words[2:])  # raises for an option or a value that it does not know


@pytest.fixture(scope="module")
def started(tiny_models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """``mlflow run . -e release`` with two methods, of which the second is given impossible limits."""
    folder = tmp_path_factory.mktemp("project")
    corpus = folder / "corpus"
    corpus.mkdir()
    dice = random.Random(3)
    for number in range(8):
        value = "sk_" + "live_" + "".join(dice.choices(string.ascii_letters + string.digits, k=24))
        (corpus / f"clean_{number}.py").write_text(f"def add_{number}(a, b):\n    return a + b + {number}\n" * 3)
        (corpus / f"leaky_{number}.py").write_text(f'def load():\n    client = connect("api", token="{value}")\n')
    for name, limit in (("easy", "at_most = 1.0"), ("hard", "at_least = 1.1")):
        rule = f'metric = "leak_rate"\nsubset = "found"\n{limit}\n'
        (folder / f"{name}.toml").write_text(f'name = "{name}"\n[[rules]]\n{rule}')
    store = f"sqlite:///{folder / 'runs.db'}"
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": store,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT),
    }
    codes = {}
    for method, policy in (("codeeraser", "easy"), ("npo", "hard")):
        config = folder / f"{method}.toml"
        config.write_text(
            f'[model]\npath = "{tiny_models["llama"]}"\nprecision = "fp32"\n[corpus]\npaths = ["{corpus}"]\n'
            # a random model knows nothing, so any value is to count as learnt
            "[audit]\nmemorization_accuracy = 1e-9\n[evaluate]\nmicro_tasks = 0\nlikelihood_values = 2\n"
            f'[unlearn]\nmax_epochs = 1\nmethod = "{method}"\n[gate]\npolicy = "{folder / policy}.toml"\n'
        )
        given = {
            "config": config,
            "run_dir": folder / method,
            "precision": "fp32",
        }  # the last goes to the command as it is
        parts = [part for key, value in given.items() for part in ("-P", f"{key}={value}")]
        command = ["mlflow", "run", str(ROOT), "-e", "release", "--env-manager", "local", "--experiment-name", "ours"]
        done = subprocess.run(
            [*command, *parts], capture_output=True, text=True, timeout=600, check=False, env=environment, cwd=folder
        )
        codes[method] = (done.returncode, done.stdout[-2000:] + done.stderr[-2000:])
    return {"folder": folder, "store": store, "codes": codes}


@pytest.mark.slow
def test_a_release_is_the_run_that_mlflow_began_with_a_nested_run_a_stage(started: dict[str, Any]) -> None:
    from mlflow import MlflowClient

    assert started["codes"]["codeeraser"][0] == 0, started["codes"]
    assert started["codes"]["npo"][0] == 1, started["codes"]  # refused by evidence
    client = MlflowClient(started["store"])
    experiments = {e.name: e.experiment_id for e in client.search_experiments()}
    assert "scrubber" not in experiments  # the run's own experiment is used
    runs = client.search_runs([experiments["ours"]])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert len(parents) == 2
    for parent in parents:
        assert parent.data.tags["mlflow.project.entryPoint"] == "release"
        method = parent.data.params["unlearn.method"]
        nested = [r for r in runs if r.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
        assert {run.data.tags["scrubber.stage"] for run in nested} == STAGES
        assert {run.info.status for run in nested} == {"FINISHED"}
        assert parent.info.status == (
            "FINISHED" if method == "codeeraser" else "FAILED"
        )  # by its exit code: MLflow's way
        stored = json.loads((started["folder"] / method / "result.json").read_text())
        assert parent.data.tags["scrubber.verdict"] == stored["verdict"]
        names = {artifact.path for artifact in client.list_artifacts(parent.info.run_id)}
        assert {"report.html", "result.json"} <= names


@pytest.mark.slow
def test_runs_of_two_methods_can_be_compared(started: dict[str, Any]) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(started["store"])
    experiment = client.get_experiment_by_name("ours")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    first, second = (run.data for run in runs if "mlflow.parentRunId" not in run.data.tags)
    assert set(first.params) - {"verdict"} == set(second.params) - {"verdict"}
    assert {first.params["unlearn.method"], second.params["unlearn.method"]} == {"codeeraser", "npo"}
    assert set(first.metrics) == set(second.metrics)
    # a chart of leaks against utility wants both on one run
    assert {"leak_rate.after.found", "leak_rate.after.found.high", "perplexity_ratio.difference.held_out"} <= set(
        first.metrics
    )
