"""result.json: the machine-readable contract of a run, written from a Report and read back into one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from scrubber.core.errors import AskedWrongly
from scrubber.core.types import Report, Rule, RuleOutcome, Verdict

SCHEMA_VERSION = 1
_report = TypeAdapter(Report)
_rule_names = frozenset(field.name for field in fields(Rule))
_mend = "Give the result.json that a run of Scrubber wrote, unchanged, or run the evaluation again."


def to_json(report: Report, exit_code: int) -> dict[str, Any]:
    """The ``result.json`` object: JSON types only, and None for every number that is not finite."""
    value: dict[str, Any] = {
        "schema_version": report.schema_version,
        "name": report.name,
        "verdict": report.verdict.outcome,
        "exit_code": exit_code,
        "policy": report.policy,
        "rules": _rules(report.verdict),
        "scores": [asdict(score) for score in report.scores],
        "controls": [
            {"name": name, "verdict": verdict.outcome, "rules": _rules(verdict)} for name, verdict in report.controls
        ],
        "findings": dict(report.findings),
        "not_tested": list(report.not_tested),
        "seconds": dict(report.seconds),
        "peak_memory_bytes": report.peak_memory_bytes,
        "digests": dict(report.digests),
        "config": dict(report.config),
        "versions": dict(report.versions),
    }
    finite: dict[str, Any] = _finite(value)
    return finite


def from_json(data: Mapping[str, Any]) -> Report:
    """The Report that ``to_json`` wrote. Unknown keys are left alone, so that a newer minor writer can be read.

    Raises AskedWrongly, naming the key, when one is missing or of the wrong type or the schema version is another.
    """
    if not isinstance(data, Mapping):
        raise AskedWrongly("the result is not a JSON object", where="result.json", mend=_mend)
    version = data.get("schema_version")
    if version != SCHEMA_VERSION:
        raise AskedWrongly(
            f"the result is not of schema version {SCHEMA_VERSION}", where="result.json: schema_version", mend=_mend
        )
    nested = {
        **data,
        "verdict": {"outcome": data.get("verdict"), "rules": _nested(data.get("rules"))},
        "seconds": _not_finite(data.get("seconds")),
        "controls": [_control(control) for control in _sequence(data.get("controls", ()))],
    }
    try:
        return _report.validate_python(nested)
    except ValidationError as error:
        # Location and message only: pydantic's own text would quote the input.
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise AskedWrongly(
            f"the result is malformed: {first['msg'].lower()}", where=f"result.json: {where}", mend=_mend
        ) from None


def _rules(verdict: Verdict) -> list[dict[str, Any]]:
    """One flat object for each rule: what it asks, then what came of it."""
    return [_flat(outcome) for outcome in verdict.rules]


def _flat(outcome: RuleOutcome) -> dict[str, Any]:
    value = asdict(outcome)
    rule: dict[str, Any] = value.pop("rule")
    return {**rule, **value}


def _nested(rows: Any) -> Any:
    if not isinstance(rows, Sequence) or not all(isinstance(row, Mapping) for row in rows):
        return rows
    return [
        {
            **{key: value for key, value in row.items() if key not in _rule_names},
            "rule": {key: value for key, value in row.items() if key in _rule_names},
            **({"limit": math.nan} if row.get("limit", 0.0) is None else {}),
        }
        for row in rows
    ]


def _control(control: Any) -> Any:
    if not isinstance(control, Mapping):
        return control
    return control.get("name"), {"outcome": control.get("verdict"), "rules": _nested(control.get("rules"))}


def _sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)


def _not_finite(values: Any) -> Any:
    """A null where a Report has a plain float was a number that JSON cannot write."""
    if not isinstance(values, Mapping):
        return values
    return {key: math.nan if value is None else value for key, value in values.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
