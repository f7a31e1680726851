"""Whether a stated probability comes true as often as it says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resight.errors import InputError
from resight.evaluate.rows import Names, mask_of


@dataclass(frozen=True, eq=False)
class Stated:
    """Probabilities that were stated, and whether it was so.

    Args:
        probabilities: (N,) 0 to 1.
        right: (N,) bool, whether what they were stated for was so.
        individuals: (N,) text, whom each is about, for intervals over individuals.
        means: a sentence that says what was stated and when it counts as right.

    Raises:
        InputError: when lengths differ, or a probability leaves 0 to 1.

    Example:
        >>> round(Stated([0.9, 0.7], [True, False], ["Ada", "Bo"]).calibration_error, 3)
        0.4
    """

    probabilities: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]
    individuals: Names
    means: str = ""

    def __post_init__(self) -> None:
        """Check lengths and range."""
        stated = np.asarray(self.probabilities, dtype=np.float64)
        names = np.asarray(self.individuals).astype(np.str_)
        if names.shape != stated.shape:
            raise InputError(f"expected an individual for each of {len(stated)} probabilities, found {len(names)}")
        _check_probabilities(stated)
        for name, array in (("probabilities", stated), ("right", mask_of(self.right, len(stated)))):
            object.__setattr__(self, name, array)
        object.__setattr__(self, "individuals", names)

    def __len__(self) -> int:
        """How many probabilities."""
        return len(self.probabilities)

    @property
    def calibration_error(self) -> float:
        """The expected calibration error over ten bins; NaN without any."""
        return expected_calibration_error(self.probabilities, self.right)

    @classmethod
    def pooled(cls, parts: Sequence[Stated]) -> Stated:
        """All of several; what they mean is what the first one says."""
        if not parts:
            return cls(np.zeros(0), np.zeros(0, np.bool_), np.zeros(0, np.str_))
        probabilities = np.concatenate([part.probabilities for part in parts])
        right = np.concatenate([part.right for part in parts])
        return cls(probabilities, right, np.concatenate([part.individuals for part in parts]), parts[0].means)


def expected_calibration_error(probabilities: npt.ArrayLike, right: npt.ArrayLike, *, n_bins: int = 10) -> float:
    """The mean gap between stated probability and share of right answers, over bins of equal width.

    ECE = Σ (n_bin / N)·|mean probability − share right| (Naeini et al., 2015). It falls with fewer bins
    and rises with fewer answers: compare only figures of the same bins and numbers.

    Args:
        probabilities: (N,) stated, 0 to 1.
        right: (N,) whether each answer was right.
        n_bins: how many bins, at least 1.

    Returns:
        A value in 0..1; NaN without answers.

    Raises:
        InputError: when lengths differ, a probability leaves 0 to 1, or `n_bins` is below 1.

    Example:
        >>> expected_calibration_error([0.75, 0.75, 0.75, 0.75], [True, True, True, False])
        0.0
    """
    stated = np.asarray(probabilities, dtype=np.float64)
    hits = mask_of(right, len(stated))
    if n_bins < 1:
        raise InputError(f"expected n_bins of at least 1, found {n_bins}")
    _check_probabilities(stated)
    if not len(stated):
        return math.nan
    place = np.minimum((stated * n_bins).astype(np.int64), n_bins - 1)
    gaps = np.bincount(place, stated, n_bins) - np.bincount(place, hits, n_bins)
    return float(np.abs(gaps).sum() / len(stated))


def _check_probabilities(stated: npt.NDArray[np.float64]) -> None:
    if not ((stated >= 0) & (stated <= 1)).all():
        raise InputError("expected probabilities between 0 and 1, found another or NaN")
