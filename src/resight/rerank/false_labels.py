"""False labels: individuals that come first too often for photos that do not show them, and what that costs them.

A collection of many classes always has some that answer for everything: a museum hall, a sunset, a page of text. Photos
that show none of the catalogue, and photos that ask without their own individual, tell which. After the way in which
winners of landmark contests took frequent wrong answers out, but measured, shrunk and bounded.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from resight.errors import InputError

__all__ = ["FalseLabels"]

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class FalseLabels:
    """How much less probable each individual is for coming first too often.

    Of n searches that do not show it, an individual with a share s of the gallery's photos should come first n·s times.
    When it does so w times, ln((w + k) / (n·s + k)) is taken off the log-odds of its pairs: nothing below 0, never more
    than `most`, and little while there are few searches beside the shrinkage k.

    Args:
        winners: (W,) int64, the individual that came first in each search; −1 where none did.
        askers: (W,) int64, the individual that asked, in the same numbering; a stranger has a number of its own
            behind them all.
        n_photos: (I,) photos of each individual in the gallery.
        most: that is taken off.
        shrinkage: k, above 0.

    Raises:
        InputError: when there is not one asker per search, or an individual came first for itself.

    Example:
        >>> winners, askers = np.array([0, 0, 0, 1]), np.array([2, 3, 4, 5])
        >>> FalseLabels(winners, askers, np.array([5, 5]), most=2.0, shrinkage=1.0).penalties.round(2).tolist()
        [0.29, 0.0]
    """

    def __init__(self, winners: Rows, askers: Rows, n_photos: Rows, *, most: float, shrinkage: float) -> None:
        if winners.shape != askers.shape or (winners == askers).any():
            raise InputError("expected searches in which somebody else came first, each with its asker, found others")
        self._n, self._most, self._shrinkage = len(n_photos), most, shrinkage
        self._share = n_photos / max(int(n_photos.sum()), 1)
        self._asked = np.bincount(askers, minlength=self._n)
        found = winners >= 0
        self._won = np.bincount(winners[found], minlength=self._n)
        self._places, self._counts = np.unique(askers[found] * self._n + winners[found], return_counts=True)

    @property
    def penalties(self) -> Floats:
        """(I,) what is taken off each individual."""
        everybody = np.arange(self._n)
        return self._log_ratio(everybody, self._won, self._asked.sum() - self._asked[: self._n])

    def without(self, askers: Rows, individuals: Rows) -> Floats:
        """(P,) the same for pairs of an asker and an individual, as if that asker had never asked.

        So what a photo said is not learned from it and then held against it.
        """
        places = askers * self._n + individuals
        at = np.minimum(np.searchsorted(self._places, places), max(len(self._places) - 1, 0))
        own = np.zeros(len(places), np.int64)
        if len(self._places):
            own = np.where(self._places[at] == places, self._counts[at], 0)
        others = self._asked.sum() - self._asked[individuals] - np.where(askers == individuals, 0, self._asked[askers])
        return self._log_ratio(individuals, self._won[individuals] - own, others)

    def _log_ratio(self, individuals: Rows, won: Rows, asked: Rows) -> Floats:
        expected = asked * self._share[individuals]
        ratio = np.log((won + self._shrinkage) / (expected + self._shrinkage))
        return np.asarray(np.clip(ratio, 0.0, self._most), np.float64)
