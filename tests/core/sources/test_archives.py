"""Archives and compressed files are read through, in order and in flat memory; bombs and odd members are refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scrubber.core.corpus import documents

PACK: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


def zstd(data: bytes) -> bytes:
    packed: bytes = pytest.importorskip("pyarrow").compress(data, "zstd", asbytes=True)
    return packed


def packer(suffix: str) -> Callable[[bytes], bytes]:
    return PACK.get(suffix, zstd)


def tar(members: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return data.getvalue()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return data.getvalue()


MEMBERS = {
    "b.py": b"b = 1\n", "a/c.jsonl": b'{"text": "one"}\n{"text": "two"}\n', "../../etc/é.py": b"up", "/abs.py": b"abs",
    "x.png": b"png", "bin": b"\0\0", "bad.py": b"\xe9", "empty": b"",
}  # fmt: skip
SEEN = {
    "b.py": "b = 1\n", "a/c.jsonl:1": "one", "a/c.jsonl:2": "two", "../../etc/é.py": "up", "/abs.py": "abs", "empty": "",
}  # fmt: skip


@pytest.mark.parametrize(
    "name", ["t.tar", "t.tar.gz", "t.tgz", "t.tar.bz2", "t.tar.xz", "t.tar.zst", "t.zip", "t.jar", "t.whl"]
)
def test_members_are_documents_and_their_names_only_names(tmp_path: Path, read: Any, name: str) -> None:
    suffix = f".{name.rpartition('.')[2].replace('tgz', 'gz')}"
    if suffix in (".zip", ".jar", ".whl"):
        data = zipped(MEMBERS)
    else:
        data = tar(MEMBERS) if suffix == ".tar" else packer(suffix)(tar(MEMBERS))
    (tmp_path / name).write_bytes(data)
    found = read(tmp_path)
    assert found.texts == {f"{name}!{member}": text for member, text in SEEN.items()}
    assert found.documents[0].language == "python"
    assert found.skipped == [f"{name}!x.png", f"{name}!bin"]
    assert found.unread == {f"{name}!bad.py": "not UTF-8"}
    assert read(tmp_path, unpack=False).skipped == [name]


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_a_compressed_file_is_what_is_inside_by_its_own_name(tmp_path: Path, read: Any, suffix: str) -> None:
    pack = packer(suffix)
    (tmp_path / f"a.py{suffix}").write_bytes(pack(b"x = 1\n") + pack(b"y = 2\n"))  # two members or frames
    (tmp_path / f"b.jsonl{suffix}").write_bytes(pack(b'{"text": "one"}\n'))
    (tmp_path / f"c.log{suffix}").write_bytes(pack(b"line\n" * 200))
    found = read(tmp_path, limits=read.small)
    assert found.texts[f"a.py{suffix}"] == "x = 1\ny = 2\n"
    assert found.texts[f"b.jsonl{suffix}:1"] == "one"
    assert len([name for name in found.texts if name.startswith(f"c.log{suffix}#")]) > 4
    assert found.documents[0].language == "python"


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst", ".tar", ".zip"])
def test_damage_is_named_and_not_quoted(tmp_path: Path, read: Any, suffix: str) -> None:
    content = "".join(f"{number * 7919 % 10007} confidential\n" for number in range(3000)).encode()
    if suffix in (".tar", ".zip"):
        data = (tar if suffix == ".tar" else zipped)({f"{number}.txt": content for number in range(3)})
    else:
        data = packer(suffix)(content)
    (tmp_path / f"cut.txt{suffix}").write_bytes(data[: len(data) * 2 // 3])
    (tmp_path / f"not.txt{suffix}").write_bytes(content)
    (tmp_path / "fine.py").write_text("x")
    found = read(tmp_path)
    assert found.texts["fine.py"] == "x"
    assert any(name.startswith(f"cut.txt{suffix}") for name in found.unread)
    assert any(name.startswith(f"not.txt{suffix}") for name in found.unread)
    assert "confidential" not in str(found.errors)


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst", ".zip", ".tar.gz"])
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, read: Any, suffix: str) -> None:
    size = 40 * 2**20
    if suffix == ".zip":
        data = zipped({"a.txt": bytes([120]) * size, "b.txt": b"later"})
    elif suffix == ".tar.gz":
        data = gzip.compress(tar({"a.txt": bytes([120]) * size, "b.txt": b"later"}))
    else:
        data = packer(suffix)(bytes([120]) * size)
    (tmp_path / f"bomb.txt{suffix}").write_bytes(data)
    tracemalloc.start()
    found = read(tmp_path, limits=read.small)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.unread.keys() == {f"bomb.txt{suffix}"}
    assert "refused" in found.unread[f"bomb.txt{suffix}"]
    assert peak < 24 * 2**20
    assert "later" not in found.texts.values()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_bomb_of_a_rare_method_is_unpacked_in_small_pieces(tmp_path: Path, read: Any, method: int) -> None:
    (tmp_path / "bomb.zip").write_bytes(zipped({"a.txt": bytes([120]) * 30 * 2**20}, method))
    assert "refused" in read(tmp_path, limits=read.small).unread["bomb.zip"]
    (tmp_path / "bomb.zip").write_bytes(zipped({"a.txt": b"fine"}, method))
    assert read(tmp_path).texts == {"bomb.zip!a.txt": "fine"}


def test_a_zip_that_shows_one_content_many_times_pays_for_each(tmp_path: Path, read: Any) -> None:
    (tmp_path / "z.zip").write_bytes(zipped({f"{number}.txt": b"x" * 9000 for number in range(60)}))
    assert "refused" in read(tmp_path, limits=read.small).unread["z.zip"]


@pytest.mark.parametrize("pack", [zipped, tar])
def test_archives_in_archives_are_read_three_deep(tmp_path: Path, read: Any, pack: Any) -> None:
    suffix = "zip" if pack is zipped else "tar"
    data = pack({"deep.py": b"x"})
    for depth in range(2):
        data = pack({f"{depth}.{suffix}": data, f"{depth}.py": b"y"})
    (tmp_path / f"a.{suffix}").write_bytes(data)
    assert read(tmp_path).texts[f"a.{suffix}!1.{suffix}!0.{suffix}!deep.py"] == "x"
    (tmp_path / f"a.{suffix}").write_bytes(pack({f"2.{suffix}": data}))
    found = read(tmp_path)
    assert "x" not in found.texts.values()
    assert [reason for reason in found.unread.values() if "3 deep" in reason]


def test_a_name_of_many_suffixes_is_no_ladder(tmp_path: Path, read: Any) -> None:
    (tmp_path / "z.tar").write_bytes(tar({"a" + ".gz" * 3000: b"x"}))
    assert "deep" in next(iter(read(tmp_path).unread.values()))


def test_links_and_devices_in_a_tar_are_left_out_and_sparse_files_named(tmp_path: Path, read: Any) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for number, kind in enumerate(
            (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE)
        ):
            entry = tarfile.TarInfo(f"{number}.py")
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
        sparse = tarfile.TarInfo("sparse.py")
        sparse.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(2**40)}
        sparse.size = 1
        archive.addfile(sparse, io.BytesIO(b"x"))
        archive.addfile(tarfile.TarInfo("last.py"))
    (tmp_path / "a.tar").write_bytes(data.getvalue())
    found = read(tmp_path)
    assert list(found.texts) == ["a.tar!last.py"]
    assert found.unread == {"a.tar!sparse.py": "a sparse file"}


def test_a_header_of_a_tar_cannot_ask_for_all_memory(tmp_path: Path, read: Any) -> None:
    entry = tarfile.TarInfo("././@PaxHeader")
    entry.type, entry.size = tarfile.XHDTYPE, 2**32
    (tmp_path / "a.tar").write_bytes(entry.tobuf(tarfile.GNU_FORMAT) + bytes(10_000))
    assert "refused" in read(tmp_path).unread["a.tar"]


def test_encrypted_members_and_links_of_a_zip(tmp_path: Path, read: Any) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, mode in (("locked.py", 0), ("link.py", 0o120777 << 16), ("open.py", 0)):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode
            archive.writestr(entry, b"content")
    raw = bytearray(data.getvalue())
    for at in (raw.find(b"PK\x03\x04") + 6, raw.find(b"PK\x01\x02") + 8):
        raw[at] |= 1
    (tmp_path / "a.zip").write_bytes(raw)
    found = read(tmp_path)
    assert found.texts == {"a.zip!open.py": "content"}
    assert found.unread == {"a.zip!locked.py": "encrypted"}


def test_damage_of_one_member_of_a_zip_is_no_other_ones(tmp_path: Path, read: Any) -> None:
    raw = bytearray(zipped({"a.py": b"first content", "b.py": b"x"}, zipfile.ZIP_STORED))
    raw[raw.find(b"first")] ^= 1
    (tmp_path / "a.zip").write_bytes(raw)
    found = read(tmp_path)
    assert found.texts == {"a.zip!b.py": "x"}
    assert found.unread == {"a.zip!a.py": "damaged (BadZipFile)"}


def test_a_zip_with_an_endless_index_is_refused(tmp_path: Path, read: Any) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({f"{number}{'n' * 200}": b"" for number in range(40)}))
    assert "index" in read(tmp_path, limits=read.small).unread["a.zip"]
    assert len(read(tmp_path).documents) == 40


def test_a_tar_is_read_in_flat_memory(tmp_path: Path) -> None:
    member = ("x" * 99 + "\n").encode() * 100
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", compresslevel=0) as archive:
        for number in range(6000):
            entry = tarfile.TarInfo(f"{number}.txt")
            entry.size = len(member)
            archive.addfile(entry, io.BytesIO(member))
    tracemalloc.start()
    count = sum(1 for _ in documents([tmp_path], errors=[]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 6000
    assert peak < 6 * 2**20
