"""Plain text is decoded as what it is, large texts come in windows that lose nothing, and odd files are named."""

from __future__ import annotations

import io
import os
import threading
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubber.core.corpus import Limits
from scrubber.core.sources import text as reader
from scrubber.core.sources.reading import Reading
from scrubber.core.sources.streams import Prefixed, Transcoded
from scrubber.core.sources.text import windows

LIMITS = Limits(text=400, window=200, overlap=20)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-be", "utf-16-le"])
def test_wide_text_with_a_mark_is_decoded(tmp_path: Path, read: Any, encoding: str) -> None:
    mark = "\ufeff" if encoding[-3:] in ("-be", "-le") else ""
    (tmp_path / "a.py").write_bytes(f"{mark}café = 1\r\n".encode(encoding))
    assert read(tmp_path).texts == {"a.py": "café = 1\r\n"}


def test_the_mark_of_utf8_stays_so_that_offsets_are_those_of_the_file(tmp_path: Path, read: Any) -> None:
    (tmp_path / "a.py").write_bytes(b"\xef\xbb\xbfx = 1\n")
    assert read(tmp_path).texts == {"a.py": "\ufeffx = 1\n"}


def test_latin_1_is_a_choice(tmp_path: Path, read: Any) -> None:
    (tmp_path / "a.py").write_bytes(b"caf\xe9")
    (tmp_path / "b.py").write_bytes(b"\xff\xfe\x00\xd8")  # half of a pair: damaged, whatever was chosen
    assert read(tmp_path).unread == {"a.py": "not UTF-8", "b.py": "not UTF-16"}
    chosen = read(tmp_path, undecodable="latin-1")
    assert chosen.texts == {"a.py": "café"}
    assert chosen.unread == {"b.py": "not UTF-16"}


def test_a_late_nul_is_text_and_an_early_one_is_binary(tmp_path: Path, read: Any) -> None:
    (tmp_path / "late").write_bytes(b"x" * 8192 + b"\0")
    (tmp_path / "early").write_bytes(b"x" * 8191 + b"\0")
    found = read(tmp_path)
    assert list(found.texts) == ["late"]
    assert found.skipped == ["early"]


def test_large_text_comes_in_windows_by_offset(tmp_path: Path, read: Any) -> None:
    data = "".join(f"line {number}\n" for number in range(100)).encode()
    (tmp_path / "a.log").write_bytes(data)
    texts = read(tmp_path, limits=read.small).texts
    assert len(texts) > 3
    for name, text in texts.items():
        offset = int(name.removeprefix("a.log#"))
        assert data[offset:].startswith(text.encode())
        assert text.endswith("\n")
        assert offset == 0 or data[offset - 1 : offset] == b"\n"


def test_large_wide_text_comes_in_windows_of_its_utf8(tmp_path: Path, read: Any) -> None:
    text = "".join(f"línea {number}\n" for number in range(100))
    (tmp_path / "a.log").write_text(text, encoding="utf-16")
    texts = read(tmp_path, limits=read.small).texts
    assert len(texts) > 3
    for name, part in texts.items():
        assert text.encode()[int(name.removeprefix("a.log#")) :].startswith(part.encode())


def test_large_binary_is_passed_over_and_a_window_of_another_encoding_is_named(tmp_path: Path, read: Any) -> None:
    (tmp_path / "a.dat").write_bytes(b"\0" * 1000)
    (tmp_path / "b.log").write_bytes(b"fine\n" * 100 + b"\xe9\n" + b"fine\n" * 100)
    (tmp_path / "c.log").write_bytes(b"\xff\xfe" + b"\x00\xd8" * 1000)
    found = read(tmp_path, limits=read.small)
    assert found.skipped == ["a.dat"]
    assert sum("fine" in text for text in found.texts.values()) >= 3
    assert any(name.startswith("b.log#") for name in found.unread)
    assert found.unread["c.log"] == "not UTF-8"


def overlapping(data: bytes, limits: Limits) -> list[bytes]:
    """The windows of ``data``, which lose nothing and overlap as they should."""
    parts = list(windows(io.BytesIO(data), limits))
    assert b"".join(part[max(0, at - offset) :] for at, (offset, part) in zip(ends(parts), parts, strict=True)) == data
    for (before, part), (offset, _) in pairwise(parts):
        assert before < offset
        assert limits.overlap <= before + len(part) - offset <= 2 * limits.overlap + 3
    assert all(len(part) <= limits.window for _, part in parts)
    return [part for _, part in parts]


def ends(parts: list[tuple[int, bytes]]) -> list[int]:
    """Where the one before each ends."""
    return [0, *(offset + len(part) for offset, part in parts)][: len(parts)]


@settings(deadline=None, max_examples=150)
@given(st.lists(st.sampled_from([b"\n", b"a", "é".encode(), "😀".encode(), b"x" * 50, b"\r\n"]), max_size=400))
def test_windows_lose_nothing_overlap_and_cut_no_character(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    text = data.decode()
    assert all(part.decode("utf-8") in text for part in overlapping(data, LIMITS))


@settings(deadline=None, max_examples=80)
@given(st.binary(max_size=3000))
def test_windows_of_any_bytes_end(data: bytes) -> None:
    parts = overlapping(data, LIMITS)
    assert len(parts) <= 1 + len(data) // (LIMITS.window - 2 * LIMITS.overlap - 3)


@settings(deadline=None)
@given(st.text(max_size=200), st.integers(1, 7), st.sampled_from(["utf-16", "utf-32"]))
def test_transcoding_in_any_pieces_gives_the_same_text(text: str, piece: int, encoding: str) -> None:
    stream = Transcoded(Prefixed(b"", io.BytesIO(text.encode(encoding))), encoding)
    assert b"".join(iter(lambda: stream.read(piece), b"")).decode() == text


def test_one_line_of_many_megabytes_is_read_in_flat_memory(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    with file.open("wb") as sink:
        for _ in range(60):
            sink.write(b"x" * 2**20)
    limits = Limits(text=2**21, window=2**20)
    tracemalloc.start()
    found = sum(len(d.text) for d in reader.text_path(str(file), "a.txt", Reading([], [], limits=limits)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found > 60 * 2**20
    assert peak < 10 * 2**20


def test_a_file_that_changes_while_it_is_read_is_scanned_and_named(
    tmp_path: Path, read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.txt"
    file.write_text("short")
    stat = os.fstat

    def grown(descriptor: int) -> os.stat_result:
        status = stat(descriptor)
        with file.open("a") as writer:
            writer.write(" and longer")
        return status

    monkeypatch.setattr(os, "fstat", grown)
    found = read(file)
    assert found.texts == {str(file): "short and longer"}
    assert found.unread == {str(file): "changed while it was read; scanned as it was found"}


def test_a_pipe_does_not_block_and_a_file_that_the_system_makes_up_is_read(tmp_path: Path, read: Any) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = threading.Thread(target=lambda: read(tmp_path / "pipe"), daemon=True)
    done.start()
    done.join(5)
    assert not done.is_alive()
    assert read("/proc/self/status").errors == []
    assert "Pid" in read("/proc/self/status").texts["/proc/self/status"]
