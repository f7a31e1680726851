"""How much nearer a query's keypoints lie to those of one photo than to those of a background of photos.

Local naive Bayes nearest neighbour (S. McCann, D. Lowe, CVPR 2012), as HotSpotter names animals by it
(J. Crall et al., WACV 2013): a keypoint speaks for a photo as far as its nearest keypoint there is nearer
than what a random photo offers. No match is thrown away by a ratio test, so weak agreement adds up.

Photos cut to the animal show a flank in about the same place, so a keypoint speaks the less the farther away,
the larger or the more turned the one that it finds: `Framing` says how fast. That place is evidence is an idea of
O. Boiman, E. Shechtman and M. Irani ("In defense of nearest-neighbor based image classification", CVPR 2008), who
put it into the distance; judging the nearest by it afterwards finds more animals. Where photos are
not framed alike, pass no framing.

The background is a fixed set of photos instead of the rest of the gallery, so the score of a pair does not depend on
which other photos are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from resight.core import Eligibility
from resight.errors import ConfigError, InputError
from resight.machine import usable_cores
from resight.rerank.by_query import checked_rows, score_by_query
from resight.rerank.features import LocalFeatures, PhotoFeatures
from resight.rerank.local_scorer import Seen
from resight.rerank.products import Levels, inner_products

__all__ = ["FRAMED_ALIKE", "Framing", "NaiveBayesScorer"]

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

_N_KEPT = 4096
"""Photos of the gallery that are kept ready for the next query: 400 keypoints take 60 kB."""
_N_SHOWN = 40
"""Keypoints that `matches` gives: more lines than that hide the photo."""
_HEARD = 0.05
"""Of the strongest keypoint: what says less than that is not shown."""
_NEAREST = np.float32(0.01)
"""Squared distances below this are equal: else a copy of a photo would speak without end."""


@dataclass(frozen=True)
class Framing:
    """How far a keypoint may lie from where the query shows it: standard deviations of a bell each.

    Args:
        place: distance, as a share of the longer side of each photo.
        size: logarithm of the ratio of diameters.
        angle_rad: of the turn.

    A method that tells no size or angle is judged by place alone.

    Raises:
        ConfigError: when one is not above 0.
    """

    place: float = 0.1
    size: float = 0.3
    angle_rad: float = 0.3

    def __post_init__(self) -> None:
        """Check the signs."""
        for key in ("place", "size", "angle_rad"):
            if not getattr(self, key) > 0:
                raise ConfigError(f"expected {key} above 0, found {getattr(self, key)}", key=key)

    def weights(self, query: Placed, photo: Placed, found: Rows) -> Floats:
        """(M,) from 0 to 1 for the keypoints of a query and what each found on a photo."""
        across = np.square(query.points - photo.points[found]).sum(axis=1) / self.place**2
        size, angle = (query.frames - photo.frames[found]).T
        angle = np.angle(np.exp(1j * angle))
        off = across + np.nan_to_num(size / self.size) ** 2 + np.nan_to_num(angle / self.angle_rad) ** 2
        weights: Floats = np.exp(-0.5 * off).astype(np.float32)
        return weights


@dataclass(frozen=True, eq=False)
class Placed:
    """The keypoints of one photo, ready to be compared.

    Args:
        levels: of their descriptors.
        points: (M, 2) x and y as a share of the longer side.
        frames: (M, 2) logarithm of the diameter as such a share, and angle in rad; NaN where unknown.
    """

    levels: Levels
    points: Floats
    frames: Floats

    @classmethod
    def of(cls, photo: PhotoFeatures) -> Placed:
        """The keypoints of a photo."""
        longest = max(photo.size)
        frames = photo.frames.astype(np.float32, copy=True)
        frames[:, 0] = np.log(np.maximum(frames[:, 0], 1e-3) / longest)
        return cls(Levels.of(photo.codes), photo.points / np.float32(longest), frames)

    def select(self, rows: Rows) -> Placed:
        """Some of the keypoints; the levels stay those of all."""
        return Placed(self.levels, self.points[rows], self.frames[rows])


FRAMED_ALIKE = Framing()


class NaiveBayesScorer:
    """Compares pairs of photos by how far their keypoints are nearer than the background's.

    A `Scorer`. The score of a pair is the sum over the query's keypoints of log(b / d) where that is
    positive, each times its weight by the framing, and its logarithm, log(1 + sum), is given out: d is the squared
    distance to the nearest keypoint of the photo, b that to the nearest one of the `n_ahead`-th nearest photo of the
    background.

    Args:
        query_features: of the queries; their rows are those that `score` takes.
        gallery_features: of the photos of the gallery, likewise.
        background: of photos of the same kind, of whomever; some dozens are enough.
        rule: which photos of the background may be held against which query: never its own encounter.
        framing: how place, size and angle count; None when the photos are not framed alike.
        n_ahead: so many photos of the background are nearer than what counts as nothing special; with more than
            one, a photo of the query's own individual in the background does no harm.
        name: of the scorer's column.
        n_threads: None means every core that this process may use; the scores are the same.

    Raises:
        MismatchError: when the features come from different methods.
        InputError: when the background has fewer than `n_ahead` photos with keypoints.
        ConfigError: when `n_ahead` is below 1.
    """

    def __init__(
        self,
        query_features: LocalFeatures,
        gallery_features: LocalFeatures,
        background: LocalFeatures,
        *,
        rule: Eligibility | None = None,
        framing: Framing | None = FRAMED_ALIKE,
        n_ahead: int = 2,
        name: str = "naive-bayes",
        n_threads: int | None = None,
    ) -> None:
        query_features.require_same_model(gallery_features.model)
        query_features.require_same_model(background.model)
        if n_ahead < 1:
            raise ConfigError(f"expected n_ahead of at least 1, found {n_ahead}", key="n_ahead")
        self.name = name
        self._queries, self._gallery = query_features, gallery_features
        self._rule, self._n_ahead = rule, n_ahead
        self._framing = framing
        self._n_threads = max(1, n_threads or usable_cores())
        self._background = [
            (row, Placed.of(background.photo(row))) for row in range(len(background)) if len(background.photo(row))
        ]
        if len(self._background) < n_ahead:
            raise InputError(
                f"expected a background of at least {n_ahead} photos with keypoints, found {len(self._background)}"
            )
        self._ready = lru_cache(maxsize=_N_KEPT)(self._placed)

    def score(self, queries: Rows, photos: Rows) -> Floats:
        """(P,) the scores of pairs of rows (P,) and (P,), at least 0; NaN where a photo has no keypoints.

        Raises:
            InputError: when the lists differ in length or a row does not exist.
        """
        queries = checked_rows(queries, len(self._queries), "queries")
        photos = checked_rows(photos, len(self._gallery), "photos")
        return score_by_query(queries, photos, self._scores, title="weighing keypoints", n_threads=self._n_threads)

    def matches(self, query: int, photo: int) -> Seen:
        """The keypoints that speak most for the pair of two rows, for a picture or a closer look.

        All of them are `inliers`, strongest first, and there is no model: nothing but their framing is asked for.

        Raises:
            InputError: when a row does not exist.
        """
        checked_rows([query], len(self._queries), "queries")
        checked_rows([photo], len(self._gallery), "photos")
        asking, there = self._queries.photo(query), self._ready(photo)
        if not len(asking) or there is None:
            return _seen(np.zeros((0, 2, 2), np.float32), np.nan, "a photo without keypoints")
        placed = Placed.of(asking)
        speaking, found, words = self._words(placed, there, self._expected(query, placed))
        score = _score_of(words)
        heard = words > _HEARD * words.max(initial=0)  # the framing leaves others next to nothing
        speaking, found, words = speaking[heard], found[heard], words[heard]
        best = np.argsort(-words, kind="stable")[:_N_SHOWN]
        places = np.stack([asking.points[speaking[best]], self._gallery.photo(photo).points[found[best]]], axis=1)
        says = f"{len(words)} of {len(asking)} keypoints speak for it; the strongest {len(best)} are drawn"
        return _seen(places, score, says if len(words) else "no keypoint speaks for it")

    def _scores(self, query: int, photos: Rows) -> Floats:
        """The scores of one query with some photos."""
        asking = self._queries.photo(query)
        answer = np.full(len(photos), np.nan, np.float32)
        if not len(asking):
            return answer
        placed = Placed.of(asking)
        expected = self._expected(query, placed)
        for place, photo in enumerate(photos.tolist()):
            there = self._ready(photo)
            if there is not None:
                answer[place] = _score_of(self._words(placed, there, expected)[2])
        return answer

    def _words(self, query: Placed, photo: Placed, expected: Floats) -> tuple[Rows, Rows, Floats]:
        """The keypoints of a query that speak for one photo, what they find there, and how much each says."""
        found, distances = _nearest(query, photo)
        speaking = np.flatnonzero(distances < expected)
        words = np.log(expected[speaking] / distances[speaking])
        if self._framing is not None:
            words *= self._framing.weights(query.select(speaking), photo, found[speaking])
        return speaking, found[speaking], words

    def _expected(self, query: int, placed: Placed) -> Floats:
        """(M,) the squared distance at which each keypoint of a query finds something in the background."""
        permitted = None if self._rule is None else self._rule.allowed(query)
        held = [there for row, there in self._background if permitted is None or permitted[row]]
        if len(held) < self._n_ahead:
            return np.full(len(placed.points), 2, np.float32)
        distances = np.stack([_nearest(placed, there)[1] for there in held])
        nth: Floats = np.partition(distances, self._n_ahead - 1, axis=0)[self._n_ahead - 1]
        return nth

    def _placed(self, photo: int) -> Placed | None:
        features = self._gallery.photo(photo)
        return Placed.of(features) if len(features) else None


def _score_of(words: Floats) -> float:
    return float(np.log1p(words.sum(dtype=np.float64)))


def _seen(places: Floats, score: float, says: str) -> Seen:
    return Seen(places, np.ones(len(places), np.bool_), np.full((3, 3), np.nan), score, says)


def _nearest(query: Placed, photo: Placed) -> tuple[Rows, Floats]:
    """(M,) the keypoint of the photo that is nearest to each of the query, and the squared distance."""
    products, step = inner_products(query.levels, photo.levels)
    found = products.argmax(axis=1)
    cosines = products[np.arange(len(products)), found] * np.float32(step)
    distances: Floats = np.maximum(2 - 2 * cosines, _NEAREST).astype(np.float32)
    return found, distances
