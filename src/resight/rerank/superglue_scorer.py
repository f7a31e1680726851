"""How far two photos agree by a network that looks at both of them at once: a score for each pair."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import numpy.typing as npt

from resight.core import Catalogue
from resight.errors import ImageError
from resight.images import read_photo
from resight.rerank.by_query import checked_rows, score_by_query
from resight.rerank.features import PhotoFeatures
from resight.rerank.geometry import GeometryModel, check_geometry, verify
from resight.rerank.matching import KeypointMatches
from resight.rerank.superglue import PhotoMatches, Superglue

__all__ = ["SuperglueScorer"]

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Photo = npt.NDArray[np.uint8]

_N_KEPT = 64
"""Photos of the gallery that are kept decoded; a shortlist that repeats finds them there."""


class SuperglueScorer:
    """Compares pairs of photos by SuperGlue, and by whether its matches agree on one geometry.

    A `Scorer` on the scale of `LocalScorer`: log(1 + the sum of the confidences of the inliers). Nothing can be kept
    per photo, and a pair takes seconds on a CPU: give it the best few only (`n_best`).

    Args:
        queries: the photos that ask.
        gallery: those that answer.
        matcher: looks at both photos of a pair.
        model: what the matches have to agree on; see `resight.rerank.geometry`.
        tolerance_px: see `resight.rerank.geometry.verify`.
        name: of the scorer's column.

    Raises:
        ConfigError: when a setting is out of range.
    """

    def __init__(
        self,
        queries: Catalogue,
        gallery: Catalogue,
        matcher: Superglue,
        *,
        model: GeometryModel = "similarity",
        tolerance_px: float | None = None,
        name: str = "superglue",
    ) -> None:
        check_geometry(model, tolerance_px)
        self.name = name
        self._sides = queries, gallery
        self._matcher, self._model, self._tolerance_px = matcher, model, tolerance_px
        self._kept: OrderedDict[int, Photo | None] = OrderedDict()

    def score(self, queries: Rows, photos: Rows) -> Floats:
        """(P,) the scores of pairs of rows; NaN where a photo cannot be read.

        Raises:
            InputError: when the lists differ in length or a row does not exist.
        """
        queries, photos = checked_rows(queries, len(self._sides[0])), checked_rows(photos, len(self._sides[1]))
        # the network takes all cores for a pair: pairs side by side would only wait for each other
        return score_by_query(queries, photos, self._scores, title="matching by SuperGlue", n_threads=1)

    def _scores(self, query: int, photos: Rows) -> Floats:
        asking = self._read(self._sides[0], query)
        if asking is None:
            return np.full(len(photos), np.nan, np.float32)
        return np.array([self._score(asking, self._photo(int(row))) for row in photos], np.float32)

    def _score(self, asking: Photo, other: Photo | None) -> float:
        if other is None:
            return float("nan")
        found = self._matcher.match(asking, other)
        rows = np.arange(len(found.confidence))
        one, two = _as_features(found, asking, other)
        matches = KeypointMatches.of([(rows, rows, found.confidence)])
        return float(verify(one, [two], matches, model=self._model, tolerance_px=self._tolerance_px).scores[0])

    def _photo(self, row: int) -> Photo | None:
        """A photo of the gallery."""
        if row not in self._kept:
            self._kept[row] = self._read(self._sides[1], row)
        self._kept.move_to_end(row)
        while len(self._kept) > _N_KEPT:
            self._kept.popitem(last=False)
        return self._kept[row]

    def _read(self, photos: Catalogue, row: int) -> Photo | None:
        try:
            return read_photo(photos.photo(row), box=photos.frame["box"][row], min_side_px=self._matcher.max_side_px)
        except ImageError:
            return None


def _as_features(found: PhotoMatches, one: Photo, other: Photo) -> tuple[PhotoFeatures, PhotoFeatures]:
    """The matched points of both photos, the m-th of the one being the m-th of the other."""

    def features(points: Floats, photo: Photo) -> PhotoFeatures:
        n = len(points)
        frames, codes = np.full((n, 2), np.nan, np.float32), np.ones((n, 1), np.uint8)
        return PhotoFeatures(points, frames, codes, (photo.shape[1], photo.shape[0]))

    return features(found.points, one), features(found.other_points, other)
