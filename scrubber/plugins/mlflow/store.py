"""Opens an MLflow store quietly: no telemetry, no chatter, and a local store's artifacts beside its database."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

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
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "true"
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    for noisy in ("alembic", "mlflow"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    from mlflow.tracking import MlflowClient

    if database := _database(uri):
        database.parent.mkdir(parents=True, exist_ok=True)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


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
