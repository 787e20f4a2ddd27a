"""The map masks the text of each row of a data set, counts its findings, and travels to other processes."""

from __future__ import annotations

import pickle
import random
import string

import pytest

from scrubber.core.errors import NoVerdict
from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.types import Document, Finding, Hit, Span
from scrubber.pipelines.scan import default_scan
from scrubber.plugins.datasets import dropping, mask_map, masking

FINGERPRINT = Fingerprinter(b"k" * 16)
TOKEN = "gh" + "p_" + "".join(random.Random(4).choices(string.ascii_letters + string.digits, k=36))
BATCH = {"content": ["x = 1", f"TOKEN = '{TOKEN}'", None], "path": ["a.py", "b.py", None], "stars": [1, 2, 3]}


def test_a_batch_is_masked_and_counted() -> None:
    function = masking(default_scan(FINGERPRINT), column="content", count="n_findings")
    made = pickle.loads(pickle.dumps(function))(BATCH)
    assert made == function(BATCH)
    assert made["n_findings"] == [0, 1, 0]
    assert made["content"][0] == "x = 1"
    assert made["content"][2] is None
    assert "EXAMPLE" in made["content"][1]
    assert TOKEN not in repr(made)


def test_a_text_that_cannot_be_masked_stops_the_map() -> None:
    def endless(document: Document) -> list[Finding]:
        return FINGERPRINT.findings(document, [("secret", Hit("all", Span(0, 1), 0.9))])

    with pytest.raises(NoVerdict, match="row 0") as caught:
        mask_map({"text": ["never clean"]}, endless)
    assert "never" not in str(caught.value)


def test_a_data_set_is_mapped_by_two_processes() -> None:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    data = datasets.Dataset.from_dict({**BATCH, "content": ["x = 1", f"TOKEN = '{TOKEN}'", "y = 2"]})
    function = masking(default_scan(FINGERPRINT), column="content")
    made = data.map(function, batched=True, num_proc=2)
    assert made["findings"] == [0, 1, 0]
    assert list(made["stars"]) == [1, 2, 3]
    assert TOKEN not in repr(list(made))
    assert data.map(function, batched=True)._fingerprint == data.map(function, batched=True)._fingerprint


def test_rows_with_findings_are_dropped() -> None:
    function = dropping(default_scan(FINGERPRINT), column="content")
    assert pickle.loads(pickle.dumps(function))(BATCH) == [True, False, True]
    allowed = f"TOKEN = '{TOKEN}'  # pragma: allowlist secret"
    assert dropping()({"text": [f"TOKEN = '{TOKEN}'", "x = 1"]}) == [False, True]
    assert function({"content": [allowed, "", f"x = 1\nTOKEN = '{TOKEN}'"]}) == [True, True, False]


def test_a_data_set_is_filtered_by_two_processes() -> None:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    data = datasets.Dataset.from_dict({**BATCH, "content": ["x = 1", f"TOKEN = '{TOKEN}'", "y = 2"]})
    made = data.filter(dropping(default_scan(FINGERPRINT), column="content"), batched=True, num_proc=2)
    assert list(made["content"]) == ["x = 1", "y = 2"]
    assert list(made["stars"]) == [1, 3]
