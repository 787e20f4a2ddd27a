"""The two drawings of a report: leak rate against utility, and the leak rate of the worst strata."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from scrubber.core.types import Report
from scrubber.reporting.points import UTILITY, Allowed, Point, allowed, leak_subset, points, ranged
from scrubber.reporting.rows import number, plain
from scrubber.reporting.strata import Stratum
from scrubber.reporting.svg import AFTER, BEFORE, CONTROL, LIMIT, OTHER, drawn, short, square_roots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKS = {"before": ("X", BEFORE), "after": ("D", AFTER), "control": ("", CONTROL), "other": ("s", OTHER)}
_CONTROLS = "o^s<p>h"  # hollow, one shape each: an unchanged model lies on "before" and must not hide it
_GREY = "#808080"


def leak_utility_svg(report: Report, others: Sequence[Report] = ()) -> str:
    """x = leak rate of planted (else audited) values, y = pass_at_1: before, after, each control, each other report.

    Bars are 95 % intervals; a control has only the end that its rule looked at, and one that can do far less than all
    else is drawn as an arrow at the lower edge. What has not both scores is not drawn.
    Raises AskedWrongly when matplotlib is not installed.
    """
    shown = list(points(report, others))
    told = [f"{p.name}: leak rate {number(p.leak.value)}, {UTILITY} {number(p.utility.value)}" for p in shown]
    region = allowed(report)
    if region:
        told.append(f"allowed: leak rate at most {number(region.leak)}, {UTILITY} at least {number(region.utility)}")

    def draw(figure: Figure) -> None:
        axes: Axes = figure.add_subplot()
        _draw_points(axes, shown, region, leak_subset(report))
        figure.legend(loc="outside lower left", frameon=False, fontsize=9)

    return drawn(
        draw,
        name="leak-utility",
        title="Leak rate against utility",
        told="; ".join(told),
        height=3.4 + 0.19 * len(shown),
    )


def _draw_points(axes: Axes, shown: Sequence[Point], region: Allowed | None, subset: str) -> None:
    axes.patch.set_alpha(0)
    square_roots(axes)
    bottom, top = _heights(shown, region)
    if region:
        axes.fill_between(
            [0, region.leak], region.utility, top,
            facecolor=AFTER + "33", edgecolor=AFTER, linestyle="--", label="allowed by the policy",
        )  # fmt: skip
    ends = {point.role: (point.leak.value, point.utility.value) for point in shown}
    if "before" in ends and "after" in ends:
        way = {"arrowstyle": "->", "color": _GREY, "shrinkA": 7, "shrinkB": 7, "connectionstyle": "arc3,rad=-.08"}
        axes.annotate("", ends["after"], ends["before"], arrowprops=way)
    shapes = itertools.cycle(_CONTROLS)
    for point in shown:
        marker, colour = _MARKS[point.role]
        hollow = point.role == "control"
        marker = next(shapes) if hollow else marker
        label, height = point.name, point.utility.value
        if point.number:
            label = f"{point.number}  {label}"
            axes.annotate(
                str(point.number), (point.leak.value, height), (7, -4), textcoords="offset points", va="top", fontsize=9
            )
        if height < bottom:
            marker, hollow, label, height = "v", False, f"{short(label, 44)} ({number(height)})", bottom
        else:
            axes.errorbar(
                point.leak.value,
                height,
                xerr=[[point.leak.value - point.leak.low], [point.leak.high - point.leak.value]],
                yerr=[[height - max(bottom, point.utility.low)], [point.utility.high - height]],
                fmt="none",
                color=colour,
                capsize=3,
                zorder=1.9 if point.role == "control" else 2,  # what the report is about lies on top
            )
        axes.plot(
            [point.leak.value],
            [height],
            marker,
            color=colour,
            markersize=9 if hollow else 7,
            markerfacecolor="none" if hollow else colour,
            clip_on=False,
            label=short(label, 54),
        )
    axes.set_yticks([tick for tick in axes.get_yticks() if tick <= 1])  # room above is no rate
    axes.set(ylim=(bottom, top), xlabel=f"leak rate, {plain(subset)} values (square-root scale)", ylabel=UTILITY)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=_GREY + "33")


def _heights(shown: Sequence[Point], region: Allowed | None) -> tuple[float, float]:
    """The ends of the utility axis: a control that can do nothing any more must not press all else into a corner."""
    ends = [end for point in shown if point.role != "control" for end in point.utility]
    ends += [region.utility] if region else []
    ends = ends or [end for point in shown for end in point.utility] or [0.0, 1.0]
    room = max(0.03, 0.5 * (max(ends) - min(ends)))
    return max(0.0, min(ends) - room), min(1.005, max(ends) + room)


def strata_svg(strata: Sequence[Stratum]) -> str:
    """The first on top: leak rate before (hollow) and after, with 95 % intervals, and the limit. Each has an after.

    Raises AskedWrongly when matplotlib is not installed.
    """
    told = [
        f"{one.name}: {number(found.value)}, at most {number(found.high)}"
        for one in strata
        if (found := ranged(one.after))
    ]

    def draw(figure: Figure) -> None:
        axes: Any = figure.add_subplot()
        axes.patch.set_alpha(0)
        square_roots(axes)
        for place, one in enumerate(strata):
            axes.text(0, place - 0.3, short(plain(one.name), 60), fontsize=9, va="center")
            if one.limit is not None:
                axes.plot([one.limit] * 2, [place - 0.14, place + 0.42], color=LIMIT, label="limit")
            for name, found, colour, at in (
                ("before", ranged(one.before), BEFORE, 0.02),
                ("after", ranged(one.after), AFTER, 0.28),
            ):
                if found is None:
                    continue
                axes.errorbar(
                    found.value,
                    place + at,
                    xerr=[[found.value - found.low], [found.high - found.value]],
                    color=colour,
                    fmt="o" if name == "before" else "D",
                    markersize=5,
                    markerfacecolor="none" if name == "before" else colour,
                    capsize=2,
                    clip_on=False,
                    label=name,
                )
        axes.set_yticks([])
        axes.set(ylim=(len(strata) - 0.4, -0.6), xlabel="leak rate (square-root scale)")
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.grid(axis="x", color=_GREY + "33")
        handles, labels = axes.get_legend_handles_labels()
        once = dict(zip(labels, handles, strict=True))
        figure.legend(once.values(), once, loc="outside lower center", ncols=3, frameon=False, fontsize=9)

    return drawn(
        draw,
        name="strata",
        title="Leak rate of the worst strata",
        told="; ".join(told),
        height=1.0 + 0.48 * len(strata),
    )
