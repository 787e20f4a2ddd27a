"""Scrubber in ``mlflow.genai.evaluate``: what MLflow keeps of inputs, answers and expectations is masked before it sees them.

    from scrubber.plugins.mlflow.genai import evaluate
    result = evaluate(rows, predict_fn=ask)   # or rows that have "outputs"

MLflow writes whatever it is given to its trace database, a scorer's findings or not: so no scorer can be the mask.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlflow.entities import Feedback
from mlflow.genai.scorers import Scorer

from scrubber.core.errors import AskedWrongly, NoVerdict
from scrubber.core.fingerprint import Fingerprinter, mask, project_key, user_key
from scrubber.core.types import Document, Finding, Scan
from scrubber.pipelines.mask import mask_document
from scrubber.pipelines.scan import default_scan

NOTE = "scrubber"  # the expectation that says what was found in the answer, and holds no value
EXPECTED = "expected"  # the expectation that names a value which must not come out
_MOST_NAMED = 20

Rows = Sequence[Mapping[str, Any]]


class ScrubberScorer(Scorer):  # type: ignore[misc]
    """``clean``: nothing was found in the answer; ``leak_free``: the expected value did not come out; ``findings``: how many.

    Truth is good in all of them, as ``result.passed`` takes it. It reads what ``masked`` noted, and scores nothing else.
    """

    name: str = "scrubber"

    def __call__(self, *, expectations: Mapping[str, Any] | None = None) -> list[Feedback]:
        noted = (expectations or {}).get(NOTE)
        if not isinstance(noted, Mapping):
            raise AskedWrongly("this row was not masked", mend="Use scrubber.plugins.mlflow.genai.evaluate.")
        made = [
            Feedback(
                name="clean", value=not noted["findings"], rationale="; ".join(noted["named"]) or "nothing was found"
            ),
            Feedback(name="findings", value=noted["findings"]),
        ]
        if noted["leaked"] is not None:
            told = "the expected value came out" if noted["leaked"] else "the expected value did not come out"
            made.append(Feedback(name="leak_free", value=not noted["leaked"], rationale=told))
        return made


def evaluate(
    data: Any, *, scorers: Sequence[Any] = (), predict_fn: Callable[..., Any] | None = None, scan: Scan | None = None,
    **how: Any,
) -> Any:  # fmt: skip
    """``mlflow.genai.evaluate`` with the ScrubberScorer and ``scorers``, on rows that are masked.

    ``data``: rows (dicts, or a DataFrame) of ``inputs``, ``outputs`` and ``expectations``, of which ``expected`` names the
    value that must not come out. ``predict_fn`` is called here, untraced, with each row's inputs. ``scan``: else the
    default one. Raises AskedWrongly for rows of another shape, and NoVerdict when a text cannot be masked.
    """
    import mlflow
    from mlflow.tracing.provider import trace_disabled

    rows = data.to_dict("records") if hasattr(data, "to_dict") else list(data)
    if not rows or not all(isinstance(row, Mapping) and isinstance(row.get("inputs"), Mapping) for row in rows):
        raise AskedWrongly("the data are no rows with inputs", mend='Each is {"inputs": {...}, "outputs": ...}.')
    if predict_fn is not None:
        asked = trace_disabled(predict_fn)
        rows = [{**row, "outputs": asked(**row["inputs"])} for row in rows]
    chosen = scan or default_scan(Fingerprinter(project_key(user_key())))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return mlflow.genai.evaluate(data=masked(rows, chosen), scorers=[ScrubberScorer(), *scorers], **how)


def masked(rows: Rows, scan: Scan) -> list[dict[str, Any]]:
    """Rows in whose every text placeholders stand for what ``scan`` finds, and for the expected value.

    What was found in ``outputs`` is noted among the expectations, as previews and rules.
    """
    made = []
    for number, row in enumerate(rows, 1):
        if "outputs" not in row or not _texts(row["outputs"]):
            raise AskedWrongly("a row has no answer", where=f"row {number}", mend="Give outputs, or predict_fn.")
        expectations = dict(row.get("expectations") or {})
        value = expectations.pop(EXPECTED, None)
        if value is not None and (not isinstance(value, str) or not value):
            raise AskedWrongly("an expected value is no text", where=f"row {number}")
        answers = _texts(row["outputs"])
        found = [f for text in answers for f in scan(Document(f"row {number}", text, origin="generation"))]
        noted = {
            "findings": len(found),
            "named": [_told(finding) for finding in found[:_MOST_NAMED]],
            "leaked": None if value is None else any(value in text for text in answers),
        }

        def hidden(text: str, value: str | None = value, where: str = f"row {number}") -> str:
            return _hidden(text, value, scan, where)

        rest = {key: _walked(part, hidden) for key, part in row.items() if key != "expectations"}
        made.append({**rest, "expectations": {**_walked(expectations, hidden), NOTE: noted}})
    return made


def span_masker(scan: Scan) -> Callable[[Any], None]:
    """A processor for ``mlflow.tracing.configure(span_processors=[...])``: inputs and outputs of each span are masked.

    For a service that traces every request. Where a text cannot be masked none of it is kept.
    """

    def process(span: Any) -> None:
        for read, write in ((span.inputs, span.set_inputs), (span.outputs, span.set_outputs)):
            if read is None:
                continue
            try:
                write(_walked(read, lambda text: _hidden(text, None, scan, "a span")))
            except Exception:  # MLflow would go on with the span as it was
                write("masked: it could not be shown")

    return process


def _hidden(text: str, value: str | None, scan: Scan, where: str) -> str:
    if value is not None:
        text = text.replace(value, mask(value))
    shown = mask_document(Document(where, text, origin="generation"), scan)
    if shown is None:
        raise NoVerdict("a text cannot be masked", where=where, mend="Leave the row out.")
    return shown.text


def _walked(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(key) if isinstance(key, str) else key: _walked(inner, change) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_walked(inner, change) for inner in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    raise AskedWrongly(f"a {type(value).__name__} cannot be masked", mend="Give strings, numbers, lists and objects.")


def _texts(value: Any) -> list[str]:
    found: list[str] = []
    _walked(value, lambda text: found.append(text) or text)  # type: ignore[func-returns-value]
    return found


def _told(finding: Finding) -> str:
    place = f"line {finding.line}, column {finding.column}"
    return f"{finding.kind}/{finding.rule} at {place}: {finding.preview}, {finding.fingerprint[:12]}"
