"""Findings and verdicts as SARIF 2.1.0, for code scanning."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from scrubber.core.baseline import Mark, Marker
from scrubber.core.types import Finding, Kind, Report
from scrubber.reporting.places import Place, Places
from scrubber.reporting.rows import finding_order, limit, plain, rule_name

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
HOME = "https://github.com/code-scrubber/code-scrubber"
MOST_RESULTS = 5_000  # GitHub code scanning takes 25,000 of a run and shows this many
MOST_BYTES = 1_900_000  # of results, so that a file of any scan stays below 2 MB

_level: dict[Kind, tuple[str, str, str]] = {  # level, GitHub's 0-10 severity, what the rule of this kind finds
    "secret": ("error", "8.0", "A credential"),
    "pii": ("warning", "6.0", "Personal data"),
    "package": ("warning", "5.0", "A package that does not exist or is not the one meant"),
    "code": ("note", "3.0", "Code that is to be forgotten"),
}
_mend: dict[Kind, str] = {
    "secret": "Revoke it where it was issued, then take it out of the text and its history: it may be known already.",
    "pii": "Take it out, or put a placeholder in its place: scrubber mask writes a cleaned copy.",
    "package": "Name the package that is meant. Whoever registers a name that models invent owns what is installed.",
    "code": "Take it out of what the next model is trained on.",
}
_allow = "If it is none, mark the line with `pragma: allowlist secret`, or accept it with `scrubber baseline`."


def findings_sarif(
    findings: Sequence[Finding],
    *,
    version: str,
    mark: Marker | None = None,
    place: Places = Places(),  # noqa: B008 (it is frozen)
    unread: int = 0,
) -> dict[str, Any]:
    """A SARIF log with one run, valid when empty. What a baseline accepts is there, last, with its suppression.

    It is sorted and then cut at MOST_RESULTS and MOST_BYTES, so that what is accepted is left out first, then
    warnings; what was left out is counted. ``scrubberValue/v1`` identifies the value everywhere,
    ``scrubberPlace/v1`` the value, kind and document together. ``unread``: how many files were not read.
    """
    marks = [mark(finding) if mark else None for finding in findings]
    order = sorted(range(len(findings)), key=lambda i: (_accepted(marks[i]), *_severity(findings[i])))
    ordered = [(findings[i], marks[i]) for i in order]
    rules = sorted({(finding.kind, finding.rule) for finding in findings})
    index = {rule: position for position, rule in enumerate(rules)}
    results, size = list[dict[str, Any]](), 0
    for finding, told in ordered[:MOST_RESULTS]:
        result = _result(finding, index[finding.kind, finding.rule], told, place)
        size += len(dump(result))
        if size > MOST_BYTES:
            break
        results.append(result)
    left_out = len(ordered) - len(results)
    notes = [f"{left_out} findings were left out of this file, the least severe ones."] if left_out else []
    notes += [f"{unread} files were not read."] if unread else []
    run = _run(version, [_rule(kind, rule) for kind, rule in rules], results, notes, not unread)
    run["automationDetails"] = {"id": f"scrubber/{place.origin}/"}
    run["properties"] = {"findings": len(ordered), "leftOut": left_out}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def verdict_sarif(report: Report, *, version: str, file: str) -> dict[str, Any]:
    """The rules that a verdict does not pass: refused ones as errors, undecided ones as warnings, at ``file``, which
    is the stored result that was judged. A verdict without a rule is an error of its own."""
    outcomes = [outcome for outcome in report.verdict.rules if outcome.outcome != "passed"]
    told = [
        (
            f"gate/{o.rule.metric}",
            o.outcome == "refused",
            f"{rule_name(o.rule)}, limit {limit(o)}: {o.reason}",
            rule_name(o.rule),
        )
        for o in outcomes
    ]
    if not report.verdict.rules:
        told = [("gate/policy", True, "The policy has no rule.", "policy")]
    ids = sorted({id for id, *_ in told})
    rules = [{"id": id, "shortDescription": {"text": f"A limit of the release gate: {id}"}} for id in ids]
    results = [
        {
            "ruleId": id,
            "ruleIndex": ids.index(id),
            "level": "error" if refused else "warning",
            "message": {"text": plain(text)},
            "locations": [_location(Place(file, 1, None, f"{report.policy}: {name}"))],
            "partialFingerprints": {"scrubberRule/v1": _digest(report.policy, name)},
        }
        for id, refused, text, name in told
    ]
    run = _run(version, rules, results, [], True)
    run["automationDetails"] = {"id": "scrubber/gate/"}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def dump(value: dict[str, Any]) -> str:
    """Without blanks, which would be a third of it."""
    return json.dumps(value, separators=(",", ":"))


def _severity(finding: Finding) -> tuple[str, tuple[str, int, int, str, str, str]]:
    return _level[finding.kind][0], finding_order(finding)


def _accepted(mark: Mark | None) -> bool:
    return mark is not None and mark.state == "accepted"


def _run(
    version: str, rules: list[dict[str, Any]], results: list[dict[str, Any]], notes: list[str], complete: bool
) -> dict[str, Any]:
    driver = {"name": "scrubber", "version": version, "informationUri": HOME, "rules": rules}
    invocation: dict[str, Any] = {"executionSuccessful": complete}
    if notes:
        invocation["toolExecutionNotifications"] = [{"level": "warning", "message": {"text": text}} for text in notes]
    return {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [invocation],
        "results": results,
    }


def _rule(kind: Kind, rule: str) -> dict[str, Any]:
    level, severity, what = _level[kind]
    return {
        "id": f"{kind}/{rule}",
        "name": rule,
        "shortDescription": {"text": f"{what}: {rule}"},
        "help": {"text": f"{_mend[kind]} {_allow}".replace("`", ""), "markdown": f"{_mend[kind]} {_allow}"},
        "defaultConfiguration": {"level": level},
        "properties": {"security-severity": severity, "tags": ["security", kind]},
    }


def _result(finding: Finding, rule_index: int, mark: Mark | None, place: Places) -> dict[str, Any]:
    level, _, what = _level[finding.kind]
    where = f", in the answer to {finding.document}" if place.origin == "generation" else ""
    result: dict[str, Any] = {
        "ruleId": f"{finding.kind}/{finding.rule}",
        "ruleIndex": rule_index,
        "level": level,
        "message": {"text": plain(f"{what} ({finding.rule}): {finding.preview}{where}")},
        "locations": [_location(place(finding))],
        "partialFingerprints": {
            "scrubberValue/v1": finding.fingerprint,
            "scrubberPlace/v1": _digest(finding.fingerprint, finding.kind, place.path(finding)),
        },
        "properties": {"confidence": finding.confidence},
    }
    if mark is not None:
        result["baselineState"] = "unchanged" if mark.entry else "new"
        if mark.entry and mark.state == "accepted":
            result["suppressions"] = [
                {
                    "kind": "external",
                    "status": "accepted",
                    "justification": plain(f"{mark.entry.owner}: {mark.entry.reason}"),
                }
            ]
        elif mark.entry:
            result["properties"]["baseline"] = mark.state
    return result


def _location(place: Place) -> dict[str, Any]:
    location: dict[str, Any] = {}
    if place.file:
        physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(place.file)}}
        if place.line is not None:
            physical["region"] = {"startLine": place.line} | ({"startColumn": place.column} if place.column else {})
        location["physicalLocation"] = physical
    if place.inside:
        location["logicalLocations"] = [{"fullyQualifiedName": plain(place.inside), "kind": "resource"}]
    return location


def _uri(path: str) -> str:
    return ("file://" if path.startswith("/") else "") + quote(path, errors="surrogateescape")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]
