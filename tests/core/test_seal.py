from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubber.core.errors import AskedWrongly
from scrubber.core.fingerprint import KEY_VARIABLE, Fingerprinter, user_key
from scrubber.core.seal import folder_digest, is_sealed, key_id, seal, sealing_key

KEY, OTHER = b"k" * 32, b"o" * 32
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text(), JSON, max_size=4).filter(lambda d: not {"seal", "key"} & d.keys()))
def test_a_seal_survives_a_file_and_no_other_key(content: dict[str, Any]) -> None:
    read = json.loads(json.dumps(seal(content, KEY)))
    assert is_sealed(read, KEY)
    assert not is_sealed(read, OTHER)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 3), st.integers(1, 9))
def test_any_change_breaks_it(which: int, by: int) -> None:
    sealed = seal({"report": {"scores": [0, 1, 2, 3]}, "model": "m"}, KEY)
    sealed["report"]["scores"][which] += by
    assert not is_sealed(sealed, KEY)


@pytest.mark.parametrize(
    "change", [{"more": 1}, {"model": "n"}, {"key": "x"}, {"seal": ""}, {"seal": None}, {"seal": "é" * 64}, {"seal": 5}]
)
def test_what_is_added_renamed_or_of_another_type_breaks_it(change: dict[str, Any]) -> None:
    assert not is_sealed({**seal({"model": "m"}, KEY), **change}, KEY)
    missing = seal({"model": "m"}, KEY)
    del missing["seal"]
    assert not is_sealed(missing, KEY)


def test_the_key_cannot_be_told_from_its_id_nor_a_seal_from_a_fingerprint() -> None:
    assert key_id(KEY) != key_id(OTHER)
    assert key_id(KEY) not in KEY.hex()
    assert seal({}, KEY)["seal"][:32] != Fingerprinter(KEY)("secret", "")


def test_a_key_is_named_made_or_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    with pytest.raises(AskedWrongly, match=KEY_VARIABLE):
        sealing_key()
    assert not user_key().exists()  # to look for one makes none
    made = sealing_key(make=True)
    assert sealing_key() == made == user_key().read_bytes().strip()
    (tmp_path / "short").write_bytes(b"short")
    monkeypatch.setenv(KEY_VARIABLE, str(tmp_path / "short"))
    with pytest.raises(AskedWrongly, match="shorter"):
        sealing_key()
    monkeypatch.setenv(KEY_VARIABLE, str(tmp_path / "absent"))
    with pytest.raises(AskedWrongly, match="cannot be read"):
        sealing_key()


def test_where_no_key_can_be_kept_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    with pytest.raises(AskedWrongly, match="no key"):
        sealing_key(make=True)


def test_a_folder_is_known_by_names_and_bytes_and_their_borders(tmp_path: Path) -> None:
    digests = set()
    for number, files in enumerate(
        (
            {"a": "xy", "b": "z"},
            {"a": "x", "b": "yz"},
            {"a": "xyb\0z"},
            {"a": "xy"},
            {"b": "xy", "a": "z"},
            {"d/a": "xy"},
        )
    ):
        root = tmp_path / str(number)
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        made, count = folder_digest(root)
        assert count == len(files)
        digests.add(made)
    assert len(digests) == 6
    whole = folder_digest(tmp_path / "0")
    (tmp_path / "0" / "meta").write_text("of the one who fetched it")
    assert folder_digest(tmp_path / "0") != whole
    assert folder_digest(tmp_path / "0", frozenset({"meta"})) == whole
