"""A scorer's scores as evidence: how likely two photos with this score show the same individual."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.errors import InputError, UnknownNameError
from resight.rerank.logistic import Ridge, fit_logistic

__all__ = ["CURVES", "PairCurve", "ScoreBins", "fit_curve"]

_SLOPE_RIDGE, _INTERCEPT_RIDGE = 1.0, 1e-3
_N_CUTS = 1024
_NO_SPREAD = 1e-9

Floats = npt.NDArray[np.float64]
Truth = npt.NDArray[np.bool_]


def _signed_log(scores: Floats) -> Floats:
    answer: Floats = np.sign(scores) * np.log1p(np.abs(scores))
    return answer


_SCALES: dict[str, Callable[[Floats], Floats]] = {"plain": lambda scores: scores, "log": _signed_log}

CURVES = ("logistic", "logistic of log", "isotonic")
"""The forms that a curve may take; "log" is sign(x)·log(1 + |x|), which suits counts and rises for all x."""


@dataclass(frozen=True)
class PairCurve:
    """A rising curve from the score of a pair to the log-odds that both photos show the same individual.

    It runs straight between its knots and goes on beyond the ends with one slope, so that a higher
    score is never a tie there. A single knot makes it a logistic curve.

    Args:
        form: one of `CURVES`.
        scale: how scores are read before the knots: "plain" or "log".
        knots: rising places on that scale.
        values: log-odds there, never falling.
        slope: log-odds per unit of the scale beyond the ends, 0 or more.
        prior: log-odds of a pair that this scorer compared, whatever it said.

    Raises:
        InputError: when a number is not finite, the knots do not rise, or the curve falls.
        UnknownNameError: when there is no such form or scale.

    Example:
        >>> curve = PairCurve("logistic", "plain", (0.5,), (0.0,), 4.0, -3.0)
        >>> curve.log_odds(np.array([0.25, 0.75])).tolist()
        [-1.0, 1.0]
    """

    form: str
    scale: str
    knots: tuple[float, ...]
    values: tuple[float, ...]
    slope: float
    prior: float

    def __post_init__(self) -> None:
        """Check that it is a curve that rises."""
        for kind, name, known in (("curve", self.form, CURVES), ("scale", self.scale, tuple(_SCALES))):
            if name not in known:
                raise UnknownNameError(kind, name, known)
        numbers = (*self.knots, *self.values, self.slope, self.prior)
        if not all(isinstance(number, float) and np.isfinite(number) for number in numbers):
            raise InputError("expected a curve of finite numbers, found another value")
        if not self.knots or len(self.knots) != len(self.values):
            raise InputError(f"expected a value per knot, found {len(self.knots)} knots and {len(self.values)} values")
        if (np.diff(self.knots) <= 0).any() or (np.diff(self.values) < 0).any() or self.slope < 0:
            raise InputError("expected a curve that rises, since a higher score is more alike, found one that falls")

    def log_odds(self, scores: Floats) -> Floats:
        """(P,) log-odds of the same individual; NaN where the score is NaN."""
        x = _SCALES[self.scale](scores)
        beyond = np.minimum(x - self.knots[0], 0) + np.maximum(x - self.knots[-1], 0)
        answer: Floats = np.interp(x, self.knots, self.values) + self.slope * beyond
        return answer

    def as_dict(self) -> dict[str, Any]:
        """The curve as plain lists and numbers."""
        return {**asdict(self), "knots": list(self.knots), "values": list(self.values)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> PairCurve:
        """The curve that `as_dict` wrote.

        Raises:
            InputError: when a field is lacking, unknown or of another kind.
        """
        try:
            rest = {name: tuple(fields[name]) for name in ("knots", "values")}
            return cls(**{**fields, **rest})
        except (KeyError, TypeError) as error:
            raise InputError(f"expected the fields of a curve, found others ({error}): fit again") from error


class ScoreBins:
    """The scores of one scorer in fine bins, so that a curve is fitted in no time, whatever the number of pairs.

    Scores of few different values keep them all. Others are cut where they are many, and again where
    the mates are many, since there a curve bends: at up to 1,024 places each.

    Args:
        scores: (P,) of one scorer; NaN, where it did not compare, is left out.
        same: (P,) whether both photos of a pair show the same individual.
    """

    def __init__(self, scores: Floats, same: Truth) -> None:
        self._heard = ~np.isnan(scores)
        self._scores, self._same = scores[self._heard], same[self._heard]
        values = np.unique(self._scores)
        if len(values) > 2 * _N_CUTS:
            mates = np.sort(self._scores[self._same])
            values = np.unique(np.concatenate([_spaced(np.sort(self._scores)), _spaced(mates)]))
        self._bins = np.searchsorted(values, self._scores, side="right") - 1
        self._n_bins = len(values)

    def summed(self, weights: Floats) -> tuple[Floats, Floats, Floats]:
        """(B,) mean score, weight and weight of the mates in each bin that has any weight, by rising score."""
        weights = weights[self._heard]
        total, mated, scores = (
            np.asarray(np.bincount(self._bins, part, self._n_bins), np.float64)
            for part in (weights, weights * self._same, weights * self._scores)
        )
        there = total > 0
        return scores[there] / total[there], total[there], mated[there]


def fit_curve(form: str, bins: ScoreBins, weights: Floats) -> PairCurve:
    """The curve of one form that suits the pairs best.

    A logistic curve has two numbers, held by a slight ridge. An isotonic one is the rising step
    function of the least squares (pool adjacent violators), drawn through the middle of its steps;
    an imaginary stranger with the highest score and an imaginary mate with the lowest keep it
    from ever being certain. Where more alike went with fewer mates, a curve is flat: the scorer is unheard.

    Args:
        form: one of `CURVES`.
        bins: the scores, and which pairs are mates.
        weights: (P,) how much each pair counts, 0 or more.

    Raises:
        UnknownNameError: when there is no such form.
    """
    if form not in CURVES:
        raise UnknownNameError("curve", form, CURVES)
    scale = "plain" if form == "logistic" else "log"
    scores, total, mated = bins.summed(weights)
    prior = _smoothed_log_odds(mated.sum(), (total - mated).sum())
    if not len(scores):
        return PairCurve(form, scale, (0.0,), (prior,), 0.0, prior)
    x = _SCALES[scale](scores)
    middle, height, slope = _fitted_line(x, total, mated, prior)
    knots, values = _fitted_steps(x, total, mated) if form == "isotonic" else ((middle,), (height,))
    return PairCurve(form, scale, knots, values, slope, prior)


def _fitted_line(x: Floats, total: Floats, mated: Floats, prior: float) -> tuple[float, float, float]:
    """The middle of the scores, the log-odds there, and the slope."""
    middle = float(np.average(x, weights=total))
    spread = float(np.sqrt(np.average((x - middle) ** 2, weights=total)))
    spread = spread if spread > _NO_SPREAD * (1 + abs(middle)) else 1.0
    ridge = Ridge(np.array([prior, 0.0]), np.array([_INTERCEPT_RIDGE, _SLOPE_RIDGE]), np.array([-np.inf, 0.0]))
    features = np.column_stack([np.ones(len(x)), (x - middle) / spread])
    truth = np.repeat([True, False], len(x))
    height, slope = fit_logistic(
        np.concatenate([features, features]), truth, np.concatenate([mated, total - mated]), ridge
    )
    return middle, float(height), float(slope) / spread


def _fitted_steps(x: Floats, total: Floats, mated: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The middle of each step of the rising step function, and its log-odds."""
    from scipy.optimize import isotonic_regression

    total, mated = total.copy(), mated.copy()
    total[0] += 1  # the imaginary mate
    mated[0] += 1
    total[-1] += 1  # the imaginary stranger
    starts = isotonic_regression(mated / total, weights=total).blocks[:-1]
    weight = np.add.reduceat(total, starts)
    middles = np.add.reduceat(x * total, starts) / weight
    same = np.add.reduceat(mated, starts)
    values = np.maximum.accumulate(np.log(same) - np.log(weight - same))
    rising = np.concatenate([[True], np.diff(middles) > 0])
    return tuple(middles[rising].tolist()), tuple(values[rising].tolist())


def _spaced(ordered: Floats) -> Floats:
    """Up to 1,024 of some rising values, evenly spaced by rank, the first and the last among them."""
    places = np.linspace(0, len(ordered) - 1, min(_N_CUTS, len(ordered)))
    return ordered[places.astype(np.int64)]


def _smoothed_log_odds(same: float, other: float) -> float:
    return float(np.log(same + 0.5) - np.log(other + 0.5))
