"""A scan by several processes, killed at any moment and started again, finds what one process finds in one go."""

from __future__ import annotations

import json
import os
import random
import signal
import string
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from scrubber.core.corpus import Source, shards
from scrubber.core.errors import AskedWrongly
from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.quiet import silent
from scrubber.core.types import Document, Finding, Span
from scrubber.core.workspace import Workspace
from scrubber.pipelines import scan as stage
from scrubber.pipelines import shards as work_items
from scrubber.pipelines.findings import finding_json
from scrubber.pipelines.scan import DefaultScan, default_scan, scan_corpus
from scrubber.pipelines.shards import Options

ROOT = Path(__file__).parents[2]
FINGERPRINT = Fingerprinter(b"k" * 16)
SMALL = 3000  # bytes of a work item here


def token(dice: random.Random) -> str:
    return "gh" + "p_" + "".join(dice.choices(string.ascii_letters + string.digits, k=36))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """60 files in folders, and a table of lines with as many rows."""
    dice = random.Random(3)
    folder = tmp_path / "corpus"
    for number in range(60):
        path = folder / f"part_{number % 7}" / f"{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        secret = f"KEY = '{token(dice)}'\n" if number % 3 == 0 else ""
        path.write_text(f"def add_{number}(a, b):\n    return a + b\n" * 8 + secret)
    rows = [{"id": f"row-{n}", "text": f"KEY = '{token(dice)}'\n" + "x = 1\n" * 40} for n in range(60)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "picture.png").write_bytes(b"\0")
    (folder / "odd.py").write_bytes(b"\xff\xff")
    return folder


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "SHARD_BYTES", SMALL)
    monkeypatch.setattr(work_items, "LEAST_BYTES", 0)


class Logging:
    """Finds one thing in each document, and writes the document's name down where all processes can."""

    identity = "logging"

    def __init__(self, log: Path, dies_at: str = "", pause: float = 0.0) -> None:
        self.log, self.dies_at, self.pause = log, dies_at, pause

    def __call__(self, document: Document) -> list[Finding]:
        if document.id == self.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.pause)
        with self.log.open("a") as file:
            file.write(document.id + "\n")
        print_ = FINGERPRINT("pii", document.id)
        return [Finding(document.id, Span(0, 1), 1, 1, "pii", "first", 0.9, "***[1]", print_)]


@pytest.mark.usefixtures("small")
def test_processes_find_what_one_process_finds(corpus: Path) -> None:
    scan = default_scan(FINGERPRINT)
    one = scan_corpus([corpus], scan=scan)
    two = scan_corpus([corpus], scan=scan, options=Options(2))
    assert len(one.findings) == 80
    assert one.findings == two.findings
    assert (one.documents, one.bytes, one.skipped, one.errors) == (two.documents, two.bytes, two.skipped, two.errors)
    assert [error.path for error in two.errors] == ["odd.py"]
    assert (two.documents, two.skipped) == (120, 1)


@pytest.mark.usefixtures("small")
def test_a_run_folder_holds_the_findings_and_the_second_scan_is_free(corpus: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Workspace(tmp_path / "run") as workspace:
        result = scan_corpus([corpus], scan=Logging(log), options=Options(workspace=workspace))
        assert len(log.read_text().splitlines()) == result.documents == len(result.findings) == 120
        stored = (tmp_path / "run" / "findings.jsonl").read_text()
        assert [json.loads(line) for line in stored.splitlines()] == [finding_json(f) for f in result.findings]
        again = scan_corpus([corpus], scan=Logging(log), options=Options(2, workspace))
        assert len(log.read_text().splitlines()) == 120
        assert (tmp_path / "run" / "findings.jsonl").read_text() == stored
        assert (again.documents, again.bytes, again.errors) == (result.documents, result.bytes, result.errors)
        assert again.findings[3:5] == result.findings[3:5]


@pytest.mark.usefixtures("small")
def test_what_has_changed_is_scanned_again(corpus: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"

    def scanned(scan: Logging) -> Counter[str]:
        log.write_text("")
        with Workspace(tmp_path / "run") as workspace:
            result = scan_corpus([corpus], scan=scan, options=Options(workspace=workspace))
        assert len(result.findings) == result.documents
        return Counter(log.read_text().splitlines())

    assert sum(scanned(Logging(log)).values()) == 120
    changed = corpus / "part_3" / "10.py"
    text = changed.read_text()
    time.sleep(0.02)
    changed.write_text(text.replace("a", "b"))  # as long as before
    again = scanned(Logging(log))
    assert "part_3/10.py" in again
    assert sum(again.values()) < 20
    (corpus / "zz.py").write_text("x = 1\n")
    assert 0 < sum(scanned(Logging(log)).values()) < 80
    other = Logging(log)
    other.identity = "another"
    assert sum(scanned(other).values()) == 121


def test_the_identity_of_a_scan_hangs_on_detectors_profile_and_key_and_tells_no_key() -> None:
    scans = [
        default_scan(FINGERPRINT),
        default_scan(FINGERPRINT, ("secrets",)),
        default_scan(FINGERPRINT, profile="recall"),
        default_scan(Fingerprinter(b"l" * 16)),
    ]
    assert len({scan.identity for scan in scans}) == 4
    assert default_scan(FINGERPRINT).identity == scans[0].identity
    assert all("kkkk" not in scan.identity and "kkkk" not in repr(scan) for scan in scans)


def test_another_process_knows_the_scan_again() -> None:
    code = "from tests.pipelines.test_scan_shards import *; print(default_scan(FINGERPRINT).identity)"
    told = [
        subprocess.check_output(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed}, text=True
        )
        for seed in ("1", "2")
    ]
    assert told[0] == told[1]


def test_a_scan_that_cannot_be_known_again_is_refused_with_a_run_folder(corpus: Path, tmp_path: Path) -> None:
    with Workspace(tmp_path / "run") as workspace, pytest.raises(AskedWrongly, match="resumed"):
        scan_corpus([corpus], scan=lambda document: [], options=Options(workspace=workspace))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("stored", [False, True])
def test_a_process_that_dies_costs_its_part_which_is_named(corpus: Path, tmp_path: Path, stored: bool) -> None:
    log = tmp_path / "log"
    sources = shards([corpus], errors=[], size=SMALL)
    lost = next(source for source in sources if any(name == "part_3/10.py" for _, name in source.files))
    with Workspace(tmp_path / "run") as workspace:
        scan = Logging(log, dies_at="part_3/10.py")
        result = scan_corpus([corpus], scan=scan, options=Options(2, workspace if stored else None))
        assert [error.path for error in result.errors if "died" in error.reason] == [lost.name]
        assert result.documents == len(result.findings) == 120 - len(lost.files)
        if stored:
            log.write_text("")
            assert scan_corpus([corpus], scan=Logging(log), options=Options(workspace=workspace)).documents == 120
            assert len(log.read_text().splitlines()) == len(lost.files)


SCRIPT = """
import sys
from pathlib import Path
from scrubber.core.workspace import Workspace
from scrubber.pipelines import scan, shards
from tests.pipelines.test_scan_shards import SMALL, Logging
if __name__ == "__main__":
    corpus, run, log, workers = sys.argv[1:]
    scan.SHARD_BYTES, shards.LEAST_BYTES = SMALL, 0
    with Workspace(Path(run)) as workspace:
        scan.scan_corpus([corpus], scan=Logging(Path(log), pause=0.004), options=shards.Options(int(workers), workspace))
"""


@pytest.mark.middle
def test_killed_at_any_moment_and_started_again_it_ends_in_the_same_bytes(corpus: Path, tmp_path: Path) -> None:
    """What is finished is not scanned again, whatever is killed when."""
    (tmp_path / "script.py").write_text(SCRIPT)
    with Workspace(tmp_path / "whole") as workspace:
        result = scan_corpus([corpus], scan=Logging(tmp_path / "unused"), options=Options(workspace=workspace))
    expected = (tmp_path / "whole" / "findings.jsonl").read_bytes()
    assert result.documents == 120
    run, log = tmp_path / "run", tmp_path / "log"
    codes = []
    for number, moment in enumerate((1, 9, 20, 33, 14, 10**9)):  # how many documents are scanned when it is killed
        finished = documents_of_finished(run)
        log.write_text("")
        process = subprocess.Popen(
            [sys.executable, tmp_path / "script.py", corpus, run, log, str(1 + number % 2)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        while process.poll() is None and len(log.read_text().splitlines()) < moment:
            time.sleep(0.002)
        process.kill()
        _, complaint = process.communicate(timeout=30)
        assert complaint == ""
        codes.append(process.returncode)
        scanned = log.read_text().splitlines()
        assert len(scanned) == len(set(scanned))
        assert not finished & set(scanned)
    assert codes == [-signal.SIGKILL] * 5 + [0]
    assert len(finished) >= 30
    assert (run / "findings.jsonl").read_bytes() == expected


def documents_of_finished(run: Path) -> set[str]:
    """The documents whose findings are kept: here each has one."""
    lines = [line for path in run.glob("scan/0*") for line in path.read_text().splitlines()[1:]]
    assert len(lines) == len(set(lines))
    return {json.loads(line)["document"] for line in lines}


def test_a_scan_travels_by_its_settings() -> None:
    scan = default_scan(FINGERPRINT, ("secrets",), "recall")
    made, arguments = scan.__reduce__()
    assert made is DefaultScan
    assert arguments == (FINGERPRINT, ("secrets",), "recall", (), ())


def test_a_profile_says_how_sure_a_finding_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def scanner(detectors: object, fingerprint: Fingerprinter) -> Callable[[Document], list[Finding]]:
        hits = ((0, 0.4), (2, 0.5))
        return lambda document: [
            Finding(document.id, Span(at, at + 1), 1, at + 1, "pii", "r", sure, "***[1]", "f") for at, sure in hits
        ]

    monkeypatch.setattr(stage, "scanner", scanner)
    counts = {
        name: len(default_scan(FINGERPRINT, profile=name)(Document("d", "abc"))) for name in ("balanced", "recall")
    }
    assert counts == {"balanced": 1, "recall": 2}
    with pytest.raises(AskedWrongly, match="balanced"):
        default_scan(FINGERPRINT, profile="precise")


@pytest.mark.usefixtures("small")
def test_progress_is_told_the_bytes_of_the_corpus_and_what_is_done(corpus: Path, tmp_path: Path) -> None:
    told: list[SimpleNamespace] = []

    @contextmanager
    def progress(label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        told.append(SimpleNamespace(label=label, total=total, steps=[]))
        yield told[-1].steps.append

    size = sum(source.size for source in shards([corpus], errors=[]))
    with Workspace(tmp_path / "run") as workspace:
        for workers in (1, 2):
            scan = Logging(tmp_path / "log")
            scan_corpus([corpus], scan=scan, progress=progress, options=Options(workers, workspace))
    assert [(one.label, one.total, sum(one.steps)) for one in told] == [("scan", size, size)] * 2
    assert len(told[0].steps) > 5  # and the second is done at once
    assert told[1].steps == [size]


def test_standard_input_stays_in_this_process() -> None:
    sources = [Source("stdin", (("-", "-"),), 10**9), Source("files", ())]
    made = work_items.mapped(
        lambda source: os.getpid(), sources, workers=2, lost=lambda source: 0, progress=silent, label="", total=0
    )
    assert list(made) == [os.getpid()] * 2
