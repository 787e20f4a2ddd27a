"""A run of ``scrubber release`` as evidence for a registered version: only if that holds the weights which the run measured."""

from __future__ import annotations

import json
from pathlib import Path

from scrubber.core.errors import AskedWrongly, NoVerdict
from scrubber.core.seal import file_digest
from scrubber.core.types import Report
from scrubber.core.workspace import digest_files
from scrubber.pipelines.config import policy as policy_named
from scrubber.pipelines.publish import regate
from scrubber.plugins.mlflow.registry import ALIAS, Judged, prove
from scrubber.reporting.result import from_json

WEIGHTS = frozenset({".safetensors", ".bin", ".pt", ".pth", ".gguf"})


def prove_run(run_dir: Path, uri: str, policy: str = "", *, store: str = "", alias: str = ALIAS) -> Judged:
    """Seals a run's result for the version ``uri`` and publishes it, as ``registry.prove`` does.

    ``policy``: a name or a TOML file to judge it by; else its verdict is as stored.

    Each weight file that the run left (its adapter, or its model) must be among the version's files, byte for byte.
    Raises NoVerdict without a result, and AskedWrongly for weights that are not those.
    """
    try:
        report = from_json(json.loads((run_dir / "result.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        raise NoVerdict("there is no stored result", where=str(run_dir), mend="Run scrubber release first.") from None
    if policy:
        report = regate(report, policy_named(policy))
    return prove(report, uri, store=store, alias=alias, weights=_weights(run_dir, report))


def _weights(run_dir: Path, report: Report) -> frozenset[str]:
    """SHA-256 of the weight files that the report is of."""
    told = report.digests.get("release") or report.digests.get("adapter", "")  # of a release, of the demo
    places = [run_dir / "adapter", run_dir / "model"]
    if told == "none":  # nothing was to be forgotten: the model as it was
        told, places = report.digests.get("model", ""), [Path(str(report.config.get("model.path", "")))]
    for folder in places:
        if folder.is_dir() and digest_files(folder) == told:
            found = frozenset(file_digest(path) for path in folder.rglob("*") if path.suffix in WEIGHTS)
            if found:
                return found
    raise AskedWrongly(
        "the weights that this result is of are not in the run folder, or were changed",
        where=str(run_dir),
        mend="Give the run folder as scrubber release left it.",
    )
