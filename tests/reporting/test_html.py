from __future__ import annotations

import functools
import http.server
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from scrubber.core.errors import AskedWrongly
from scrubber.core.types import Report, Score
from scrubber.reporting.html import report_html
from scrubber.reporting.points import allowed, points

pytestmark = pytest.mark.middle
SECTIONS = ("plot", "rules", "scores", "controls", "not-tested", "findings", "provenance", "reproduce")


class Page(HTMLParser):
    """Collects tags, ids, what is referred to, and the visible text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.links += [value for name, value in attrs if name in {"src", "href", "xlink:href", "action"} and value]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_every_section_is_there_and_the_verdict_comes_first(report: Report) -> None:
    page = Page(report_html(report))
    assert [name for name in page.ids if name in SECTIONS] == list(SECTIONS)
    assert page.text.index("passed") < page.text.index("Leak rate against utility")
    for told in ("unchanged model", "paraphrased prompts", "aws-key", "0f3a5c7e9b1d2f40", "5 min 40 s", "3.0 GiB"):
        assert told in page.text
    assert "--set method=codeeraser" in page.text
    assert "--set 'model=tiny code'" in page.text
    assert "code-scrubber==0.1.0" in page.text


def test_it_stands_alone_and_is_small(report: Report) -> None:
    source = report_html(report)
    page = Page(source)
    assert "script" not in page.tags
    assert all(link.startswith(("#", "data:")) for link in page.links)
    assert not re.search(r"url\((?!#)|@import", source)
    assert len(source.encode()) < 200_000
    assert len(page.ids) == len(set(page.ids))


def test_names_and_notes_are_text_wherever_they_stand(report: Report) -> None:
    evil = '<b onclick="x">$\\frac$</b>'
    score = Score("leak_rate", "after", evil, None, None, None, 0, evil)
    odd = replace(
        report, name=evil, policy=evil, scores=(*report.scores, score), not_tested=(evil,), findings={evil: 1}
    )
    odd = replace(odd, controls=((evil, report.controls[0][1]),), config={evil: evil}, versions={evil: evil})
    page = Page(report_html(odd, [replace(report, name=evil)]))
    assert "b" not in page.tags
    assert page.text.count("onclick") >= 10


def test_the_plot_has_every_model_and_the_region_that_the_policy_leaves(make_report: Callable[..., Report]) -> None:
    report, other = make_report(), make_report("gradient ascent", (0.1, 0.07, 0.13), (-0.2, -0.24, -0.16))
    drawn = {point.name: point for point in points(report, [other])}
    assert list(drawn) == ["before", "after", "gradient ascent", "control: unchanged model", "control: random noise"]
    assert drawn["before"].leak == (0.8325, 0.7922, 0.8678)
    assert drawn["control: random noise"].utility == pytest.approx((0.21, 0.16, 0.21))
    assert allowed(report) == pytest.approx((0.02, 0.57))
    page = Page(report_html(report, [other]))
    assert {"title", "desc"} <= set(page.tags)
    assert all(page.text.count(name) >= 2 for name in drawn)
    assert "allowed by the policy" in page.text


def test_a_report_without_scores_or_rules_is_still_a_page(report: Report) -> None:
    bare = replace(report, scores=(), controls=(), not_tested=(), findings={}, config={}, versions={}, seconds={})
    page = Page(report_html(replace(bare, verdict=replace(report.verdict, outcome="undecided", rules=()))))
    assert set(SECTIONS) <= set(page.ids)
    assert "nothing here shows that it can refuse" in page.text


def test_the_same_report_gives_the_same_bytes(report: Report) -> None:
    assert report_html(report) == report_html(report)


@pytest.mark.parametrize("library", ["jinja2", "matplotlib"])
def test_a_missing_library_is_named_with_its_extra(
    report: Report, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(AskedWrongly) as told:
        report_html(report)
    assert library in told.value.what
    assert "code-scrubber[report]" in told.value.mend


class Recorder(http.server.SimpleHTTPRequestHandler):
    asked: list[str]

    def log_message(self, format: str, *args: object) -> None:
        self.asked.append(self.path)


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    handler = type("Handler", (Recorder,), {"asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


@pytest.mark.slow
def test_a_browser_shows_it_without_complaint_or_request(report: Report, tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not on PATH")
    (tmp_path / "report.html").write_text(report_html(report), encoding="utf-8")
    shot = tmp_path / "shot.png"
    options = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    options += " --disable-component-update --disable-sync --enable-logging=stderr --window-size=1000,1400"
    with served(tmp_path) as (address, asked):
        ran = subprocess.run(
            [
                chromium,
                *options.split(),
                f"--user-data-dir={tmp_path / 'profile'}",
                f"--screenshot={shot}",
                f"{address}/report.html",
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    assert asked == ["/report.html"]
    assert "CONSOLE" not in ran.stderr
    assert shot.stat().st_size > 20_000
