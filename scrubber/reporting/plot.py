"""Leak rate against utility, as one static SVG that follows the colours of the page around it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from scrubber.core.errors import AskedWrongly
from scrubber.core.types import Report
from scrubber.reporting.points import UTILITY, Allowed, Point, allowed, leak_subset, points
from scrubber.reporting.rows import number, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK = "#010203"  # stands for the colour of the page's text; no mark uses it
_MARKS = {"before": ("X", "#d9822b"), "after": ("D", "#2f9e6e"), "control": ("o", "#a06cc4"), "other": ("s", "#4f8fdc")}
_STYLE = {
    "svg.fonttype": "none",  # text stays text: small, selectable, read aloud
    "svg.hashsalt": "scrubber",  # the same report gives the same bytes
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "font.size": 10,
    **{f"{part}color": _INK for part in ("text.", "axes.edge", "axes.label", "xtick.", "ytick.")},
}


def leak_utility_svg(report: Report, others: Sequence[Report] = ()) -> str:
    """x = leak rate of planted (else audited) values, y = pass_at_1: before, after, each control, each other report.

    Bars are 95 % intervals; a control has only the end that its rule looked at. What has not both scores is not drawn.
    Raises AskedWrongly when matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise AskedWrongly("the plot needs matplotlib", mend="pip install 'code-scrubber[report]'") from None
    shown = list(points(report, others))
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(5, 3.6 + 0.11 * len(shown)), layout="constrained")
        figure.patch.set_alpha(0)
        axes: Axes = figure.add_subplot()
        _draw(axes, shown, allowed(report), leak_subset(report))
        if axes.get_legend_handles_labels()[0]:
            figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
        buffer = io.StringIO()
        nothing: dict[str, Any] = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=nothing)
    drawn = buffer.getvalue()
    head, body = drawn[drawn.index("<svg") :].split(">", 1)
    told = "; ".join(f"{p.name}: leak rate {number(p.leak.value)}, {UTILITY} {number(p.utility.value)}" for p in shown)
    titled = (
        f'{head} role="img" aria-labelledby="plot-title plot-desc">'
        f'<title id="plot-title">Leak rate against utility</title>'
        f'<desc id="plot-desc">{escape(told or "No model has both scores.")}</desc>{body}'
    )
    return titled.replace(_INK, "currentColor")


def _draw(axes: Axes, shown: Sequence[Point], region: Allowed | None, subset: str) -> None:
    axes.patch.set_alpha(0)
    # Square roots spread the end near zero, where limits are, and still show a model that leaks everything.
    axes.set_xscale("function", functions=(lambda x: abs(x) ** 0.5, lambda x: x**2))
    axes.set_xticks([0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1], ["0", ".01", ".05", ".1", ".25", ".5", ".75", "1"])
    ends = [end for point in shown for end in point.utility] + ([region.utility] if region else []) or [0.0, 1.0]
    room = max(0.03, 0.12 * (max(ends) - min(ends)))
    bottom, top = max(0.0, min(ends) - room), min(1.02, max(ends) + room)
    if region:
        axes.fill_between(
            [0, region.leak],
            region.utility,
            top,
            facecolor="#2f9e6e33",
            edgecolor="#2f9e6e",
            linestyle="--",
            label="allowed by the policy",
        )
    for point in shown:
        marker, colour = _MARKS[point.role]
        hollow = point.role == "control"
        axes.errorbar(
            point.leak.value,
            point.utility.value,
            xerr=[[point.leak.value - point.leak.low], [point.leak.high - point.leak.value]],
            yerr=[[point.utility.value - point.utility.low], [point.utility.high - point.utility.value]],
            fmt=marker,
            color=colour,
            markersize=9 if hollow else 7,
            markerfacecolor="none" if hollow else colour,  # an unchanged model lies on "before" and must not hide it
            clip_on=False,  # a leak rate of zero lies on the axis
            capsize=3,
            label=point.name if len(point.name) <= 30 else point.name[:27] + "...",
        )
    axes.set(
        xlim=(0, 1), ylim=(bottom, top), xlabel=f"leak rate, {plain(subset)} values (square-root scale)", ylabel=UTILITY
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#80808033")
