"""What a request names is found where it stands in the corpus, by value, person or file; bad lines are named, values never."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Sequence
from pathlib import Path

import pytest

from scrubber.core.errors import AskedWrongly
from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.model.load import load
from scrubber.core.types import Finding, Model
from scrubber.pipelines.config import AuditConfig
from scrubber.pipelines.requests import Resolved, Wish, describe, read, resolve
from scrubber.pipelines.scan import default_scan, scan_corpus

DICE = random.Random(3)
FINGERPRINT = Fingerprinter(b"0123456789abcdef")
TOKEN = "gh" + "p_" + "".join(DICE.choices(string.ascii_letters + string.digits, k=36))
WORD = "zephyr" + "".join(DICE.choices(string.ascii_lowercase, k=6))
NAME = "Ana" + " Bell"
MAIL = "ana.bell" + "@" + "brightloom.de"


@pytest.fixture(scope="module")
def model(tiny_models: dict[str, Path]) -> Model:
    return load(str(tiny_models["llama"]), "fp32")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "a.py").write_text(f"# {NAME}, {MAIL}\nkey = '{TOKEN}'\nname = '{WORD}'\n")
    (folder / "b.py").write_text(f"def f():\n    return '{WORD}'\n")
    (folder / "c.py").write_text("def g(x):\n    return x + 1\n")
    return folder


def found_in(corpus: Path) -> Sequence[Finding]:
    return scan_corpus([corpus], scan=default_scan(FINGERPRINT)).findings


def resolved(corpus: Path, model: Model, *wishes: Wish) -> Resolved:
    return resolve(wishes, [corpus], found_in(corpus), model, config=AuditConfig(), fingerprint=FINGERPRINT)


def values(made: Resolved) -> set[str]:
    """The texts of what was asked for, in all its places."""
    wanted = set(made.wanted)
    return {
        sample.text[span.start : span.end]
        for sample in made.samples
        for span, mark in zip(sample.forget, sample.fingerprints, strict=True)
        if mark in wanted
    }


def test_a_value_that_no_detector_sees_is_found_in_all_documents(corpus: Path, model: Model) -> None:
    made = resolved(corpus, model, Wish("value", WORD))
    assert values(made) == {WORD}
    assert len(made.samples) == 2
    assert len(made.wanted) == 1
    assert [sample.id for sample in made.clean] == ["keep:c.py"]
    assert describe(made, made.wanted) == {"values": 1, "new": 1, "places": 2, "nowhere": 0}


def test_a_value_that_a_detector_sees_has_the_fingerprint_of_its_finding(corpus: Path, model: Model) -> None:
    made = resolved(corpus, model, Wish("value", TOKEN))
    assert made.wanted == (FINGERPRINT("secret", TOKEN),)
    mail = resolved(corpus, model, Wish("value", MAIL))
    assert mail.wanted == (FINGERPRINT("pii", MAIL),)


def test_other_found_values_of_a_window_are_to_be_forgotten_too_but_were_not_asked_for(
    corpus: Path, model: Model
) -> None:
    (sample,) = resolved(corpus, model, Wish("value", MAIL)).samples
    assert {sample.text[span.start : span.end] for span in sample.forget} >= {MAIL, TOKEN}


def test_a_person_is_every_value_of_documents_that_name_them(corpus: Path, model: Model) -> None:
    assert values(resolved(corpus, model, Wish("person", NAME))) == {NAME, MAIL, TOKEN}


def test_a_file_is_every_value_found_in_it(corpus: Path, model: Model) -> None:
    assert {MAIL, TOKEN} <= values(resolved(corpus, model, Wish("file", "a.py")))


def test_part_of_a_value_means_the_value(corpus: Path, model: Model) -> None:
    assert values(resolved(corpus, model, Wish("value", TOKEN[8:30]))) == {TOKEN}


def test_what_stands_nowhere_is_counted(corpus: Path, model: Model) -> None:
    made = resolved(corpus, model, Wish("value", "nowhere-at-all"), Wish("value", WORD))
    assert describe(made, [])["nowhere"] == 1


def test_a_request_is_read_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "request.jsonl"
    file.write_text(json.dumps({"value": WORD}) + "\n\n" + json.dumps({"person": NAME}) + '\n{"file": "a.py"}\n')
    assert read(file) == [Wish("value", WORD), Wish("person", NAME), Wish("file", "a.py")]


def test_bad_lines_are_all_named_without_their_text(tmp_path: Path) -> None:
    file = tmp_path / "request.jsonl"
    bad = [f"{WORD}", json.dumps({"value": WORD, "file": "x"}), json.dumps({"valeu": WORD}), json.dumps([WORD])]
    file.write_text("\n".join([json.dumps({"value": "fine"}), *bad, json.dumps({"value": 7})]))
    with pytest.raises(AskedWrongly, match="5 lines") as caught:
        read(file)
    assert "2, 3, 4, 5, 6" in str(caught.value)
    assert WORD not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe"])
def test_an_empty_or_unreadable_request_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "request.jsonl"
    file.write_bytes(content)
    with pytest.raises(AskedWrongly):
        read(file)
