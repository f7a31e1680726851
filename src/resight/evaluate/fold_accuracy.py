"""The protocol of Labeled Faces in the Wild: accuracy on each fold, at the threshold that suits the others best.

G. Huang, M. Ramesh, T. Berg and E. Learned-Miller, "Labeled Faces in the Wild", University of Massachusetts, technical
report 07-49, 2007: ten sets of pairs without a person in common. They report the mean and its standard error; the
interval here is Student's t over the folds.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.core import Estimate
from resight.errors import InputError

__all__ = ["FoldAccuracy", "best_threshold", "fold_accuracy", "folds_in_order"]

Floats = npt.NDArray[np.float64]
Names = npt.NDArray[np.str_]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class FoldAccuracy:
    """Accuracy fold by fold.

    Args:
        folds: their names.
        accuracies: share of right answers in each, at its threshold.
        thresholds: of each fold, chosen on all others; a score of at least this is accepted.
        estimate: the mean over folds with its interval; `n` counts folds.
        standard_error: of that mean.
        n_shared: persons that are in two folds or more, so that the folds are less independent than they should be.
    """

    folds: tuple[str, ...]
    accuracies: tuple[float, ...]
    thresholds: tuple[float, ...]
    estimate: Estimate
    standard_error: float
    n_shared: int

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        finite = [value if math.isfinite(value) else None for value in self.thresholds]
        error = None if math.isnan(self.standard_error) else self.standard_error
        return {**asdict(self), "thresholds": finite, "estimate": self.estimate.to_json(), "standard_error": error}


def fold_accuracy(
    scores: npt.ArrayLike, same: npt.ArrayLike, folds: npt.ArrayLike, persons: npt.NDArray[np.int64] | None = None
) -> FoldAccuracy:
    """The accuracy on each fold at the threshold of the highest accuracy on the others.

    Args:
        scores: (P,) higher is more alike; −inf for a pair that could not be compared.
        same: (P,) whether a pair shows one individual.
        folds: (P,) name of the fold of each pair.
        persons: (P, 2) a number for who is on each photo, to count those in several folds.

    Raises:
        InputError: when lengths differ, a fold has no name, or there are fewer than two folds.

    Example:
        >>> found = fold_accuracy([0.9, 0.1, 0.8, 0.2, 0.3, 0.7], [1, 0, 1, 0, 1, 0], ["a", "a", "b", "b", "c", "c"])
        >>> found.accuracies
        (1.0, 1.0, 0.0)
    """
    values, truth, names = np.asarray(scores, np.float64), np.asarray(same).astype(bool), np.asarray(folds, np.str_)
    if not values.shape == truth.shape == names.shape or values.ndim != 1:
        raise InputError(f"expected a truth and a fold per score, found {truth.shape}, {names.shape}, {values.shape}")
    every = np.unique(names)
    if len(every) < 2 or every[0] == "":
        raise InputError(f"expected at least two folds, each with a name, found {', '.join(map(repr, every.tolist()))}")
    chosen = [best_threshold(values[names != one], truth[names != one]) for one in every]
    rates = [
        float(((values[names == one] >= threshold) == truth[names == one]).mean())
        for one, threshold in zip(every, chosen, strict=True)
    ]
    error = float(np.std(rates, ddof=1) / math.sqrt(len(rates)))
    n_shared = 0 if persons is None else _n_shared(persons, names)
    return FoldAccuracy(tuple(every.tolist()), tuple(rates), tuple(chosen), _mean(rates, error), error, n_shared)


def best_threshold(scores: Floats, same: Bools) -> float:
    """The threshold of the highest accuracy; among equals the highest, in the middle between two scores.

    Example:
        >>> best_threshold(np.array([0.1, 0.5, 0.9]), np.array([False, True, True]))
        0.3
    """
    levels, place = np.unique(scores, return_inverse=True)
    gain = np.bincount(place, np.where(same, 1.0, -1.0), len(levels))
    accepted = np.concatenate([[0.0], np.cumsum(gain[::-1])])  # right minus wrong when the highest k are accepted
    k = int(np.argmax(accepted))
    if k == 0:
        return math.inf
    lowest = float(levels[len(levels) - k])
    below = float(levels[len(levels) - k - 1]) if k < len(levels) else -math.inf
    return (lowest + below) / 2 if math.isfinite(below) else lowest


def folds_in_order(same: npt.ArrayLike, n_folds: int = 10) -> Names:
    """Folds by the order of the pairs: genuine and impostor pairs each cut into runs of equal length.

    In a list in which the folds follow each other, as that of Labeled Faces in the Wild, these are the folds.

    Args:
        same: (P,) whether a pair shows one individual.
        n_folds: how many.

    Returns:
        (P,) names, "0" to "9".

    Example:
        >>> folds_in_order([1, 1, 0, 0, 1, 1, 0, 0], 2).tolist()
        ['0', '0', '0', '0', '1', '1', '1', '1']
    """
    truth = np.asarray(same).astype(bool)
    folds = np.zeros(len(truth), np.int64)
    for rows in (np.flatnonzero(truth), np.flatnonzero(~truth)):
        folds[rows] = np.arange(len(rows)) * n_folds // max(len(rows), 1)
    return folds.astype(np.str_)


def _mean(rates: list[float], error: float) -> Estimate:
    from scipy.stats import t

    mean, half = float(np.mean(rates)), float(t.ppf(0.975, len(rates) - 1)) * error
    return Estimate(mean, max(mean - half, 0.0), min(mean + half, 1.0), len(rates))


def _n_shared(persons: npt.NDArray[np.int64], folds: Names) -> int:
    """How many persons are in two folds or more."""
    codes = np.unique(folds, return_inverse=True)[1]
    met = np.unique(np.stack([persons.ravel(), np.repeat(codes, 2)], axis=1), axis=0)
    return int((np.unique(met[:, 0], return_counts=True)[1] > 1).sum())
