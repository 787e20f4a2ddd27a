"""The evaluator ``scrubber`` of ``mlflow.models.evaluate``, for models that write code.

MLflow loads this module while it is itself half imported, and imports it in every process that evaluates anything: so it
imports from ``mlflow.models.evaluation`` and not from ``mlflow.models``, and what measures is imported where it is used.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.models.evaluation import EvaluationResult, ModelEvaluator
from mlflow.models.evaluation.artifacts import JsonEvaluationArtifact

if TYPE_CHECKING:
    from scrubber.core.fingerprint import Fingerprinter
    from scrubber.core.types import GatePolicy, Report, Scan, Score
    from scrubber.plugins.mlflow.answers import Row, Settings

MODEL_TYPES = ("code-generation",)
NOT_TESTED = (
    "prompts other than those of the data",
    "sampled answers: each prompt is answered once",
    "memorization, relearning and other precisions: they need the model's weights (scrubber release)",
    "values that no detector found and the data do not name",
)
GIVEN = "that the answers are this model's: they were given, or a function gave them"


class ScrubberEvaluator(ModelEvaluator):  # type: ignore[misc]
    """Scores answers to prompts, judges them by a gate policy, and leaves sealed evidence in the run.

    Rows: a column of prompts, and any of ``expected``, ``subset``, ``tests`` and ``before`` (see ``answers.Settings``).
    Errors are ScrubberErrors; no answer and no value is in them, in the metrics or in an artifact.
    """

    @classmethod
    def can_evaluate(cls, *, model_type: str | None, evaluator_config: Any, **kwargs: Any) -> bool:
        """MLflow asks every evaluator about every model where none is named."""
        return model_type in MODEL_TYPES

    def evaluate(
        self, *, model_type: str, dataset: Any, run_id: str, evaluator_config: Mapping[str, Any] | None, model: Any = None,
        extra_metrics: Any = None, custom_artifacts: Any = None, predictions: str | None = None, **kwargs: Any,
    ) -> EvaluationResult:  # fmt: skip
        """MLflow's own interface. It logs the metrics that are returned to run and model, where a model is known."""
        from scrubber.core.errors import AskedWrongly
        from scrubber.core.fingerprint import Fingerprinter, project_key, user_key
        from scrubber.core.seal import sealing_key
        from scrubber.pipelines.config import policy as policy_named
        from scrubber.pipelines.scan import default_scan
        from scrubber.plugins.mlflow.answers import settings

        if extra_metrics or custom_artifacts:
            raise AskedWrongly(
                "extra metrics and artifacts would be handed raw answers",
                where="mlflow.models.evaluate",
                mend="Use them with another evaluator.",
            )
        # all that can be known to be wrong, before a model is asked for hours
        asked = settings(evaluator_config)
        policy = policy_named(asked.policy)
        fingerprint = Fingerprinter(project_key(user_key()))
        scan = default_scan(fingerprint, asked.detectors)
        model_id = kwargs.get("model_id") or ""
        if model_id:
            sealing_key(make=True)
        _check_empty(run_id)

        began = time.perf_counter()
        rows, before = _rows(asked, dataset, model, predictions)
        scores, findings = _measured(asked, rows, before, scan, fingerprint)
        # a function that is evaluated for a model of MLflow's may be anything
        given = model is None or bool(model_id and getattr(model, "model_id", None) != model_id)
        report = _report(asked, policy, dataset, scores, findings, time.perf_counter() - began, given=given)
        return _logged(report, run_id, model_id)


def _check_empty(run_id: str) -> None:
    """A second evaluation would replace the evidence of the first and, on the run, its metrics."""
    from mlflow.tracking import MlflowClient

    from scrubber.core.errors import AskedWrongly
    from scrubber.plugins.mlflow.evidence import FOLDER

    if MlflowClient().list_artifacts(run_id, FOLDER):
        raise AskedWrongly(
            "this run holds the result of another evaluation",
            where=run_id,
            mend="Evaluate in a run of its own: with mlflow.start_run(nested=True).",
        )


def _rows(asked: Settings, dataset: Any, model: Any, column: str | None) -> tuple[list[Row], list[Row]]:
    """Rows with the model's answers, and with those of the model before, if the data have them."""
    from scrubber.core.errors import AskedWrongly
    from scrubber.plugins.mlflow.answers import Row, texts

    frame = dataset.features_data
    if not hasattr(frame, "columns"):
        raise AskedWrongly("the data are no table", mend="Give a pandas DataFrame with a column of prompts.")
    ours = {asked.expected, asked.subset, asked.tests, asked.before}
    prompts = frame[[name for name in frame.columns if name not in ours]]
    if asked.prompt in prompts.columns:
        prompt = asked.prompt
    elif len(prompts.columns) == 1:
        prompt = prompts.columns[0]
    else:
        raise AskedWrongly(
            f"the data have no column of prompts called {asked.prompt!r}",
            where=", ".join(map(str, frame.columns)),
            mend='Name it: evaluator_config={"prompt": COLUMN}.',
        )
    if not len(frame):
        raise AskedWrongly("the data have no row", mend="Give prompts to answer.")
    answers = dataset.predictions_data if model is None else _untraced(model, prompts)
    if answers is None:
        raise AskedWrongly("there is neither a model nor a column of answers", mend="Give model= or predictions=.")
    if column is not None and hasattr(answers, "columns"):
        answers = answers[column]
    labels = dataset.labels_data if dataset.has_targets else None

    def cells(name: str, given: Any = None) -> list[str]:
        found = given if given is not None else frame[name] if name in frame.columns else [None] * len(frame)
        return [value if isinstance(value, str) else "" for value in list(found)]

    columns = [cells(prompt, prompts[prompt]), cells(asked.expected, labels), cells(asked.subset), cells(asked.tests)]
    rows = list(map(Row, *columns, texts(answers, len(frame))))
    if asked.before not in frame.columns:
        return rows, []
    return rows, list(map(Row, *columns, texts(frame[asked.before], len(frame))))


def _untraced(model: Any, prompts: Any) -> Any:
    """Its answers. MLflow turns tracing on for an evaluation, which would keep raw answers in its database."""
    from mlflow.tracing.provider import trace_disabled

    return trace_disabled(model.predict)(prompts)


def _measured(
    asked: Settings, rows: Sequence[Row], before: Sequence[Row], scan: Scan, fingerprint: Fingerprinter
) -> tuple[tuple[Score, ...], dict[str, int]]:
    from scrubber.plugins.mlflow.answers import counted, differences, remembering, score, solver

    scan, solve = remembering(scan), solver(asked.isolation)
    scores, tasks = score(rows, stage="after", scan=scan, fingerprint=fingerprint, solve=solve)
    if before:
        first, first_tasks = score(before, stage="before", scan=scan, fingerprint=fingerprint, solve=solve)
        scores = [*scores, *first, *differences(first_tasks, tasks)]
    return tuple(scores), counted(rows, scan)


def _report(
    asked: Settings, policy: GatePolicy, dataset: Any, scores: tuple[Score, ...], findings: Mapping[str, int],
    seconds: float, *, given: bool,
) -> Report:  # fmt: skip
    from scrubber.core.gate import decide
    from scrubber.core.memory import peak_memory
    from scrubber.core.provenance import versions
    from scrubber.core.types import Report
    from scrubber.core.workspace import digest

    config = {f"evaluator.{key}": ", ".join(v) if isinstance(v, tuple) else v for key, v in asdict(asked).items()}
    return Report(
        name=str(dataset.name or "evaluation"),
        verdict=decide(policy, scores),
        scores=scores,
        policy=policy.name,
        config=config,
        digests={"data": str(dataset.digest), "policy": digest(asdict(policy)), "config": digest(config)},
        versions=versions(),
        seconds={"evaluate": round(seconds, 2)},
        peak_memory_bytes=peak_memory(),
        findings=findings,
        not_tested=(*NOT_TESTED, *((GIVEN,) if given else ())),
    )


def _logged(report: Report, run_id: str, model_id: str) -> EvaluationResult:
    """The result, after the report and, of a model that MLflow knows, the evidence have gone to the run.

    Raises OutOfReach when the store does not take them; the report then lies in the current folder.
    """
    from mlflow.tracking import MlflowClient, get_tracking_uri

    from scrubber.plugins.mlflow import evidence as proof
    from scrubber.plugins.mlflow.metrics import flat
    from scrubber.plugins.mlflow.registry import evidence_of, log_metrics
    from scrubber.plugins.mlflow.store import OutOfReach, reaching

    try:
        with reaching(get_tracking_uri()):
            client = MlflowClient()
            proof.log(client, run_id, report, evidence_of(report, run_id, model_id) if model_id else None)
            if not model_id:
                log_metrics(client, run_id, report, "")
    except OutOfReach as error:
        kept = Path(f"scrubber-{run_id[:8]}.result.json").absolute()
        kept.write_text(json.dumps(proof.result(report), indent=1), encoding="utf-8")
        raise OutOfReach(
            f"{error.what}, after the model was evaluated",
            where=error.where,
            mend=f"The result is kept in {kept}. When the store is back: registry.prove, see docs/mlflow.md.",
        ) from None
    uri = f"runs:/{run_id}/{proof.FOLDER}/{proof.RESULT}"
    artifacts = {proof.RESULT: JsonEvaluationArtifact(uri, proof.result(report))}
    return EvaluationResult(flat(report.scores), artifacts, run_id)
