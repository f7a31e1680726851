"""How the vectors of photos differ: the principal directions that every head starts from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from resight.embed import LinearHead
from resight.errors import NotFittedError

__all__ = ["MAX_DIRECTIONS", "SMALLEST_VARIANCE", "Matrix", "Spread", "squares"]

Matrix = npt.NDArray[np.float64]

MAX_DIRECTIONS = 1024
"""Principal directions that are looked at; the rest is mostly noise."""

_SMALLEST_SHARE = 1e-7
"""A direction with a smaller share of the variance than this is rounding, not a difference between photos."""

SMALLEST_VARIANCE = 1e-12
"""Of unit vectors: below it they are all the same, to the precision of their numbers."""

_SMALLEST_WITHIN = 1e-5
"""A smaller share of the variance than this within classes is rounding: their photos are copies."""

_BLOCK_ROWS = 8192


@dataclass(frozen=True, eq=False)
class Spread:
    """How vectors differ: their principal directions.

    Args:
        mean: (D,) of the vectors.
        directions: (D, R) at right angles, of length 1, by falling variance.
        variances: (R,) along them, above 0.
        places: (N, R) the photos along them.
        classes: (N,) what each photo shows.
    """

    mean: Matrix
    directions: Matrix
    variances: Matrix
    places: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int64]

    @classmethod
    def of(cls, vectors: npt.NDArray[np.float32], classes: npt.NDArray[np.int64]) -> Spread:
        """The directions with the most variance, at most `MAX_DIRECTIONS`.

        Args:
            vectors: (N, D) of the photos.
            classes: (N,) what each photo shows.

        Raises:
            NotFittedError: when the vectors do not differ.
        """
        mean = vectors.mean(axis=0, dtype=np.float64)
        variances, directions = _principal(vectors, mean)
        at_most = min(MAX_DIRECTIONS, len(vectors) - 1)
        n = int((variances[:at_most] > max(_SMALLEST_SHARE * variances.sum(), SMALLEST_VARIANCE)).sum())
        if n == 0:
            raise NotFittedError("expected vectors that differ, found the same one for all photos")
        kept = np.ascontiguousarray(directions[:, :n])
        places = vectors @ kept.astype(np.float32) - (mean @ kept).astype(np.float32)
        return cls(mean, kept, variances[:n], places, classes)

    @cached_property
    def class_means(self) -> tuple[Matrix, Matrix]:
        """(C, R) the mean place of each class, and (C,) how many photos it has."""
        _, codes = np.unique(self.classes, return_inverse=True)
        counts = np.bincount(codes).astype(np.float64)
        firsts = np.concatenate([[0], np.cumsum(counts[:-1])]).astype(np.int64)
        sums = np.add.reduceat(self.places[np.argsort(codes, kind="stable")], firsts, axis=0, dtype=np.float64)
        return sums / counts[:, None], counts

    @cached_property
    def within(self) -> tuple[Matrix, Matrix]:
        """(R,) how much the photos of one class vary, and (R, R) along which axes, in columns.

        Raises:
            NotFittedError: when no class has two photos, or they are copies.
        """
        means, counts = self.class_means
        n_free = len(self.places) - len(counts)
        if n_free == 0:
            raise NotFittedError("expected individuals with two photos or more to learn from, found one photo of each")
        covariance = (squares(self.places) - (means * counts[:, None]).T @ means) / n_free
        variances, axes = np.linalg.eigh(covariance)
        if variances.sum() <= _SMALLEST_WITHIN * self.variances.sum():
            raise NotFittedError("expected photos of one individual that differ, found copies only")
        return variances.clip(0), axes

    def head(self, turned: Matrix) -> LinearHead:
        """The head that turns places by (R, E), scaled so that the vectors learned from have a mean square of 1."""
        length = np.sqrt(np.einsum("re,r,re->", turned, self.variances, turned))
        weight = self.directions @ (turned / length)
        return LinearHead(weight.astype(np.float32), (-self.mean @ weight).astype(np.float32))


def _principal(vectors: npt.NDArray[np.float32], mean: Matrix) -> tuple[Matrix, Matrix]:
    """Variances, falling, and their directions in columns; of few photos by way of the photos' products."""
    n, dimension = vectors.shape
    if n > dimension:
        variances, axes = np.linalg.eigh(squares(vectors, mean.astype(np.float32)) / n)
        return variances[::-1], axes[:, ::-1]
    moved = vectors - mean
    variances, axes = np.linalg.eigh(moved @ moved.T / n)
    lengths = np.sqrt(n * variances[::-1].clip(SMALLEST_VARIANCE))
    return variances[::-1], moved.T @ axes[:, ::-1] / lengths


def squares(rows: npt.NDArray[np.float32], mean: npt.NDArray[np.float32] | None = None) -> Matrix:
    """(R, R): the sum of the products of the numbers of each row, block by block."""
    total = np.zeros((rows.shape[1], rows.shape[1]))
    for start in range(0, len(rows), _BLOCK_ROWS):
        block = rows[start : start + _BLOCK_ROWS]
        moved = block if mean is None else block - mean
        total += moved.T @ moved
    return total
