"""The gate at a model registry: a version passes by sealed evidence that fits its files, never by what its tags say."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from scrubber.core.errors import AskedWrongly, NoVerdict
from scrubber.core.gate import decide
from scrubber.core.seal import file_digest, sealing_key
from scrubber.core.types import GatePolicy, Outcome, Report, RuleOutcome, Verdict
from scrubber.core.workspace import digest
from scrubber.pipelines.config import policy as policy_named
from scrubber.plugins.mlflow import evidence as proof
from scrubber.plugins.mlflow.card import described
from scrubber.plugins.mlflow.checks import GATE, RUN, files_rule, metrics_rule, seal_rule, tags_of, tags_rule
from scrubber.plugins.mlflow.evidence import Evidence
from scrubber.plugins.mlflow.metrics import flat
from scrubber.plugins.mlflow.store import STAGE_TAG, named_store, open_experiment, reaching
from scrubber.plugins.mlflow.tracker import MOST_METRICS

ALIAS = "release-candidate"
_URI = re.compile(r"models:/+([^/@]+)(?:/([0-9]+)|@([^/@]+))")
_RUN_ID = re.compile(r"[0-9A-Za-z]{1,64}")
_WORST_FIRST: tuple[Outcome, ...] = ("refused", "undecided", "passed")


class Judged(NamedTuple):
    """A version, and the report with the verdict of the gate on it."""

    name: str
    version: str
    report: Report


def judge(uri: str, policy: str = "", *, store: str = "") -> Judged:
    """The verdict on the version that ``uri`` names: ``models:/NAME/VERSION`` or ``models:/NAME@ALIAS``.

    Fetches its files and the evidence, compares files, metrics and tags with what is sealed, and holds ``policy`` (a
    name or a TOML file; else the sealed report's own rules) against the sealed scores. Whatever does not fit refuses.

    ``store``: an MLflow tracking URI; else the one that MLflow is set to. Raises AskedWrongly for a version that is not
    there and where there is no key; NoVerdict for one that was never evaluated, and for a store out of reach.
    """
    asked = policy_named(policy) if policy else None
    key = sealing_key()
    with _opened(uri, store) as (client, where, version):
        report = _examined(client, where, version, key, asked)
        name = f"{version.name} version {version.version}"
        return Judged(version.name, str(version.version), replace(report, name=name))


def publish(uri: str, run_id: str, *, store: str = "", alias: str = ALIAS) -> Judged:
    """Puts the verdict of the evidence that ``run_id`` holds on a version: tags, a table in its description, the alias.

    The alias is moved to a version that passes, and taken from it when it passes no more; other versions are let alone.
    What is not proven is not published: raises NoVerdict where the evidence is missing or does not fit the version.
    """
    key = sealing_key()
    with _opened(uri, store) as (client, where, version):
        data = _evidence(client, run_id)
        found = proof.opened(data, key) if data else "it is missing"
        rules = [seal_rule(found)] if isinstance(found, str) else _fit(client, where, version, found)
        if isinstance(found, str) or any(rule.outcome != "passed" for rule in rules):
            told = "; ".join(rule.reason for rule in rules if rule.outcome != "passed")
            raise NoVerdict(
                f"the evidence of this run does not prove this version: {told}",
                where=f"{version.name} version {version.version}",
                mend="Evaluate this version's own model, and publish that run.",
            )
        report = found.report
        for tag, value in tags_of(found, hashlib.sha256(data or b"").hexdigest()).items():
            client.set_model_version_tag(version.name, version.version, tag, value)
        client.update_model_version(version.name, version.version, described(version.description or "", report))
        if report.verdict.outcome == "passed":
            client.set_registered_model_alias(version.name, alias, version.version)
        elif alias in (version.aliases or ()):
            client.delete_registered_model_alias(version.name, alias)
        return Judged(version.name, str(version.version), _with(report, report.verdict.rules, rules))


def prove(
    report: Report, uri: str, *, run_id: str = "", store: str = "", alias: str = ALIAS,
    weights: frozenset[str] = frozenset(),
) -> Judged:  # fmt: skip
    """Seals ``report`` as evidence for a version, logs it and its metrics to ``run_id``, else to a run of its own; publishes.

    For a report that was made elsewhere. The caller vouches that it is of these files; from here on the seal does.
    ``weights``: SHA-256 of files that must be among them; raises AskedWrongly where one is not.
    """
    sealing_key(make=True)  # without one, nothing is to be logged
    with _opened(uri, store) as (client, where, version):
        exact = f"models:/{version.name}/{version.version}"
        with proof.fetched(exact, where) as folder:
            model_id = logged_model(folder)
            if not weights <= {file_digest(path) for path in folder.rglob("*") if weights and path.is_file()}:
                raise AskedWrongly(
                    "this version does not hold the weights that were measured",
                    where=exact,
                    mend="Log them as they are, by artifacts= of mlflow.pyfunc.log_model; merged ones by docs/mlflow.md.",
                )
        run = run_id or _run_beside(client, version, model_id)
        log_metrics(client, run, report, model_id)
        proof.log(client, run, report, evidence_of(report, run, model_id, exact, store=where))
        if not run_id:
            client.set_terminated(run)
    return publish(exact, run, store=store, alias=alias)


def evidence_of(report: Report, run_id: str, model_id: str, uri: str = "", store: str | None = None) -> str:
    """The text of sealed evidence for a LoggedModel, or for the version that ``uri`` names, with the files that it has now."""
    key = sealing_key(make=True)
    with proof.fetched(uri or f"models:/{model_id}", store) as folder:
        return proof.sealed(Evidence(report, *proof.model_digest(folder), model_id, run_id), key)


def logged_model(folder: Path) -> str:
    """The id of the LoggedModel that a fetched model is of; empty where its MLmodel file tells none."""
    file = folder / "MLmodel"
    found = re.search(r"^model_id: ['\"]?(m-[0-9a-f]+)", file.read_text(), re.MULTILINE) if file.is_file() else None
    return found[1] if found else ""


def log_metrics(client: Any, run_id: str, report: Report, model_id: str) -> None:
    """The report's numbers on the run and, with the data they are of, on the LoggedModel."""
    from mlflow.entities import Metric

    known = client.get_run(run_id)
    data = {"dataset_name": report.name, "dataset_digest": report.digests["data"]} if "data" in report.digests else {}
    beside = {"model_id": model_id, **data} if model_id else {}
    metrics = [
        # the same time whenever it is sent: a store keeps one of each
        Metric(name, value, known.info.start_time, 0, run_id=run_id, **beside)
        for name, value in flat(report.scores).items()
    ]
    for start in range(0, len(metrics), MOST_METRICS):
        client.log_batch(run_id, metrics=metrics[start : start + MOST_METRICS])


@contextmanager
def _opened(uri: str, store: str) -> Iterator[tuple[Any, str, Any]]:
    """A client, the store's URI, and the version that is meant."""
    named = _URI.fullmatch(uri)
    if named is None:
        raise AskedWrongly(
            "this names no version of a registered model",
            where=uri,
            mend="Write it as models:/NAME/3 or models:/NAME@release-candidate.",
        )
    client, where = named_store(store)
    from mlflow.exceptions import MlflowException

    with reaching(where):
        try:
            name, number, alias = named.groups()
            version = client.get_model_version(name, number or client.get_model_version_by_alias(name, alias).version)
        except MlflowException as error:
            # an alias that is not there is an invalid parameter to MLflow
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            raise AskedWrongly("the registry has no such version", where=uri, mend="See its page in MLflow.") from None
        yield client, where, version


def _examined(client: Any, where: str, version: Any, key: bytes, asked: GatePolicy | None) -> Report:
    run_id = version.tags.get(RUN, "")
    if not {GATE, RUN} & version.tags.keys():
        raise NoVerdict(
            "this version was never evaluated",
            where=f"{version.name} version {version.version}",
            mend="Evaluate it, and publish the run: docs/mlflow.md.",
        )
    data = _evidence(client, run_id)
    found: Evidence | str = "it is missing" if data is None else proof.opened(data, key)
    if isinstance(found, str):
        nothing = Report(version.name, Verdict("undecided", ()), (), "", {}, {}, {}, {}, 0, {}, ())
        rules = decide(asked, ()).rules if asked else ()
        return _with(replace(nothing, policy=asked.name if asked else "none"), rules, [seal_rule(found)])
    expected = tags_of(found, hashlib.sha256(data or b"").hexdigest())
    fit = [*_fit(client, where, version, found), tags_rule(expected, version.tags)]
    # the rules of a sealed verdict are the policy, whatever a file of that name says here
    policy = asked or GatePolicy(found.report.policy, tuple(rule.rule for rule in found.report.verdict.rules))
    report = replace(found.report, policy=policy.name,
                     digests={**found.report.digests, "policy": digest(asdict(policy))})  # fmt: skip
    return _with(report, decide(policy, report.scores).rules, fit)


def _fit(client: Any, where: str, version: Any, found: Evidence) -> list[RuleOutcome]:
    """Whether evidence that is sealed fits this version's files and what MLflow shows as its metrics."""
    with proof.fetched(f"models:/{version.name}/{version.version}", where) as folder:
        files = files_rule(found, proof.model_digest(folder))
    run = client.get_run(found.run_id)
    shown = None
    if found.model_id:
        logged = client.get_logged_model(found.model_id).metrics or ()
        shown = [metric for metric in logged if metric.run_id == found.run_id]
    return [seal_rule(""), files, metrics_rule(found.report, run.data.metrics, shown)]


def _evidence(client: Any, run_id: str) -> bytes | None:
    """The evidence's file, or None: no such run, no such file, or one too large to be evidence."""
    from mlflow.exceptions import MlflowException

    if not _RUN_ID.fullmatch(run_id):
        return None
    try:
        listed = {file.path: file.file_size for file in client.list_artifacts(run_id, proof.FOLDER)}
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    path = f"{proof.FOLDER}/{proof.EVIDENCE}"
    if not 0 < (listed.get(path) or 0) <= proof.MOST_BYTES:
        return None
    with tempfile.TemporaryDirectory(prefix="scrubber-evidence-") as folder:
        return Path(client.download_artifacts(run_id, path, folder)).read_bytes()


def _with(report: Report, rules: tuple[RuleOutcome, ...], first: list[RuleOutcome]) -> Report:
    """The report under the rules of the policy and those of the evidence. A policy without rules decides nothing."""
    worst = min((rule.outcome for rule in (*first, *rules)), key=_WORST_FIRST.index)
    outcome = "undecided" if worst == "passed" and not rules else worst
    return replace(report, verdict=Verdict(outcome, (*first, *rules)))


def _run_beside(client: Any, version: Any, model_id: str) -> str:
    """A run in the experiment of the model, else in one of ours."""
    if model_id:
        experiment = client.get_logged_model(model_id).experiment_id
    elif version.run_id:
        experiment = client.get_run(version.run_id).info.experiment_id
    else:
        experiment = open_experiment(client, client.tracking_uri, "scrubber")
    name = f"gate {version.name} {version.version}"
    made: str = client.create_run(experiment, run_name=name, tags={STAGE_TAG: "gate"}).info.run_id
    return made
