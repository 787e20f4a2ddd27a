"""Baselines from the shell: created, audited, brought up to date, imported, and heeded by a scan."""

from __future__ import annotations

import hashlib
import json
import random
import string
import sys
from pathlib import Path

import pytest

from scrubber import cli

DICE = random.Random(5)
TOKENS = ["gl" + "pat-" + "".join(DICE.choices(string.ascii_letters + string.digits, k=20)) for _ in range(3)]
NAME = ".scrubber-baseline.json"


class Shell:
    """Runs the command line in this process, in a folder of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.said = folder, ""
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: str) -> int:
        self._monkeypatch.setattr(sys, "argv", ["scrubber", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = self._capsys.readouterr()
        self.said = said.out + said.err
        assert not [token for token in TOKENS if token in self.said]
        assert isinstance(ended.value.code, int)
        return ended.value.code


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr("signal.signal", lambda number, action: None)
    (tmp_path / "tree").mkdir()
    monkeypatch.chdir(tmp_path / "tree")
    (tmp_path / "tree" / "a.py").write_text(f'one = "{TOKENS[0]}"\ntwo = "{TOKENS[1]}"\n')
    return Shell(tmp_path / "tree", monkeypatch, capsys)


def test_nothing_is_accepted_before_its_audit(shell: Shell) -> None:
    assert shell("scan", ".") == 1
    assert shell("baseline", "create", ".") == 0
    assert "2 entries, 2 to be audited" in shell.said
    assert shell("scan", ".", "--baseline", NAME) == 1
    assert shell("baseline", "audit") == 1
    entries = json.loads((shell.folder / NAME).read_text())["entries"]
    first = entries[0]["fingerprint"]
    assert shell("baseline", "audit", "--only", first[:10], "--reason", "revoked", "--owner", "ana") == 1
    assert shell("baseline", "audit", "--reason", "test value", "--owner", "ana") == 0
    assert shell("scan", ".", "--baseline", NAME) == 0
    assert shell.said.count("(accepted)") == 2
    reasons = {e["fingerprint"]: e["reason"] for e in json.loads((shell.folder / NAME).read_text())["entries"]}
    assert reasons.pop(first) == "revoked"
    assert set(reasons.values()) == {"test value"}


def test_an_entry_ends_on_its_day(shell: Shell) -> None:
    vouched = ("--reason", "test value", "--owner", "ana")
    assert shell("baseline", "create", ".", *vouched, "--expires", "2020-01-31") == 0
    assert shell("scan", ".", "--baseline", NAME, "--format", "json", "--quiet") == 1
    assert {finding["baseline"] for finding in json.loads(shell.said)["findings"]} == {"expired"}
    assert shell("baseline", "audit", "--expires", "never", *vouched) == 0
    assert shell("scan", ".", "--baseline", NAME) == 0


def test_a_new_finding_beside_accepted_ones_fails(shell: Shell) -> None:
    assert shell("baseline", "create", ".", "--reason", "test value", "--owner", "ana") == 0
    (shell.folder / "b.py").write_text(f'three = "{TOKENS[2]}"\n')
    assert shell("scan", ".", "--baseline", NAME, "--format", "jsonl", "--quiet") == 1
    states = {(row["document"], row["baseline"]) for row in map(json.loads, shell.said.splitlines())}
    assert states == {("a.py", "accepted"), ("b.py", "new")}
    assert shell("baseline", "update", ".") == 0
    assert "2 kept, 0 moved, 0 gone, 1 new" in shell.said
    assert shell("scan", "b.py", "--baseline", NAME) == 1  # updated is not accepted


def test_an_update_that_could_not_read_everything_changes_nothing(shell: Shell) -> None:
    assert shell("baseline", "create", ".") == 0
    before = (shell.folder / NAME).read_text()
    (shell.folder / "a.py").write_bytes(b"\xff\xfe\xff")
    assert shell("baseline", "update", ".") == 3
    assert (shell.folder / NAME).read_text() == before


def test_the_baseline_of_detect_secrets_is_taken_over(shell: Shell) -> None:
    digests = [hashlib.sha1(token.encode()).hexdigest() for token in TOKENS[:2]]
    rows = [{"type": "GitLab Token", "filename": "a.py", "hashed_secret": digest, "line_number": line,
             "is_verified": False, "is_secret": False} for line, digest in enumerate(digests, 1)]  # fmt: skip
    (shell.folder / ".secrets.baseline").write_text(json.dumps({"version": "1.5.0", "results": {"a.py": rows}}))
    assert shell("baseline", "import", ".secrets.baseline", "--owner", "ana") == 0
    assert shell("scan", "a.py", "--baseline", NAME) == 0


@pytest.mark.parametrize(
    "arguments",
    [("scan", ".", "--baseline", "nowhere.json"), ("baseline", "audit"), ("baseline", "update", "."),
     ("baseline", "create", ".", "--expires", "soon"), ("baseline", "audit", "--reason", "r"),
     ("baseline", "import", "a.py"), ("baseline", "create", "nowhere")],
    ids=str,
)  # fmt: skip
def test_what_is_asked_wrongly_is_said_in_a_line(shell: Shell, arguments: tuple[str, ...]) -> None:
    assert shell(*arguments) == 2
    assert len(shell.said.strip().splitlines()) == 1, shell.said
    assert not (shell.folder / NAME).exists()


def test_a_baseline_is_not_overwritten(shell: Shell) -> None:
    assert shell("baseline", "create", ".") == 0
    assert shell("baseline", "create", ".") == 2
    assert "update" in shell.said
