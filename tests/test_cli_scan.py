"""The commands that need no model, as a user starts them: what they print, what they write, and how they end."""

from __future__ import annotations

import json
import os
import random
import signal
import string
import subprocess
import sys
import time
from pathlib import Path

import pytest

DICE = random.Random(4)
TOKEN = "gl" + "pat-" + "".join(DICE.choices(string.ascii_letters + string.digits, k=20))
MAIL = "ana.weber" + "@" + "tidalforge.io"
CODE = f'token = "{TOKEN}"\n# ask {MAIL}\nx = 1\n'


def scrubber(*arguments: object, stdin: str = "", home: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "scrubber.cli", *map(str, arguments)],
        input=stdin, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "XDG_CONFIG_HOME": str(home / "config")},
    )  # fmt: skip
    assert TOKEN not in done.stdout + done.stderr
    assert MAIL not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "a.py").write_text(CODE)
    (folder / "b.py").write_text("y = 2\n")
    return folder


def test_a_scan_says_what_where_and_why(corpus: Path, tmp_path: Path) -> None:
    done = scrubber("scan", corpus, "--explain", home=tmp_path)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith("a.py:1:10: secret/gitlab-token ")
    assert [line.split(":")[0].strip() for line in lines[1:4]] == ["pattern", "validation", "context"]
    assert "2 findings, 2 values, in 2 documents" in done.stderr
    assert "1 pii/email-address" in done.stderr


@pytest.mark.middle
def test_findings_as_a_table_from_a_run_that_can_go_on(corpus: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "found.parquet"
    for _ in range(2):
        done = scrubber("scan", corpus, "--run-dir", tmp_path / "run", "-o", out, home=tmp_path)
        assert done.returncode == 1
        rows = parquet.read_table(out).to_pylist()
        assert [(row["document"], row["line"], row["rule"]) for row in rows] == [
            ("a.py", 1, "gitlab-token"), ("a.py", 2, "email-address"),
        ]  # fmt: skip


@pytest.mark.middle
def test_standard_input_and_the_profiles(tmp_path: Path) -> None:
    def rules(*options: str, stdin: str) -> list[str]:
        done = scrubber("scan", "-", "--format", "jsonl", "--quiet", *options, home=tmp_path, stdin=stdin)
        assert done.returncode in (0, 1)
        return [json.loads(line)["rule"] for line in done.stdout.splitlines()]

    assert rules(stdin=CODE) == ["gitlab-token", "email-address"]
    assert rules("--profile", "exact", stdin=CODE) == ["gitlab-token"]
    assert rules("--detect", "pii", stdin=CODE) == ["email-address"]
    author = "# " + "author: " + "Ana Weber\n"
    assert rules(stdin=author) == []
    assert rules("--profile", "recall", stdin=author) == ["person-name"]


def test_a_masked_corpus_scans_clean(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "clean"
    assert scrubber("mask", corpus, "-o", out, home=tmp_path).returncode == 0
    assert scrubber("scan", out, "--profile", "recall", home=tmp_path).returncode == 0
    assert (out / "b.py").read_text() == "y = 2\n"
    assert (out / "a.py").read_text().startswith('token = "gl' + "pat-")


def test_packs_are_checked(tmp_path: Path) -> None:
    pack = tmp_path / "ours.toml"
    rule = 'id = "acme-token"\nprovider = "Acme"\nregex = "acme_[a-z]{20}"\ncounter_examples = ["acme_{lower:3}"]\n'
    pack.write_text(f'[[rule]]\n{rule}examples = ["acme_{{lower:20}}"]\n')
    assert scrubber("rules", "check", pack, home=tmp_path).returncode == 0
    pack.write_text(f'[[rule]]\n{rule}examples = ["acme_{{lower:4}}"]\n')
    (tmp_path / "empty").mkdir()
    assert scrubber("rules", "check", tmp_path / "empty", home=tmp_path).returncode == 2
    done = scrubber("rules", "check", pack, home=tmp_path)
    assert done.returncode == 1
    assert "acme-token: " in done.stdout


OWN = "ac" + "me_" + "".join(DICE.choices(string.ascii_lowercase, k=20))
PACK = """[[rule]]
id = "acme-{id}"
provider = "Acme"
regex = "acme_[a-z]{{20}}"
examples = ["acme_{{lower:{length}}}"]
counter_examples = ["acme_{{lower:3}}"]
"""


@pytest.mark.middle
def test_own_packs_are_scanned_and_masked_with(tmp_path: Path) -> None:
    pack, code = tmp_path / "ours.toml", tmp_path / "a.py"
    pack.write_text(PACK.format(id="key", length=20))
    code.write_text(f"call({OWN})\n")
    assert scrubber("scan", code, home=tmp_path).returncode == 0
    done = scrubber("scan", code, "--rules", pack, "--explain", home=tmp_path)
    assert done.returncode == 1
    assert "secret/acme-key" in done.stdout
    assert "Acme" in done.stdout
    assert OWN not in done.stdout + done.stderr
    assert scrubber("mask", code, "-o", tmp_path / "b.py", "--rules", pack, home=tmp_path).returncode == 0
    assert OWN not in (tmp_path / "b.py").read_text()
    for number in (1, 2):
        (tmp_path / f"bad{number}.toml").write_text(PACK.format(id=number, length=4))
    done = scrubber("scan", code, *(f"--rules={tmp_path}/bad{number}.toml" for number in (1, 2)), home=tmp_path)
    assert done.returncode == 2
    assert all(f"acme-{number}: it does not match" in done.stderr for number in (1, 2))
    assert not done.stdout


def test_a_generation_cannot_excuse_itself(tmp_path: Path) -> None:
    text = f"TOKEN = '{TOKEN}'  # pragma: allowlist secret\n"
    for origin, code in (("corpus", 0), ("generation", 1)):
        done = scrubber("scan", "-", "--origin", origin, "--format", "jsonl", home=tmp_path, stdin=text)
        assert (done.returncode, len(done.stdout.splitlines())) == (code, code)


def test_an_interrupt_from_the_keyboard_is_no_verdict_and_the_scan_goes_on(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (tmp_path / "a.py").write_text(CODE)
    command = [sys.executable, "-m", "scrubber.cli", "scan", tmp_path / "a.py", "-", "--run-dir", run]
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config")}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        while process.poll() is None and not list(run.glob("scan/0*")):
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)  # while it waits for standard input
        out, complaint = process.communicate(timeout=30)
    assert (process.returncode, out) == (3, "")
    assert complaint.splitlines()[-1].startswith("scrubber: interrupted")
    done = scrubber("scan", tmp_path / "a.py", "-", "--run-dir", run, home=tmp_path, stdin="x = 1\n")
    assert done.returncode == 1
    assert "2 findings, 2 values, in 2 documents" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("scan",), ("scan", "nowhere"), ("scan", ".", "--profile", "fast"), ("scan", ".", "--explain", "--format", "json"),
     ("scan", ".", "--detect", "secret"), ("scan", ".", "--detect", "pii", "--profile", "exact"),
     ("scan", ".", "--origin", "model"), ("scan", ".", "--rules", "nowhere.toml"),
     ("mask", "."), ("rules", "check", "nowhere.toml")],
    ids=str,
)  # fmt: skip
def test_what_is_asked_wrongly_is_said_in_a_line(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = scrubber(*arguments, home=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
