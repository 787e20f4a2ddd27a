"""The scan stage: documents of a corpus in, findings out, with every unread file named; resumable, by processes."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from scrubber.core import parts
from scrubber.core.corpus import Source, Unread, WorkItems, documents_of, shards
from scrubber.core.errors import AskedWrongly, ScrubberError
from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.provenance import version_of
from scrubber.core.quiet import silent
from scrubber.core.types import Detector, Document, Finding, Hit, Progress, Scan
from scrubber.core.workspace import digest, digest_files
from scrubber.detectors._packs import PackDetector
from scrubber.detectors._rules import TokenFormat
from scrubber.detectors.prefilter import scanner
from scrubber.pipelines.findings import SCHEMA_VERSION, FindingsFile, jsonl
from scrubber.pipelines.findings import finding_json as finding_json
from scrubber.pipelines.shards import LOST, SHARD_BYTES, Finished, Options, mapped

SHELF = "scrubber.detectors"
DETECTORS = ("secrets", "pii")  # asked where none is named
FINDINGS = "findings.jsonl"
CODE = Path(__file__).parents[1]  # findings hang on it, and on the versions of LIBRARIES
LIBRARIES = ("code-scrubber", "detect-secrets", "phonenumbers", "hyperscan", "tree-sitter")

# The convention of detect-secrets, so that files that are marked already stay marked.
ALLOWED_LINE = re.compile(r"pragma: ?(?:allow|white)list[ -]secret")
ALLOWED_NEXT_LINE = re.compile(r"pragma: ?allowlist[ -]nextline[ -]secret")


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What a scan of a corpus found, and how much it read. ``skipped`` counts binary files, which are no error."""

    findings: Sequence[Finding]
    documents: int
    bytes: int  # of UTF-8 text
    errors: tuple[Unread, ...]
    seconds: float
    skipped: int = 0


class Profile(NamedTuple):
    """Which detectors are asked, and how sure they must be. None: those that the caller names."""

    detectors: tuple[str, ...] | None
    least_confidence: float


PROFILES = {
    "exact": Profile(("exact",), 0.0),  # what detect-secrets finds
    "balanced": Profile(None, 0.5),
    "recall": Profile(None, 0.0),
}


class DefaultScan:
    """A Scan by detectors of a profile. Another process is told their names, the rules and the key, and makes its own."""

    def __init__(
        self,
        fingerprint: Fingerprinter,
        names: Sequence[str],
        profile: str,
        leave_out: Sequence[str] = (),
        rules: Sequence[TokenFormat] = (),
    ) -> None:
        if profile not in PROFILES:
            raise AskedWrongly(f"there is no profile called {profile!r}", mend=f"Use one of: {', '.join(PROFILES)}.")
        self._made_of = fingerprint, tuple(names), profile, tuple(leave_out), tuple(rules)
        self._left_out = frozenset(leave_out)
        self._least = PROFILES[profile].least_confidence
        own = [PackDetector(rules)] if rules else []
        self._detectors: list[Detector] = [*own, *detectors(PROFILES[profile].detectors or names)]
        for detector in self._detectors:
            if hasattr(detector, "least_confidence"):
                detector.least_confidence = self._least
        self._scan = scanner(self._detectors, fingerprint)
        # detect-secrets reads its own marks, and takes notebooks and JSONL for the text that they are
        self.marks = self.unpack = profile != "exact"

    def __call__(self, document: Document) -> list[Finding]:
        found = self._scan(document)
        return [f for f in found if f.confidence >= self._least and f.rule not in self._left_out] if found else found

    def __reduce__(self) -> tuple[type[DefaultScan], tuple[Any, ...]]:
        return DefaultScan, self._made_of

    def explain(self, document: Document, finding: Finding) -> list[str]:
        """Why it is one, in words without the value, by the first detector of its kind that can tell (``explain``)."""
        hit = Hit(finding.rule, finding.span, finding.confidence)
        able = [
            detector for detector in self._detectors if detector.kind == finding.kind and hasattr(detector, "explain")
        ]
        return next((reasons for detector in able if (reasons := detector.explain(document, hit))), [])

    @property
    def identity(self) -> str:
        """Two scans of one identity find the same: a digest of rules, code, versions and, one way, the key."""
        fingerprint, *asked = self._made_of
        # a detector that looks names up in a file has an identity of its own
        patterns = [(detector.patterns(), getattr(detector, "identity", "")) for detector in self._detectors]
        code = [digest_files(path) for path in sorted(CODE.rglob("*")) if path.suffix in (".py", ".toml")]
        libraries = [version_of(name) for name in LIBRARIES]
        return digest(asked, patterns, code, libraries, fingerprint("package", ""))


def default_scan(
    fingerprint: Fingerprinter,
    names: Sequence[str] = DETECTORS,
    profile: str = "balanced",
    leave_out: Sequence[str] = (),
    rules: Sequence[TokenFormat] = (),
) -> DefaultScan:
    """The detectors called ``names``, ours or those of other packages, as one Scan; raises as ``detectors`` does.

    ``profile``: "balanced", "recall" (also what is not sure), or "exact" (what detect-secrets finds, by our own
    detector of that name alone). ``leave_out``: names of rules whose findings are dropped. ``rules``: a user's own, which
    any profile asks too (``scrubber.pipelines.packs.sound_rules``).
    """
    return DefaultScan(fingerprint, names, profile, leave_out, rules)


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


def scan_corpus(
    paths: Sequence[str | os.PathLike[str]],
    *,
    scan: Scan,
    progress: Progress = silent,
    options: Options = Options(),  # noqa: B008 (it is frozen)
    undecodable: Literal["named", "latin-1"] = "named",
) -> ScanResult:
    """Scan every document of ``paths``. Findings on a line marked ``pragma: allowlist secret`` are left out.

    The mark counts only where a person wrote the text (``options.origin``): a model's completion cannot excuse itself.

    With more than one of ``options.workers``, ``scan`` should be one that can be pickled. With ``options.workspace`` the
    findings are in its ``findings.jsonl``, and never all in memory. ``progress`` is told bytes on disk. ``undecodable``
    is as for ``scrubber.core.corpus.documents``.

    Raises AskedWrongly when a path does not exist, or ``scan`` cannot do what is asked of it.
    """
    began = time.perf_counter()
    errors: list[Unread] = []
    unpack = getattr(scan, "unpack", True)
    sources = shards(
        paths,
        errors=errors,
        gitignore=options.gitignore,
        text_column=options.text_column,
        unpack=unpack,
        size=SHARD_BYTES,
    )
    total = sum(source.size for source in sources)
    reading = {"text_column": options.text_column, "undecodable": undecodable, "origin": options.origin}
    work = partial(_scan_shard, scan=scan, reading=reading)
    done = partial(mapped, work, workers=options.workers, lost=_lost, progress=progress, label="scan", total=total)
    workspace = options.workspace
    if workspace is None:
        made = list(done(sources))
        findings: Sequence[Finding] = tuple(finding for shard in made for finding in shard.findings)
    else:
        finished = Finished(workspace, "scan", sources, [identity(scan), reading])
        left = WorkItems.of(sources[number] for number in finished.left)
        lost = {}
        for number, shard in zip(finished.left, done(left), strict=True):
            if shard.lost:
                lost[number] = shard
            else:
                finished.put(number, _head(shard), jsonl(shard.findings))
        made = [lost.get(number) or _shard(finished.head(number) or {}) for number in range(len(sources))]
        with workspace.replacing(FINDINGS) as path, path.open("w", encoding="utf-8") as file:
            for number in range(len(sources)):
                if number not in lost:
                    file.writelines(finished.rows(number))
        findings = FindingsFile(workspace.path(FINDINGS), sum(shard.found for shard in made))
    return ScanResult(
        findings,
        sum(shard.documents for shard in made),
        sum(shard.bytes for shard in made),
        (*errors, *(error for shard in made for error in shard.errors)),
        time.perf_counter() - began,
        sum(shard.skipped for shard in made),
    )


def identity(scan: Scan) -> str:
    """Of a scan whose work can be kept. Raises AskedWrongly when it has none."""
    known = getattr(scan, "identity", None)
    if not isinstance(known, str):
        raise AskedWrongly("a scan without identity cannot be resumed", mend="Use default_scan, or no run folder.")
    return known


class _Shard(NamedTuple):
    """What the scan of one work item found, and how much it read."""

    findings: Sequence[Finding]
    found: int
    documents: int
    bytes: int
    errors: Sequence[Unread]
    skipped: int
    lost: bool = False


def _scan_shard(source: Source, *, scan: Scan, reading: Mapping[str, Any]) -> _Shard:
    """``reading``: settings of ``documents_of``."""
    errors: list[Unread] = []
    skipped: list[str] = []
    findings: list[Finding] = []
    read = size = 0
    unpack = getattr(scan, "unpack", True)
    for document in documents_of(source, errors=errors, skipped=skipped, unpack=unpack, **reading):
        read += 1
        text = document.text
        size += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        try:
            findings += findings_in(document, scan)
        except (ScrubberError, MemoryError):
            raise
        except Exception as error:  # a fault of one detector on one document is named; its message may quote
            errors.append(Unread(document.id, f"a detector failed: {type(error).__name__}"))
    return _Shard(findings, len(findings), read, size, errors, len(skipped))


def _lost(source: Source) -> _Shard:
    return _Shard((), 0, 0, 0, (Unread(source.name, LOST),), 0, lost=True)


def _head(shard: _Shard) -> dict[str, Any]:
    return {**shard._asdict(), "findings": (), "errors": [asdict(error) for error in shard.errors]}


def _shard(head: dict[str, Any]) -> _Shard:
    known = {name: head[name] for name in _Shard._fields}
    return _Shard(**{**known, "errors": tuple(Unread(**error) for error in head["errors"])})


def findings_in(document: Document, scan: Scan) -> list[Finding]:
    """What ``scan`` finds, less what stands on lines that a person has allowed."""
    findings = scan(document)
    if (
        not findings
        or document.origin != "corpus"
        or not getattr(scan, "marks", True)
        or "pragma:" not in document.text
    ):
        return findings
    lines = ["", *document.text.split("\n")]
    return [
        finding
        for finding in findings
        if not ALLOWED_LINE.search(lines[finding.line]) and not ALLOWED_NEXT_LINE.search(lines[finding.line - 1])
    ]


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
