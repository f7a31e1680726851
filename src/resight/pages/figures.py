"""Figures as SVG that stands inside an HTML page; the same input gives the same bytes."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from resight.pages.colours import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw", "plain_ticks", "to_svg"]

_MANY_TENFOLDS = 300
_SIZE_INCHES = (4.3, 3.4)
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "resight",
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "hatch.linewidth": 0.6,
}


@contextmanager
def draw() -> Iterator[tuple[Figure, Axes]]:
    """A figure of the size and style of the pages, to draw into and to hand to `to_svg`."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()  # a user's own style must not change the page
        mpl.rcParams.update(_STYLE)
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
        yield figure, figure.add_subplot()


def to_svg(figure: Figure, axes: Axes, name: str, title: str, description: str) -> str:
    """The figure as a part of a page, with a legend when something in it has a label.

    Args:
        figure: what `draw` gave, still inside its `with`.
        axes: likewise.
        name: stands before each id, so that two figures of a page never share one.
        title: what it shows, for those who listen.
        description: what it says, in words and numbers, for those who listen.
    """
    axes.grid(axis="y", color=INK, alpha=0.12, linewidth=0.8)
    axes.set_axisbelow(True)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside upper left", ncols=2, frameon=False, fontsize=9, handlelength=1.8, columnspacing=1.2)
    buffer = io.StringIO()
    figure.savefig(
        buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
    )
    return _inline(buffer.getvalue(), name, title, description)


def plain_ticks(axes: Axes, which: str = "both") -> None:
    """1, 10, 100 on logarithmic axes and not powers of ten, which a page's own font cannot show.

    Args:
        axes: with their ends set.
        which: "x", "y" or "both" of them are logarithmic.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for name, axis, ends in (("x", axes.xaxis, axes.get_xlim()), ("y", axes.yaxis, axes.get_ylim())):
        if which in (name, "both"):
            wide = ends[1] / ends[0] > _MANY_TENFOLDS
            axis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
            axis.set_minor_formatter(NullFormatter())


def _inline(document: str, name: str, title: str, description: str) -> str:
    """Make a whole SVG document a part of a page: ids of its own, no links, a name for those who listen."""
    view_box = re.search(r'viewBox="([^"]*)"', document)
    body = document[document.index(">", document.index("<svg")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(href="|url\()#', rf"\1#{name}-", body)
    names = (
        f'<title id="{name}-title">{html.escape(title)}</title><desc id="{name}-desc">{html.escape(description)}</desc>'
    )
    head = f'<svg role="img" aria-labelledby="{name}-title {name}-desc" viewBox="{view_box[1] if view_box else ""}">'
    return f"{head}{names}{body.strip()}"
