"""Which places of a value the audit hands on."""

from __future__ import annotations

from scrubber.core.types import Document, Finding, Span
from scrubber.pipelines.audit import elsewhere


def finding(document: str, start: int, end: int, mark: str) -> Finding:
    return Finding(document, Span(start, end), 1, 1, "pii", "person-name", 0.5, "***", mark)


def test_a_known_value_counts_in_all_its_places_but_not_within_other_words() -> None:
    text = "Ana B asked. Diana B; Ana B.\nAna Bo, and again Ana B"
    places = [start for start in range(len(text)) if text.startswith("Ana B", start)]
    assert places == [0, 22, 29, 47]
    found = [finding("d", 0, 5, "one")]
    made = list(elsewhere(Document("d", text), found, {"Ana B": finding("other", 3, 8, "one")}))
    assert [(f.document, f.span, f.fingerprint) for f in made] == [
        ("d", Span(22, 27), "one"), ("d", Span(47, 52), "one"),
    ]  # fmt: skip


def test_what_stands_within_a_finding_is_no_place_of_its_own() -> None:
    text = "mail ana@x.io of ana"
    found = [finding("d", 5, 13, "mail")]
    made = elsewhere(Document("d", text), found, {"ana": finding("d", 0, 3, "name"), "ana@x.io": found[0]})
    assert [(f.span, f.fingerprint) for f in made] == [(Span(17, 20), "name")]
