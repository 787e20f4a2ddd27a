"""A value becomes a preview that does not give it away and a fingerprint that only the key can repeat."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrubber.core.errors import AskedWrongly
from scrubber.core.fingerprint import KEY_VARIABLE, Fingerprinter, mask, project_key
from scrubber.core.types import Document, Hit, Span

KEY = b"k" * 16


@given(st.text(min_size=1))
def test_a_preview_shows_at_most_two_characters(value: str) -> None:
    shown = mask(value).removesuffix(f"***[{len(value)}]")
    assert len(shown) <= 2
    assert value.startswith(shown)
    assert not shown or len(value) >= 12


@given(st.text(), st.text())
def test_values_share_a_fingerprint_only_when_they_are_equal(one: str, other: str) -> None:
    fingerprint = Fingerprinter(KEY)
    assert (fingerprint("secret", one) == fingerprint("secret", other)) == (one == other)


def test_kind_and_key_change_the_fingerprint() -> None:
    assert Fingerprinter(KEY)("secret", "v") != Fingerprinter(KEY)("pii", "v")
    assert Fingerprinter(KEY)("secret", "v") != Fingerprinter(b"l" * 16)("secret", "v")


def test_a_value_that_is_no_valid_unicode_has_a_fingerprint_too() -> None:
    assert len(Fingerprinter(KEY)("pii", "\ud800")) == 32


def test_a_short_key_is_refused() -> None:
    with pytest.raises(AskedWrongly, match="16 bytes"):
        Fingerprinter(b"short")


def test_a_finding_tells_line_and_column_and_holds_no_value() -> None:
    document = Document("d", "first\n  sécret-value-here\n", path="p.py")
    (finding,) = Fingerprinter(KEY).findings(document, [("secret", Hit("rule", Span(8, 25), 0.5))])
    assert (finding.line, finding.column) == (2, 3)
    assert document.text[8:25] == "sécret-value-here"
    assert "cret-value" not in repr(finding)
    assert "cret" not in repr(document)


def test_the_key_of_a_project_is_made_once_and_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "made" / "key"
    assert project_key(file) == project_key(file)
    assert file.stat().st_mode & 0o077 == 0
    assert project_key() != project_key()
    monkeypatch.setenv(KEY_VARIABLE, str(file))
    assert project_key() == project_key(file)
    monkeypatch.setenv(KEY_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(AskedWrongly, match=KEY_VARIABLE):
        project_key()
