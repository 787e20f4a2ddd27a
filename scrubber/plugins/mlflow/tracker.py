"""Sends a run's settings, scores and public files to MLflow: one parent run a release, a nested run a stage."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from scrubber.core.errors import Interrupted, NoVerdict, ScrubberError
from scrubber.core.types import Score
from scrubber.core.workspace import Workspace
from scrubber.plugins.mlflow.store import connect, open_experiment

STAGE_TAG = "scrubber.stage"
LONGEST = 500  # characters of a parameter or a tag
MOST_METRICS, MOST_OTHERS = 1000, 100  # what MLflow takes in one batch


class MlflowTracker:
    """A Tracker (``core/types.py``) on an MLflow store. Uses a client of its own: no active run, no global state.

    ``uri``: an MLflow tracking URI, ``sqlite:///runs.db`` for a local one. ``resume``: a file that keeps the parent
    run's id; where it names a run of this store, that run is continued, and a stage that is run again reuses its
    nested run. Raises NoVerdict when the store cannot be reached, at any call.
    """

    def __init__(self, *, uri: str, experiment: str, run_name: str, resume: Path | None = None) -> None:
        with _reaching(uri):
            self._client = connect(uri)
            self._experiment = open_experiment(self._client, uri, experiment)
            self._uri = uri
            self._runs = [self._parent(run_name, resume)]

    @property
    def run_id(self) -> str:
        """The parent run."""
        return self._runs[0]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A nested run. When the block fails it and every run around it are marked, without a word of the exception."""
        with _reaching(self._uri):
            self._runs.append(self._nested(name))
        try:
            yield
        except BaseException as error:
            stopped = isinstance(error, (Interrupted, KeyboardInterrupt, SystemExit, GeneratorExit))
            with suppress(Exception):  # a store that fails now must not hide why the stage failed
                for run in (self._runs[-1], self.run_id):
                    self._client.set_terminated(run, "KILLED" if stopped else "FAILED")
            raise
        else:
            with _reaching(self._uri):
                self._client.set_terminated(self._runs[-1], "FINISHED")
        finally:
            self._runs.pop()

    def settings(self, values: Mapping[str, str | int | float | bool | None]) -> None:
        """Parameters of the current run. MLflow never changes one, so a value that differs becomes a tag of that name.

        ``verdict`` is always a tag ``scrubber.verdict`` as well: the tag is the latest, the parameter the first.
        """
        from mlflow.entities import Param, RunTag

        with _reaching(self._uri):
            run = self._runs[-1]
            known = self._client.get_run(run).data.params
            wanted = {_safe(name): str(value)[:LONGEST] for name, value in values.items()}
            params = [Param(name, value) for name, value in wanted.items() if name not in known]
            tags = [
                RunTag(f"scrubber.{name}", value)
                for name, value in wanted.items()
                if name == "verdict" or known.get(name, value) != value
            ]
            for start in range(0, max(len(params), len(tags)), MOST_OTHERS):
                part = slice(start, start + MOST_OTHERS)
                self._client.log_batch(run, params=params[part], tags=tags[part])

    def scores(self, scores: Iterable[Score], step: int | None = None) -> None:
        """Metrics ``{metric}.{stage}.{subset}`` with ``.low``, ``.high`` and ``.n``; what has no finite value is a tag
        ``not_scored.<name>``, never a zero."""
        from mlflow.entities import Metric, RunTag

        now = int(time.time() * 1000)
        metrics, tags = [], []
        for score in scores:
            name = _safe(f"{score.metric}.{score.stage}.{score.subset}")
            if score.value is None or not math.isfinite(score.value):
                tags.append(RunTag(f"not_scored.{name}", score.note[:LONGEST] or "not scored"))
                continue
            numbers = {"": score.value, ".low": score.low, ".high": score.high, ".n": float(score.n)}
            metrics += [
                Metric(name + end, number, now, step or 0)
                for end, number in numbers.items()
                if number is not None and math.isfinite(number)
            ]
        with _reaching(self._uri):
            for start in range(0, len(metrics), MOST_METRICS):
                self._client.log_batch(self._runs[-1], metrics=metrics[start : start + MOST_METRICS])
            for start in range(0, len(tags), MOST_OTHERS):
                self._client.log_batch(self._runs[-1], tags=tags[start : start + MOST_OTHERS])

    def file(self, path: str) -> None:
        """An artifact of the parent run. Nothing of a ``private`` folder is sent, nor what a link leads to there."""
        given = Path(path)
        # The resolved path starts behind the root: a system may keep all its temporary files in /private.
        if "private" in (*given.parts, *given.resolve().parts[2:]):
            raise NoVerdict("a private file was to be sent to MLflow", where=given.name, mend="Send a public one.")
        if not given.is_file():
            raise NoVerdict("a file for MLflow is missing or is no file", where=given.name, mend="Write it first.")
        with _reaching(self._uri):
            self._client.log_artifact(self.run_id, str(given))

    def close(self, status: str = "FINISHED") -> None:
        """End the parent run: ``FINISHED``, ``FAILED`` or ``KILLED``. A run whose verdict is a refusal is FINISHED."""
        with _reaching(self._uri):
            self._client.set_terminated(self.run_id, status)

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


def _remembered(resume: Path) -> str | None:
    try:
        state: Any = json.loads(resume.read_text())
        return str(state["run_id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _safe(name: str) -> str:
    """MLflow takes letters, digits and ``_-.`` in every store; the rest becomes ``_``."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:240]


@contextmanager
def _reaching(uri: str) -> Iterator[None]:
    """Whatever the store raises becomes NoVerdict without its text, which may quote credentials or what was sent."""
    try:
        yield
    except ScrubberError:
        raise
    except Exception as error:
        raise NoVerdict(
            f"MLflow did not take this: {type(error).__name__}",
            where=re.sub(r"//[^/@]*@", "//", uri),
            mend="See that the tracking URI is right and the store runs and is writable.",
        ) from None
