"""The figures of a training's report: how losses, rates and measures went, and how even the looks are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from resight.pages.colours import BLUE, INK, ORANGE, PURPLE
from resight.pages.figures import draw, plain_ticks, to_svg
from resight.pages.wording import plural
from resight.train.judging import MEASURES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FigureRow", "RunFigure", "photos_and_looks", "run_figures"]

FigureRow = tuple[str, int, int, str, float]
"""Stage, epoch, step, name and value of a figure."""

_MOST_POINTS = 1000
_LINES = {"OSCR": (BLUE, "-", "o"), "top-1": (ORANGE, "--", "s"), "AUROC": (PURPLE, ":", "^")}


@dataclass(frozen=True)
class RunFigure:
    """A figure of the page.

    Args:
        title: what it shows; names of losses among it.
        svg: the drawing.
        caption: how to read it.
    """

    title: str
    svg: str
    caption: str


def run_figures(rows: Sequence[FigureRow]) -> list[RunFigure]:
    """What was measured by epoch in one figure, and every other figure by step in one of its own.

    Args:
        rows: in the order in which they came; numbers that are not finite are left out.
    """
    finite = [row for row in rows if math.isfinite(row[4])]
    stages = list(dict.fromkeys(row[0] for row in finite))
    judged = [row for row in finite if row[3] in MEASURES]
    others = dict.fromkeys(row[3] for row in finite if row[3] not in MEASURES)
    figures = [_by_epoch(judged, _ends(finite, stages, 1), stages)] if judged else []
    ends = _ends(finite, stages, 2, grows=True)
    for number, name in enumerate(others):
        figures.append(_by_step(name, [row for row in finite if row[3] == name], ends, stages, number))
    return figures


def _ends(rows: Sequence[FigureRow], stages: Sequence[str], column: int, *, grows: bool = False) -> list[int]:
    """Where each stage ends on an axis of epochs, which begin anew with each stage, or of steps, which grow."""
    lengths = [max(int(row[column]) for row in rows if row[0] == stage) for stage in stages]
    return lengths if grows else np.cumsum(lengths).tolist()


def _by_epoch(rows: Sequence[FigureRow], ends: list[int], stages: Sequence[str]) -> RunFigure:
    begins = dict(zip(stages, [0, *ends], strict=False))
    with draw() as (figure, axes):
        for name in dict.fromkeys(row[3] for row in rows):
            points = [(begins[row[0]] + row[1], row[4]) for row in rows if row[3] == name]
            colour, dash, mark = _LINES[name]
            axes.plot(*zip(*points, strict=True), dash, color=colour, marker=mark, markersize=4, label=name)
        axes.set(xlabel="epochs", ylabel="on those kept back", ylim=(0, 1.02))
        _mark(axes, ends)
        best = max((row for row in rows if row[3] == "OSCR"), key=lambda row: row[4], default=None)
        said = (
            ""
            if best is None
            else f"The highest OSCR is {best[4]:.3f}, after {plural(begins[best[0]] + best[1], 'epoch')}."
        )
        svg = to_svg(figure, axes, "figure-judged", "Measures by epoch", said)
    return RunFigure("On individuals and encounters kept back", svg, f"{said} {_marks_in_words(stages)}".strip())


def _by_step(name: str, rows: Sequence[FigureRow], ends: list[int], stages: Sequence[str], number: int) -> RunFigure:
    steps, values = _thinned(np.array([row[2] for row in rows]), np.array([row[4] for row in rows]))
    with draw() as (figure, axes):
        axes.plot(steps, values, color=BLUE, linewidth=1.4, marker="o" if len(steps) < 3 else "")
        axes.set(xlabel="steps")
        if values.min() >= 0:
            axes.set_ylim(0, max(values.max() * 1.06, 1e-12))
        _mark(axes, ends)
        said = f"From {values[0]:.3g} to {values[-1]:.3g}; lowest {values.min():.3g}, highest {values.max():.3g}."
        svg = to_svg(figure, axes, f"figure-step-{number}", name, said)
    return RunFigure(name[:1].upper() + name[1:], svg, f"{said} {_marks_in_words(stages)}".strip())


def _thinned(
    steps: npt.NDArray[np.int64], values: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Means over steps that follow one another, where there are too many to draw."""
    n = min(len(steps), _MOST_POINTS)
    firsts = np.arange(n) * len(steps) // n
    sizes = np.diff([*firsts, len(steps)])
    return np.add.reduceat(steps.astype(float), firsts) / sizes, np.add.reduceat(values, firsts) / sizes


def _mark(axes: Axes, ends: Sequence[int]) -> None:
    """Whole numbers along the axis, and a dotted line where each stage but the first begins, with its number."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for number, end in enumerate(ends[:-1], start=2):
        axes.axvline(end, color=INK, linewidth=1, linestyle=":")
        axes.annotate(
            str(number), (end, 1), (3, -2), xycoords=axes.get_xaxis_transform(), textcoords="offset points", va="top"
        )


def _marks_in_words(stages: Sequence[str]) -> str:
    if len(stages) < 2:
        return ""
    names = ", ".join(f"{number} {stage}" for number, stage in enumerate(stages, start=1))
    return f"Dotted lines part the stages: {names}."


def photos_and_looks(photos: npt.NDArray[np.int64], looks: npt.NDArray[np.int64], name: str) -> str:
    """Photos of each individual, and looks at it in an epoch, each from the most to the least, as SVG.

    Args:
        photos: (C,) of each individual.
        looks: (C,) at it.
        name: of the figure, one of its own on the page.
    """
    with draw() as (figure, axes):
        axes.set_xscale("log")
        axes.set_yscale("log")
        edges = np.arange(len(photos) + 1) + 0.5
        before, after = (np.sort(counts)[::-1] for counts in (photos, looks))
        axes.stairs(before, edges, baseline=0.7, fill=True, color=f"{BLUE}40")
        axes.stairs(before, edges, baseline=None, color=BLUE, linewidth=2, label="photos")
        style: dict[str, Any] = {"color": ORANGE, "linewidth": 2, "linestyle": "--", "label": "looks in an epoch"}
        axes.stairs(np.maximum(after, 0.7), edges, baseline=None, **style)
        most = max(int(photos.max(initial=1)), int(looks.max(initial=1)))
        axes.set(xlabel="individuals, the most first", ylabel="photos or looks", ylim=(0.7, max(most * 1.4, 3)))
        axes.set_xlim(0.5, max(len(photos) + 0.5, 3))
        plain_ticks(axes)
        said = (
            f"{plural(len(photos), 'individual')}; photos of one: {int(before[-1]):,} to {int(before[0]):,}; "
            f"looks at one in an epoch: {int(after[-1]):,} to {int(after[0]):,}."
        )
        return to_svg(figure, axes, name, "Photos of individuals and looks at them, by rank", said)
