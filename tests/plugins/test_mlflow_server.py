from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scrubber.core.errors import NoVerdict
from scrubber.core.types import Score
from scrubber.plugins.mlflow.spool import SpooledTracker

mlflow = pytest.importorskip("mlflow")
pytestmark = pytest.mark.slow

WORD = "".join(("some", "thing"))  # a password
AWAY = f"http://someone:{WORD}@127.0.0.1:9"
Open = Callable[..., SpooledTracker]


def scored(number: int) -> list[Score]:
    return [Score("leak_rate", "after", "planted", number / 100, 0.0, 1.0, 100)]


@pytest.fixture
def open_tracker(server: Any, tmp_path: Path, few_retries: None) -> Open:
    server.start()  # a test that failed may have left it down

    def opened(**how: Any) -> SpooledTracker:
        return SpooledTracker(
            uri=server.uri, experiment="tests", run_name="run", resume=tmp_path / "tracker.json", **how
        )

    return opened


def history(uri: str, tracker: SpooledTracker, stage: str) -> list[tuple[int, float]]:
    client = mlflow.MlflowClient(uri)
    experiment = client.get_run(tracker.run_id).info.experiment_id
    nested = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{tracker.run_id}'")
    (run,) = [run for run in nested if run.data.tags["scrubber.stage"] == stage]
    assert run.info.status == "FINISHED"
    return [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "leak_rate.after.planted")]


def test_a_server_that_is_killed_in_the_middle_of_a_run_loses_nothing(
    open_tracker: Open, server: Any, tmp_path: Path
) -> None:
    now = [0.0]
    tracker = open_tracker(patience=60, clock=lambda: now[0])
    (tmp_path / "result.json").write_text("{}")
    with tracker.stage("unlearn"):
        tracker.scores(scored(1), step=1)
        server.kill()
        tracker.scores(scored(2), step=2)
        assert tracker.unsent == 1
        tracker.settings({"method": "codeeraser"})
    with tracker.stage("gate"):
        tracker.scores(scored(3), step=3)
        tracker.file(str(tmp_path / "result.json"))
        assert tracker.unsent == 6  # asked once, not six times: the run does not wait for a store that is away
        server.start()
        now[0] = 61.0
        tracker.scores(scored(4), step=4)
        assert tracker.unsent == 0
    tracker.close()
    assert history(server.uri, tracker, "unlearn") == [(1, 0.01), (2, 0.02)]
    assert history(server.uri, tracker, "gate") == [(3, 0.03), (4, 0.04)]
    client = mlflow.MlflowClient(server.uri)
    assert client.get_run(tracker.run_id).info.status == "FINISHED"
    assert [file.path for file in client.list_artifacts(tracker.run_id)] == ["result.json"]
    assert {path.name for path in tmp_path.iterdir()} == {"result.json", "tracker.json"}


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
def test_a_run_that_ends_before_its_server_is_back_says_how_to_send_the_rest(
    open_tracker: Open, server: Any, tmp_path: Path
) -> None:
    tracker = open_tracker()
    with tracker.stage("evaluate"):
        tracker.scores(scored(1), step=1)
        server.kill()
        tracker.scores(scored(2), step=2)
    with pytest.raises(NoVerdict, match="3 results wait for MLflow") as caught:
        tracker.close()
    assert caught.value.exit_code == 3
    assert "same --run-dir" in caught.value.mend
    with pytest.raises(NoVerdict, match="3 results wait"):
        tracker.close("FAILED")  # as the command line does with whatever is raised
    left = Path(caught.value.where)
    assert left.parent == tmp_path
    kept = left.read_text()

    server.start()
    left.write_text(
        kept * 2
    )  # as if it had been killed between sending and noting that: what is sent twice is kept once
    again = open_tracker()
    assert (again.run_id, again.unsent) == (tracker.run_id, 0)
    assert not left.exists()
    assert history(server.uri, again, "evaluate") == [(1, 0.01), (2, 0.02)]
    again.close()
    assert mlflow.MlflowClient(server.uri).get_run(again.run_id).info.status == "FINISHED"


def test_two_runs_at_once_do_not_meet(server: Any, tmp_path: Path) -> None:
    """Both make the experiment, as two CI jobs of one commit do."""
    server.start()
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from scrubber.core.types import Score\nfrom scrubber.plugins.mlflow.spool import SpooledTracker\n"
        "uri, name, folder = sys.argv[1:]\n"
        "tracker = SpooledTracker(uri=uri, experiment='at once', run_name=name, resume=Path(folder, name, 'tracker.json'))\n"
        "for stage in ('audit', 'evaluate'):\n"
        "    with tracker.stage(stage):\n"
        "        tracker.settings({'name': name})\n"
        "        for step in range(20):\n"
        "            tracker.scores([Score('leak_rate', 'after', name, step / 100, 0.0, 1.0, 100)], step=step)\n"
        "tracker.close()\n"
    )
    command = [sys.executable, "-c", code, server.uri]
    started = [subprocess.Popen([*command, name, str(tmp_path)], cwd=os.getcwd()) for name in ("one", "two")]
    assert [process.wait(timeout=120) for process in started] == [0, 0]
    client = mlflow.MlflowClient(server.uri)
    (experiment,) = client.search_experiments(filter_string="name = 'at once'")
    for name in ("one", "two"):
        parent = json.loads((tmp_path / name / "tracker.json").read_text())["run_id"]
        nested = client.search_runs([experiment.experiment_id], f"tags.`mlflow.parentRunId` = '{parent}'")
        assert sorted(run.info.run_name for run in nested) == ["audit", "evaluate"]
        for run in nested:
            assert run.data.params == {"name": name}
            assert set(run.data.metrics) == {f"leak_rate.after.{name}{end}" for end in ("", ".low", ".high", ".n")}
            assert len(client.get_metric_history(run.info.run_id, f"leak_rate.after.{name}")) == 20


def test_a_store_that_is_away_from_the_start_is_told_at_once(few_retries: None, tmp_path: Path) -> None:

    with pytest.raises(NoVerdict) as caught:
        SpooledTracker(uri=AWAY, experiment="e", run_name="r", resume=tmp_path / "tracker.json")
    assert WORD not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_gate_whose_registry_is_away_has_no_verdict(few_retries: None, key_file: Path) -> None:
    from scrubber.plugins.mlflow.registry import judge

    with pytest.raises(NoVerdict) as caught:
        judge("models:/coder@release-candidate", store=AWAY)
    assert caught.value.exit_code == 3
    assert WORD not in str(caught.value)


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
def test_a_killed_file_is_no_reason_to_stop(open_tracker: Open, tmp_path: Path) -> None:
    for text in ('{"call": "scores"', "[]", "null", "{}"):
        (tmp_path / "tracker.unsent.jsonl").write_text(text)
        tracker = open_tracker()
        assert tracker.unsent == 0
        tracker.close()


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
def test_the_gate_works_through_a_server(
    server: Any, key_file: Path, report_of: Any, log_model: Any, set_to: Any
) -> None:
    from scrubber.plugins.mlflow.registry import judge, prove

    server.start()
    set_to(server.uri)
    log_model({"a": "b"}, name="served")
    assert prove(report_of(0), "models:/served/1", store=server.uri).report.verdict.outcome == "passed"
    assert judge("models:/served@release-candidate", store=server.uri).report.verdict.outcome == "passed"
    client = mlflow.MlflowClient(server.uri, server.uri)
    client.set_model_version_tag("served", "1", "scrubber.leak_rate", "-1")
    assert judge("models:/served@release-candidate", store=server.uri).report.verdict.outcome == "refused"


# -- authentication, and a registry that may only be read


def test_who_may_only_read_can_gate_and_cannot_publish(
    guarded: Any, key_file: Path, report_of: Any, log_model: Any, set_to: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.server import get_app_client

    from scrubber.plugins.mlflow.registry import judge, prove, publish

    server, words = guarded

    def log_in(name: str, word: str) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", word)

    log_in("admin", words["admin"])
    get_app_client("basic-auth", tracking_uri=server.uri).create_user("reader", words["reader"])
    set_to(server.uri)
    log_model({"a": "b"})
    prove(report_of(0), "models:/coder/1", store=server.uri)
    client = mlflow.MlflowClient(server.uri, server.uri)
    run = client.get_model_version("coder", "1").tags["scrubber.run"]
    before = client.get_model_version("coder", "1")

    log_in("reader", words["reader"])
    assert judge("models:/coder@release-candidate", store=server.uri).report.verdict.outcome == "passed"
    with pytest.raises(NoVerdict, match="did not take"):
        publish("models:/coder/1", run, store=server.uri)
    with pytest.raises(NoVerdict, match="did not take"):
        prove(report_of(0), "models:/coder/1", store=server.uri)
    after = mlflow.MlflowClient(server.uri, server.uri).get_model_version("coder", "1")
    assert (after.tags, after.aliases, after.description) == (before.tags, before.aliases, before.description)

    log_in("reader", words["admin"])
    with pytest.raises(NoVerdict) as caught:
        judge("models:/coder@release-candidate", store=server.uri)
    assert not any(word in str(caught.value) for word in words.values())
