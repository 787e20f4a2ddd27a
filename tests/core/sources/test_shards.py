"""Work items give the same documents in the same order as one reading, wherever they are cut."""

from __future__ import annotations

import json
import pickle
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scrubber.core.corpus import Source, Unread, documents, documents_of, shards
from scrubber.core.types import Document

ROWS = st.one_of(
    st.builds(lambda text: json.dumps({"text": text}).encode(), st.text(max_size=30)),
    st.sampled_from([b"", b"  ", b"no row", b'{"text": "' + b"y" * 300 + b'"}', b'{"text": "x", "id": 7}', b"\xff"]),
)


def together(path: Path, **options: Any) -> tuple[list[Document], list[Unread]]:
    errors: list[Unread] = []
    return list(documents([path], errors=errors, **options)), errors


def apart(path: Path, size: int) -> tuple[list[Document], list[Unread], list[Source]]:
    errors: list[Unread] = []
    sources = shards([path], errors=errors, size=size)
    assert pickle.loads(pickle.dumps(sources)) == sources == shards([path], errors=[], size=size)
    return [d for source in sources for d in documents_of(source, errors=errors)], errors, sources


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROWS, min_size=1, max_size=40), st.integers(1, 400), st.booleans())
def test_jsonl_is_cut_at_line_ends(tmp_path: Path, rows: list[bytes], size: int, ended: bool) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "first"}\n' + b"\n".join(rows) + b"\n" * ended)
    found, errors, sources = apart(tmp_path, size)
    assert (found, errors) == together(tmp_path)
    assert sum(source.size for source in sources) == (tmp_path / "a.jsonl").stat().st_size


def test_a_large_jsonl_is_cut_into_like_parts(tmp_path: Path) -> None:
    line = json.dumps({"text": "x" * 1000}) + "\n"
    (tmp_path / "a.jsonl").write_text(line * 9000)  # 9 MB
    found, _, sources = apart(tmp_path, 2**21)
    assert len(found) == 9000
    assert [source.kind for source in sources] == ["lines"] * 5
    assert all(2**20 < source.size < 2**21 + 2**20 for source in sources[:-1])
    assert sources[1].name == f"a.jsonl from {sources[1].start}"


def test_parquet_is_cut_at_row_groups(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = arrow.table({"text": [f"{n} {'x' * (n % 90)}" for n in range(2000)]})
    parquet.write_table(rows, tmp_path / "a.parquet", row_group_size=90, compression="none")
    found, errors, sources = apart(tmp_path, 8000)
    assert (found, errors) == together(tmp_path)
    assert len(found) == 2000
    assert len(sources) > 5
    assert {source.kind for source in sources} == {"groups"}


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    for number in range(30):
        (tmp_path / f"{number}.py").write_text(f"{number}\n" * (number * 20))
    (tmp_path / "12.bin").write_bytes(b"\0")
    (tmp_path / "13.bad").write_bytes(b"\xe9")
    (tmp_path / "14.jsonl").write_text('{"text": "row"}\n' * 300)
    (tmp_path / "15.jsonl").write_text("no rows\n" * 300)
    (tmp_path / "16.parquet").write_bytes(b"damaged" * 500)
    (tmp_path / "a").mkdir()
    with zipfile.ZipFile(tmp_path / "a" / "z.zip", "w") as archive:
        archive.writestr("m.py", "m")
    return tmp_path


@pytest.mark.parametrize("size", [1, 100, 1000, 10**9])
def test_a_folder_of_all_kinds(mixed: Path, size: int) -> None:
    found, errors, sources = apart(mixed, size)
    assert (found, errors) == together(mixed)
    assert len(sources) == 1 or size < 10**9
    assert sources[-1].files[-1][1] == "a/z.zip"


def texts_of(source: Source) -> list[str]:
    return [document.text for document in documents_of(source, errors=[])]


def test_a_pool_of_processes_works_on_them_in_order(mixed: Path) -> None:
    with ProcessPoolExecutor(2) as pool:
        texts = [text for part in pool.map(texts_of, shards([mixed], errors=[], size=3000)) for text in part]
    assert texts == [document.text for document in together(mixed)[0]]


def test_a_folder_that_cannot_be_listed_is_named_once(mixed: Path) -> None:
    (mixed / "loop").symlink_to(mixed / "loop")
    errors: list[Unread] = []
    sources = shards([mixed], errors=errors)
    assert [Path(error.path).name for error in errors] == ["loop"]
    again: list[Unread] = []
    assert all(documents_of(source, errors=again) for source in sources)
    assert again == []


def test_what_vanishes_after_the_cut_is_named(mixed: Path) -> None:
    sources = shards([mixed], errors=[], size=1)
    for path in mixed.glob("1*"):
        path.unlink()
    errors: list[Unread] = []
    found = [d for source in sources for d in documents_of(source, errors=errors)]
    assert len(found) > 10
    assert "14.jsonl" in {error.path for error in errors}
    assert "10.py" in {error.path for error in errors}


def test_sources_that_are_no_path_are_one_item_each() -> None:
    sources = shards(["-", f"git:{Path(__file__).parents[3]}"], errors=[])
    assert [source.kind for source in sources] == ["stdin", "history"]


def test_the_names_of_many_files_take_little_memory(tmp_path: Path) -> None:
    folder = tmp_path / ("a_rather_long_name_of_a_folder" * 3)
    folder.mkdir()
    for number in range(1000):
        (folder / f"module_{number}.py").touch()
    sources = shards([tmp_path], errors=[])
    assert sum(map(len, sources.compressed)) < 20_000
    names = [name for source in sources for _, name in source.files]
    assert len(names) == len(set(names)) == 1000
    assert list(sources[:1]) == [sources[0]]
