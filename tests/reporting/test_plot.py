from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from xml.etree import ElementTree

import pytest

from scrubber.core.gate import decide
from scrubber.core.types import GatePolicy, Report, Rule, Score
from scrubber.reporting import svg
from scrubber.reporting.plot import leak_utility_svg, strata_svg
from scrubber.reporting.points import allowed, leak_subset, points
from scrubber.reporting.strata import Stratum, strata

pytestmark = pytest.mark.middle


def texts(source: str) -> str:
    return " ".join(ElementTree.fromstring(source).itertext())


def test_every_model_is_drawn_and_the_region_that_the_policy_leaves(make_report: Callable[..., Report]) -> None:
    report, other = make_report(), make_report("gradient ascent", (0.1, 0.07, 0.13), (-0.2, -0.24, -0.16))
    drawn = {point.name: point for point in points(report, [other])}
    assert list(drawn) == ["before", "after", "gradient ascent", "control: unchanged model", "control: random noise"]
    assert drawn["before"].leak == (0.8325, 0.7922, 0.8678)
    assert drawn["control: random noise"].utility == pytest.approx((0.21, 0.16, 0.21))
    assert drawn["gradient ascent"].number == 1
    assert allowed(report) == pytest.approx((0.02, 0.57))
    told = texts(leak_utility_svg(report, [other]))
    assert all(told.count(name) >= 2 for name in drawn)  # in the legend and in the description
    assert "allowed by the policy" in told


def test_what_is_off_the_scale_is_named_with_its_value(make_report: Callable[..., Report]) -> None:
    assert "control: random noise (.210)" in texts(leak_utility_svg(make_report()))
    assert "control: unchanged model (" not in texts(leak_utility_svg(make_report()))


def test_the_values_that_the_policy_holds_to_a_limit_are_drawn(report: Report) -> None:
    policy = GatePolicy("audited only", (Rule("leak_rate", "audited", at_most=0.01),))
    assert leak_subset(report) == "planted"
    assert leak_subset(replace(report, verdict=decide(policy, report.scores))) == "audited"
    unplanted = replace(report, scores=tuple(one for one in report.scores if one.subset != "planted"))
    assert leak_subset(unplanted) == leak_subset(unplanted, like=report) == "audited"


def test_two_drawings_share_no_id_and_each_tells_what_it_shows(report: Report) -> None:
    stratum = Score("leak_rate", "after", "planted_secret", 0.0025, 0.0001, 0.0139, 200)
    sources = (leak_utility_svg(report), strata_svg(strata(replace(report, scores=(stratum,)))))
    ids = [re.findall(r'\bid="([^"]+)"', source) for source in sources]
    assert not set(ids[0]) & set(ids[1])
    for source, own in zip(sources, ids, strict=True):
        assert set(re.findall(r'(?:href="|url\()#([^")]+)', source)) <= set(own)
        element = ElementTree.fromstring(source)
        assert element.get("role") == "img"
        assert set((element.get("aria-labelledby") or "").split()) <= set(own)
    assert "planted_secret: .003, at most .014" in texts(sources[1])


def test_a_name_in_a_drawing_is_text(report: Report) -> None:
    evil = '<b id="x">$\\frac$ & url(#y)</b>'
    source = leak_utility_svg(report, [replace(report, name=evil)])
    assert evil in texts(source)
    score = Score("leak_rate", "after", evil, 0.5, 0.4, 0.6, 9)
    assert evil in texts(strata_svg([Stratum("leak_rate", evil, None, score, None)]))


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    """As in WCAG 2: 1 to 21."""
    low, high = sorted((_luminance(first), _luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_colours_can_be_seen_on_a_light_and_on_a_dark_page_and_on_paper() -> None:
    style = files("scrubber").joinpath("data/report.html.j2").read_text("utf-8")
    palettes = [dict(re.findall(r"--(\w+): (#\w+)", block)) for block in re.findall(r":root \{(.*?)\}", style, re.S)]
    assert len(palettes) == 3
    for palette in palettes:
        wide = {name: c if len(c) == 7 else "#" + "".join(2 * digit for digit in c[1:]) for name, c in palette.items()}
        for name in ("ink", "soft", "link", "passed", "refused", "undecided"):
            assert contrast(wide[name], wide["page"]) >= 4.5, name
            assert contrast(wide[name], wide["panel"]) >= 4.5, name
        for mark in (svg.BEFORE, svg.AFTER, svg.CONTROL, svg.OTHER, svg.LIMIT):
            assert contrast(mark, wide["page"]) >= 3, mark


def test_strata_come_worst_first_with_the_rule_that_holds_them(report: Report) -> None:
    def after(subset: str, value: float | None, high: float | None) -> Score:
        return Score("leak_rate", "after", subset, value, 0.0 if value is not None else None, high, 80)

    scores = (
        after("audited_clean", 0.0, 0.04),
        after("audited_leaking", 0.3, 0.4),
        after("audited_unknown", None, None),
        after("audited_thin", 0.0, 0.2),
        after("audited", 0.1, 0.2),
        after("robust_int8", 0.9, 0.95),
    )
    policy = GatePolicy(
        "p", (Rule("leak_rate", "audited_*", at_most=0.05), Rule("leak_rate", "audited_thin", at_most=0.5))
    )
    found = strata(replace(report, scores=scores, verdict=decide(policy, scores)))
    assert [one.name for one in found] == ["audited_leaking", "audited_thin", "audited_clean", "audited_unknown"]
    assert [one.limit for one in found] == [0.05, 0.5, 0.05, 0.05]
