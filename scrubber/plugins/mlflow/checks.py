"""Whether what a registry shows is what was measured: each comparison is a rule of the verdict, and in doubt refuses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scrubber.core.types import Report, Rule, RuleOutcome
from scrubber.plugins.mlflow.evidence import Evidence
from scrubber.plugins.mlflow.metrics import flat, safe
from scrubber.reporting.rows import limit, number

GATE, POLICY, DIGEST, RUN = "scrubber.gate", "scrubber.policy", "scrubber.report", "scrubber.run"
METRIC = "evidence"  # of the rules made here
WHY = {
    "seal": "Whoever can write to a registry can write a report: only the seal's key cannot be had there.",
    "files": "The files of this version must be those that were measured.",
    "metrics": "What MLflow shows must be what was measured.",
    "tags": "A tag is a claim: anyone may set one.",
}
_MOST_NAMES = 3
_SAME = 1e-9  # a store may keep a number as it likes, to this


def tags_of(evidence: Evidence, digest: str) -> dict[str, str]:
    """What the version's tags must say. Keys are short: MLflow's pages cut them.

    ``digest``: SHA-256 of the evidence's file.
    """
    report = evidence.report
    tags = {
        GATE: report.verdict.outcome,
        POLICY: report.digests.get("policy", ""),
        DIGEST: digest,
        RUN: evidence.run_id,
    }
    for rule in report.verdict.rules:
        tags.setdefault(f"scrubber.{safe(rule.rule.metric)}", f"{number(rule.measured)} (limit {limit(rule)})")
    return tags


def seal_rule(fault: str) -> RuleOutcome:
    """``fault``: why the evidence is none; empty if it is."""
    return _rule("seal", int(bool(fault)), 1, fault or "the report is as it was sealed")


def files_rule(evidence: Evidence, found: tuple[str, int]) -> RuleOutcome:
    """``found``: SHA-256 and count of the files that this version has now."""
    same = evidence.model == found[0]
    told = "the model's files are those that were measured"
    if not same:
        told = f"the model's files are not those that were measured ({found[1]} files now, {evidence.files} then)"
    return _rule("files", int(not same), found[1], told)


def metrics_rule(report: Report, of_run: Mapping[str, float], of_model: Sequence[Any] | None) -> RuleOutcome:
    """``of_run``: the run's metrics; ``of_model``: every metric of the LoggedModel that this run logged, if there is one."""
    expected = flat(report.scores)
    wrong = {name for name, value in expected.items() if not _same(of_run.get(name), value)}
    if of_model is not None:
        wrong |= expected.keys() - {metric.key for metric in of_model}
        wrong |= {m.key for m in of_model if m.key in expected and not _same(m.value, expected[m.key])}
    told = f"not as measured: {_names(wrong)}" if wrong else "each metric is as measured"
    return _rule("metrics", len(wrong), len(expected), told)


def tags_rule(expected: Mapping[str, str], found: Mapping[str, str]) -> RuleOutcome:
    """A tag of ours that is missing, or says anything else, is wrong."""
    wrong = {name for name, value in expected.items() if found.get(name) != value}
    told = f"not what the report says: {_names(wrong)}" if wrong else "each tag says what the report says"
    return _rule("tags", len(wrong), len(expected), told)


def _rule(subset: str, wrong: int, n: int, told: str) -> RuleOutcome:
    rule = Rule(METRIC, subset, at_most=0.0, why=WHY[subset])
    told = f"{METRIC} of {subset}, after: {told}"
    return RuleOutcome(rule, "refused" if wrong else "passed", float(wrong), float(wrong), 0.0, n, told)


def _same(found: float | None, expected: float) -> bool:
    return found is not None and math.isclose(found, expected, rel_tol=_SAME, abs_tol=_SAME)


def _names(wrong: Iterable[str]) -> str:
    """A few of them. They are names of ours: only expected ones are ever wrong."""
    named = sorted(wrong)
    return ", ".join(named[:_MOST_NAMES]) + f" and {len(named) - _MOST_NAMES} more" * (len(named) > _MOST_NAMES)
