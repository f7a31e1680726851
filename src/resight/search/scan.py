"""One pass over the gallery for a block of queries: fast scores sift, exact scores rank."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resight.core import Eligibility
from resight.search.gallery import Rows, Scores, SortedGallery, best_places, no_answers
from resight.search.masks import forbid, parcels

_MOST_BYTES = 128 * 2**20
_MOST_QUERIES = 1024
_BYTES_PER_CELL = 6
_BYTES_PER_HIT = 120
_GROUP = 32
_LOWEST = np.finfo(np.float32).min


@dataclass(frozen=True)
class Budget:
    """The working memory of one scan, and the blocks that fit into it.

    Half of it is for a block of scores and the vectors beside it, half for the hits among them.
    A block beyond 128 MB would leave the cache and gain nothing.

    Args:
        n_bytes: for one scan.
        dimension: of the vectors.
    """

    n_bytes: int
    dimension: int

    @property
    def n_queries(self) -> int:
        """The most queries that one scan should take."""
        n_queries = _MOST_QUERIES
        while n_queries > 1 and self.n_photos(n_queries) < n_queries:
            n_queries //= 2
        return n_queries

    @property
    def n_hits(self) -> int:
        """The most candidates that are looked at more closely at a time."""
        return max(1, min(self.n_bytes, _MOST_BYTES) // 2 // _BYTES_PER_HIT)

    def n_photos(self, n_queries: int) -> int:
        """The most photos that one scan of so many queries should meet at a time."""
        vector = 4 * self.dimension
        left = min(self.n_bytes, _MOST_BYTES) // 2 - vector * n_queries
        return max(1, min(left // (_BYTES_PER_CELL * n_queries + vector), self.n_hits))


@dataclass(frozen=True, eq=False)
class Scan:
    """The search for the best answers of a block of queries.

    Args:
        gallery: the photos.
        answers: (G,) what may stand only once in an answer, as `SortedGallery.answers` gives it.
        vectors: (B, D) of the queries.
        rule: of these queries and the gallery; only `differ` is looked at.
        budget: of working memory.
    """

    gallery: SortedGallery
    answers: Rows
    vectors: npt.NDArray[np.float32]
    rule: Eligibility
    budget: Budget

    def best(self, photos: Rows, k: int) -> tuple[Rows, Scores]:
        """The best of these photos: (B, k) places, −1 for absent, and scores, −inf for absent."""
        places, scores = no_answers(len(self.vectors), k)
        for some, fast in self._fast_scores(photos):
            forbid(fast, self.rule, some, self.budget.n_hits)
            floor = self._floor(fast, some, scores)
            for rows, row, place in self._hits(fast, some, floor):
                found = (row, place, self.gallery.exact_scores(self.vectors[rows], row, place))
                places[rows], scores[rows] = self._merged(places[rows], scores[rows], found)
        return places, scores

    def _fast_scores(self, photos: Rows) -> Iterator[tuple[Rows, Scores]]:
        """Block by block: photos (C,) and their float32 products with the queries, (B, C)."""
        n_queries = len(self.vectors)
        width = min(self.budget.n_photos(n_queries), len(photos))
        buffer = np.empty(n_queries * width, np.float32)
        for start in range(0, len(photos), max(1, width)):
            some = photos[start : start + width]
            product = buffer[: n_queries * len(some)].reshape(n_queries, len(some))
            np.matmul(self.vectors, self.gallery.vectors_at(some).T, out=product)
            yield some, product

    def _floor(self, fast: Scores, photos: Rows, scores: Scores) -> Scores:
        """(B,): the fast score below which no photo can be among the best.

        A query that has k answers needs better ones than its k-th. One that has not takes the k-th best
        of groups that share no answer: so many answers reach at least that.
        """
        slack = self.gallery.rounding
        floor = scores[:, -1] - slack
        if np.isneginf(floor).any():
            maxima = np.maximum.reduceat(fast, _group_starts(self.answers[photos]), axis=1)
            k = scores.shape[1]
            if maxima.shape[1] >= k:
                kth_best = np.partition(maxima, -k, axis=1)[:, -k]
                floor = np.maximum(floor, kth_best - 2 * slack)
        lowest_finite: Scores = np.maximum(floor, _LOWEST)
        return lowest_finite

    def _hits(self, fast: Scores, photos: Rows, floor: Scores) -> Iterator[tuple[slice, Rows, Rows]]:
        """Candidates at or above the floor: a slice of queries, (n,) rows within it, (n,) places."""
        above = fast >= floor[:, None]
        for rows in parcels(np.count_nonzero(above, axis=1), self.budget.n_hits):
            row, column = np.divmod(np.flatnonzero(above[rows]), len(photos))
            if len(row):
                near = self._near_best(fast[rows][row, column], row, self.answers[photos[column]])
                yield rows, row[near], photos[column[near]]

    def _near_best(self, fast: Scores, row: Rows, answer: Rows) -> npt.NDArray[np.bool_]:
        """(n,): which candidates may be the best photo of their answer; they come sorted by both."""
        starts = np.flatnonzero(np.r_[True, (np.diff(row) != 0) | (np.diff(answer) != 0)])
        best = np.maximum.reduceat(fast, starts)
        return fast >= np.repeat(best, np.diff(np.r_[starts, len(fast)])) - 2 * self.gallery.rounding

    def _merged(self, places: Rows, scores: Scores, found: tuple[Rows, Rows, Scores]) -> tuple[Rows, Scores]:
        """The best of what was known and what was found."""
        row, nth = np.nonzero(places >= 0)
        rows = np.concatenate([row, found[0]])
        all_places = np.concatenate([places[row, nth], found[1]])
        all_scores = np.concatenate([scores[row, nth], found[2]])
        return best_places(rows, all_places, all_scores, self.answers, scores.shape)


def _group_starts(answers: Rows) -> Rows:
    """The first photo of each group of about 32 neighbours; no answer stands in two groups."""
    starts = np.flatnonzero(np.r_[True, np.diff(answers) != 0])
    return starts[np.r_[True, np.diff(starts // _GROUP) > 0]]
