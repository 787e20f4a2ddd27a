from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scrubber.core.errors import Interrupted, NoVerdict
from scrubber.core.types import Score, Tracker
from scrubber.plugins.mlflow.tracker import STAGE_TAG, MlflowTracker

pytest.importorskip("mlflow")
pytestmark = pytest.mark.slow

Open = Callable[[], MlflowTracker]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One database for the file: making its tables is what takes the time."""
    return tmp_path_factory.mktemp("mlflow") / "new folder" / "runs.db"


@pytest.fixture
def client(store: Path) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{store}")


@pytest.fixture
def open_tracker(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    monkeypatch.chdir(tmp_path)
    state = tmp_path / "run" / "mlflow.json"
    return lambda: MlflowTracker(uri=f"sqlite:///{store}", experiment="tests", run_name="a release", resume=state)


def nested(client: Any, parent: str) -> dict[str, Any]:
    experiment = client.get_run(parent).info.experiment_id
    found = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")
    stages = {run.data.tags[STAGE_TAG]: run for run in found}
    assert len(stages) == len(found)
    return stages


def test_a_release_is_a_parent_run_with_a_nested_run_a_stage(open_tracker: Open, client: Any, tmp_path: Path) -> None:
    tracker = open_tracker()
    keeps_the_protocol: Tracker = tracker
    with keeps_the_protocol.stage("unlearn"):
        tracker.settings({"method": "codeeraser", "learning rate": 3e-5, "long": "x" * 900, "off": None})
        tracker.scores([Score("leak_rate", "after", "planted", 0.5, 0.4, 0.6, 100)], step=10)
        tracker.scores([Score("leak_rate", "after", "planted", 0.1, 0.05, 0.2, 100)], step=20)
    tracker.settings({"verdict": "passed"})
    tracker.close("FINISHED")

    parent = client.get_run(tracker.run_id)
    assert (parent.info.status, parent.info.run_name) == ("FINISHED", "a release")
    assert parent.data.params == {"verdict": "passed"}
    stage = nested(client, tracker.run_id)["unlearn"]
    assert stage.info.status == "FINISHED"
    assert stage.data.params["method"] == "codeeraser"
    assert stage.data.params["learning_rate"] == "3e-05"
    assert len(stage.data.params["long"]) == 500
    name = "leak_rate.after.planted"
    assert {key: value for key, value in stage.data.metrics.items() if key.startswith(name)} == {
        name: 0.1,
        f"{name}.low": 0.05,
        f"{name}.high": 0.2,
        f"{name}.n": 100.0,
    }
    history = client.get_metric_history(stage.info.run_id, name)
    assert [(metric.step, metric.value) for metric in history] == [(10, 0.5), (20, 0.1)]
    assert {path.name for path in tmp_path.iterdir()} == {"run"}  # nothing in the current folder


def test_what_was_not_scored_is_a_tag_and_no_zero(open_tracker: Open, client: Any) -> None:
    tracker = open_tracker()
    tracker.scores(
        [
            Score("leak_rate", "after", "planted/key", None, None, None, 0, "no value"),
            Score("perplexity", "after", "all", math.nan, None, None, 4),
        ]
    )
    data = client.get_run(tracker.run_id).data
    assert data.metrics == {}
    assert data.tags["not_scored.leak_rate.after.planted_key"] == "no value"
    assert data.tags["not_scored.perplexity.after.all"] == "not scored"


def test_a_resumed_run_goes_on_in_the_same_runs(open_tracker: Open, client: Any) -> None:
    first = open_tracker()
    with first.stage("audit"):
        first.settings({"seed": 1})
    with pytest.raises(KeyboardInterrupt), first.stage("unlearn"):
        raise KeyboardInterrupt
    assert client.get_run(first.run_id).info.status == "KILLED"
    before = nested(client, first.run_id)

    second = open_tracker()
    assert second.run_id == first.run_id
    assert client.get_run(second.run_id).info.status == "RUNNING"
    with second.stage("unlearn"):
        pass
    second.close("FINISHED")
    after = nested(client, second.run_id)
    assert {name: run.info.run_id for name, run in after.items()} == {n: r.info.run_id for n, r in before.items()}
    assert {name: run.info.status for name, run in after.items()} == {"audit": "FINISHED", "unlearn": "FINISHED"}
    assert client.get_run(second.run_id).info.status == "FINISHED"


def test_a_setting_that_changed_does_not_stop_a_resumed_run(open_tracker: Open, client: Any) -> None:
    open_tracker().settings({"verdict": "undecided", "seed": 1, "same": 2})
    tracker = open_tracker()
    tracker.settings({"verdict": "refused", "seed": 3, "same": 2})
    data = client.get_run(tracker.run_id).data
    assert data.params == {"verdict": "undecided", "seed": "1", "same": "2"}
    assert (data.tags["scrubber.verdict"], data.tags["scrubber.seed"]) == ("refused", "3")
    assert "scrubber.same" not in data.tags


def test_a_state_file_of_another_store_begins_a_new_run(open_tracker: Open, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for state in (json.dumps({"run_id": "f" * 32}), "no json", "[]"):
        (tmp_path / "run" / "mlflow.json").write_text(state)
        assert open_tracker().run_id == json.loads((tmp_path / "run" / "mlflow.json").read_text())["run_id"] != "f" * 32


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (Interrupted, "KILLED")])
def test_a_failing_stage_fails_its_runs_and_tells_no_text(
    open_tracker: Open, client: Any, store: Path, error: type[Exception], status: str
) -> None:
    secret = "".join(("quoted", "-", "text"))
    tracker = open_tracker()
    with pytest.raises(error), tracker.stage("evaluate"), tracker.stage("after"):
        raise error(secret)
    outer = nested(client, tracker.run_id)["evaluate"]
    inner = nested(client, outer.info.run_id)["after"]
    runs = [client.get_run(tracker.run_id), outer, inner]
    assert [run.info.status for run in runs] == [status] * 3
    assert secret.encode() not in store.read_bytes()


def test_public_files_lie_beside_the_database(open_tracker: Open, client: Any, store: Path, tmp_path: Path) -> None:
    tracker = open_tracker()
    (tmp_path / "result.json").write_text("{}")
    with tracker.stage("gate"):
        tracker.file(str(tmp_path / "result.json"))
    assert [file.path for file in client.list_artifacts(tracker.run_id)] == ["result.json"]
    assert list(store.parent.rglob("result.json"))


def test_private_files_are_refused_by_name_and_by_link(open_tracker: Open, client: Any, tmp_path: Path) -> None:
    tracker = open_tracker()
    private = tmp_path / "run" / "private" / "trials.jsonl"
    private.parent.mkdir(parents=True)
    private.write_text("{}")
    link = tmp_path / "harmless.jsonl"
    link.symlink_to(private)
    for path in (
        private,
        link,
        private.parent,
        tmp_path / "run" / "private" / ".." / "mlflow.json",
        tmp_path / "absent",
    ):
        with pytest.raises(NoVerdict):
            tracker.file(str(path))
    assert client.list_artifacts(tracker.run_id) == []


def test_a_store_out_of_reach_is_no_verdict_and_shows_no_credentials(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NoVerdict) as told:
        MlflowTracker(uri=f"sqlite:///{tmp_path}/file/x.db", experiment="e", run_name="r")
    assert told.value.mend
    with pytest.raises(NoVerdict) as told:
        MlflowTracker(uri="nothing://user:word@example.com", experiment="e", run_name="r")
    assert "word" not in str(told.value)
    assert "example.com" in told.value.where


def test_it_is_light_to_import_and_quiet_to_use(tmp_path: Path) -> None:
    code = (
        "import logging, sys; logging.basicConfig(level=logging.INFO)\n"
        "from scrubber.plugins.mlflow.tracker import MlflowTracker\n"
        "assert 'mlflow.tracking' not in sys.modules\n"
        f"MlflowTracker(uri='sqlite:///{tmp_path}/m.db', experiment='e', run_name='r').close('FINISHED')\n"
        "from mlflow.telemetry.utils import is_telemetry_disabled\n"
        "from mlflow.telemetry import get_telemetry_client\n"
        "assert get_telemetry_client() is None\n"
    )
    away = {"MLFLOW_DISABLE_TELEMETRY", "PYTEST_CURRENT_TEST", "CI"}
    environment = {name: value for name, value in os.environ.items() if name not in away}
    environment["PYTHONPATH"] = os.getcwd()
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert {path.name for path in tmp_path.iterdir()} == {"m.db"}
