"""Findings as SARIF 2.1.0, for code scanning."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from scrubber.core.types import Finding, Kind
from scrubber.reporting.rows import finding_order, plain

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
MOST_RESULTS = 25_000  # the limit of GitHub code scanning for one run

_level: dict[Kind, tuple[str, str, str]] = {  # level, GitHub's 0-10 severity, what the rule of this kind finds
    "secret": ("error", "8.0", "A credential"),
    "pii": ("warning", "6.0", "Personal data"),
    "package": ("warning", "5.0", "A package that does not exist or is not the one meant"),
}


def findings_sarif(findings: Sequence[Finding], *, version: str) -> dict[str, Any]:
    """A SARIF log with one run, valid when empty. Errors come first, so that the cap of 25,000 drops warnings first.

    ``scrubberValue/v1`` identifies the value everywhere; ``scrubberPlace/v1`` the value, rule and document together.
    """
    ordered = sorted(findings, key=lambda finding: (_level[finding.kind][0], finding_order(finding)))
    kept = ordered[:MOST_RESULTS]
    rules = sorted({(finding.kind, finding.rule) for finding in kept})
    index = {rule: position for position, rule in enumerate(rules)}
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "scrubber",
                "version": version,
                "rules": [_rule(kind, rule) for kind, rule in rules],
            }
        },
        "automationDetails": {"id": "scrubber/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True}],
        "results": [_result(finding, index[finding.kind, finding.rule]) for finding in kept],
        "properties": {"findings": len(ordered), "leftOut": len(ordered) - len(kept)},
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(kind: Kind, rule: str) -> dict[str, Any]:
    level, severity, what = _level[kind]
    return {
        "id": f"{kind}/{rule}",
        "shortDescription": {"text": f"{what}: {rule}"},
        "defaultConfiguration": {"level": level},
        "properties": {"security-severity": severity, "tags": ["security", kind]},
    }


def _result(finding: Finding, rule_index: int) -> dict[str, Any]:
    rule = f"{finding.kind}/{finding.rule}"
    place = "\0".join((finding.fingerprint, rule, finding.document)).encode("utf-8", "surrogateescape")
    return {
        "ruleId": rule,
        "ruleIndex": rule_index,
        "level": _level[finding.kind][0],
        "message": {"text": plain(f"{_level[finding.kind][2]} ({finding.rule}): {finding.preview}")},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(finding.document.lstrip("/"), errors="surrogateescape")},
                    "region": {"startLine": finding.line, "startColumn": finding.column},
                }
            }
        ],
        "partialFingerprints": {
            "scrubberValue/v1": finding.fingerprint,
            "scrubberPlace/v1": hashlib.sha256(place).hexdigest()[:32],
        },
        "properties": {"confidence": finding.confidence},
    }
