from __future__ import annotations

import re
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from scrubber.core.errors import AskedWrongly
from scrubber.core.types import Report, Score
from scrubber.reporting.html import report_html

pytestmark = pytest.mark.middle
SECTIONS = ("plot", "rules", "tested", "not-tested", "controls", "scores", "findings", "provenance", "reproduce")


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
    assert 'method = "codeeraser"' in page.text
    assert 'model = "tiny code"' in page.text
    assert "'code-scrubber[train]==0.1.0'" in page.text


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


def test_a_report_without_scores_or_rules_is_still_a_page(report: Report) -> None:
    bare = replace(report, scores=(), controls=(), not_tested=(), findings={}, config={}, versions={}, seconds={})
    page = Page(report_html(replace(bare, verdict=replace(report.verdict, outcome="undecided", rules=()))))
    assert set(SECTIONS) <= set(page.ids)
    assert "svg" not in page.tags
    assert "No model has both scores" in page.text
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
