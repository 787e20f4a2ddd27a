"""The evaluate stage: what a model says of planted, audited and decoy values, and what it still can do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from scrubber.core.corpus import Unread, documents
from scrubber.core.decoys import decoy
from scrubber.core.errors import AskedWrongly
from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.intervals import clopper_pearson
from scrubber.core.types import Finding, Kind, Sample, Score, Span
from scrubber.evaluation.benchmarks import micro
from scrubber.pipelines.config import Config
from scrubber.pipelines.measure import Audit, Subjects, only

FIELDS = ("value", "kind", "document", "start", "end")


def subjects(config: Config, audit: Audit, fingerprint: Fingerprinter) -> Subjects:
    """What to ask: all found values, the audited ones, the planted ones and decoys where the configuration names them,
    texts to keep, and micro tasks, half of them of unseen compositions."""
    settings = config.evaluate
    planted, kinds = listed(settings.planted, config, fingerprint) if settings.planted else ([], {})
    asked = {t.subject for t in audit.trials}
    values = {"found": [only(s, asked) for s in audit.samples], "audited": audit.audited}
    if planted:
        values = {"planted": planted, "audited": audit.audited}
    decoys = (
        listed(settings.decoys, config, fingerprint)[0]
        if settings.decoys
        else [decoy(s, config.seed) for s in audit.audited or values["found"]]
    )
    half = settings.micro_tasks // 2
    tasks = [*micro.tasks("seen", half), *micro.tasks("unseen", half)] if half else []
    return Subjects(
        values=values,
        decoys=decoys,
        held_out=_texts(settings.held_out) if settings.held_out else audit.held_out,
        tasks=tasks,
        kinds=kinds,
        likelihood_values=settings.likelihood_values,
        context_tokens=config.audit.context_tokens,
        seed=config.seed,
    )


def listed(path: str, config: Config, fingerprint: Fingerprinter) -> tuple[list[Sample], dict[str, str]]:
    """Samples of a JSONL list of values, and each fingerprint's kind. A row without ``text`` means a corpus document."""
    rows = []
    try:
        for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
            row = json.loads(line)
            if not isinstance(row, dict) or not all(key in row for key in FIELDS):
                raise AskedWrongly(f"line {number} lacks one of {', '.join(FIELDS)}", where=path)
            rows.append(row)
    except (OSError, ValueError):
        raise AskedWrongly("the list of values cannot be read", where=path, mend="It is JSONL, in UTF-8.") from None
    wanted = {row["document"] for row in rows if "text" not in row}
    texts: dict[str, str] = {}
    if wanted:
        unread: list[Unread] = []
        paths = [Path(p) for p in config.corpus.paths]
        texts = {d.id: d.text for d in documents(paths, errors=unread) if d.id in wanted}
    samples: list[Sample] = []
    kinds: dict[str, str] = {}
    for number, row in enumerate(rows, 1):
        text = row.get("text", texts.get(row["document"], ""))
        if not row["value"] or text[row["start"] : row["end"]] != row["value"]:
            raise AskedWrongly(
                f"line {number}: its value does not stand there in the document",
                where=path,
                mend="start and end are character offsets, half-open; the document must be in corpus.paths.",
            )
        mark = fingerprint("secret", row["value"])
        kinds |= {fingerprint(of, row["value"]): str(row["kind"]) for of in get_args(Kind)}  # as a detector saw it, too
        samples.append(Sample(row["document"], text, (Span(row["start"], row["end"]),), fingerprints=(mark,)))
    return samples, kinds


def detector_recall(planted: Sequence[Sample], findings: Sequence[Finding]) -> Score:
    """The share of planted values that the scan found: a finding covers the value, or lies within it."""
    spans: dict[str, list[Span]] = {}
    for finding in findings:
        spans.setdefault(finding.document, []).append(finding.span)
    found = sum(
        any(span.covers(other) or other.covers(span) for other in spans.get(sample.id, ()))
        for sample in planted
        for span in sample.forget
    )
    n = sum(len(sample.forget) for sample in planted)
    return Score("detector_recall", "before", "planted", found / n, *clopper_pearson(found, n), n)


def _texts(path: str) -> list[Sample]:
    unread: list[Unread] = []
    return [Sample(f"held:{d.id}", d.text) for d in documents([Path(path)], errors=unread) if d.text.strip()]
