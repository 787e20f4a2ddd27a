"""Which places of a value the audit hands on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scrubber.core.model.load import load
from scrubber.core.types import Document, Finding, Model, Span
from scrubber.pipelines.audit import audit, elsewhere
from scrubber.pipelines.config import AuditConfig


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


@pytest.fixture(scope="module")
def model(tiny_models: dict[str, Path]) -> Model:
    return load(str(tiny_models["llama"]), "fp32")


def test_texts_to_keep_are_clean_ones_of_the_corpus_and_public_ones_without_a_found_value(
    model: Model, tmp_path: Path
) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "found.py").write_text("mail = 'ana@x.io'\n")
    for number in range(4):
        (corpus / f"clean{number}.py").write_text(f"def f{number}():\n    return {number}\n")
    rows = ["def g():\n    return 1\n", "mail = 'ana@x.io'\n", "   \n"]
    also = tmp_path / "public.jsonl"
    also.write_text("".join(json.dumps({"id": str(i), "text": text}) + "\n" for i, text in enumerate(rows)))

    found = [Finding("found.py", Span(8, 16), 1, 9, "pii", "email-address", 0.9, "***", "mark")]
    made = audit(model, [corpus], found, config=AuditConfig(keep_also=[str(also)]), seed=0)
    kept = {sample.id for sample in made.keep}
    assert (len(kept), sum(name.startswith("keep-also:") for name in kept)) == (3, 1)
    assert len(made.held_out) == 2
    assert not kept & {sample.id for sample in made.held_out}
    assert not any("ana@x.io" in sample.text for sample in (*made.keep, *made.held_out))
    alone = audit(model, [corpus], found, config=AuditConfig(), seed=0)
    assert {sample.id.partition(":")[0] for sample in alone.keep} == {"keep"}
