"""Opens an MLflow store quietly: no telemetry, no chatter, and a local store's artifacts beside its database."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from scrubber.core.errors import AskedWrongly, NoVerdict, ScrubberError

STAGE_TAG = "scrubber.stage"  # of a run

# Read by MLflow when it is imported. A person's own choice stands, except for telemetry.
_QUIET = {
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # MLflow's own 7 keep a gate waiting for minutes on a store that is down
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "GIT_PYTHON_REFRESH": "quiet",
}
_SQLITE = "sqlite:///"


def connect(uri: str) -> Any:
    """An ``MlflowClient`` of this store. The folder of a local database is made."""
    _be_quiet()
    from mlflow.tracking import MlflowClient

    if database := _database(uri):
        database.parent.mkdir(parents=True, exist_ok=True)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _be_quiet() -> None:
    """To be called before MLflow is imported, and harmless after. Raises AskedWrongly where it is not installed."""
    if find_spec("mlflow") is None:
        raise AskedWrongly("MLflow is not installed", mend="pip install 'code-scrubber[mlflow]'")
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "true"
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    for noisy in ("alembic", "mlflow"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def named_store(uri: str = "") -> tuple[Any, str]:
    """A client and the URI of the store ``uri``; else of the one that MLflow was told of, in this process or its environment.

    Raises AskedWrongly where there is none: MLflow itself would make an empty database in the current folder.
    """
    if uri:
        return connect(uri), uri
    _be_quiet()
    import mlflow

    if not mlflow.tracking.is_tracking_uri_set():
        raise AskedWrongly("no MLflow store is named", mend="Set MLFLOW_TRACKING_URI to its address.")
    found = mlflow.get_tracking_uri()
    return connect(found), found


class OutOfReach(NoVerdict):
    """The store did not take, or give, what it was asked for."""


@contextmanager
def reaching(uri: str) -> Iterator[None]:
    """Whatever the store raises becomes OutOfReach without its text, which may quote credentials or what was sent."""
    try:
        yield
    except ScrubberError:
        raise
    except Exception as error:
        raise OutOfReach(
            f"MLflow did not take this: {type(error).__name__}",
            where=re.sub(r"//[^/@]*@", "//", uri),
            mend="See that the tracking URI is right and the store runs and is writable.",
        ) from None


def open_experiment(client: Any, uri: str, name: str) -> str:
    """The id of the experiment ``name``, made where there is none."""
    from mlflow.exceptions import MlflowException

    if known := client.get_experiment_by_name(name):
        return str(known.experiment_id)
    database = _database(uri)
    # Without a location MLflow would write to ./mlruns of whoever calls; a server knows its own.
    location = (database.parent / f"{database.stem}-artifacts").as_uri() if database else None
    try:
        return str(client.create_experiment(name, artifact_location=location))
    except MlflowException:
        # Another process may have made it meanwhile.
        if known := client.get_experiment_by_name(name):
            return str(known.experiment_id)
        raise


def _database(uri: str) -> Path | None:
    path = uri.removeprefix(_SQLITE).split("?")[0]
    return Path(path).absolute() if uri.startswith(_SQLITE) and path and path != ":memory:" else None
