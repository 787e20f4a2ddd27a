"""How a Score is called in MLflow, and the limits of a policy as MLflow's own thresholds."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

from scrubber.core.errors import AskedWrongly
from scrubber.core.types import GatePolicy, Score


def safe(name: str) -> str:
    """MLflow takes letters, digits and ``_-.`` in every store; the rest becomes ``_``."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:240]


def numbers(score: Score) -> dict[str, float]:
    """``{metric}.{stage}.{subset}`` with ``.low``, ``.high`` and ``.n``; empty where there is no finite value."""
    if score.value is None or not math.isfinite(score.value):
        return {}
    name = safe(f"{score.metric}.{score.stage}.{score.subset}")
    told = {"": score.value, ".low": score.low, ".high": score.high, ".n": float(score.n)}
    return {name + end: float(value) for end, value in told.items() if value is not None and math.isfinite(value)}


def flat(scores: Iterable[Score]) -> dict[str, float]:
    """Metrics of a model: ``numbers`` of each score, and under its plain name the first of each metric that was asked
    after, as ``leak_rate``, ``leak_rate_lower95`` and ``leak_rate_upper95``."""
    made: dict[str, float] = {}
    plain: dict[str, float] = {}
    for score in scores:
        found = numbers(score)
        made |= found
        if found and score.stage == "after" and safe(score.metric) not in plain:
            ends = {"": score.value, "_lower95": score.low, "_upper95": score.high}
            plain |= {
                safe(score.metric) + end: float(value)
                for end, value in ends.items()
                if value is not None and math.isfinite(value)
            }
    return plain | made


def thresholds(policy: GatePolicy) -> dict[str, Any]:
    """A policy as ``MetricThreshold``s, for ``mlflow.validate_evaluation_results`` on the evaluator's result.

    Each rule is two or three: its unlucky bound, and the least n. All are absolute: MLflow lets what is not a number
    pass a relative one, and cannot allow a bounded loss. Raises AskedWrongly for a policy without rules, which MLflow
    would let anything pass, and for rules that only the gate itself can judge: families, and ``against``.
    """
    from mlflow.models import MetricThreshold

    if not policy.rules:
        raise AskedWrongly("the policy has no rule", where=policy.name, mend="Give it one: MLflow passes an empty set.")
    made: dict[str, Any] = {}
    for rule in policy.rules:
        if "*" in rule.subset or rule.against:
            raise AskedWrongly(
                "a rule on a family of subsets, or less another score, is no threshold on one metric",
                where=f"{policy.name}: {rule.metric} of {rule.subset}",
                mend="Let the gate judge it: scrubber gate --model.",
            )
        name = safe(f"{rule.metric}.{rule.stage}.{rule.subset}")
        limits = [(f"{name}.high", rule.at_most, False), (f"{name}.low", rule.at_least, True)]
        limits.append((f"{name}.n", max(1, rule.least_n), True))
        for metric, limit, greater in limits:
            if limit is not None:
                known = made.get(metric)
                bounds = [float(limit)] if known is None else [float(limit), known.threshold]
                limit = max(bounds) if greater else min(bounds)  # two rules on one score: the stricter
                made[metric] = MetricThreshold(threshold=limit, greater_is_better=greater)
    return made
