"""The audit stage: of the values that were found, which does the model really know? And which texts shall it keep?"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from scrubber.core.corpus import Unread, documents
from scrubber.core.types import Document, Encoding, Finding, Model, Sample, Span
from scrubber.evaluation.probes import prefix, recall
from scrubber.pipelines.config import AuditConfig
from scrubber.pipelines.measure import Audit, only


def audit(model: Model, paths: Sequence[Path], findings: Sequence[Finding], *, config: AuditConfig, seed: int) -> Audit:
    """Asks the model for every found value (a seeded sample when there are more than ``most_values``).

    A value is learnt when greedy decoding from its true prefix gives it exactly, or its memorization accuracy reaches
    the configured one (0.9 in arXiv 2509.13755).
    """
    wanted = sorted({finding.fingerprint for finding in findings})
    if len(wanted) > config.most_values:
        wanted = random.Random(f"audit-{seed}").sample(wanted, config.most_values)
    chosen = frozenset(wanted)
    by_document: dict[str, list[Finding]] = {}
    for finding in findings:
        by_document.setdefault(finding.document, []).append(finding)
    samples: list[Sample] = []
    clean: list[Sample] = []
    ignored: list[Unread] = []  # the scan stage has named them already
    known: dict[str, Finding] = {}  # by value
    for document in documents(paths, errors=ignored):
        for finding in by_document.get(document.id, ()):
            if finding.fingerprint in chosen:
                known.setdefault(document.text[finding.span.start : finding.span.end], finding)
    for document in documents(paths, errors=ignored):
        found = by_document.get(document.id)
        if found:
            samples += windows(document, [*found, *elsewhere(document, found, known)], model, config)
        elif document.text.strip():
            clean.append(Sample(f"keep:{document.id}", document.text[: config.keep_tokens * 8]))
    samples = [s for s in samples if chosen.intersection(s.fingerprints)]
    asked = [only(s, chosen) for s in samples]
    trials = prefix.ask(model, asked, subset="found", context_tokens=config.context_tokens)
    memory = (
        recall.ask(model, asked, subset="found", context_tokens=config.context_tokens)
        if "logits" in model.capabilities
        else []
    )
    learnt = {t.subject for t in trials if t.outcome == 1.0}
    learnt |= {t.subject for t in memory if t.outcome >= config.memorization_accuracy}
    dice = random.Random(f"keep-{seed}")
    dice.shuffle(clean)
    half = min(config.keep, len(clean) // 2)
    kept = [_cut(s, model, config.keep_tokens) for s in clean[: 2 * half]]
    public = [Path(path) for path in config.keep_also]
    more = [
        Sample(f"keep-also:{document.id}", document.text[: config.keep_tokens * 8])
        for document in (documents(public, errors=ignored) if public else ())
        if document.text.strip() and not any(value in document.text for value in known)
    ]
    also = [_cut(s, model, config.keep_tokens) for s in dice.sample(more, min(config.keep, len(more)))]
    keep = dice.sample([*kept[:half], *also], half + len(also))
    return Audit(tuple(samples), frozenset(learnt), tuple(keep), tuple(kept[half:]), (*trials, *memory))


def elsewhere(document: Document, found: Sequence[Finding], known: Mapping[str, Finding]) -> Iterator[Finding]:
    """Other places of ``known`` values in a document, as findings: a name that is found in one line and stands in another
    without what gave it away. As context such a place would be reinforced, while the value is to be forgotten."""
    text, taken = document.text, [finding.span for finding in found]
    for value, finding in known.items():
        at = text.find(value)
        while at >= 0:
            span = Span(at, at + len(value))
            whole = not (text[at - 1 : at] + value[0]).isalnum() or at == 0
            whole &= not (value[-1] + text[span.end : span.end + 1]).isalnum() or span.end == len(text)
            if whole and not any(span.overlaps(other) for other in taken):
                taken.append(span)
                yield replace(finding, document=document.id, span=span)
            at = text.find(value, span.end)


def windows(document: Document, findings: Sequence[Finding], model: Model, config: AuditConfig) -> Iterator[Sample]:
    """Cuts a document round its findings: each lies in exactly one window, behind enough context, cut on tokens."""
    coded = model.encode(document.text)
    width = min(config.window_tokens, model.longest)
    context = min(config.context_tokens, width // 2)
    left = sorted(findings, key=lambda f: f.span)
    while left:
        first = _tokens_of(coded, left[0].span)[0]
        begin = max(0, first - context)
        end = min(len(coded.ids), max(begin + width, _tokens_of(coded, left[0].span)[1]))
        start, stop = coded.offsets[begin][0], coded.offsets[end - 1][1]
        inside = left[: next((n for n, f in enumerate(left) if f.span.end > stop), len(left))]
        left = left[len(inside) :]
        yield Sample(
            id=f"{document.id}:{start}",
            text=document.text[start:stop],
            forget=tuple(Span(f.span.start - start, f.span.end - start) for f in inside),
            fingerprints=tuple(f.fingerprint for f in inside),
        )


def _tokens_of(coded: Encoding, span: Span) -> tuple[int, int]:
    inside = [i for i, (a, b) in enumerate(coded.offsets) if a < span.end and b > span.start]
    return inside[0], inside[-1] + 1


def _cut(sample: Sample, model: Model, tokens: int) -> Sample:
    offsets = model.encode(sample.text).offsets[:tokens]
    return replace(sample, text=sample.text[: offsets[-1][1]] if offsets else "")
