"""How far two photos agree keypoint by keypoint: a score for each pair, and what it stands on."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

import numpy as np
import numpy.typing as npt

from resight.errors import ConfigError
from resight.machine import usable_cores
from resight.rerank.by_query import checked_rows, score_by_query
from resight.rerank.features import LocalFeatures, PhotoFeatures
from resight.rerank.geometry import GeometryModel, Verified, check_geometry, verify
from resight.rerank.matching import KeypointMatches, check_ratio, match_levels
from resight.rerank.products import Levels

__all__ = ["KeypointMatcher", "LocalScorer", "Seen"]

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

_N_TOGETHER = 64
"""Photos that one thread compares with a query before it hands the scores back."""
_KEPT_BYTES = 256 * 2**20
"""Descriptors of the gallery that are kept ready for the next query."""


class KeypointMatcher(Protocol):
    """Matches the keypoints of two photos in a way of its own, such as a learned matcher."""

    def match(self, one: PhotoFeatures, other: PhotoFeatures, /) -> tuple[Rows, Floats]:
        """(M, 2) the keypoint of each photo, and (M,) confidences from 0 to 1."""
        ...


@dataclass(frozen=True, eq=False)
class Seen:
    """What was seen of one pair.

    Args:
        places: (M, 2, 2) float32, x and y in px of each distinct match on both working photos.
        inliers: (M,) bool, which of them follow the model.
        model: (3, 3) float64, NaN where none is believed.
        score: as `LocalScorer.score` gives it.
        says: what was seen, in a few words; empty where the matches say it themselves.
    """

    places: Floats
    inliers: npt.NDArray[np.bool_]
    model: npt.NDArray[np.float64]
    score: float
    says: str = ""


class LocalScorer:
    """Compares pairs of photos by their keypoints, and by whether these agree on one geometry.

    A `Scorer`. A score is log(1 + the sum of the confidences of the inliers): from 0, where nothing
    agrees, without an upper end. Photos were cut to their boxes and masks when the features were
    extracted.

    Args:
        query_features: of the queries; their rows are those that `score` takes.
        gallery_features: of the photos of the gallery, likewise.
        model: what the matches have to agree on; see `resight.rerank.geometry`.
        ratio: of the ratio test, None leaves it out; see `resight.rerank.matching.match`.
        mutual: whether keypoints must be each other's nearest.
        tolerance_px: see `resight.rerank.geometry.verify`.
        matcher: matches instead of `ratio` and `mutual`.
        name: of the scorer's column.
        n_threads: None means every core that this process may use; the scores are the same.

    Raises:
        MismatchError: when the features come from different methods.
        ConfigError: when a setting is out of range.
    """

    def __init__(
        self,
        query_features: LocalFeatures,
        gallery_features: LocalFeatures,
        *,
        model: GeometryModel = "similarity",
        ratio: float | None = 0.8,
        mutual: bool = False,
        tolerance_px: float | None = None,
        matcher: KeypointMatcher | None = None,
        name: str = "local",
        n_threads: int | None = None,
    ) -> None:
        query_features.require_same_model(gallery_features.model)
        check_ratio(ratio)
        check_geometry(model, tolerance_px)
        if n_threads is not None and n_threads < 1:
            raise ConfigError(f"expected n_threads of at least 1, found {n_threads}", key="n_threads")
        self.name = name
        self._queries, self._gallery = query_features, gallery_features
        self._model: GeometryModel = model
        self._ratio, self._mutual, self._tolerance_px = ratio, mutual, tolerance_px
        self._matcher = matcher
        self._n_threads = n_threads or usable_cores()
        self._ready = _Ready(gallery_features)

    def score(self, queries: Rows, photos: Rows) -> Floats:
        """(P,) the scores of pairs of rows (P,) and (P,); NaN where a photo has no keypoints.

        The pairs may come in any order; those of one query are compared together. The score of a
        pair does not depend on the others.

        Raises:
            InputError: when the lists differ in length or a row does not exist.
        """
        queries, photos = checked_rows(queries, len(self._queries)), checked_rows(photos, len(self._gallery))
        return score_by_query(
            queries,
            photos,
            self._scores,
            title="comparing keypoints",
            n_threads=self._n_threads,
            n_together=_N_TOGETHER,
        )

    def matches(self, query: int, photo: int) -> Seen:
        """What was seen of the pair of two rows, for a picture or a closer look.

        Raises:
            InputError: when a row does not exist.
        """
        checked_rows([query], len(self._queries)), checked_rows([photo], len(self._gallery))
        verified = self._verified(self._queries.photo(query), np.array([photo]))
        return Seen(verified.places, verified.inliers, verified.models[0], float(verified.scores[0]))

    def _scores(self, query: int, photos: Rows) -> Floats:
        """The scores of one query with some photos."""
        asking = self._queries.photo(query)
        spans = self._gallery.spans[photos]
        if not len(asking):
            return np.full(len(photos), np.nan, np.float32)
        return np.where(spans[:, 1] > spans[:, 0], self._verified(asking, photos).scores, np.float32(np.nan))

    def _verified(self, query: PhotoFeatures, photos: Rows) -> Verified:
        asked = [self._gallery.photo(int(row)) for row in photos]
        matches = self._matched(query, photos, asked)
        return verify(query, asked, matches, model=self._model, tolerance_px=self._tolerance_px)

    def _matched(self, query: PhotoFeatures, rows: Rows, photos: list[PhotoFeatures]) -> KeypointMatches:
        if self._matcher is not None:
            found = (self._matcher.match(query, photo) for photo in photos)
            return KeypointMatches.of([(pairs[:, 0], pairs[:, 1], sure) for pairs, sure in found])
        asking = Levels.of(query.codes)
        return KeypointMatches.of(
            [match_levels(asking, self._ready[int(row)], ratio=self._ratio, mutual=self._mutual) for row in rows]
        )


class _Ready:
    """Photos' descriptors as levels, the last used ones kept; threads may ask at the same time."""

    def __init__(self, features: LocalFeatures) -> None:
        self._features = features
        self._kept: OrderedDict[int, Levels] = OrderedDict()
        self._n_bytes = 0
        self._lock = Lock()

    def __getitem__(self, row: int) -> Levels:
        with self._lock:
            levels = self._kept.get(row)
            if levels is not None:
                self._kept.move_to_end(row)
                return levels
        levels = Levels.of(self._features.photo(row).codes)
        with self._lock:
            if row not in self._kept:
                self._kept[row] = levels
                self._n_bytes += levels.nbytes
            while self._n_bytes > _KEPT_BYTES:
                self._n_bytes -= self._kept.popitem(last=False)[1].nbytes
        return levels
