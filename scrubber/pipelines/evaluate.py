"""The evaluate stage: what a model says of planted, audited and decoy values, and what it still can do."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from scrubber.core.corpus import Unread, documents
from scrubber.core.decoys import decoy
from scrubber.core.errors import AskedWrongly
from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.intervals import clopper_pearson
from scrubber.core.types import Finding, Kind, Sample, Score, Span
from scrubber.evaluation.benchmarks import micro
from scrubber.pipelines import proof
from scrubber.pipelines.config import Config, policy
from scrubber.pipelines.measure import Audit, Subjects, only
from scrubber.pipelines.questions import Questions
from scrubber.pipelines.strata import groups

FIELDS = ("value", "kind", "document", "start", "end")
OTHER = 1_000_003  # further seed, for values that are neither the decoys nor those that a method trains on
NEIGHBOURS = 400  # texts: four times what the strictest policy needs


def subjects(config: Config, audit: Audit, fingerprint: Fingerprinter, findings: Iterable[Finding] = ()) -> Subjects:
    """What to ask: all found values, the audited ones, the planted ones and decoys where the configuration names them,
    texts to keep, and micro tasks, half of them of unseen compositions. ``findings`` tell the full suite's strata."""
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
    quick = Subjects(
        values=values,
        decoys=decoys,
        held_out=_texts(settings.held_out) if settings.held_out else audit.held_out,
        tasks=tasks,
        kinds=kinds,
        likelihood_values=settings.likelihood_values,
        context_tokens=config.audit.context_tokens,
        seed=config.seed,
    )
    if settings.suite == "quick":
        return quick
    owners = {**_owners(settings.planted, fingerprint), **_owners(settings.decoys, fingerprint)}
    grouped = groups([*audit.samples, *planted], findings, kinds=kinds, owners=owners)
    return replace(
        quick,
        kinds=kinds or grouped.divisions["kind"],
        groups=grouped,
        questions=_questions(config, quick, audit),
    )


def check_suite(config: Config) -> None:
    """Raises AskedWrongly where the policy has rules that the configured suite cannot decide: hours would end undecided."""
    wanted = proof.needed_by(policy(config.gate.policy))
    if wanted and config.evaluate.suite == "quick":
        raise AskedWrongly(
            f"the policy {config.gate.policy} goes by {', '.join(wanted)}, which the quick suite does not measure",
            where="evaluate.suite",
            mend='Set evaluate.suite = "full", or a policy that needs less, such as release.',
        )


def _questions(config: Config, quick: Subjects, audit: Audit) -> Questions:
    """Those of the full suite: about the audited values, else the planted, else the found ones."""
    settings, seed = config.evaluate, config.seed
    subset = next((name for name in ("audited", "planted") if quick.values.get(name)), "found")
    texts = random.Random(f"neighbours-{seed}").sample(audit.forget, min(NEIGHBOURS, len(audit.forget)))
    return Questions(
        subset=subset,
        values=_one_each(quick.values.get(subset, ()), seed),
        decoys=_one_each(quick.decoys, seed),
        few=settings.sampled_values,
        keep=quick.held_out,
        neighbours=[decoy(sample, seed + OTHER) for sample in texts],
        samples=settings.samples,
        temperatures=settings.temperatures,
        choices=settings.choices,
        context_tokens=quick.context_tokens,
        seed=seed,
    )


def _one_each(samples: Sequence[Sample], seed: int) -> list[Sample]:
    """Each value at its first place, as a sample of its own; shuffled, so that the first of them are a fair choice."""
    single: dict[str, Sample] = {}
    for sample in samples:
        for span, mark in zip(sample.forget, sample.fingerprints, strict=True):
            single.setdefault(mark, replace(sample, forget=(span,), fingerprints=(mark,)))
    return random.Random(f"one-each-{seed}").sample(list(single.values()), len(single))


def _owners(path: str, fingerprint: Fingerprinter) -> dict[str, str]:
    """Whose the values of a list are, by fingerprint, where its rows have a ``person``."""
    rows = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()] if path else []
    return {fingerprint(of, row["value"]): row["person"] for row in rows if row.get("person") for of in get_args(Kind)}


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
