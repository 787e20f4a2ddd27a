"""Sends a run's settings, scores and public files to MLflow: one parent run a release, a nested run a stage."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from scrubber.core.errors import Interrupted, NoVerdict
from scrubber.core.types import Score
from scrubber.core.workspace import Workspace
from scrubber.plugins.mlflow.metrics import numbers, safe
from scrubber.plugins.mlflow.store import STAGE_TAG as STAGE_TAG
from scrubber.plugins.mlflow.store import connect, open_experiment, reaching

LONGEST = 500  # characters of a parameter or a tag
MOST_METRICS, MOST_OTHERS = 1000, 100  # what MLflow takes in one batch


class MlflowTracker:
    """A Tracker (``core/types.py``) on an MLflow store. Uses a client of its own: no active run, no global state.

    ``uri``: an MLflow tracking URI, ``sqlite:///runs.db`` for a local one. ``resume``: a file that keeps the parent
    run's id; where it names a run of this store, that run is continued, and a stage that is run again reuses its
    nested run. Inside ``mlflow run`` (MLFLOW_RUN_ID) the parent is that run, in its experiment. Raises NoVerdict when the
    store cannot be reached, at any call.
    """

    def __init__(self, *, uri: str, experiment: str, run_name: str, resume: Path | None = None) -> None:
        with reaching(uri):
            self._client = connect(uri)
            self._uri = uri
            around = self._around()
            self._experiment = around.experiment_id if around else open_experiment(self._client, uri, experiment)
            # and the nested ones of self._stages
            self._runs = [around.run_id if around else self._parent(run_name, resume)]
        self._stages: list[str] = []

    @property
    def run_id(self) -> str:
        """The parent run."""
        return self._runs[0]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A nested run. When the block fails it and every run around it are marked, without a word of the exception."""
        around = list(self._stages)
        self.go_to([*around, name])
        try:
            yield
        except BaseException as error:
            stopped = isinstance(error, (Interrupted, KeyboardInterrupt, SystemExit, GeneratorExit))
            with suppress(Exception):  # a store that fails now must not hide why the stage failed
                self.end("KILLED" if stopped else "FAILED")
            raise
        else:
            self.end("FINISHED")
        finally:
            self.go_to(around)

    def go_to(self, stages: Sequence[str]) -> None:
        """What follows is of the nested run that these names lead to, from the parent run down; none: of the parent itself."""
        with reaching(self._uri):
            while self._stages != list(stages[: len(self._stages)]):
                self._stages.pop()
                self._runs.pop()
            for name in stages[len(self._stages) :]:
                self._runs.append(self._nested(name))
                self._stages.append(name)

    def end(self, status: str) -> None:
        """End the current run; one that did not finish ends the parent run with it."""
        with reaching(self._uri):
            for run in {self._runs[-1], self._runs[-1] if status == "FINISHED" else self.run_id}:
                self._client.set_terminated(run, status)

    def settings(self, values: Mapping[str, str | int | float | bool | None]) -> None:
        """Parameters of the current run. MLflow never changes one, so a value that differs becomes a tag of that name.

        ``verdict`` is always a tag ``scrubber.verdict`` as well: the tag is the latest, the parameter the first.
        """
        from mlflow.entities import Param, RunTag

        with reaching(self._uri):
            run = self._runs[-1]
            known = self._client.get_run(run).data.params
            wanted = {safe(name): str(value)[:LONGEST] for name, value in values.items()}
            params = [Param(name, value) for name, value in wanted.items() if name not in known]
            tags = [
                RunTag(f"scrubber.{name}", value)
                for name, value in wanted.items()
                if name == "verdict" or known.get(name, value) != value
            ]
            for start in range(0, max(len(params), len(tags)), MOST_OTHERS):
                part = slice(start, start + MOST_OTHERS)
                self._client.log_batch(run, params=params[part], tags=tags[part])

    def scores(self, scores: Iterable[Score], step: int | None = None, *, at: int | None = None) -> None:
        """Metrics ``{metric}.{stage}.{subset}`` with ``.low``, ``.high`` and ``.n``; what has no finite value is a tag
        ``not_scored.<name>``, never a zero. ``at``: milliseconds since 1970 when they were measured; else now."""
        from mlflow.entities import Metric, RunTag

        now = int(time.time() * 1000) if at is None else at
        metrics, tags = [], []
        for score in scores:
            found = numbers(score)
            metrics += [Metric(name, number, now, step or 0) for name, number in found.items()]
            if not found:
                name = safe(f"not_scored.{score.metric}.{score.stage}.{score.subset}")
                tags.append(RunTag(name, score.note[:LONGEST] or "not scored"))
        with reaching(self._uri):
            for start in range(0, len(metrics), MOST_METRICS):
                self._client.log_batch(self._runs[-1], metrics=metrics[start : start + MOST_METRICS])
            for start in range(0, len(tags), MOST_OTHERS):
                self._client.log_batch(self._runs[-1], tags=tags[start : start + MOST_OTHERS])

    def file(self, path: str) -> None:
        """An artifact of the parent run. Nothing of a ``private`` folder is sent, nor what a link leads to there."""
        public(path)
        with reaching(self._uri):
            self._client.log_artifact(self.run_id, path)

    def close(self, status: str = "FINISHED") -> None:
        """End the parent run: ``FINISHED``, ``FAILED`` or ``KILLED``. A run whose verdict is a refusal is FINISHED."""
        with reaching(self._uri):
            self._client.set_terminated(self.run_id, status)

    def _around(self) -> Any:
        """The run that ``mlflow run`` started this process in, if it is one of this store and still open."""
        from mlflow.exceptions import MlflowException

        if not (known := os.environ.get("MLFLOW_RUN_ID")):
            return None
        try:
            info = self._client.get_run(known).info
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None
        return info if (info.lifecycle_stage, info.status) == ("active", "RUNNING") else None

    def _parent(self, run_name: str, resume: Path | None) -> str:
        from mlflow.exceptions import MlflowException

        if resume is not None and (known := _remembered(resume)):
            try:
                run = self._client.get_run(known)
                if (run.info.experiment_id, run.info.lifecycle_stage) == (self._experiment, "active"):
                    self._client.update_run(known, status="RUNNING")
                    return known
            except MlflowException as error:
                # Deleted since, or the state of another store: a new run is begun. Anything else is a failing store.
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
        made: str = self._client.create_run(self._experiment, run_name=run_name).info.run_id
        if resume is not None:
            Workspace(resume.parent).write_json(resume.name, {"run_id": made})
        return made

    def _nested(self, name: str) -> str:
        around = self._runs[-1]
        for run in self._client.search_runs([self._experiment], f"tags.`mlflow.parentRunId` = '{around}'"):
            if run.data.tags.get(STAGE_TAG) == name:
                found: str = run.info.run_id
                self._client.update_run(found, status="RUNNING")
                return found
        tags = {"mlflow.parentRunId": around, STAGE_TAG: name}
        made: str = self._client.create_run(self._experiment, run_name=name, tags=tags).info.run_id
        return made


def public(path: str) -> None:
    """Raises NoVerdict for a file that is not there, is of a ``private`` folder, or is a link into one."""
    given = Path(path)
    # The resolved path starts behind the root: a system may keep all its temporary files in /private.
    if "private" in (*given.parts, *given.resolve().parts[2:]):
        raise NoVerdict("a private file was to be sent to MLflow", where=given.name, mend="Send a public one.")
    if not given.is_file():
        raise NoVerdict("a file for MLflow is missing or is no file", where=given.name, mend="Write it first.")


def _remembered(resume: Path) -> str | None:
    try:
        state: Any = json.loads(resume.read_text())
        return str(state["run_id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
