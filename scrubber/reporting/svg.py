"""A drawing as inline SVG: its text stays text, follows the colours of the page around it, and can be read aloud."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from scrubber.core.errors import AskedWrongly

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 4.4  # inches: at 320 pixels, on a phone, text of 10 points is still 10 pixels high
INK = "#010203"  # stands for the colour of the page's text; no mark uses it
# Against a white and against a dark page each of these has a contrast of 3 to 1 or more.
BEFORE, AFTER, CONTROL, OTHER, LIMIT = "#c2711f", "#2a8c63", "#9a63c4", "#3f7fd0", "#d2554b"
_STYLE = {
    "svg.fonttype": "none",  # text stays text: small, selectable, read aloud
    "svg.hashsalt": "scrubber",  # the same report gives the same bytes
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "font.size": 10,
    **{f"{part}color": INK for part in ("text.", "axes.edge", "axes.label", "xtick.", "ytick.")},
}


def drawn(draw: Callable[[Figure], None], *, name: str, title: str, told: str, height: float) -> str:
    """The SVG element that ``draw`` makes of an empty figure of ``height`` inches.

    ``name`` begins every id in it, so that several drawings can stand in one page; ``title`` and ``told`` are its
    alternative text. Raises AskedWrongly when matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise AskedWrongly("the plots need matplotlib", mend="pip install 'code-scrubber[report]'") from None
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        figure.patch.set_alpha(0)
        draw(figure)
        buffer = io.StringIO()
        nothing: dict[str, Any] = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=nothing)
    source = buffer.getvalue()
    head, body = source[source.index("<svg") :].split(">", 1)
    # Only inside tags: a text of the drawing holds no "<".
    body = re.sub(r"<[^>]+>", lambda tag: re.sub(r'(\bid="|href="#|url\(#)', rf"\1{name}-", tag[0]), body)
    named = (
        f'{head} role="img" aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(told)}</desc>{body}'
    )
    return named.replace(INK, "currentColor")


def square_roots(axes: Any) -> None:
    """A scale of rates that spreads the end near zero, where limits are, and still shows a rate of one."""
    import numpy as np

    axes.set_xscale("function", functions=(lambda x: np.sign(x) * np.sqrt(np.abs(x)), lambda x: np.sign(x) * x**2))
    axes.set_xticks([0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1], ["0", ".01", ".05", ".1", ".25", ".5", ".75", "1"])
    axes.set_xlim(-0.0006, 1)  # bars of a rate of zero stand beside the axis, not on it


def short(name: str, longest: int = 30) -> str:
    return name if len(name) <= longest else name[: longest - 3] + "..."
