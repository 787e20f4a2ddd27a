"""Indexes are built from lists, and brought up to date from servers that speak as the registries do; killed, they go on."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest

from scrubber.core.errors import AskedWrongly, NoVerdict
from scrubber.core.name_index import NameIndex, index_path
from scrubber.pipelines import index as stage
from scrubber.pipelines import registries

DAY, LATER = date(2026, 1, 1), date(2026, 2, 1)


class Registry:
    """What the server of a test holds: each registry's state, and what was asked of it."""

    def __init__(self) -> None:
        self.projects: list[str] = ["Requests", "typing_extensions"]
        self.documents: list[str] = sorted(["_design/app", *(f"pkg-{n:03}" for n in range(25)), "@s/x"])
        self.changes: list[tuple[int, str, bool]] = []
        self.versions: list[tuple[str, str]] = []
        self.crates: list[tuple[str, str]] = [("serde", "2014-12-05 20:20:39.487502+00"), ("tokio_util", "2019-01-01")]
        self.asked: list[str] = []
        self.fail_after = 10**6
        self.busy = 0

    def answer(self, path: str, query: dict[str, str], headers: Any) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(f"{path}?{query}")
        if self.busy:
            self.busy -= 1
            return 503, {}, b""
        if len(self.asked) > self.fail_after:
            return 404, {}, b""
        if path == "/simple/":
            etag = f'"{"+".join(self.projects)}"'
            assert headers["Accept"] == "application/vnd.pypi.simple.v1+json"
            assert headers["User-Agent"].startswith("code-scrubber/")
            if headers["If-None-Match"] == etag:
                return 304, {}, b""
            listed = {
                "meta": {"api-version": "1.1"},
                "projects": [{"name": n, "_last-serial": 1} for n in self.projects],
            }
            return 200, {"ETag": etag, "Content-Encoding": "gzip"}, gzip.compress(json.dumps(listed).encode())
        if path == "/":
            return 200, {}, json.dumps({"update_seq": len(self.changes)}).encode()
        if path == "/_all_docs":
            start = json.loads(query.get("startkey", '""'))
            rows = [{"key": n, "id": n} for n in self.documents if n >= start][: int(query["limit"])]
            return 200, {}, json.dumps({"total_rows": len(self.documents), "rows": rows}).encode()
        if path == "/_changes":
            rows = [row for row in self.changes if row[0] > int(query["since"])][: int(query["limit"])]
            results = [{"seq": seq, "id": name, **({"deleted": True} if gone else {})} for seq, name, gone in rows]
            return (
                200,
                {},
                json.dumps({"results": results, "last_seq": rows[-1][0] if rows else int(query["since"])}).encode(),
            )
        if path == "/index":
            rows = [row for row in self.versions if row[1] >= query["since"]][: int(query["limit"])]
            return (
                200,
                {},
                "".join(json.dumps({"Path": p, "Version": "v1", "Timestamp": t}) + "\n" for p, t in rows).encode(),
            )
        if path == "/db-dump.tar.gz":
            table = "created_at,description,name\n" + "".join(f'{day},"a, ""b""",{name}\n' for name, day in self.crates)
            packed = io.BytesIO()
            with tarfile.open(fileobj=packed, mode="w:gz") as dump:
                for name, content in (("x/README.md", b"hi"), ("x/data/crates.csv", table.encode()), ("x/z", b"")):
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    dump.addfile(member, io.BytesIO(content))
            return 200, {}, packed.getvalue()
        return 404, {}, b""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Registry, str]]:
    registry = Registry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlparse(self.path)
            query = {key: values[0] for key, values in parse_qs(asked.query).items()}
            code, headers, body = registry.answer(asked.path, query, self.headers)
            self.send_response(code)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *values: object) -> None:
            pass

    monkeypatch.setattr(registries, "NPM_PAGE", 10)
    monkeypatch.setattr(registries, "GO_PAGE", 4)
    monkeypatch.setattr(registries, "PAUSE", 0.001)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield registry, f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def names_in(folder: Path, ecosystem: Any, names: list[str]) -> list[bool]:
    with NameIndex(index_path(folder, ecosystem)) as index:
        index.verify()
        return [name in index for name in names]


def test_pypi_is_asked_again_only_for_what_changed(server: tuple[Registry, str], tmp_path: Path) -> None:
    registry, url = server
    header = stage.update(tmp_path, "pypi", url, today=lambda: DAY)
    assert (header.count, header.snapshot, header.source) == (2, "2026-01-01", url)
    assert names_in(tmp_path, "pypi", ["requests", "typing-extensions", "Requests"]) == [True, True, False]
    assert stage.update(tmp_path, "pypi", url, today=lambda: LATER).snapshot == "2026-02-01"  # 304
    registry.projects += ["fresh"]
    registry.projects.remove("Requests")
    stage.update(tmp_path, "pypi", url, today=lambda: LATER)
    assert names_in(tmp_path, "pypi", ["requests", "typing-extensions", "fresh"]) == [False, True, True]
    with NameIndex(index_path(tmp_path, "pypi")) as index:
        assert (index.first_seen("fresh"), index.first_seen("typing-extensions")) == (LATER, None)


def test_npm_is_read_page_by_page_then_by_its_changes(server: tuple[Registry, str], tmp_path: Path) -> None:
    registry, url = server
    assert stage.update(tmp_path, "npm", url, today=lambda: DAY).count == 26
    assert names_in(tmp_path, "npm", ["pkg-000", "pkg-024", "@s/x", "_design/app"]) == [True, True, True, False]
    registry.changes = [(n, f"new-{n:02}", False) for n in range(1, 15)] + [(15, "pkg-003", True), (16, "new-01", True)]
    registry.asked.clear()
    assert stage.update(tmp_path, "npm", url, today=lambda: LATER).count == 26 + 13 - 1
    assert not [asked for asked in registry.asked if "_all_docs" in asked]
    assert names_in(tmp_path, "npm", ["pkg-000", "new-14", "pkg-003", "new-01"]) == [True, True, False, False]


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_npm_goes_on_where_it_was_stopped(server: tuple[Registry, str], tmp_path: Path, after: int) -> None:
    registry, url = server
    registry.fail_after = after
    with pytest.raises(NoVerdict, match="404"):
        stage.update(tmp_path, "npm", url, today=lambda: DAY)
    assert not index_path(tmp_path, "npm").exists()
    done = [asked for asked in registry.asked[:after] if "_all_docs" in asked]
    registry.fail_after = 10**6
    registry.asked.clear()
    assert stage.update(tmp_path, "npm", url, today=lambda: DAY).count == 26
    assert not {*done} & {*registry.asked}


def test_npm_notices_a_gap(server: tuple[Registry, str], tmp_path: Path) -> None:
    registry, url = server
    whole = registry.answer

    def gapped(path: str, query: dict[str, str], headers: Any) -> tuple[int, dict[str, str], bytes]:
        if "startkey" in query:
            registry.documents = [name for name in registry.documents if name > json.loads(query["startkey"])]
        return whole(path, query, headers)

    registry.answer = gapped  # type: ignore[method-assign]
    with pytest.raises(NoVerdict, match="left out"):
        stage.update(tmp_path, "npm", url)


def test_go_gives_the_first_day_of_each_path(server: tuple[Registry, str], tmp_path: Path) -> None:
    registry, url = server
    registry.versions = [(f"example.org/m{n % 7}", f"2019-0{5 + n // 7}-1{n % 7}T00:00:00.{n:06}Z") for n in range(21)]
    assert stage.update(tmp_path, "go", url, today=lambda: DAY).count == 7
    registry.versions += [("example.org/new", "2025-05-05T00:00:00Z"), ("example.org/m0", "2025-05-06T00:00:00Z")]
    registry.asked.clear()
    header = stage.update(tmp_path, "go", url, today=lambda: LATER)
    assert (header.count, header.dated) == (8, 8)
    assert len(registry.asked) <= 2
    with NameIndex(index_path(tmp_path, "go")) as index:
        assert index.first_seen("example.org/m0") == date(2019, 5, 10)
        assert index.first_seen("example.org/new") == date(2025, 5, 5)


def test_crates_come_from_the_dump(server: tuple[Registry, str], tmp_path: Path) -> None:
    _, url = server
    stage.update(tmp_path, "crates", url, today=lambda: DAY)
    assert names_in(tmp_path, "crates", ["serde", "tokio-util"]) == [True, True]
    with NameIndex(index_path(tmp_path, "crates")) as index:
        assert index.first_seen("serde") == date(2014, 12, 5)


def test_a_busy_registry_is_asked_again_and_a_dead_one_is_named(server: tuple[Registry, str], tmp_path: Path) -> None:
    registry, url = server
    registry.busy = 2
    assert stage.update(tmp_path, "pypi", url).count == 2
    registry.busy = 100
    with pytest.raises(NoVerdict, match="503"):
        stage.update(tmp_path / "x", "pypi", url)
    with pytest.raises(NoVerdict, match="cannot be reached"):
        stage.update(tmp_path / "x", "pypi", "http://127.0.0.1:9")
    with pytest.raises(AskedWrongly, match="no list"):
        stage.update(tmp_path / "x", "rubygems")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"projects": 3}', b'{"projects": [{}]}'])
def test_an_answer_that_makes_no_sense(server: tuple[Registry, str], tmp_path: Path, body: bytes) -> None:
    registry, url = server
    registry.answer = lambda path, query, headers: (200, {}, body)  # type: ignore[method-assign]
    with pytest.raises(NoVerdict, match="not understood"):
        stage.update(tmp_path, "pypi", url)


LISTS = {
    "plain.txt": "# names\nRequests\nnum_py\n",
    "days.tsv": "requests\t2011-02-14\nnum-py,2006-01-01\n",
    "names.json": '["requests", "num.py"]',
    "days.json": '{"requests": "2011-02-14", "num-py": null}',
    "simple.json": '{"meta": {}, "projects": [{"name": "requests"}, {"name": "num_py"}]}',
    "rows.jsonl": '{"name": "requests", "created_at": "2011-02-14T10:00:00Z"}\n{"package": "num-py"}\n',
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_that_a_user_has(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(LISTS[name])
    header = stage.build(tmp_path, "python", tmp_path / name, snapshot=DAY)
    assert (header.ecosystem, header.count, header.snapshot) == ("pypi", 2, "2026-01-01")
    assert names_in(tmp_path, "pypi", ["requests", "num-py", "other"]) == [True, True, False]
    with NameIndex(index_path(tmp_path, "pypi")) as index:
        assert index.first_seen("requests") in (None, date(2011, 2, 14))
        assert (index.first_seen("requests") is None) == ("2011" not in LISTS[name])
        assert set(index.popular) == {"requests", "num-py"}


def test_lists_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"name": \n')
    (tmp_path / "empty.txt").write_text("\n")
    for name in ("bad.json", "empty.txt", "absent.txt"):
        with pytest.raises(AskedWrongly):
            stage.build(tmp_path, "pypi", tmp_path / name)


def test_an_index_is_taken_over_only_when_it_is_whole(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("requests\n")
    stage.build(tmp_path / "theirs", "pypi", tmp_path / "list.txt", snapshot=DAY)
    file = index_path(tmp_path / "theirs", "pypi")
    assert stage.take_over(tmp_path / "ours", file).count == 1
    assert [header.count for header in stage.headers(tmp_path / "ours")] == [1]
    whole = bytearray(file.read_bytes())
    whole[-1] ^= 1
    file.write_bytes(whole)
    with pytest.raises(NoVerdict):
        stage.take_over(tmp_path / "others", file)
    with pytest.raises(NoVerdict):
        stage.headers(tmp_path / "theirs")
    assert not index_path(tmp_path / "others", "pypi").exists()
