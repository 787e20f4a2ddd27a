"""No planted value, in any disguise, stands in a byte that is written outside private/ or printed."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "scrubber.cli"]


def disguises(value: str) -> Iterator[bytes]:
    """The value, its base64 at each of three byte offsets, hex, URL-encoded and reversed forms."""
    plain = value.encode()
    yield plain
    yield plain[::-1]
    yield plain.hex().encode()
    yield plain.hex().upper().encode()
    yield urllib.parse.quote(value, safe="").encode()
    for shift in range(3):
        # the inner part does not depend on what stands before and after the value
        coded = base64.b64encode(b"\0" * shift + plain)
        yield coded[4 if shift else 0 : (len(coded) - 4) // 4 * 4]


def planted(run: Path) -> list[str]:
    rows = (run / "private" / "planted.jsonl").read_text().splitlines()
    return [json.loads(row)["value"] for row in rows]


def assert_clean(data: bytes, values: list[str], where: str) -> None:
    for number, value in enumerate(values):
        for form in disguises(value):
            assert form not in data, f"planted value {number} is in {where}"


def public_files(run: Path) -> Iterator[Path]:
    for path in run.rglob("*"):
        if path.is_file() and "private" not in path.relative_to(run).parts:
            yield path


def test_the_search_would_find_every_disguise() -> None:
    value = "Zq8-" + "planted" + "Value77"
    for carrier in (
        value,
        value[::-1],
        value.encode().hex(),
        urllib.parse.quote(value, safe=""),
        *(base64.b64encode(b"x" * k + value.encode() + b"yy").decode() for k in range(3)),
    ):
        with pytest.raises(AssertionError):
            assert_clean(carrier.encode(), [value], "a carrier")


@pytest.mark.slow
def test_a_whole_run_writes_and_prints_no_value(tiny_demo: Path) -> None:
    values = planted(tiny_demo)
    assert len(values) >= 60
    files = list(public_files(tiny_demo))
    assert {"result.json", "report.html", "mlflow.db", "findings.jsonl", "demo.toml"} <= {f.name for f in files}
    assert any("adapter" in f.parts for f in files)
    for path in files:
        assert_clean(path.read_bytes(), values, path.name)
    for name in ("stdout", "stderr"):
        assert_clean((tiny_demo / "private" / name).read_bytes(), values, name)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["text", "json", "jsonl", "sarif", "markdown"])
def test_a_scan_prints_no_value_in_any_format(format: str, tiny_demo: Path) -> None:
    corpus = tiny_demo / "private" / "corpus"
    done = subprocess.run([*COMMAND, "scan", corpus, "--format", format], capture_output=True, timeout=120, check=False)
    assert done.returncode == 1
    assert len(done.stdout) > 1000
    assert_clean(done.stdout + done.stderr, planted(tiny_demo), format)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["text", "json", "junit", "markdown"])
def test_a_verdict_prints_no_value_in_any_format(format: str, tiny_demo: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "gate", tiny_demo, "--format", format], capture_output=True, timeout=60, check=False
    )
    assert done.returncode in (0, 1, 3)
    assert b"perplexity" in done.stdout
    assert_clean(done.stdout + done.stderr, planted(tiny_demo), format)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["damaged list", "damaged weights", "a detector that quotes what it read"])
def test_a_crash_prints_no_value(fault: str, tiny_demo: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny_demo, run)
    (run / "done" / "audit.json").unlink()
    (run / "done" / "evaluate-before.json").unlink()
    environment = dict(os.environ)
    toml = (run / "demo.toml").read_text().replace(str(tiny_demo), str(run))
    (run / "demo.toml").write_text(toml)
    if fault == "damaged list":
        rows = (run / "private" / "planted.jsonl").read_text().splitlines()
        (run / "private" / "planted.jsonl").write_text("\n".join([*rows[:3], rows[3][: len(rows[3]) // 2]]) + "\n")
    elif fault == "damaged weights":
        weights = run / "private" / "victim" / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:5000])
    else:
        # a part of another package that fails with the document in its message
        package = tmp_path / "site"
        (package / "loud-1.0.dist-info").mkdir(parents=True)
        (package / "loud-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: loud\nVersion: 1.0\n")
        (package / "loud-1.0.dist-info" / "entry_points.txt").write_text("[scrubber.detectors]\nloud = loud\n")
        (package / "loud.py").write_text(
            "from scrubber.core.types import Pattern\n"
            "class Loud:\n"
            "    kind = 'secret'\n"
            "    def patterns(self):\n        return [Pattern('loud', 'def')]\n"
            "    def confirm(self, document, hits):\n        raise ValueError(document.text)\n"
            "def detector():\n    return Loud()\n"
        )
        environment["PYTHONPATH"] = f"{package}{os.pathsep}{environment.get('PYTHONPATH', '')}"
        environment["SCRUBBER_SET"] = 'corpus.detectors=["secrets", "loud"]'
    done = subprocess.run(
        [*COMMAND, "release", run / "demo.toml", "--run-dir", run],
        capture_output=True, timeout=300, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode in (2, 3)
    assert b"Traceback" not in done.stderr
    assert_clean(done.stdout + done.stderr, planted(tiny_demo), "the output of a crash")
    for path in public_files(run):
        assert_clean(path.read_bytes(), planted(tiny_demo), path.name)
