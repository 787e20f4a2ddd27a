"""The bulk endpoints of the registries, each asked as its keepers wish: one list, a feed with a cursor, or a dump."""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any, NamedTuple
from urllib.parse import quote

from scrubber import __version__
from scrubber.core.errors import AskedWrongly, NoVerdict
from scrubber.core.mentions import Ecosystem

HOMES = {
    "pypi": "https://pypi.org",
    "npm": "https://replicate.npmjs.com",
    "crates": "https://static.crates.io",
    "go": "https://index.golang.org",
}
AGENT = f"code-scrubber/{__version__} (name index; https://github.com/code-scrubber/code-scrubber)"
SECONDS, TRIES, PAUSE = 60, 4, 1.0
NPM_PAGE, GO_PAGE = 10_000, 2_000
GO_BEGIN = "2019-04-10T00:00:00Z"
MEND = "Start it again: it goes on where it was."


class Page(NamedTuple):
    """Names with the day each was first seen, where that is known; and where to go on.

    ``removed``: names that are no more. ``whole``: no other name is there. ``cursor`` is JSON-able.
    """

    names: dict[str, date | None]
    cursor: dict[str, Any]
    removed: tuple[str, ...] = ()
    whole: bool = False


def pages(ecosystem: Ecosystem, url: str, cursor: dict[str, Any]) -> Iterator[Page]:
    """What came since ``cursor`` (empty: everything). Each page may be kept at once, and gone on from.

    Raises AskedWrongly where a registry has no bulk endpoint, NoVerdict when it does not answer as it should.
    """
    if ecosystem not in HOMES:
        raise AskedWrongly(
            f"{ecosystem} offers no list that is known here", mend="Use: scrubber index build, with a list."
        )
    home = (url or HOMES[ecosystem]).rstrip("/")
    try:
        yield from {"pypi": _pypi, "npm": _npm, "crates": _crates, "go": _go}[ecosystem](home, cursor)
    except (ValueError, KeyError, TypeError, tarfile.TarError, EOFError, csv.Error) as error:
        raise NoVerdict(
            f"the registry's answer is not understood: {type(error).__name__}", where=home, mend=MEND
        ) from None


def _pypi(home: str, cursor: dict[str, Any]) -> Iterator[Page]:
    """PEP 691: one list of all, asked for only when it has changed. No days."""
    headers = {"Accept": "application/vnd.pypi.simple.v1+json"} | (
        {"If-None-Match": cursor["etag"]} if "etag" in cursor else {}
    )
    with _opened(f"{home}/simple/", headers) as answer:
        if answer is None:
            yield Page({}, cursor)
            return
        listed = json.load(answer)
        names: dict[str, date | None] = {project["name"]: None for project in listed["projects"]}
        etag = answer.headers.get("ETag")
        yield Page(names, {"etag": etag} if etag else {}, whole=True)


def _npm(home: str, cursor: dict[str, Any]) -> Iterator[Page]:
    """CouchDB's: all documents page by page, then the changes since the first page was asked for."""
    since = cursor["since"] if cursor else _json(f"{home}/")["update_seq"]
    after = cursor.get("after") if cursor else ""
    while after is not None:
        start = f"&startkey={quote(json.dumps(after))}" if after else ""
        rows = _json(f"{home}/_all_docs?limit={NPM_PAGE + bool(after)}{start}")["rows"]
        if after and (not rows or rows[0]["key"] != after):  # what was the last must be the first, or rows are lost
            raise NoVerdict("the registry left out names between two pages", where=home, mend=MEND)
        fresh = [row["key"] for row in rows[bool(after) :]]
        after = fresh[-1] if len(fresh) == NPM_PAGE else None
        yield Page(_registered(fresh), {"since": since, "after": after})
    while True:
        answer = _json(f"{home}/_changes?since={quote(str(since))}&limit={NPM_PAGE}")
        rows, since = answer["results"], answer["last_seq"]
        gone = tuple(row["id"] for row in rows if row.get("deleted"))
        yield Page(
            _registered([row["id"] for row in rows if not row.get("deleted")]), {"since": since, "after": None}, gone
        )
        if len(rows) < NPM_PAGE:
            return


def _registered(names: list[str]) -> dict[str, date | None]:
    return {name: None for name in names if not name.startswith("_design/")}


def _crates(home: str, cursor: dict[str, Any]) -> Iterator[Page]:
    """The daily dump of the database, with the day each was made."""
    with _opened(f"{home}/db-dump.tar.gz", {}) as answer:
        assert answer is not None
        with tarfile.open(fileobj=answer, mode="r|gz") as dump:
            for member in dump:
                if member.name.endswith("data/crates.csv") and (file := dump.extractfile(member)):
                    csv.field_size_limit(2**24)  # a README is in a field
                    rows = csv.DictReader(codecs.getreader("utf-8")(file))
                    yield Page(
                        {row["name"]: date.fromisoformat(row["created_at"][:10]) for row in rows}, {}, whole=True
                    )
                    return
    raise NoVerdict(
        "the dump has no data/crates.csv", where=home, mend="Has its form changed? Use: scrubber index build."
    )


def _go(home: str, cursor: dict[str, Any]) -> Iterator[Page]:
    """Versions in the order in which the proxy saw them; the first of a path is its first day."""
    since = cursor.get("since", GO_BEGIN)
    while True:
        with _opened(f"{home}/index?since={quote(since)}&limit={GO_PAGE}", {}) as answer:
            assert answer is not None
            rows = [json.loads(line) for line in answer if line.strip()]
        names: dict[str, date | None] = {}
        for row in rows:
            names.setdefault(row["Path"], date.fromisoformat(row["Timestamp"][:10]))
        last = rows[-1]["Timestamp"] if rows else since
        yield Page(names, {"since": last})
        if len(rows) < GO_PAGE or last == since:
            return
        since = last


def _json(url: str) -> Any:
    with _opened(url, {"Accept": "application/json"}) as answer:
        return json.load(answer) if answer else {}


@contextmanager
def _opened(url: str, headers: dict[str, str]) -> Iterator[Any]:
    """The answer, unpacked, or None where nothing has changed. A registry that is busy is asked again, later."""
    request = urllib.request.Request(url, headers={"User-Agent": AGENT, "Accept-Encoding": "gzip", **headers})
    for attempt in range(TRIES):
        try:
            answer = urllib.request.urlopen(request, timeout=SECONDS)
            break
        except urllib.error.HTTPError as error:
            if error.code == 304:
                yield None
                return
            if error.code not in (429, 500, 502, 503, 504) or attempt == TRIES - 1:
                raise NoVerdict(f"the registry answers {error.code}", where=url, mend=MEND) from None
        except (OSError, ValueError) as error:
            if isinstance(error, ValueError) or attempt == TRIES - 1:
                raise NoVerdict(
                    f"the registry cannot be reached: {type(error).__name__}", where=url, mend=MEND
                ) from None
        time.sleep(PAUSE * 2**attempt)
    with answer:
        if answer.headers.get("Content-Encoding") == "gzip":
            inner: Any = gzip.GzipFile(fileobj=answer)
            inner.headers = answer.headers
            yield inner
        else:
            yield answer
