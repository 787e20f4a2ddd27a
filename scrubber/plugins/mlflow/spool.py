"""A tracker that outlives its store: what MLflow cannot take now is kept beside the run, and sent again later."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scrubber.core.errors import Interrupted, NoVerdict
from scrubber.core.types import Score
from scrubber.core.workspace import Workspace
from scrubber.plugins.mlflow.store import OutOfReach
from scrubber.plugins.mlflow.tracker import MlflowTracker, public

PATIENCE = 60.0  # seconds after a failure before the store is tried again: each try may wait half a minute itself
Value = str | int | float | bool | None


class SpooledTracker:
    """MlflowTracker for runs that take hours: a store that goes away in the middle does not end the work.

    While the store is away, settings, scores and names of files (numbers and names only) are appended to a file beside
    ``resume``, and sent in their order as soon as it is back, each once: a store keeps one of two scores of one time.
    ``close`` raises NoVerdict while something is left; the next run in the same folder sends it first. A store that is
    away from the start is told at once, as by MlflowTracker: nothing has been done yet that could be lost.
    """

    def __init__(
        self, *, uri: str, experiment: str, run_name: str, resume: Path, patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._tracker = MlflowTracker(uri=uri, experiment=experiment, run_name=run_name, resume=resume)
        self._file = resume.with_name(f"{resume.stem}.unsent.jsonl")
        self._stages: list[str] = []
        self._patience, self._clock, self._failed_at = patience, clock, -patience
        self._closed = False
        self._left: list[dict[str, Any]] = _read(self._file)
        self._send()

    @property
    def run_id(self) -> str:
        """The parent run."""
        return self._tracker.run_id

    @property
    def unsent(self) -> int:
        """How many calls the store has not taken yet."""
        return len(self._left)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A nested run. When the block fails it and the parent are marked, without a word of the exception."""
        self._stages.append(name)
        self._do("begin")
        try:
            yield
        except BaseException as error:
            stopped = isinstance(error, (Interrupted, KeyboardInterrupt, SystemExit, GeneratorExit))
            self._do("end", status="KILLED" if stopped else "FAILED")
            raise
        else:
            self._do("end", status="FINISHED")
        finally:
            self._stages.pop()

    def settings(self, values: Mapping[str, Value]) -> None:
        self._do("settings", values=dict(values))

    def scores(self, scores: Iterable[Score], step: int | None = None) -> None:
        self._do("scores", scores=[asdict(score) for score in scores], step=step, at=int(time.time() * 1000))

    def file(self, path: str) -> None:
        """Raises NoVerdict at once for a private file, or one that is not there."""
        public(path)
        self._do("file", path=str(Path(path).absolute()))

    def close(self, status: str = "FINISHED") -> None:
        """Ends the parent run. Raises NoVerdict, which says how to send it, when the store has not taken everything.

        The first word counts: a run that cannot be sent is not thereby one that failed.
        """
        self._failed_at = -self._patience
        if self._closed:
            self._send()
        else:
            self._closed = True
            self._do("close", status=status)
        if self._left:
            raise NoVerdict(
                f"{len(self._left)} results wait for MLflow, which is out of reach",
                where=str(self._file),
                mend="Nothing is lost: when it is back, start this again with the same --run-dir, which sends them.",
            )

    def _do(self, call: str, **what: Any) -> None:
        self._left.append({"call": call, "stages": list(self._stages), **what})
        if len(self._left) > 1 and self._clock() - self._failed_at < self._patience:
            self._keep()
        else:
            self._send()

    def _send(self) -> None:
        """Sends what is left, in its order, until the store fails."""
        sent = 0
        try:
            for one in self._left:
                self._call(one)
                sent += 1
        except OutOfReach:
            self._failed_at = self._clock()
        finally:
            del self._left[:sent]
            self._keep()

    def _call(self, one: Mapping[str, Any]) -> None:
        tracker = self._tracker
        tracker.go_to(one["stages"])
        match one["call"]:
            case "settings":
                tracker.settings(one["values"])
            case "scores":
                tracker.scores([Score(**score) for score in one["scores"]], one["step"], at=one["at"])
            case "file":
                if Path(one["path"]).is_file():  # a run that went on may have another by now, or none
                    tracker.file(one["path"])
            case "end":
                tracker.end(one["status"])
            case "close":
                tracker.close(one["status"])

    def _keep(self) -> None:
        if self._left:
            Workspace(self._file.parent).write(self._file.name, "".join(json.dumps(one) + "\n" for one in self._left))
        else:
            self._file.unlink(missing_ok=True)


def _read(file: Path) -> list[dict[str, Any]]:
    """What an earlier process left, but for its end: the run goes on. A file that is not as it was written is left out."""
    try:
        left = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        return [one for one in left if one["call"] != "close"]
    except (OSError, ValueError, TypeError, KeyError):
        return []
