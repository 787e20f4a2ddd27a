"""What proves a verdict: the report, the model's files and the run, under a seal whose key the registry does not hold."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from scrubber.core.errors import ScrubberError
from scrubber.core.seal import folder_digest, is_sealed, key_id, seal
from scrubber.core.types import Report
from scrubber.reporting.result import from_json, to_json

FOLDER = "scrubber"  # of a run's artifacts
EVIDENCE, RESULT, PAGE = "evidence.json", "result.json", "report.html"
MOST_BYTES = 32 << 20  # of evidence: a report holds numbers
SCHEMA_VERSION = 1
# MLflow lays it beside the files of a version as it fetches them.
OF_THE_DOWNLOAD = frozenset({"registered_model_meta"})


class Evidence(NamedTuple):
    """A report, the SHA-256 and count of the files of the model that it is of, and the run whose metrics it explains."""

    report: Report
    model: str
    files: int
    model_id: str  # of the LoggedModel; empty if there is none
    run_id: str


def sealed(evidence: Evidence, key: bytes) -> str:
    """The text of ``evidence.json``."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "report": result(evidence.report),
        "model": {"sha256": evidence.model, "files": evidence.files, "id": evidence.model_id},
        "run": evidence.run_id,
    }
    return json.dumps(seal(content, key), indent=1, allow_nan=False) + "\n"


def opened(data: bytes, key: bytes) -> Evidence | str:
    """The evidence, or why it is none. Nothing of what is not sealed is told: anyone may have written it."""
    try:
        content: Any = json.loads(data)
        if not isinstance(content, dict):
            return "it is no JSON object"
        if not is_sealed(content, key):
            other = content.get("key") != key_id(key)
            return "it is sealed under another key" if other else "it was changed after it was sealed"
        if content["schema_version"] != SCHEMA_VERSION:
            return f"it is not of schema version {SCHEMA_VERSION}"
        model = content["model"]
        return Evidence(from_json(content["report"]), model["sha256"], model["files"], model["id"], content["run"])
    except (ValueError, KeyError, TypeError, RecursionError, ScrubberError):
        return "it is malformed"


@contextmanager
def fetched(uri: str, store: str | None) -> Iterator[Path]:
    """The files of a model (``models:/...``) in a temporary folder."""
    from mlflow.artifacts import download_artifacts

    with tempfile.TemporaryDirectory(prefix="scrubber-model-") as folder:
        yield Path(download_artifacts(artifact_uri=uri, dst_path=folder, tracking_uri=store, registry_uri=store))


def model_digest(folder: Path) -> tuple[str, int]:
    """SHA-256 and count of a fetched model's files."""
    return folder_digest(folder, OF_THE_DOWNLOAD)


def result(report: Report) -> dict[str, Any]:
    """The report as ``result.json``."""
    return to_json(report, report.verdict.exit_code)


def log(client: Any, run_id: str, report: Report, evidence: str | None) -> None:
    """Writes result.json, report.html and, if there is any, evidence.json to the run's artifacts."""
    from scrubber.reporting.html import report_html

    with tempfile.TemporaryDirectory(prefix="scrubber-evidence-") as name:
        folder = Path(name)
        (folder / RESULT).write_text(json.dumps(result(report), indent=1), encoding="utf-8")
        (folder / PAGE).write_text(report_html(report), encoding="utf-8")
        if evidence is not None:
            (folder / EVIDENCE).write_text(evidence, encoding="utf-8")
        client.log_artifacts(run_id, name, FOLDER)
