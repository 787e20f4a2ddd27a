"""A masked corpus has no finding, is the same at each masking, and keeps all that is no value."""

from __future__ import annotations

import ast
import json
import os
import random
import re
import signal
import stat
import string
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubber.core.errors import AskedWrongly
from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.types import Document, Finding, Hit, Span
from scrubber.core.workspace import Workspace
from scrubber.pipelines import mask as stage
from scrubber.pipelines import shards as work_items
from scrubber.pipelines.mask import mask_corpus, mask_document
from scrubber.pipelines.scan import default_scan, scan_corpus
from scrubber.pipelines.shards import Options

ROOT = Path(__file__).parents[2]
FINGERPRINT = Fingerprinter(b"k" * 16)
DICE = random.Random(9)


def drawn(alphabet: str, count: int) -> str:
    return "".join(DICE.choices(alphabet, k=count))


ALNUM = string.ascii_letters + string.digits
TOKEN = "gl" + "pat-" + drawn(ALNUM, 20)
MAIL = "ana.weber" + "@" + "tidalforge.io"
ADDRESS = "93.184" + ".217.34"
PHRASE = "-".join(("Quo7", "vadis!22"))
KEY_BODY = "\n".join(drawn(ALNUM + "+/", 64) for _ in range(4))
VALUES = (TOKEN, MAIL, ADDRESS, PHRASE, KEY_BODY.split("\n")[1])
HEADER = "-----{} RSA PRIVATE" + " KEY-----"
CODE = (
    f"TOKEN = '{TOKEN}'  # of {MAIL}\r\nHOST = '{ADDRESS}'\r\npassword = '{PHRASE}'\r\n"
    f"KEY = '''{HEADER.format('BEGIN')}\n{KEY_BODY}\n{HEADER.format('END')}'''\nother = 1\n"
)


class Stub:
    """Finds each word of nine capital letters that is no EXAMPLE."""

    identity = "stub"

    def __call__(self, document: Document) -> list[Finding]:
        spans = [m.span() for m in re.finditer(r"\b(?!\w*EXAMPLE)[A-Z]{9}\b", document.text)]
        return FINGERPRINT.findings(document, [("secret", Hit("nine", Span(*span), 0.95)) for span in spans])


@pytest.fixture(scope="module")
def scan() -> stage.Scan:
    return default_scan(FINGERPRINT)


def test_a_masked_text_has_no_value_and_no_finding_and_is_still_code(scan: stage.Scan) -> None:
    masked = mask_document(Document("a.py", CODE, "a.py", "python"), scan)
    assert masked is not None
    assert {finding.rule for finding in masked.findings} >= {"gitlab-token", "email-address", "ipv4-address"}
    assert not [value for value in VALUES if value in masked.text]
    assert scan(Document("a.py", masked.text, "a.py", "python")) == []
    assert mask_document(Document("a.py", masked.text, "a.py", "python"), scan) == (masked.text, [])
    assert re.search(r"TOKEN = 'glpat-\w{13}EXAMPLE'  # of user\d{6}@example\.com\r\n", masked.text)
    assert HEADER.format("BEGIN") in masked.text
    assert masked.text.endswith("other = 1\n")
    assert len(ast.parse(masked.text).body) == len(ast.parse(CODE).body)


def test_one_value_has_one_placeholder_everywhere_and_under_another_key_another(scan: stage.Scan) -> None:
    texts = [f"TOKEN = '{TOKEN}'\n", f"# see {TOKEN}\n", f"export TOKEN={TOKEN}\n"]
    pattern = re.compile("gl" + "pat-[A-Za-z0-9]{20}")
    other = default_scan(Fingerprinter(b"l" * 16))
    made = [
        {pattern.findall(masked.text)[0] for text in texts if (masked := mask_document(Document("d", text), one))}
        for one in (scan, other)
    ]
    assert [len(placeholders) for placeholders in made] == [1, 1]
    assert made[0] != made[1]


def test_what_is_found_in_any_form_goes_and_what_never_ends_is_refused() -> None:
    def anything(document: Document) -> list[Finding]:
        match = re.search(r"key=(\S+)", document.text)
        hits = [("secret", Hit("any", Span(*match.span(1)), 0.9))] if match else []
        return FINGERPRINT.findings(document, hits)  # type: ignore[arg-type]

    def endless(document: Document) -> list[Finding]:
        return FINGERPRINT.findings(document, [("secret", Hit("all", Span(0, len(document.text)), 0.9))])

    masked = mask_document(Document("d", "a key=value7 b"), anything)
    assert masked is not None
    assert masked.text == "a key= b"
    assert mask_document(Document("d", "abc"), endless) is None


def test_findings_that_overlap_are_masked_as_one() -> None:
    def scan(document: Document) -> list[Finding]:
        at = document.text.find("Abcd-Efgh")
        spans = [] if at < 0 else [(at, at + 6), (at + 3, at + 9)]
        return FINGERPRINT.findings(document, [("secret", Hit("part", Span(*span), 0.5)) for span in spans])

    masked = mask_document(Document("d", "x = 'Abcd-Efgh' + y"), scan)
    assert masked is not None
    assert re.fullmatch(r"x = '[A-Za-z]{4}-[A-Za-z]{4}' \+ y", masked.text)


def test_a_line_that_a_person_allowed_stays(scan: stage.Scan) -> None:
    text = f"TOKEN = '{TOKEN}'  # pragma: allowlist secret\n"
    masked = mask_document(Document("d", text), scan)
    assert masked is not None
    assert masked.text == text


def test_a_line_that_a_model_allowed_is_masked(tmp_path: Path, scan: stage.Scan) -> None:
    (tmp_path / "a.py").write_text(f"TOKEN = '{TOKEN}'  # pragma: allowlist secret\n")
    for origin, count in (("corpus", 0), ("generation", 1)):
        result = mask_corpus([tmp_path / "a.py"], tmp_path / origin, scan=scan, options=Options(origin=origin))
        assert result.changed == count
        assert (TOKEN in (tmp_path / origin).read_text()) == (not count)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.one_of(st.text(st.sampled_from("AB= \n'\"é"), max_size=12), st.just("QWERTZUIO")), max_size=12))
def test_masking_is_idempotent_and_keeps_all_else(pieces: list[str]) -> None:
    text = " ".join(pieces)
    masked = mask_document(Document("d", text), Stub())
    assert masked is not None
    assert Stub()(Document("d", masked.text)) == []
    assert mask_document(Document("d", masked.text), Stub()) == (masked.text, [])
    assert re.sub(r"[A-Z]", "A", masked.text) == re.sub(r"[A-Z]", "A", text)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "a.py").write_bytes(CODE.encode())
    (folder / "run.sh").write_text(f"#!/bin/sh\nexport TOKEN={TOKEN}\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "clean.py").write_bytes("é = 1\r\n".encode())
    (folder / "wide.py").write_bytes(("﻿" + f"TOKEN = '{TOKEN}'\n").encode("utf-16-be"))
    (folder / "latin.py").write_bytes(b"x = '\xe9'\n")
    (folder / "picture.png").write_bytes(b"\x89PNG\0")
    (folder / "data.bin2").write_bytes(b"ab\0cd")
    (folder / "packed.zip").write_bytes(b"PK")
    rows = [
        '{"id": 1, "text": "x = 1", "stars": 12345678901234567890,  "odd": "\\u00e9"}',
        json.dumps({"id": 2, "text": CODE, "stars": 12345678901234567890, "path": "b.py"}),
        "no row",
        json.dumps({"id": 3, "text": "y = 2"}),
    ]
    (folder / "rows.jsonl").write_text("\n".join(rows))
    book = {
        "cells": [{"cell_type": "code", "source": ["x = 1\n", f'password = "{PHRASE}"'], "outputs": [{"text": MAIL}]}],
        "metadata": {"n": 1.50},
    }
    (folder / "book.ipynb").write_text(json.dumps(book))
    return folder


def test_a_folder_becomes_the_same_folder_without_its_values(corpus: Path, tmp_path: Path, scan: stage.Scan) -> None:
    out = tmp_path / "out"
    result = mask_corpus([corpus], out, scan=scan)
    written = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert written == {"inner/a.py", "run.sh", "clean.py", "wide.py", "rows.jsonl", "book.ipynb"}
    assert result.left_out == 2
    reasons = {Path(error.path).name: error.reason for error in result.errors}
    assert reasons.pop("packed.zip").startswith("archives")
    assert reasons == {"latin.py": "not UTF-8", "rows.jsonl:3": "not a JSON object with a text"}
    everything = b"".join((out / name).read_bytes() for name in written)
    for value in VALUES:
        assert value.encode() not in everything
        assert value.encode("utf-16-be") not in everything
    assert (out / "clean.py").read_bytes() == (corpus / "clean.py").read_bytes()
    assert stat.S_IMODE((out / "run.sh").stat().st_mode) == 0o755
    assert "EXAMPLE" in (out / "wide.py").read_bytes().decode("utf-16")
    assert result.masked["secret/gitlab-token"] == 4
    assert scan_corpus([out], scan=scan).findings == ()
    again = tmp_path / "again"
    assert mask_corpus([out], again, scan=scan).masked == {}
    assert all((again / name).read_bytes() == (out / name).read_bytes() for name in written)


def test_rows_keep_their_other_columns_and_clean_lines_their_bytes(
    corpus: Path, tmp_path: Path, scan: stage.Scan
) -> None:
    mask_corpus([corpus / "rows.jsonl"], tmp_path / "out.jsonl", scan=scan)
    before = (corpus / "rows.jsonl").read_text().split("\n")
    after = (tmp_path / "out.jsonl").read_text().split("\n")
    assert [after[0], after[2]] == [before[0], before[3]]
    row, changed = json.loads(before[1]), json.loads(after[1])
    assert changed.pop("text") != row.pop("text")
    assert changed == row


def test_a_notebook_stays_one(corpus: Path, tmp_path: Path, scan: stage.Scan) -> None:
    mask_corpus([corpus / "book.ipynb"], tmp_path / "out.ipynb", scan=scan)
    book = json.loads((tmp_path / "out.ipynb").read_text())
    cell = book["cells"][0]
    assert cell["source"][0] == "x = 1\n"
    assert re.fullmatch(r'password = "[A-Za-z]{3}\d-[a-zA-Z]{5}!\d\d"', cell["source"][1])
    assert PHRASE not in cell["source"][1]
    assert re.fullmatch(r"user\d{6}@example\.com", cell["outputs"][0]["text"])
    assert book["metadata"] == {"n": 1.5}


def test_a_table_stays_one(tmp_path: Path, scan: stage.Scan) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    texts = ["x = 1", CODE, None, *(f"n = {n}" for n in range(3000))]
    columns = {"stars": list(range(3003)), "content": texts, "id": [f"r{n}" for n in range(3003)]}
    table = arrow.table(columns).replace_schema_metadata({"made": "by us"})
    parquet.write_table(table, tmp_path / "in.parquet", compression="zstd", row_group_size=1500)
    result = mask_corpus([tmp_path / "in.parquet"], tmp_path / "out.parquet", scan=scan)
    other = parquet.read_table(tmp_path / "out.parquet")
    assert other.schema.equals(table.schema, check_metadata=True)
    assert other.drop_columns(["content"]).equals(table.drop_columns(["content"]))
    made = other.column("content").to_pylist()
    assert [made[0], *made[2:]] == [texts[0], *texts[2:]]
    assert not [value for value in VALUES if value in made[1]]
    assert (result.documents, result.changed, result.errors) == (3002, 1, ())
    parquet.write_table(arrow.table({"stars": [1]}), tmp_path / "none.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing")
    for name in ("none.parquet", "bad.parquet"):
        refused = mask_corpus([tmp_path / name], tmp_path / f"{name}.out", scan=scan)
        assert len(refused.errors) == 1
        assert not (tmp_path / f"{name}.out").exists()


def test_binary_files_are_copied_when_asked(corpus: Path, tmp_path: Path) -> None:
    result = mask_corpus([corpus], tmp_path / "out", scan=Stub(), copy_binary=True)
    assert result.left_out == 0
    for name in ("picture.png", "data.bin2", "packed.zip"):
        assert (tmp_path / "out" / name).read_bytes() == (corpus / name).read_bytes()


def test_a_text_that_cannot_be_masked_is_left_out_and_named(tmp_path: Path) -> None:
    def endless(document: Document) -> list[Finding]:
        hits = [] if document.text == "clean" else [("secret", Hit("all", Span(0, len(document.text)), 0.9))]
        return FINGERPRINT.findings(document, hits)  # type: ignore[arg-type]

    def failing(document: Document) -> list[Finding]:
        raise ValueError(document.text)

    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.py").write_text("never to be shown")
    rows = [{"text": "never to be shown"}, {"text": "clean"}]
    (tmp_path / "in" / "b.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = mask_corpus([tmp_path / "in"], tmp_path / "out", scan=endless)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.jsonl"]
    assert (tmp_path / "out" / "b.jsonl").read_text() == json.dumps(rows[1]) + "\n"
    assert {Path(error.path).name for error in result.errors} == {"a.py", "b.jsonl:1"}
    failed = mask_corpus([tmp_path / "in" / "a.py"], tmp_path / "x.py", scan=failing)
    assert "ValueError" in failed.errors[0].reason
    assert "never" not in repr(failed) + repr(result)
    assert not (tmp_path / "x.py").exists()


def test_the_output_must_be_elsewhere_and_empty(corpus: Path, tmp_path: Path) -> None:
    for out, reason in ((corpus / "out", "in the corpus"), (corpus, "in the corpus"), (tmp_path, "already")):
        with pytest.raises(AskedWrongly, match=reason):
            mask_corpus([corpus], out, scan=Stub())
    with pytest.raises(AskedWrongly, match="one place"):
        mask_corpus([corpus / "inner", corpus / "inner" / ".." / "inner"], tmp_path / "out", scan=Stub())


SCRIPT = """
import re, sys, time
from pathlib import Path
from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.types import Hit, Span
from scrubber.core.workspace import Workspace
from scrubber.pipelines import mask, shards
class Scan:
    identity = "stub"
    def __call__(self, document):
        time.sleep(0.003)
        spans = [m.span() for m in re.finditer(r"\\b(?!\\w*EXAMPLE)[A-Z]{9}\\b", document.text)]
        return Fingerprinter(b"k" * 16).findings(document, [("secret", Hit("nine", Span(*s), 0.95)) for s in spans])
if __name__ == "__main__":
    corpus, out, run, workers = sys.argv[1:]
    mask.SHARD_BYTES, shards.LEAST_BYTES = 500, 0
    with Workspace(Path(run)) as workspace:
        mask.mask_corpus([corpus], out, scan=Scan(), options=shards.Options(int(workers), workspace))
"""


def test_killed_and_started_again_it_ends_in_the_same_bytes(tmp_path: Path) -> None:
    corpus, out = tmp_path / "in", tmp_path / "out"
    corpus.mkdir()
    for number in range(40):
        (corpus / f"{number:02}.py").write_text(f"KEY = '{drawn(string.ascii_uppercase, 9)}'\n" + "x = 1\n" * 20)
    mask_corpus([corpus], tmp_path / "whole", scan=Stub())
    (tmp_path / "script.py").write_text(SCRIPT)
    codes = []
    for number, moment in enumerate((1, 9, 19, 30, 10**9)):  # how many files are there when it is killed
        process = subprocess.Popen(
            [sys.executable, tmp_path / "script.py", corpus, out, tmp_path / "run", str(1 + number % 2)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        while process.poll() is None and len(list(out.glob("*.py"))) < moment:
            time.sleep(0.002)
        kept = {path: path.stat().st_ino for path in out.glob("*.py")}
        process.kill()
        assert process.communicate(timeout=30)[1] == ""
        codes.append(process.returncode)
    assert codes == [-signal.SIGKILL] * 4 + [0]
    whole = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    assert {path.name: path.read_bytes() for path in out.iterdir()} == whole
    assert sum(path.stat().st_ino == inode for path, inode in kept.items()) > 20  # not written again
    gone = out / "07.py"
    gone.unlink()
    with Workspace(tmp_path / "run") as workspace, pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "SHARD_BYTES", 500)
        assert mask_corpus([corpus], out, scan=Stub(), options=Options(workspace=workspace)).masked == {
            "secret/nine": 40
        }
    assert gone.read_bytes() == whole["07.py"]


def test_processes_mask_as_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = tmp_path / "in"
    corpus.mkdir()
    for number in range(30):
        (corpus / f"{number}.py").write_text(f"KEY = '{drawn(string.ascii_uppercase, 9)}'\n" * 9)
    monkeypatch.setattr(stage, "SHARD_BYTES", 500)
    monkeypatch.setattr(work_items, "LEAST_BYTES", 0)
    results = [mask_corpus([corpus], tmp_path / str(n), scan=Stub(), options=Options(n)) for n in (1, 2)]
    assert results[0].masked == results[1].masked == {"secret/nine": 270}
    for path in corpus.iterdir():
        assert (tmp_path / "1" / path.name).read_bytes() == (tmp_path / "2" / path.name).read_bytes()
