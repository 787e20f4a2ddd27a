"""A user's own rules are asked beside ours, in every process and profile, once they are proved sound."""

from __future__ import annotations

import pickle
import random
import string
import time
from pathlib import Path

import pytest

from scrubber.core.errors import AskedWrongly
from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.types import Document
from scrubber.core.workspace import Workspace
from scrubber.pipelines import scan as stage
from scrubber.pipelines import shards as work_items
from scrubber.pipelines.mask import mask_corpus
from scrubber.pipelines.packs import sound_rules
from scrubber.pipelines.scan import DefaultScan, default_scan, scan_corpus
from scrubber.pipelines.shards import Options

FINGERPRINT = Fingerprinter(b"k" * 16)
VALUE = "ac" + "me_" + "".join(random.Random(5).choices(string.ascii_lowercase + string.digits, k=32))
GITLAB = "gl" + "pat-" + "".join(random.Random(6).choices(string.ascii_letters + string.digits, k=20))
RULE = """
[[rule]]
id = "{id}"
provider = "Acme"
regex = '''{regex}'''
examples = ["acme_{{base36:32}}"]
counter_examples = ["acme_{{base36:8}}"]
confidence = {confidence}
"""


def pack(path: Path, id: str = "acme-key", regex: str = "acme_[a-z0-9]{32}", confidence: float = 0.9) -> Path:
    path.write_text(RULE.format(id=id, regex=regex, confidence=confidence), encoding="utf-8")
    return path


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return pack(tmp_path / "ours.toml")


def scan_with(*packs: Path, profile: str = "balanced") -> DefaultScan:
    return default_scan(FINGERPRINT, profile=profile, rules=sound_rules(packs))


@pytest.mark.parametrize("profile", ["balanced", "recall", "exact"])
def test_an_own_rule_is_found_and_explained_beside_ours(rules: Path, profile: str) -> None:
    document = Document("a.py", f"a = '{GITLAB}'\nb = call({VALUE})\n", "a.py", "python")
    assert [f.rule for f in default_scan(FINGERPRINT, profile=profile)(document)] == ["gitlab-token"]
    scan = scan_with(rules, profile=profile)
    ours, own = scan(document)
    assert (ours.rule, own.rule, own.kind, own.confidence) == ("gitlab-token", "acme-key", "secret", 0.9)
    assert document.text[own.span.start : own.span.end] == VALUE
    assert VALUE not in repr(own)
    (reason,) = scan.explain(document, own)
    assert "Acme" in reason
    assert VALUE not in reason
    if profile != "exact":  # its detector tells no reasons
        assert len(scan.explain(document, ours)) == 3


def test_the_confidence_of_an_own_rule_counts_as_that_of_ours(rules: Path) -> None:
    pack(rules, confidence=0.3)
    document = Document("a.py", f"b = call({VALUE})\n")
    assert scan_with(rules)(document) == []
    assert [f.rule for f in scan_with(rules, profile="recall")(document)] == ["acme-key"]


def test_every_mistake_of_every_pack_is_told_at_once_and_no_value(tmp_path: Path) -> None:
    pack(tmp_path / "a.toml", id="Acme Key", confidence=1.5)
    pack(tmp_path / "b.toml", regex="acme_[")
    with pytest.raises(AskedWrongly) as malformed:
        sound_rules([tmp_path])
    assert all(
        part in str(malformed.value) for part in ("a.toml", "b.toml", "id is not", "confidence is", "no regular")
    )
    pack(tmp_path / "a.toml", id="acme-one", regex="acme_[A-Z]{32}")
    pack(tmp_path / "b.toml", id="acme-two", regex="acme_[a-z0-9]{8,32}")
    with pytest.raises(AskedWrongly) as unsound:
        sound_rules([tmp_path / "a.toml", tmp_path / "b.toml"])
    told = str(unsound.value)
    assert "acme-one: it does not match its example" in told
    assert "acme-two: it finds its counter-example" in told
    assert unsound.value.exit_code == 2


def test_catastrophic_backtracking_is_refused_in_time(rules: Path) -> None:
    pack(rules, regex="acme_(?:[a-z0-9]+)+!?x")
    began = time.monotonic()
    with pytest.raises(AskedWrongly, match=r"acme-key: its expressions take more than 0\.5 s"):
        sound_rules([rules], limit=0.5)
    assert time.monotonic() - began < 15


def test_a_place_without_a_pack_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(AskedWrongly, match="no rule pack"):
        sound_rules([tmp_path / "empty"])
    with pytest.raises(AskedWrongly, match="cannot be read"):
        sound_rules([tmp_path / "nowhere.toml"])
    assert sound_rules([]) == ()


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.py").write_text(f"call({VALUE})\n" + "x = 1\n" * 100)
    monkeypatch.setattr(stage, "SHARD_BYTES", 500)
    monkeypatch.setattr(work_items, "LEAST_BYTES", 0)
    return folder


def test_other_processes_know_the_rules_though_the_pack_is_gone(rules: Path, corpus: Path) -> None:
    scan = scan_with(rules)
    rules.unlink()
    assert pickle.loads(pickle.dumps(scan))(Document("d", VALUE))
    found = [scan_corpus([corpus], scan=scan, options=Options(workers)).findings for workers in (1, 2)]
    assert len(found[0]) == 4
    assert found[0] == found[1]


def test_a_run_goes_on_only_under_the_same_rules(rules: Path, corpus: Path, tmp_path: Path) -> None:
    def counts() -> tuple[int, int]:
        before = {path.name: path.stat().st_ino for path in (tmp_path / "run" / "scan").glob("*")}
        with Workspace(tmp_path / "run") as workspace:
            result = scan_corpus([corpus], scan=scan_with(rules), options=Options(workspace=workspace))
        after = {path.name: path.stat().st_ino for path in (tmp_path / "run" / "scan").glob("*")}
        return len(result.findings), len(after.items() - before.items())

    assert counts() == (4, 4)
    rules = rules.rename(tmp_path / "renamed.toml")
    assert counts() == (4, 0)
    pack(rules, confidence=0.3)
    assert counts() == (0, 4)


def test_a_masked_corpus_is_clean_of_what_own_rules_find(rules: Path, corpus: Path, tmp_path: Path) -> None:
    result = mask_corpus([corpus], tmp_path / "out", scan=scan_with(rules, profile="recall"))
    assert result.masked == {"secret/acme-key": 4}
    texts = [path.read_text() for path in sorted((tmp_path / "out").iterdir())]
    assert len(texts) == 4
    assert not [text for text in texts if VALUE in text]
