"""Figures of judged pairs: score histograms, ROC, and DET on probit axes.

DET: A. Martin, G. Doddington, T. Kamm, M. Ordowski and M. Przybocki, "The DET curve in assessment of detection task
performance", Eurospeech 1997. Normal scores give straight lines there.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from resight.core.photo_pairs import REAL
from resight.evaluate.pair_rates import FORGED, JudgedPairs
from resight.evaluate.verification import Roc, roc
from resight.pages.colours import BLUE, INK, ORANGE, PURPLE
from resight.pages.figures import draw, plain_ticks, to_svg

__all__ = ["det_curve", "pair_histogram", "roc_curves"]

_N_BINS = 40
_MOST_POINTS = 600
_DET_TICKS = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
_STYLES = {"all": (BLUE, "-"), REAL: (ORANGE, "--"), FORGED: (PURPLE, ":")}

Floats = npt.NDArray[np.float64]


def pair_histogram(judged: JudgedPairs, scale: str, threshold: float) -> str:
    """Scores of genuine, impostor and forged pairs, with the threshold of the EER.

    Args:
        judged: the pairs; those that were not compared are left out.
        scale: what a score means, to stand beside the axis.
        threshold: where to draw the line.

    Example:
        >>> pairs = JudgedPairs([0.9, 0.1], np.array([True, False]), np.array([[0, 0], [0, 1]]), ["", ""])
        >>> pair_histogram(pairs, "cosine", 0.5).startswith('<svg role="img"')
        True
    """
    finite, forged = np.isfinite(judged.scores), judged.forged
    parts = {"genuine": judged.same, "impostor": ~judged.same & ~forged, "forged": forged}
    looks = {"genuine": (BLUE, ""), "impostor": (ORANGE, "////"), "forged": (PURPLE, "...")}
    values = {name: judged.scores[which & finite] for name, which in parts.items()}
    low, high = (
        float(end(judged.scores[finite], initial=threshold if np.isfinite(threshold) else 0.0))
        for end in (np.min, np.max)
    )
    edges = np.linspace(low, high if high > low else low + 1, _N_BINS + 1)
    with draw() as (figure, axes):
        for name, scores in values.items():
            if len(scores):
                share = 100 * np.histogram(scores, edges)[0] / len(scores)
                colour, hatch = looks[name]
                label = f"{name} (n = {len(scores):,})"
                axes.stairs(share, edges, fill=True, fc=f"{colour}59", ec=INK, linewidth=0, hatch=hatch, label=label)
                axes.stairs(share, edges, color=colour, linewidth=1.8)
        if np.isfinite(threshold):
            axes.axvline(threshold, color=INK, linewidth=1.4, label=f"EER at {threshold:.3f}")
        axes.set(xlabel=f"score of a pair ({scale})", ylabel="share of pairs (%)", xlim=(edges[0], edges[-1]))
        told = (
            f"{len(scores):,} {name} pairs, half of them with {np.median(scores):.3f} or more"
            for name, scores in values.items()
            if len(scores)
        )
        return to_svg(figure, axes, "scores", "Scores of pairs", "; ".join(told) + ".")


def roc_curves(judged: JudgedPairs) -> str:
    """True accept rate over false accept rate, the latter on a logarithmic axis."""
    curves = _curves(judged)
    least = min(1 / max(1, int((~judged.same).sum())), 0.1)
    with draw() as (figure, axes):
        axes.set_xscale("log")
        for name, curve in curves.items():
            colour, dash = _STYLES[name]
            shown = curve.fmr > 0
            axes.step(
                100 * curve.fmr[shown], 100 * (1 - curve.fnmr[shown]), where="post", color=colour, linestyle=dash,
                linewidth=2, label=_label(name),
            )  # fmt: skip
        axes.set(xlabel="false accept rate (%)", ylabel="true accept rate (%)", xlim=(100 * least, 100), ylim=(0, 101))
        plain_ticks(axes, "x")
        return to_svg(figure, axes, "roc", "Receiver operating characteristic", _told(curves))


def det_curve(judged: JudgedPairs) -> str:
    """False non-match rate over false match rate, both as quantiles of the normal distribution."""
    from scipy.special import ndtri

    curves = _curves(judged)
    ends = ndtri([_DET_TICKS[0] / 2, 0.5])
    with draw() as (figure, axes):
        for name, curve in curves.items():
            colour, dash = _STYLES[name]
            rates = (np.clip(rate, 1e-9, 1 - 1e-9) for rate in (curve.fmr, curve.fnmr))
            axes.plot(*(ndtri(rate) for rate in rates), color=colour, linestyle=dash, linewidth=2, label=_label(name))
        axes.plot(ends, ends, color=INK, linewidth=1, linestyle=":", label="both alike")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(ndtri(_DET_TICKS), [f"{100 * tick:g}" for tick in _DET_TICKS])
        axes.set(xlabel="false match rate (%)", ylabel="false non-match rate (%)", xlim=tuple(ends), ylim=tuple(ends))
        return to_svg(figure, axes, "det", "Detection error trade-off, on probit axes", _told(curves))


def _curves(judged: JudgedPairs) -> dict[str, Roc]:
    """All pairs; and where some are forged, genuine pairs against real and against forged ones."""
    own, forged = judged.scores[judged.same], judged.forged
    parts = {"all": ~judged.same}
    if forged.any():
        parts |= {REAL: ~judged.same & ~forged, FORGED: forged}
    return {name: _thinned(roc(own, judged.scores[which])) for name, which in parts.items() if which.any()}


def _thinned(curve: Roc) -> Roc:
    """Of very many points those that a figure can show: evenly spaced, close at the few first."""
    n = len(curve.thresholds)
    if n <= 2 * _MOST_POINTS:
        return curve
    close, even = np.geomspace(1, n, _MOST_POINTS), np.linspace(1, n, _MOST_POINTS)
    kept = np.unique(np.concatenate([close, even]).astype(int)) - 1
    return Roc(curve.thresholds[kept], curve.fmr[kept], curve.fnmr[kept])


def _label(name: str) -> str:
    return {"all": "all pairs", REAL: "against real pairs", FORGED: "against forged pairs"}[name]


def _told(curves: dict[str, Roc]) -> str:
    points = ((name, curve, int(np.argmin(np.abs(curve.fnmr - curve.fmr)))) for name, curve in curves.items())
    said = (
        f"{_label(name)}: {100 * curve.fmr[at]:.1f} % falsely accepted, {100 * curve.fnmr[at]:.1f} % falsely refused"
        for name, curve, at in points
    )
    return f"Where both errors are alike, {'; '.join(said)}."
