"""Personal data: contacts, addresses, accounts, identity numbers and people, each held against what only looks like one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from scrubber.core.types import Detector, Document, Hit, Kind, Pattern, Span
from scrubber.detectors import _pii_ids, _pii_money, _pii_network, _pii_people, _pii_phones, _pii_places
from scrubber.detectors._pii_rules import Line
from scrubber.detectors.prefilter import lines

RULES = (
    *_pii_network.RULES,
    *_pii_phones.RULES,
    *_pii_money.RULES,
    *_pii_ids.RULES,
    *_pii_places.RULES,
    *_pii_people.RULES,
)
FINDERS = {rule.key: rule.find for rule in RULES}


class PiiDetector:
    """The Detector of personal data. Confidence .5 and more is precise; less is for a search that must miss nothing."""

    kind: Kind = "pii"
    least_confidence = 0.0  # rules that cannot reach it are not searched for

    @property
    def gates(self) -> Mapping[Pattern, str]:
        return {Pattern(rule.key, head): gate for rule in RULES for head, gate in rule.gates.items()}

    def patterns(self) -> Sequence[Pattern]:
        rules = [rule for rule in RULES if rule.most_confidence >= self.least_confidence]
        return [Pattern(rule.key, head) for rule in rules for head in (*rule.heads, *rule.gates)]

    def confirm(self, document: Document, hits: Sequence[Hit]) -> Iterator[Hit]:
        """What is really personal data on the lines that were hit."""
        for start, end, keys in lines(document.text, hits):
            line = Line(document.text[start:end], document.text, start, document.language)
            for key in sorted(keys):
                for found in FINDERS[key](line):
                    yield Hit(found.rule, Span(start + found.start, start + found.end), found.confidence)


def detector() -> Detector:
    """The part that ``scrubber.core.parts`` loads."""
    return PiiDetector()
