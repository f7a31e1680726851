"""Pairs: which photo of the gallery was compared with which query, and what each scorer says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from resight.errors import InputError, UnknownNameError

Rows = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of a query and a photo of the gallery, and what scorers say of them.

    Args:
        queries: (P,) int64, row of the query in its catalogue.
        photos: (P,) int64, row of the photo in the gallery.
        n_queries: queries that there are, with or without a pair.
        n_photos: photos of the gallery.
        scores: name of a scorer to (P,) float32, higher is more alike; NaN where it did not
            compare the pair. Absent is never a low score.

    The pairs stand by query, then by photo, each once. The arrays are copies, and frozen.

    Raises:
        InputError: when a row does not exist, a pair stands twice or out of order, a length
            differs, or a score is infinite.

    Example:
        >>> pairs = Pairs([0, 0], [3, 5], 1, 9).with_scores("cosine", [0.2, 0.4])
        >>> pairs.scores["cosine"].tolist()
        [0.20000000298023224, 0.4000000059604645]
    """

    queries: Rows
    photos: Rows
    n_queries: int
    n_photos: int
    scores: Mapping[str, Scores] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check rows, order and lengths; freeze the arrays."""
        for name, limit in (("queries", self.n_queries), ("photos", self.n_photos)):
            object.__setattr__(self, name, _rows(getattr(self, name), name, limit))
        if len(self.queries) != len(self.photos):
            raise InputError(f"expected a photo per query, found {len(self.queries)} and {len(self.photos)}")
        place = self.queries * max(self.n_photos, 1) + self.photos
        if (np.diff(place) <= 0).any():
            raise InputError("expected each pair once, by query and then by photo, found otherwise")
        scores = {str(name): _scores(values, str(name), len(self)) for name, values in self.scores.items()}
        object.__setattr__(self, "scores", MappingProxyType(scores))

    def __len__(self) -> int:
        """The number of pairs."""
        return len(self.queries)

    @classmethod
    def of(cls, queries: npt.ArrayLike, photos: npt.ArrayLike, n_queries: int, n_photos: int) -> Pairs:
        """These pairs, sorted and each once; without scores."""
        q, g = _rows(queries, "queries", n_queries), _rows(photos, "photos", n_photos)
        if len(q) != len(g):
            raise InputError(f"expected a photo per query, found {len(q)} and {len(g)}")
        place = np.unique(q * max(n_photos, 1) + g)
        return cls(place // max(n_photos, 1), place % max(n_photos, 1), n_queries, n_photos)

    def with_scores(self, name: str, values: npt.ArrayLike) -> Pairs:
        """The same pairs with what one more scorer says; one of that name is replaced."""
        return replace(self, scores={**self.scores, name: np.asarray(values, np.float32)})

    def select(self, which: npt.NDArray[np.bool_] | Rows) -> Pairs:
        """Some of the pairs, by a mask or by rising numbers."""
        scores = {name: values[which] for name, values in self.scores.items()}
        return replace(self, queries=self.queries[which], photos=self.photos[which], scores=scores)

    def matrix(self, names: tuple[str, ...]) -> npt.NDArray[np.float64]:
        """(P, S) the scores of some scorers, side by side.

        Raises:
            UnknownNameError: when one of them did not speak.
        """
        for name in names:
            if name not in self.scores:
                raise UnknownNameError("scorer", name, list(self.scores))
        columns = [self.scores[name].astype(np.float64) for name in names]
        return np.column_stack(columns) if columns else np.zeros((len(self), 0))


def _rows(values: npt.ArrayLike, name: str, limit: int) -> Rows:
    rows = np.asarray(values)
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise InputError(f"expected {name} as a flat list of row numbers, found {rows.dtype} of shape {rows.shape}")
    rows = rows.astype(np.int64)
    if rows.size and not 0 <= rows.min() <= rows.max() < limit:
        raise InputError(f"expected {name} from 0 to below {limit}, found {rows.min()} to {rows.max()}")
    rows.setflags(write=False)
    return rows


def _scores(values: npt.ArrayLike, name: str, n: int) -> Scores:
    scores = np.array(values, np.float32)
    if scores.shape != (n,):
        raise InputError(f"expected one score of '{name}' per pair, found shape {scores.shape} for {n} pairs")
    if np.isinf(scores).any():
        raise InputError(f"expected finite scores of '{name}', or NaN for a pair not compared, found an infinite one")
    scores.setflags(write=False)
    return scores
