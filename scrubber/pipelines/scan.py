"""The scan stage: documents of a corpus in, findings out, with every unread file named."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scrubber.core import parts
from scrubber.core.corpus import Unread, documents
from scrubber.core.errors import AskedWrongly, ScrubberError
from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.quiet import silent
from scrubber.core.types import Detector, Document, Finding, Progress, Scan
from scrubber.detectors.prefilter import scanner

SCHEMA_VERSION = 1
SHELF = "scrubber.detectors"

# The convention of detect-secrets, so that files that are marked already stay marked.
ALLOWED_LINE = re.compile(r"pragma: ?(?:allow|white)list[ -]secret")
ALLOWED_NEXT_LINE = re.compile(r"pragma: ?allowlist[ -]nextline[ -]secret")


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What a scan of a corpus found, and how much it read. ``skipped`` counts binary files, which are no error."""

    findings: tuple[Finding, ...]
    documents: int
    bytes: int  # of UTF-8 text
    errors: tuple[Unread, ...]
    seconds: float
    skipped: int = 0


def default_scan(fingerprint: Fingerprinter, names: Sequence[str] = ("secrets", "pii")) -> Scan:
    """The detectors called ``names``, ours or those of other packages, as one Scan; raises as ``detectors`` does."""
    return scanner(detectors(names), fingerprint)


def detectors(names: Sequence[str]) -> list[Detector]:
    """Made anew. Raises AskedWrongly when there is no detector of a name."""
    found = {name: parts.load(SHELF, SHELF, name) for name in names}
    wrong = [name for name, part in found.items() if not hasattr(part, "detector")]
    if wrong or not found:
        raise AskedWrongly(
            f"{', '.join(wrong)}: no detector" if wrong else "no detector is named",
            where="corpus.detectors",
            mend="List them with: scrubber parts detectors.",
        )
    return [part.detector() for part in found.values()]


def scan_corpus(paths: Sequence[Path], *, scan: Scan, progress: Progress | None = None) -> ScanResult:
    """Scan every document under ``paths``. Findings on a line marked ``pragma: allowlist secret`` are left out.

    The mark counts here only, where a person wrote the text: a model's completion cannot excuse itself.

    Raises AskedWrongly when a path does not exist.
    """
    began = time.perf_counter()
    errors: list[Unread] = []
    skipped: list[str] = []
    findings: list[Finding] = []
    read = size = 0
    with (progress or silent)("scan") as step:
        for document in documents(paths, errors=errors, skipped=skipped):
            read += 1
            size += len(document.text.encode("utf-8", "surrogatepass"))
            try:
                findings += _not_allowed(document, scan(document))
            except ScrubberError:
                raise
            except Exception as error:  # a fault of one detector on one document is named; its message may quote
                errors.append(Unread(document.id, f"a detector failed: {type(error).__name__}"))
            step(1)
    return ScanResult(tuple(findings), read, size, tuple(errors), time.perf_counter() - began, len(skipped))


def finding_json(finding: Finding) -> dict[str, Any]:
    """A finding under the names of the public contract: 1-based line and column, 0-based half-open offsets."""
    return {
        "document": finding.document,
        "start": finding.span.start,
        "end": finding.span.end,
        "line": finding.line,
        "column": finding.column,
        "kind": finding.kind,
        "rule": finding.rule,
        "confidence": finding.confidence,
        "preview": finding.preview,
        "fingerprint": finding.fingerprint,
    }


def to_json(result: ScanResult) -> dict[str, Any]:
    """The object that ``scan --format json`` writes."""
    return {
        "schema_version": SCHEMA_VERSION,
        "findings": [finding_json(finding) for finding in result.findings],
        "documents": result.documents,
        "bytes": result.bytes,
        "errors": [asdict(error) for error in result.errors],
        "skipped": result.skipped,
        "seconds": result.seconds,
    }


def _not_allowed(document: Document, findings: list[Finding]) -> list[Finding]:
    if "pragma:" not in document.text:
        return findings
    lines = ["", *document.text.split("\n")]
    return [
        finding
        for finding in findings
        if not ALLOWED_LINE.search(lines[finding.line]) and not ALLOWED_NEXT_LINE.search(lines[finding.line - 1])
    ]

