"""The scan stage reads a corpus, respects the mark of a person, and tells what it could not read."""

from __future__ import annotations

import json
import random
import string
from dataclasses import replace
from pathlib import Path

import pytest

from scrubber.core.errors import AskedWrongly
from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.types import Document, Finding
from scrubber.pipelines.scan import default_scan, scan_corpus, to_json
from scrubber.pipelines.shards import Options

FINGERPRINT = Fingerprinter(b"k" * 16)
VALUE = "gh" + "p_" + "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=36))
CONTRACT = "document start end line column kind rule confidence preview fingerprint"


def test_a_corpus_is_scanned_and_told_in_the_contract_of_json(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(f"x = 1\nKEY = '{VALUE}'\nMAIL = 'ana.weber" + "@" + "tidalforge.io'\n")
    (tmp_path / "b.py").write_text("é = 1\n")
    (tmp_path / "c.py").write_bytes(b"\xff\xff")
    (tmp_path / "d.png").write_bytes(b"\0")
    result = scan_corpus([tmp_path], scan=default_scan(FINGERPRINT))
    told = json.loads(json.dumps(to_json(result)))
    assert [(f["kind"], f["rule"], f["document"], f["line"], f["column"]) for f in told["findings"]] == [
        ("secret", "github-token", "a.py", 2, 8),
        ("pii", "email-address", "a.py", 3, 9),
    ]
    assert set(told["findings"][0]) == set(CONTRACT.split())
    assert (told["documents"], told["skipped"]) == (2, 1)
    assert told["bytes"] == sum((tmp_path / name).stat().st_size for name in ("a.py", "b.py"))
    assert told["errors"] == [{"path": "c.py", "reason": "not UTF-8"}]
    assert told["seconds"] > 0
    assert VALUE[4:] not in repr(result) + json.dumps(told)


def test_one_value_has_one_fingerprint_in_every_place(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(f"KEY = '{VALUE}'\n")
    (tmp_path / "b.yaml").write_text(f"token: {VALUE}\n")
    findings = scan_corpus([tmp_path], scan=default_scan(FINGERPRINT)).findings
    assert {finding.fingerprint for finding in findings} == {FINGERPRINT("secret", VALUE)}
    assert {finding.document for finding in findings} == {"a.py", "b.yaml"}


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("KEY = '{}'  # pragma: allowlist secret\n", 0),
        ("# pragma: allowlist nextline secret\nKEY = '{}'\n", 0),
        ("# pragma: allowlist secret\nKEY = '{}'\n", 1),
        ("KEY = '{}'  # pragma: no cover\n", 1),
    ],
)
def test_a_person_can_allow_a_line(tmp_path: Path, text: str, count: int) -> None:
    (tmp_path / "a.py").write_text(text.format(VALUE))
    assert len(scan_corpus([tmp_path], scan=default_scan(FINGERPRINT)).findings) == count


def test_what_a_profile_does_not_search_for_is_what_it_would_not_keep() -> None:
    dice = random.Random(2)
    digest = "".join(dice.choices("0123456789abcdef", k=32))
    mail, word = "paul.lang" + "@" + "tidalforge.io", "orange"
    text = (
        f"# Copyright (c) 2019 Anna Weber\n# Author: Paul Lang\nx = '{digest}'\nKEY = '{VALUE}'\npassword = '{word}'\n"
        f"USER = 'mweber'\nowner = '{mail}'\n# TODO(anna): x\n"
    )
    document = Document("a.py", text, "a.py", "python")
    every = default_scan(FINGERPRINT, profile="recall")(document)
    kept = default_scan(FINGERPRINT, profile="balanced")(document)
    assert kept == [finding for finding in every if finding.confidence >= 0.5]
    assert 2 <= len(kept) < len(every) - 2


def test_a_table_of_rows_has_the_findings_of_its_files(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    texts = {
        "a.py": f"KEY = '{VALUE}'\n# \u212aey\n",
        "b.py": "é = 1\nMAIL = 'ana.weber" + "@" + "tidalforge.io'\r\n",
        "c.py": "",
        "d/e.yaml": f"# pragma: allowlist nextline secret\ntoken: {VALUE}\nother: {VALUE}\n\t\\ \u2028 \U0001f511",
    }
    for name, text in texts.items():
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_bytes(text.encode())
    rows = [{"id": name, "text": text, "path": name} for name, text in texts.items()]
    for name, escaped in (("escaped", True), ("plain", False)):
        lines = [json.dumps(row, ensure_ascii=escaped) + "\n" for row in rows]
        (tmp_path / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / "rows.parquet")
    scan = default_scan(FINGERPRINT)
    findings = scan_corpus([tmp_path / "tree"], scan=scan).findings
    assert [finding.document for finding in findings] == ["a.py", "b.py", "d/e.yaml"]
    for name in ("escaped.jsonl", "plain.jsonl", "rows.parquet"):
        assert scan_corpus([tmp_path / name], scan=scan).findings == findings


def test_a_finding_is_explained_without_its_value() -> None:
    scan = default_scan(FINGERPRINT, ("secrets",))
    document = Document("a.py", f"KEY = '{VALUE}'\n", "a.py", "python")
    reasons = scan.explain(document, scan(document)[0])
    assert len(reasons) >= 2
    assert VALUE[4:] not in " ".join(reasons)


def test_a_completion_cannot_excuse_itself() -> None:
    text = f"KEY = '{VALUE}'  # pragma: allowlist secret"
    assert default_scan(FINGERPRINT)(Document("g", text, origin="generation"))


def test_a_folder_of_generations_is_scanned_as_such_in_the_same_contract(tmp_path: Path) -> None:
    excused = f"KEY = '{VALUE}'  # pragma: allowlist secret\n"
    (tmp_path / "0.py").write_text(excused)
    (tmp_path / "rows.jsonl").write_text(json.dumps({"id": "HumanEval/0", "completion": excused}) + "\n")
    seen: set[str] = set()
    inner = default_scan(FINGERPRINT)

    def scan(document: Document) -> list[Finding]:
        seen.add(document.origin)
        return inner(document)

    options = Options(text_column="completion")
    assert scan_corpus([tmp_path], scan=scan, options=options).findings == ()
    result = scan_corpus([tmp_path], scan=scan, options=replace(options, origin="generation"))
    assert seen == {"corpus", "generation"}
    told = to_json(result)["findings"]
    assert [(row["document"], row["rule"]) for row in told] == [
        ("0.py", "github-token"), ("HumanEval/0", "github-token"),
    ]  # fmt: skip
    assert [set(row) for row in told] == [set(CONTRACT.split())] * 2


def test_a_detector_that_fails_on_a_document_is_named_and_the_rest_is_scanned(tmp_path: Path) -> None:
    def scan(document: Document) -> list[Finding]:
        if document.id == "a.py":
            raise ValueError(document.text)
        return []

    (tmp_path / "a.py").write_text(VALUE)
    (tmp_path / "b.py").write_text("")
    result = scan_corpus([tmp_path], scan=scan)
    assert result.documents == 2
    assert [(error.path, error.reason) for error in result.errors] == [("a.py", "a detector failed: ValueError")]


def test_an_unknown_detector_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(AskedWrongly, match="secrets"):
        default_scan(FINGERPRINT, names=("secret",))


def test_our_own_code_scans_clean() -> None:
    root = Path(__file__).parents[2]
    result = scan_corpus([root / "scrubber", root / "tests"], scan=default_scan(FINGERPRINT))
    assert result.errors == ()
    assert [(finding.document, finding.line, finding.rule) for finding in result.findings] == []
