"""By what values are divided, and which of them belong to one person: what scores by stratum and by cluster need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from scrubber.core.types import Finding, Sample

NEAR_LINES = 3  # between two values of one person
_LENGTHS = ((32, "32_up"), (16, "16_to_31"), (0, "under_16"))  # characters
_COPIES = ((5, "5_up"), (2, "2_to_4"), (0, "1"))


@dataclass(frozen=True)
class Groups:
    """All by fingerprint. ``divisions``: stratum of each value by kind, rule, length, copies. Private: it holds values."""

    divisions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    clusters: Mapping[str, str] = field(default_factory=dict)  # whose it is; a value of nobody's has none
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)  # further values of its owner


def groups(
    samples: Sequence[Sample],
    findings: Iterable[Finding],
    *,
    kinds: Mapping[str, str] | None = None,
    owners: Mapping[str, str] | None = None,
) -> Groups:
    """``samples``: every place of every value. ``kinds`` and ``owners``, where a list of values names them, go first.

    The rule that found a value tells its provider. Values of nobody's that are personal data and stand near each other
    are taken for one person's (``persons``).
    """
    found = list(findings)
    values = {
        mark: sample.text[span.start : span.end]
        for sample in samples
        for span, mark in zip(sample.forget, sample.fingerprints, strict=True)
    }
    copies = Counter(mark for sample in samples for mark in sample.fingerprints)
    clusters = {**persons([f for f in found if f.fingerprint in values]), **(owners or {})}
    of_owner: dict[str, list[str]] = {}
    for mark, owner in clusters.items():
        if mark in values:
            of_owner.setdefault(owner, []).append(mark)
    return Groups(
        divisions={
            "kind": {**{f.fingerprint: f.kind for f in found}, **(kinds or {})},
            "rule": {f.fingerprint: f.rule for f in found},
            "length": {mark: _bin(len(value), _LENGTHS) for mark, value in values.items()},
            "copies": {mark: _bin(count, _COPIES) for mark, count in copies.items()},
        },
        clusters=clusters,
        others={
            mark: tuple(values[other] for other in marks if values[other] != values[mark])
            for marks in of_owner.values()
            for mark in marks
        },
    )


def persons(findings: Iterable[Finding]) -> dict[str, str]:
    """Personal data by person, guessed: what stands within three lines is one's, until a kind of it comes again.

    In a list of contacts each line is another person; in a header name, mail and phone stand below each other. A value
    in several places belongs to the first of them, lest a number that many share make one person of all.
    """
    owner: dict[str, str] = {}
    personal = sorted((f for f in findings if f.kind == "pii"), key=lambda f: (f.document, f.span))
    place, rules, last = "", set[str](), None
    for finding in personal:
        near = last is not None and last.document == finding.document and finding.line - last.line <= NEAR_LINES
        if not near or finding.rule in rules:
            place, rules = f"{finding.document}:{finding.span.start}", set()
        last = finding
        rules.add(finding.rule)
        owner.setdefault(finding.fingerprint, place)
    return owner


def _bin(count: int, bins: Sequence[tuple[int, str]]) -> str:
    return next(name for least, name in bins if count >= least)
