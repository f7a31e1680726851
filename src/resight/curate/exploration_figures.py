"""The figures of the exploration: one colour, and a second one with a hatch for what deserves a look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from resight.curate.dates import Dates, period_number
from resight.curate.exploration import Exploration
from resight.curate.individuals import Encounters, Individuals
from resight.curate.opened import BLURRED_BELOW, TINY_PX
from resight.curate.quality import Look
from resight.pages.colours import BLUE, INK, ORANGE
from resight.pages.figures import draw, plain_ticks, to_svg
from resight.pages.wording import plural, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["figures_of"]

_N_BINS = 30
_NO_END = 10**18
_BINS = ((1, 1), (2, 2), (3, 4), (5, 8), (9, 16), (17, 32), (33, 64), (65, _NO_END))
_MOST_BARS = 6
_MOST_MARKS, _GRID = 400, 60
_USUAL: dict[str, Any] = {"color": BLUE, "edgecolor": INK, "linewidth": 0.6}
_ODD: dict[str, Any] = {"color": ORANGE, "edgecolor": INK, "linewidth": 0.6, "hatch": "////"}


def figures_of(exploration: Exploration) -> dict[str, str | None]:
    """Name to SVG, or None where there is nothing to draw."""
    facts, looks = exploration.facts, exploration.looks
    return {
        "rank": photos_over_rank(facts.individuals) if facts.individuals.n else None,
        "counts": individuals_by_photos(facts.individuals) if facts.individuals.n else None,
        "encounters": individuals_by_encounters(facts.encounters) if facts.encounters.n_individuals else None,
        "timeline": timeline(facts.dates) if facts.dates.n_read else None,
        "sizes": sizes(looks) if looks else None,
        "sharpness": sharpness(looks) if looks else None,
        "brightness": brightness(looks) if looks else None,
    }


def photos_over_rank(who: Individuals) -> str:
    """Photos of each individual, the most photographed first; both axes logarithmic."""
    counts = np.array(who.counts)
    with draw() as (figure, axes):
        axes.set_xscale("log")
        axes.set_yscale("log")
        steps, edges = _steps(counts)
        axes.stairs(steps, edges, baseline=0.7, fill=True, color=f"{BLUE}59")
        axes.stairs(steps, edges, baseline=0.7, color=BLUE, linewidth=2)
        if who.n_singletons:
            label = f"a single photo ({plural(who.n_singletons, 'individual')})"
            axes.stairs(
                [1],
                edges[-2:],
                baseline=0.7,
                fill=True,
                label=label,
                fc=ORANGE,
                ec=INK,
                linewidth=0,
                hatch="////",
            )
        axes.set(
            xlabel="individuals, the most photographed first", ylabel="photos", ylim=(0.7, max(counts[0] * 1.4, 3))
        )
        axes.set_xlim(0.5, max(len(counts) + 0.5, 3))
        plain_ticks(axes)
        said = (
            f"{who.n:,} individuals; the first has {counts[0]:,} photos, the middle one {np.median(counts):.0f}, "
            f"{who.n_singletons:,} have one."
        )
        return to_svg(figure, axes, "figure-rank", "Photos per individual, by rank", said)


def _steps(counts: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Falling counts as steps, one for each different count, and the edges between them."""
    falls = np.flatnonzero(np.diff(counts)) + 1
    starts = np.concatenate([[0], falls])
    return counts[starts], np.concatenate([starts, [len(counts)]]) + 0.5


def individuals_by_photos(who: Individuals) -> str:
    """How many individuals have 1, 2, 3–4, 5–8, … photos: each bin twice as wide as the one before."""
    names, heights = _binned(who.n_by_photos)
    with draw() as (figure, axes):
        _bars(axes, names, heights, odd=1)
        axes.set(xlabel="photos of an individual", ylabel="individuals")
        said = _listed(names, heights, "photos")
        return to_svg(figure, axes, "figure-counts", "Individuals by their number of photos", said)


def _binned(n_by_photos: Sequence[tuple[int, int]]) -> tuple[list[str], list[int]]:
    """Names of the bins up to the last that is needed, and the individuals in each."""
    last = max(photos for photos, _ in n_by_photos)
    bins = [(low, high) for low, high in _BINS if low <= last]
    names = [str(low) if low == high else f"{low}+" if high == _NO_END else f"{low}–{high}" for low, high in bins]
    return names, [sum(n for photos, n in n_by_photos if low <= photos <= high) for low, high in bins]


def individuals_by_encounters(met: Encounters) -> str:
    """How many individuals were met once, twice and so on."""
    n_by = dict(met.n_by_encounters)
    last = max(n_by)
    names = [str(n) for n in range(1, min(last, _MOST_BARS) + 1)]
    heights = [n_by.get(int(name), 0) for name in names]
    if last > _MOST_BARS:
        names[-1] += "+"
        heights[-1] = sum(n for encounters, n in n_by.items() if encounters >= _MOST_BARS)
    with draw() as (figure, axes):
        _bars(axes, names, heights, odd=1)
        axes.set(xlabel="encounters with an individual", ylabel="individuals")
        said = _listed(names, heights, "encounters")
        return to_svg(figure, axes, "figure-encounters", "Individuals by their number of encounters", said)


def timeline(dates: Dates) -> str:
    """Photos per day, month or year; periods without photos are gaps."""
    numbers = [period_number(period) for period, _ in dates.periods]
    counts = [n for _, n in dates.periods]
    with draw() as (figure, axes):
        axes.bar(numbers, counts, width=0.9, **_USUAL)
        step = max(1, -(-len(numbers) // 6))
        axes.set_xticks(numbers[::step], [period for period, _ in dates.periods][::step], rotation=30, ha="right")
        axes.set(xlabel=dates.grain, ylabel="photos", xlim=(numbers[0] - 1, numbers[-1] + 1))
        peak, n_peak = max(dates.periods, key=lambda one: one[1])
        said = f"{dates.n_read:,} photos from {dates.first} to {dates.last}; the most, {n_peak:,}, in {peak}."
        return to_svg(figure, axes, "figure-timeline", f"Photos per {dates.grain}", said)


def sizes(looks: Sequence[Look]) -> str:
    """Height over width of the opened photos; a larger mark stands for more photos of that size."""
    groups = _grouped_sizes(looks)
    places, counts = np.array(list(groups)), np.array(list(groups.values()))
    with draw() as (figure, axes):
        longest = float(places.max()) * 1.08
        axes.plot([0, longest], [0, longest], color=INK, linewidth=1, linestyle=":", label="square")
        if longest > TINY_PX:
            axes.plot([TINY_PX, TINY_PX, longest], [longest, TINY_PX, TINY_PX], color=INK, linewidth=1, linestyle="--",
                      label=f"{TINY_PX} px")  # fmt: skip
        area = 14 + 300 * counts / counts.sum()
        axes.scatter(places[:, 0], places[:, 1], area, color=f"{BLUE}99", edgecolor=INK, linewidth=0.5, zorder=3)
        axes.set(xlabel="width (px)", ylabel="height (px)", xlim=(0, longest), ylim=(0, longest))
        widths, heights = ([getattr(look, side) for look in looks] for side in ("width_px", "height_px"))
        ends = f"{min(widths):,} to {max(widths):,} wide and {min(heights):,} to {max(heights):,} high"
        said = f"{len(looks):,} photos, {ends}."
        return to_svg(figure, axes, "figure-sizes", "Sizes of the photos", said)


def _grouped_sizes(looks: Sequence[Look]) -> Counter[tuple[float, float]]:
    """How many photos have each size; where there are very many sizes, those close together are one."""
    sizes = [(look.width_px, look.height_px) for look in looks]
    if len(set(sizes)) <= _MOST_MARKS:
        return Counter((float(width), float(height)) for width, height in sizes)
    grid = max(max(size) for size in sizes) / _GRID
    return Counter((round(width / grid) * grid, round(height / grid) * grid) for width, height in sizes)


def sharpness(looks: Sequence[Look]) -> str:
    """How sharp the opened photos are, on a logarithmic scale."""
    values = np.array([look.quality.sharpness for look in looks])
    # an even surface has sharpness 0, which a logarithm cannot show: it stands at the left end
    shown = np.maximum(values, max(float(values.max()) * 1e-6, 0.01))
    low, high = float(shown.min()) / 2, float(shown.max()) * 2
    edges = np.geomspace(low, high, _N_BINS + 1)
    middle = float(np.median(values))
    with draw() as (figure, axes):
        axes.set_xscale("log")
        axes.hist(shown, edges.tolist(), **_USUAL)
        if middle > 0:
            axes.axvline(middle, color=INK, linewidth=1.4, label=f"middle {short(middle)}")
        if shown.min() < BLURRED_BELOW * middle:
            axes.axvline(BLURRED_BELOW * middle, color=INK, linewidth=1.4, linestyle="--", label="a tenth of it")
        axes.set(xlabel="sharpness (variance of the Laplacian)", ylabel="photos", xlim=(low, high))
        plain_ticks(axes, "x")
        ends = f"{short(values.min())} to {short(values.max())}"
        said = f"Sharpness from {ends}, half of the photos have {short(middle)} or more."
        return to_svg(figure, axes, "figure-sharpness", "Sharpness", said)


def brightness(looks: Sequence[Look]) -> str:
    """Mean brightness of the opened photos."""
    values = 100 * np.array([look.quality.brightness for look in looks])
    with draw() as (figure, axes):
        axes.hist(values, np.linspace(0, 100, _N_BINS + 1).tolist(), **_USUAL)
        axes.set(xlabel="mean brightness (%): 0 is black, 100 is white", ylabel="photos", xlim=(0, 100))
        said = (
            f"Mean brightness from {values.min():.0f} to {values.max():.0f} %, in the middle {np.median(values):.0f} %."
        )
        return to_svg(figure, axes, "figure-brightness", "Brightness", said)


def _bars(axes: Axes, names: Sequence[str], heights: Sequence[int], *, odd: int) -> None:
    """Bars with their heights written on them; the first `odd` ones deserve a look."""
    places = np.arange(len(names))
    for part, style in ((slice(None, odd), _ODD), (slice(odd, None), _USUAL)):
        bars = axes.bar(places[part], heights[part], width=0.8, **style)
        axes.bar_label(bars, [f"{height:,}" for height in heights[part]], fontsize=9, padding=2)
    axes.set_xticks(places, names)
    axes.margins(y=0.12)


def _listed(names: Sequence[str], heights: Sequence[int], what: str) -> str:
    return f"{what.capitalize()}: individuals. " + ", ".join(f"{a}: {b:,}" for a, b in zip(names, heights, strict=True))
