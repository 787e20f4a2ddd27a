"""The detector of a user's own rules: token formats that are matched as those of our packs are, on the lines that were hit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scrubber.core.types import Document, Hit, Kind, Pattern
from scrubber.detectors import _rules
from scrubber.detectors.prefilter import lines


class PackDetector:
    """The Detector of ``rows``, whatever other detectors are asked beside it."""

    kind: Kind = "secret"

    def __init__(self, rows: Sequence[_rules.TokenFormat]) -> None:
        self._rows = {row.rule: row for row in rows}

    def patterns(self) -> Sequence[Pattern]:
        return [Pattern(rule, _rules.prefilter(row)) for rule, row in self._rows.items()]

    def confirm(self, document: Document, hits: Sequence[Hit]) -> Iterator[Hit]:
        for start, end, rules in lines(document.text, hits):
            for rule in sorted(rules):
                yield from _rules.find(self._rows[rule], document.text, start, end)

    def explain(self, document: Document, hit: Hit) -> list[str]:
        """Why ``hit`` was confirmed, without the value; empty where the rule is none of these."""
        row = self._rows.get(hit.rule)
        if row is None:
            return []
        return [f"pattern: a format of {row.provider}, in a rule pack of your own ({hit.confidence:.2f})"]
