"""The report in a real browser: nothing is asked for, nothing complained of, and nothing wider than a phone."""

from __future__ import annotations

import functools
import http.server
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from scrubber.core.types import Report, Score
from scrubber.reporting.html import report_html

pytestmark = pytest.mark.slow
PHONE = 360  # pixels
OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --enable-logging=stderr --hide-scrollbars"
)
# A page of ours around the report: it may run a script, which the report may not.
MEASURE = """<!doctype html><title>measuring</title><link rel="icon" href="data:,">
<iframe src="report.html" style="border:0;width:{width}px;height:800px"></iframe>
<script>onload = () => {{
  const page = document.querySelector("iframe").contentDocument, wide = page.documentElement;
  const ids = [...page.querySelectorAll("section")].map(one => one.id + ":" + (one.offsetHeight > 30));
  const shown = [...page.querySelectorAll("svg")].map(one => Math.round(one.getBoundingClientRect().width));
  document.title = ["scroll", wide.scrollWidth, "inner", wide.clientWidth, "svg", shown, "sections", ids].join(" ");
}}</script>"""


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


@pytest.fixture
def browser(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not on PATH")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(chromium), *OPTIONS.split(), f"--user-data-dir={tmp_path / 'profile'}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)

    return run


@pytest.fixture
def page(make_report: Callable[..., Report], tmp_path: Path) -> Path:
    """A report with every section, long names among them, beside two other runs."""
    report = make_report()
    long = "audited_" + "a_very_long_name_of_a_stratum_" * 4
    more = (
        Score("leak_rate", "after", long, 0.1, 0.05, 0.2, 80),
        Score("leak_rate", "after", "robust_merged_nf4", 0.1, 0.05, 0.2, 80, "x" * 200),
    )
    full = replace(report, scores=(*report.scores, *more), config={**report.config, "model.path": "/data/" + "x" * 300})
    others = (make_report("another run with a long name " * 3, leak=(0.2, 0.1, 0.3)), make_report("npo"))
    (tmp_path / "report.html").write_text(report_html(full, others), encoding="utf-8")
    (tmp_path / "measure.html").write_text(MEASURE.format(width=PHONE), encoding="utf-8")
    return tmp_path


def test_it_is_shown_without_complaint_or_request(
    page: Path, browser: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    shot = page / "shot.png"
    with served(page) as (address, asked):
        ran = browser("--window-size=1000,1400", f"--screenshot={shot}", f"{address}/report.html")
    assert asked == ["/report.html"]
    assert "CONSOLE" not in ran.stderr
    assert shot.stat().st_size > 20_000


def test_on_a_phone_every_section_is_seen_and_the_page_does_not_scroll_sideways(
    page: Path, browser: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    with served(page) as (address, asked):
        ran = browser("--window-size=1000,1400", "--virtual-time-budget=5000", "--dump-dom", f"{address}/measure.html")
    assert asked == ["/measure.html", "/report.html"]
    assert "CONSOLE" not in ran.stderr
    told = re.search(r"<title>scroll (\d+) inner (\d+) svg ([\d,]+) sections (.*?)</title>", ran.stdout)
    assert told, ran.stdout[:300]
    assert int(told[1]) == int(told[2]) == PHONE
    assert [int(width) > PHONE * 0.8 for width in told[3].split(",")] == [True, True]
    assert told[4].split(",") == [
        f"{name}:true"
        for name in (
            "plot", "rules", "tested", "not-tested", "robustness", "strata", "others", "controls", "scores", "findings",
            "provenance", "reproduce",
        )
    ]  # fmt: skip


def test_it_prints_on_a_few_pages(page: Path, browser: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    printed = page / "report.pdf"
    browser("--no-pdf-header-footer", f"--print-to-pdf={printed}", f"file://{page / 'report.html'}")
    assert printed.read_bytes()[:5] == b"%PDF-"
    pages = len(re.findall(rb"/Type\s*/Page\b", printed.read_bytes()))
    assert 3 <= pages <= 20
