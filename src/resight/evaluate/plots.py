"""Figures of the report. Each colour is doubled by a hatch, a dash or a mark, so that they also read in grey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from resight.core import OperatingPoint
from resight.errors import InputError
from resight.evaluate.open_set import fnir, fpir, fpir_fnir_curve
from resight.evaluate.searches import Searches
from resight.pages.colours import BLUE, INK, ORANGE
from resight.pages.figures import draw, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_N_BINS = 30
_MAX_STEPS = 400
_N_RELIABILITY_BINS = 10
_RATE_TICKS = (0, 1, 5, 10, 25, 50, 75, 100)


def finite_scores(searches: Searches) -> npt.NDArray[np.float64]:
    """Best scores of all searches that found a candidate; without any there is nothing to draw."""
    both = np.concatenate([searches.best_scores, searches.non_mated_best]).astype(np.float64)
    return both[np.isfinite(both)]


def score_histogram(searches: Searches, point: OperatingPoint | None, scale: str = "") -> str:
    """Best scores of mated and non-mated searches, with the lines of the operating point.

    Args:
        searches: with their best scores.
        point: the operating point; None when none was fitted.
        scale: what a score means, to stand beside the axis.

    Raises:
        InputError: when no search found a candidate.

    Example:
        >>> score_histogram(Searches([0.8, 0.9], [0.2, 0.3], [0.4]), None).startswith('<svg role="img"')
        True
    """
    low, high = _range(searches, point)
    edges = np.linspace(low, high, _N_BINS + 1)
    with draw() as (figure, axes):
        groups = (("mated", searches.best_scores, BLUE, ""), ("non-mated", searches.non_mated_best, ORANGE, "////"))
        for name, values, colour, hatch in groups:
            if len(values):
                share = 100 * np.histogram(values, edges)[0] / len(values)
                label = f"{name} (n = {len(values)})"
                axes.stairs(share, edges, fill=True, fc=f"{colour}59", ec=INK, linewidth=0, hatch=hatch, label=label)
                axes.stairs(share, edges, color=colour, linewidth=1.8)
        _draw_lines(axes, point)
        axes.set(xlabel=_with_scale("best score of a search", scale), ylabel="share of searches (%)", xlim=(low, high))
        title = "Best scores of mated and non-mated searches"
        return to_svg(figure, axes, "histogram", title, _describe_scores(searches, point))


def error_curve(searches: Searches, point: OperatingPoint | None, scale: str = "") -> str:
    """FPIR and FNIR over the threshold, with the operating point and its intervals marked.

    Args:
        searches: with their best scores.
        point: the operating point; None when none was fitted.
        scale: what a score means, to stand beside the axis.

    Raises:
        InputError: when no search found a candidate.
    """
    low, high = _range(searches, point)
    thresholds, alarms, misses = _steps(searches, low, high)
    with draw() as (figure, axes):
        axes.set_yscale("function", functions=(lambda y: np.sqrt(np.maximum(y, 0)), np.square))
        if searches.n_non_mated:
            label = "FPIR: a stranger is named"
            axes.step(thresholds, alarms, where="pre", color=ORANGE, linewidth=2.4, linestyle="--", label=label)
        if searches.n_mated:
            axes.step(thresholds, misses, where="pre", color=BLUE, linewidth=2.2, label="FNIR: a known one is missed")
        _draw_lines(axes, point)
        if point is not None:
            _draw_intervals(axes, point)
        threshold = _with_scale("threshold on the best score", scale)
        axes.set(xlabel=threshold, ylabel="share of searches (%)", xlim=(low, high), ylim=(0, 105))
        axes.set_yticks(_RATE_TICKS, [str(tick) for tick in _RATE_TICKS])
        axes.minorticks_off()
        title = "Error rates over the threshold"
        return to_svg(figure, axes, "curve", title, _describe_rates(searches, point))


def reliability_diagram(
    probabilities: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], name: str = "reliability"
) -> str:
    """How often the first candidate was right, over the probability that was stated for it.

    The bars are Wilson's 95 % intervals (Wilson, JASA 1927).

    Args:
        probabilities: (n,) stated for the first candidate, 0 to 1; n at least 1.
        right: (n,) whether it was the individual.
        name: stands before each id, so that two diagrams of a page never share one.
    """
    places = np.minimum((probabilities * _N_RELIABILITY_BINS).astype(int), _N_RELIABILITY_BINS - 1)
    used, inverse, n = np.unique(places, return_inverse=True, return_counts=True)
    stated = np.bincount(inverse, probabilities) / n
    seen = np.bincount(inverse, right) / n
    low, high = wilson_interval(seen, n)
    with draw() as (figure, axes):
        axes.plot([0, 100], [0, 100], color=INK, linewidth=1, linestyle=":", label="as stated")
        bars = 100 * np.vstack([seen - low, high - seen])
        axes.errorbar(100 * stated, 100 * seen, bars, fmt="none", ecolor=BLUE, elinewidth=1.4)
        sizes = 18 + 120 * n / n.sum()
        axes.scatter(
            100 * stated, 100 * seen, sizes, color=BLUE, edgecolor=INK, zorder=3, label="seen (larger: more photos)"
        )
        axes.set(xlabel="stated probability (%)", ylabel="right (%)", xlim=(-3, 103), ylim=(-3, 103))
        pairs = ", ".join(f"{100 * s:.0f} → {100 * o:.0f}" for s, o in zip(stated, seen, strict=True))
        text = f"{len(right)} photos in {len(used)} bins; stated → seen, in per cent: {pairs}."
        return to_svg(figure, axes, name, "Stated probability against how often it was right", text)


def wilson_interval(
    share: npt.NDArray[np.float64], n: npt.NDArray[np.int64], z: float = 1.959964
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Wilson's interval of a share seen in `n` trials, n at least 1; `z` 1.96 covers 95 %.

    Example:
        >>> low, high = wilson_interval(np.array([0.5]), np.array([10]))
        >>> f"{low[0]:.3f} {high[0]:.3f}"
        '0.237 0.763'
    """
    centre = share + z**2 / (2 * n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # rounding must not push an end past the share itself: 0 of n and n of n touch it
    low = np.clip((centre - half) / (1 + z**2 / n), 0, share)
    high = np.clip((centre + half) / (1 + z**2 / n), share, 1)
    return low, high


def _with_scale(label: str, scale: str) -> str:
    return f"{label} ({scale})" if scale else label


def _range(searches: Searches, point: OperatingPoint | None) -> tuple[float, float]:
    finite = finite_scores(searches)
    if not len(finite):
        raise InputError("expected at least one search that found a candidate, found none to draw")
    lines = [point.threshold, point.new_below] if point else []
    low, high = min([finite.min(), *lines]), max([finite.max(), *lines])
    margin = 0.03 * (high - low) or 0.5
    return float(low - margin), float(high + margin)


def _steps(searches: Searches, low: float, high: float) -> tuple[npt.NDArray[np.float64], ...]:
    """Thresholds from `low` to `high` and both rates in per cent; a rate holds to the left of its threshold."""
    curve = fpir_fnir_curve(searches)
    rising = np.arange(len(curve.thresholds))[::-1]
    if len(rising) > _MAX_STEPS:
        rising = rising[np.linspace(0, len(rising) - 1, _MAX_STEPS).astype(int)]
    thresholds = np.concatenate([[low], curve.thresholds[rising[:-1]], [high]])
    # below the lowest score the rates are those at the lowest; above the highest, those at infinity
    rates = (100 * rate[np.concatenate([rising[:1], rising])] for rate in (curve.fpir, curve.fnir))
    return (thresholds, *rates)


def _draw_lines(axes: Axes, point: OperatingPoint | None) -> None:
    if point is None:
        return
    axes.axvline(point.threshold, color=INK, linewidth=1.4, label=f"known from {point.threshold:.3f}")
    if point.new_below < point.threshold:
        axes.axvline(point.new_below, color=INK, linewidth=1.4, linestyle=":", label=f"new below {point.new_below:.3f}")


def _draw_intervals(axes: Axes, point: OperatingPoint) -> None:
    for estimate, colour, mark in ((point.fpir, ORANGE, "D"), (point.fnir, BLUE, "o")):
        value, low, high = (100 * number for number in (estimate.value, estimate.low, estimate.high))
        if not np.isfinite([value, low, high]).all():
            continue
        bar = [[max(value - low, 0)], [max(high - value, 0)]]
        axes.errorbar(
            [point.threshold], [value], bar, fmt=mark, color=colour, markeredgecolor=INK, markersize=7,
            ecolor=INK, elinewidth=1.4, capsize=4, zorder=4,
        )  # fmt: skip


def _describe_scores(searches: Searches, point: OperatingPoint | None) -> str:
    parts = []
    for name, values in (("mated", searches.best_scores), ("non-mated", searches.non_mated_best)):
        middle = f", half of them with {np.median(values):.3f} or more" if len(values) else ""
        parts.append(f"{len(values)} {name} searches{middle}")
    lines = f" Known from {point.threshold:.3f}, new below {point.new_below:.3f}." if point else ""
    return f"{'; '.join(parts)}.{lines}"


def _describe_rates(searches: Searches, point: OperatingPoint | None) -> str:
    threshold = point.threshold if point else float(np.median(finite_scores(searches)))
    rates = (("FPIR", fpir(searches, threshold)), ("FNIR", fnir(searches, threshold)))
    said = " and ".join(f"{name} is {100 * rate:.1f} %" for name, rate in rates if np.isfinite(rate))
    return f"At the threshold {threshold:.3f} {said}. FPIR falls and FNIR rises with the threshold."
