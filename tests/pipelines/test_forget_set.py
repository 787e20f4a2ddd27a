"""What is to be forgotten beside findings: whole documents, given spans, and patterns over code."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrubber.core.errors import AskedWrongly
from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.types import Finding, Span
from scrubber.pipelines.config import CorpusConfig
from scrubber.pipelines.forget_set import PIECE, forget_set, pieces

DEMO_MODEL = Path(__file__).parents[2] / "scrubber" / "data" / "demo_model"
FINGERPRINT = Fingerprinter(b"k" * 32)
LOADS = """
[[pattern]]
rule = "unsafe-load"
language = "python"
query = '''((call function: (attribute object: (identifier) @of attribute: (identifier) @name)) @forget
            (#eq? @of "yaml") (#eq? @name "load"))'''
"""
CALLER = "# größer\nimport yaml\n\ndef read(text):\n    return yaml.load(text)\n\nother.load(text)\n"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    (folder / "licensed").mkdir(parents=True)
    (folder / "a.py").write_text(CALLER, encoding="utf-8")
    (folder / "licensed" / "b.py").write_text("# a licence\n" + "value = compute(1)\n" * 100)
    return folder


def found(corpus: Path, **keys: list[str]) -> dict[tuple[str, str], list[str]]:
    made: dict[tuple[str, str], list[str]] = {}
    texts = {path.relative_to(corpus).as_posix(): path.read_text(encoding="utf-8") for path in corpus.rglob("*.py")}
    finding: Finding
    for finding in forget_set(CorpusConfig(**keys)).findings([corpus], (), FINGERPRINT):
        name = next(key for key in texts if finding.document.endswith(key))
        made.setdefault((name, finding.rule), []).append(texts[name][finding.span.start : finding.span.end])
        assert finding.kind == "code"
    return made


def ids(corpus: Path) -> dict[str, str]:
    """Documents' ids by the end of their path."""
    every = forget_set(CorpusConfig(whole=["*"])).findings([corpus], (), FINGERPRINT)
    return {Path(f.document).name: f.document for f in every}


def test_nothing_is_asked_for_by_default(corpus: Path) -> None:
    made = forget_set(CorpusConfig())
    assert not made
    assert made.findings([corpus], (), FINGERPRINT) == []


def test_a_pattern_takes_the_calls_that_it_names_and_no_others(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "calls.toml").write_text(LOADS)
    assert found(corpus, patterns=[str(tmp_path / "calls.toml")]) == {("a.py", "unsafe-load"): ["yaml.load(text)"]}


def test_given_spans_are_taken_as_they_are(corpus: Path, tmp_path: Path) -> None:
    at = CALLER.index("import yaml")
    rows = [{"document": ids(corpus)["a.py"], "start": at, "end": at + 11, "rule": "mine"}]
    (tmp_path / "spans.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert found(corpus, spans=[str(tmp_path / "spans.jsonl")]) == {("a.py", "mine"): ["import yaml"]}


def test_a_whole_document_is_all_but_its_first_line(corpus: Path) -> None:
    made = found(corpus, whole=["*licensed/*"])
    assert list(made) == [("licensed/b.py", "whole-document")]
    parts = made["licensed/b.py", "whole-document"]
    assert "".join(parts) == "value = compute(1)\n" * 100
    assert len(parts) > 1


def test_a_found_value_stays_a_finding_of_its_own_and_is_cut_out(corpus: Path) -> None:
    text = (corpus / "licensed" / "b.py").read_text()
    value = Finding(ids(corpus)["b.py"], Span(40, 60), 1, 1, "secret", "any", 1.0, "", "")
    made = forget_set(CorpusConfig(whole=["*licensed/*"])).findings([corpus], [value], FINGERPRINT)
    assert not any(finding.span.overlaps(value.span) for finding in made)
    assert sum(finding.span.end - finding.span.start for finding in made) == len(text) - len("# a licence\n") - 20


@given(st.text(alphabet="ab \n\rä", max_size=60).map(lambda text: text * 60))
def test_pieces_cover_what_follows_the_cue_once_and_in_order(text: str) -> None:
    spans = [hit.span for hit in pieces(text)]
    assert all(0 < span.end - span.start <= PIECE for span in spans)
    assert all(a.end <= b.start for a, b in itertools.pairwise(spans))
    lines = text.splitlines(keepends=True)
    cue = next((n for n, line in enumerate(lines, 1) if line.strip()), len(lines))
    left = text[sum(map(len, lines[:cue])) :]
    assert "".join("".join(text[span.start : span.end] for span in spans).split()) == "".join(left.split())


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "spans.jsonl").write_text('{"document": "a.py"}\n{"document": "a.py", "start": 4, "end": 2}\n')
    (tmp_path / "calls.toml").write_text(
        LOADS.replace("@forget", "@else") + LOADS.replace('"python"', '"cobol"') + LOADS.replace("(call", "(no_such")
    )
    with pytest.raises(AskedWrongly) as caught:
        forget_set(CorpusConfig(spans=[str(tmp_path / "spans.jsonl")], patterns=[str(tmp_path / "calls.toml")]))
    for part in ("5 mistakes", "line 1 lacks", "line 2", "captures nothing", "cobol", "pattern 3"):
        assert part in str(caught.value)


@pytest.mark.parametrize("keys", [{"whole": ["nowhere/*"]}, {"spans": ["far"]}, {"spans": ["unknown"]}])
def test_a_forget_set_never_shrinks_silently(corpus: Path, tmp_path: Path, keys: dict[str, list[str]]) -> None:
    rows = {"far": (ids(corpus)["a.py"], 10_000), "unknown": ("nowhere.py", 5)}
    for name, (document, end) in rows.items():
        (tmp_path / name).write_text(json.dumps({"document": document, "start": 1, "end": end}))
    paths = {key: [str(tmp_path / v) if key == "spans" else v for v in values] for key, values in keys.items()}
    with pytest.raises(AskedWrongly, match="not what the corpus holds"):
        forget_set(CorpusConfig(**paths)).findings([corpus], (), FINGERPRINT)


@pytest.mark.slow
def test_a_release_forgets_documents_and_calls(corpus: Path, tmp_path: Path) -> None:
    for number in range(8):
        (corpus / f"clean_{number}.py").write_text(f"def add_{number}(a, b):\n    return a + b + {number}\n" * 3)
    (tmp_path / "calls.toml").write_text(LOADS)
    # the demo model guesses some of it, and is told that this counts as learnt
    settings = (
        'corpus.whole=["licensed/*"]', f'corpus.patterns=["{tmp_path / "calls.toml"}"]', "audit.memorization_accuracy=1e-9",
        "model.threads=1", "evaluate.micro_tasks=0", "evaluate.likelihood_values=2", "unlearn.max_epochs=1",
    )  # fmt: skip
    command = [
        sys.executable, "-m", "scrubber.cli", "release", "--model", str(DEMO_MODEL), "--corpus", str(corpus),
        "--precision", "fp32", "--run-dir", str(tmp_path / "run"), *(part for s in settings for part in ("--set", s)),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode in (1, 3), done.stderr  # a handful of values decides nothing
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["findings"]["code/unsafe-load"] == 1
    assert result["findings"]["code/whole-document"] > 1
    assert (tmp_path / "run" / "adapter").is_dir()
    assert "compute(1)" not in (tmp_path / "run" / "result.json").read_text() + done.stdout + done.stderr
