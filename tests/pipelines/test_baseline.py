"""Baselines of a real scan: made, read back, brought up to date, and taken over from detect-secrets."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from scrubber.core import baseline as core
from scrubber.core.baseline import Baseline, Entry
from scrubber.core.errors import AskedWrongly
from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.types import Finding
from scrubber.pipelines import baseline as pipeline
from scrubber.pipelines.scan import default_scan, scan_corpus

KEY = Fingerprinter(b"k" * 16)
TODAY = date(2030, 6, 1)
DICE = random.Random(11)


def token() -> str:
    return "gh" + "p_" + "".join(DICE.choices(string.ascii_letters + string.digits, k=36))


def scanned(*paths: Path | str, profile: str = "balanced") -> list[Finding]:
    return list(scan_corpus([str(path) for path in paths], scan=default_scan(KEY, profile=profile)).findings)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text(f"A = '{token()}'\nB = '{token()}'\n")
    return tmp_path


def made(*asked: str) -> Baseline:
    findings = scanned(*asked)
    return pipeline.created(findings, pipeline.places_from(Path("b.json"), asked).path, KEY)


def test_a_file_comes_back_and_marks_the_findings_of_any_way_to_ask(tree: Path) -> None:
    path = tree / "b.json"
    entries = tuple(replace(e, reason="test value", owner="ana") for e in made(".").entries)
    pipeline.write(Baseline(entries, pipeline.key_check(KEY)), path)
    for asked in (".", "src", "src/a.py", str(tree)):
        mark = pipeline.marker(path, KEY, [asked], today=TODAY)
        assert [mark(finding).state for finding in scanned(asked)] == ["accepted", "accepted"], asked


def test_the_file_holds_no_value_and_scans_clean(tree: Path) -> None:
    pipeline.write(made("."), tree / "b.json")
    text = (tree / "b.json").read_text()
    assert not any(value in text for value in (tree / "src" / "a.py").read_text().split("'")[1::2])
    assert scanned("b.json", profile="recall") == []


def test_a_baseline_of_another_key_is_refused_and_not_silently_useless(tree: Path) -> None:
    pipeline.write(made("."), tree / "b.json")
    with pytest.raises(AskedWrongly, match="another fingerprint key"):
        pipeline.read(tree / "b.json", Fingerprinter(b"o" * 16))


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_what_cannot_be_read_is_a_wrong_question(tree: Path, content: str | None) -> None:
    if content is not None:
        (tree / "b.json").write_text(content)
    with pytest.raises(AskedWrongly):
        pipeline.read(tree / "b.json", KEY)


def test_an_update_keeps_follows_drops_and_adds(tree: Path) -> None:
    before = made(".")
    vouched = tuple(replace(e, reason=f"reason {n}", owner="ana") for n, e in enumerate(before.entries))
    lines = (tree / "src" / "a.py").read_text().splitlines()
    (tree / "src" / "a.py").write_text(f"# more\n{lines[0]}\nC = '{token()}'\n")  # the first stays, a line further down
    (tree / "src" / "b.py").write_text(f"{lines[1]}\n")  # the second moved
    path_of = pipeline.places_from(Path("b.json"), ["."]).path
    whole = pipeline.covers(Path("b.json"), ["."])
    told = pipeline.updated(Baseline(vouched, before.key_fingerprint), scanned("."), path_of, covered=whole)
    assert told[1:] == (1, 1, 0, 1)
    assert sorted((e.path, e.reason) for e in told.baseline.entries) == [
        ("src/a.py", ""),
        ("src/a.py", "reason 0"),
        ("src/b.py", "reason 1"),
    ]
    (tree / "src" / "b.py").unlink()
    assert pipeline.updated(told.baseline, scanned("."), path_of, covered=whole)[1:] == (2, 0, 1, 0)


def test_a_copy_of_an_accepted_value_is_not_accepted(tree: Path) -> None:
    entry = made(".").entries[0]
    before = Baseline((replace(entry, reason="test value", owner="ana"),), "")
    (tree / "copy.py").write_text((tree / "src" / "a.py").read_text().splitlines()[0])
    path_of = pipeline.places_from(Path("b.json"), ["."]).path
    told = pipeline.updated(before, scanned("."), path_of, covered=lambda path: True)
    assert [(e.path, e.state(TODAY)) for e in told.baseline.entries if e.fingerprint == entry.fingerprint] == [
        ("src/a.py", "accepted"),
        ("copy.py", "unaudited"),
    ]


def test_an_update_of_one_folder_leaves_the_entries_of_others(tree: Path) -> None:
    (tree / "src-old").mkdir()
    (tree / "src-old" / "b.py").write_text(f"B = '{token()}'\n")
    before = made(".")
    (tree / "src" / "a.py").write_text("nothing = 1\n")
    for asked in ("src", str(tree / "src"), "src/a.py"):
        path_of = pipeline.places_from(Path("b.json"), [asked]).path
        told = pipeline.updated(before, scanned(asked), path_of, covered=pipeline.covers(Path("b.json"), [asked]))
        assert told[1:] == (1, 0, 2, 0)
        assert [entry.path for entry in told.baseline.entries] == ["src-old/b.py"]


@pytest.fixture
def detect_secrets(tree: Path) -> Callable[..., Path]:
    """A ``.secrets.baseline`` as detect-secrets itself writes it, audited by the test."""

    def write(*harmless: int) -> Path:
        from detect_secrets import SecretsCollection
        from detect_secrets.core import baseline as theirs
        from detect_secrets.settings import default_settings

        secrets = SecretsCollection()
        with default_settings():
            for file in sorted(tree.rglob("*.*")):
                secrets.scan_file(str(file.relative_to(tree)))
                print(file, [(s.type, s.line_number, s.secret_hash) for s in secrets[str(file.relative_to(tree))]])
            told = theirs.format_for_output(secrets)
        for rows in told["results"].values():
            for row in rows:
                row["is_secret"] = row["line_number"] not in harmless
        (tree / ".secrets.baseline").write_text(json.dumps(told))
        return tree / ".secrets.baseline"

    return write


def test_what_detect_secrets_accepted_is_accepted_and_the_rest_waits(
    tree: Path, detect_secrets: Callable[..., Path]
) -> None:
    (tree / "conf.yaml").write_text(f"password: {token()}\n")
    (tree / "skipped.py").write_text(f"D = '{token()}'  # pragma: allowlist secret\n")
    source = detect_secrets(2)
    told = pipeline.imported(source, fingerprint=KEY, into=tree / "b.json", reason="seen", owner="ana", expires=None)
    assert (told.missing, told.unread) == (0, ())
    pipeline.write(told.baseline, tree / "b.json")
    for profile in ("balanced", "recall", "exact"):
        mark = pipeline.marker(tree / "b.json", KEY, ["."], today=TODAY)
        states = {
            (f.document, f.line): mark(f).state for f in scanned(".", profile=profile) if f.document[0] not in ".b"
        }
        assert states.pop(("src/a.py", 2)) == "accepted"
        assert set(states) == {("src/a.py", 1), ("conf.yaml", 1)}
        assert set(states.values()) == {"unaudited"}


def test_an_import_says_what_is_gone(tree: Path, detect_secrets: Callable[..., Path]) -> None:
    source = detect_secrets(1, 2)
    (tree / "src" / "a.py").write_text("nothing = 1\n")
    told = pipeline.imported(source, fingerprint=KEY, into=tree / "b.json", reason="seen", owner="ana", expires=None)
    assert told.baseline.entries == ()
    assert told.missing == sum(map(len, pipeline.detect_secrets_rows(source).values())) >= 2
    (tree / "src" / "a.py").unlink()
    again = pipeline.imported(source, fingerprint=KEY, into=tree / "b.json", reason="seen", owner="ana", expires=None)
    assert again.missing == told.missing


def test_a_finding_that_detect_secrets_did_not_list_is_not_taken_over(
    tree: Path, detect_secrets: Callable[..., Path]
) -> None:
    source = detect_secrets(1, 2)
    with (tree / "src" / "a.py").open("a") as file:
        file.write(f"E = '{token()}'\n")
    told = pipeline.imported(source, fingerprint=KEY, into=tree / "b.json", reason="seen", owner="ana", expires=None)
    mark = core.marker(told.baseline, today=TODAY, path_of=pipeline.places_from(tree / "b.json", ["."]).path)
    found = [f for f in scanned(".") if f.document == "src/a.py"]
    assert [mark(f).state for f in found] == ["accepted", "accepted", "new"]


@pytest.mark.parametrize(("above", "states"), [(False, ["accepted", "new"]), (True, ["new", "new"])])
def test_the_first_word_of_a_key_vouches_only_for_the_key_on_its_line(
    tree: Path, detect_secrets: Callable[..., Path], above: bool, states: list[str]
) -> None:
    def key() -> str:
        body = "\n".join("".join(DICE.choices(string.ascii_letters + string.digits, k=64)) for _ in range(12))
        return f"-----BEGIN RSA PRIVATE {'KEY'}-----\n{body}\n-----END RSA PRIVATE {'KEY'}-----\n"

    (tree / "src" / "a.py").unlink()
    known, more = key(), key()
    (tree / "one.pem").write_text("# known\n" + known)
    source = detect_secrets(2)
    (tree / "one.pem").write_text(more + "# known\n" + known if above else "# known\n" + known + more)
    told = pipeline.imported(source, fingerprint=KEY, into=tree / "b.json", reason="seen", owner="ana", expires=None)
    mark = core.marker(told.baseline, today=TODAY, path_of=pipeline.places_from(tree / "b.json", ["."]).path)
    assert [mark(f).state for f in scanned(".") if f.document == "one.pem"] == states


@pytest.mark.parametrize(
    "content", ["{", "{}", '{"results": 5}', '{"results": {"a.py": [{}]}}', '{"results": {"a": 1}}']
)
def test_what_is_no_baseline_of_detect_secrets_is_a_wrong_question(tmp_path: Path, content: str) -> None:
    (tmp_path / "x").write_text(content)
    with pytest.raises(AskedWrongly, match=r"detect-secrets"):
        pipeline.detect_secrets_rows(tmp_path / "x")


def test_an_entry_is_no_place_to_hide_a_value(tree: Path) -> None:
    assert set(Entry.__dataclass_fields__) == {"fingerprint", "rule", "path", "reason", "owner", "expires"}
    assert all(len(entry.fingerprint) == 32 for entry in made(".").entries)
