"""k-reciprocal re-ranking: photos that share their neighbours are alike, and neighbours are mutual.

Z. Zhong, L. Zheng, D. Cao and S. Li, "Re-ranking person re-identification with k-reciprocal encoding", CVPR 2017.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.core import Eligibility, Embeddings, Matches
from resight.errors import ConfigError, InputError
from resight.rerank.neighbours import Neighbours, check_sides, cosines, forbidden, nearest, never_itself, permitted

__all__ = ["KReciprocal"]

SCALE = "k-reciprocal"
_ROWS_AT_ONCE = 1024
_MOST_QUERIES = 256
_BYTES_PER_CELL = 16
_MUTUAL_SHARE = (2, 3)

Sparse = Any
Rows = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]


class KReciprocal:
    """A searcher that re-ranks a whole gallery by how many mutual neighbours a photo shares with the query.

    Score = (1 − weight)·J + weight·cosine, where J is the Jaccard likeness of the two neighbourhoods,
    each neighbour weighed by exp(cosine − 1). How high J comes depends on how crowded the gallery is around
    the query: scores order the candidates of one query and mean nothing between queries. So the matches
    are marked `ordering_only`, and calibrating or deciding on them is refused.

    Where we differ from the paper's code: a query joins the gallery alone, so its answer does not depend
    on the other queries; distances are not stretched per query; photos that may not answer a query
    are no neighbours of it.

    The neighbourhoods among the gallery's own photos are made once and know no query. In a search of a
    gallery by its own photos they have seen the query: such figures are a little too good, and photos
    that are not in the gallery show what it is worth.

    Memory: besides the gallery, held once more when it comes unsorted, the neighbourhoods take 8 bytes per entry.
    With the defaults a gallery of 12,000 photos had 110 entries per photo; there are never more than
    (k2 + 1)·(k1 + 1)·(k1/2 + 1). The work on top of that takes about `memory_mb`, or one row of
    16 bytes per photo where that is more: never a matrix of all queries and photos.

    Args:
        gallery: (G, D) one vector per photo.
        identities: (G,) text, the individual on each photo.
        k1: neighbours that must be mutual, at least 1.
        k2: how many neighbourhoods are averaged, the photo's own among them, at least 1; 1 averages none.
        weight: of the plain cosine, 0 to 1.
        memory_mb: working memory in megabytes, at least 1.

    Raises:
        InputError: when a photo has no identity, or the lengths differ.
        ConfigError: when a setting is out of range.

    Example:
        >>> vectors = np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float32)
        >>> gallery = Embeddings(np.array(["a1", "a2", "b1"]), vectors, "toy")
        >>> query = Embeddings(np.array(["q"]), vectors[:1], "toy")
        >>> found = KReciprocal(gallery, ["Ann", "Ann", "Bob"], k1=1).search(query, k=2)
        >>> found.identities.tolist(), found.ordering_only
        ([['Ann', 'Bob']], True)
    """

    def __init__(
        self,
        gallery: Embeddings,
        identities: npt.ArrayLike | Sequence[str],
        *,
        k1: int = 20,
        k2: int = 6,
        weight: float = 0.3,
        memory_mb: int = 256,
    ) -> None:
        _check_settings(k1, k2, weight, memory_mb)
        names = _checked(identities, len(gallery))
        self._order = np.lexsort((gallery.image_ids, names))
        self._gallery, self._names = gallery.select(self._order), names[self._order]
        self._starts = np.flatnonzero(np.r_[True, self._names[1:] != self._names[:-1]][: len(names)])
        self._k1, self._k2, self._weight, self._memory_mb = k1, k2, weight, memory_mb
        self._know_neighbourhoods()

    @property
    def model(self) -> str:
        """The fingerprint of vectors and settings."""
        return f"{self._gallery.model}+k-reciprocal(k1={self._k1},k2={self._k2},weight={self._weight:g})"

    def search(
        self, queries: Embeddings, k: int, eligibility: Eligibility | None = None, *, distinct: bool = True
    ) -> Matches:
        """The best `k` candidates of each query among the photos that may answer it, for their order only.

        Args:
            queries: (Q, D) one vector per query, of the gallery's model.
            k: candidates per query, at least 1.
            eligibility: which photos may answer which query; by default all but a photo of the same id.
            distinct: whether K counts identities, each by its best photo, or photos.

        Raises:
            InputError: when `k` is below 1, or the rule speaks of other queries or photos.
            MismatchError: when the queries come from another model.
        """
        if k < 1:
            raise InputError(f"expected k of at least 1, found {k}: ask for one candidate or more")
        check_sides(queries, self._gallery, self._in_my_order(eligibility, len(queries)))
        rule = never_itself(queries, self._gallery, self._in_my_order(eligibility, len(queries)))
        rows, scores = np.full((len(queries), k), -1, np.int64), np.full((len(queries), k), np.nan, np.float32)
        n_queries = self._memory_mb * 2**20 // 2 // (_BYTES_PER_CELL * max(1, len(self._names)))
        n_queries = max(1, min(_MOST_QUERIES, n_queries))
        for start in range(0, len(queries), n_queries):
            some = slice(start, start + n_queries)
            block = Embeddings(queries.image_ids[some], queries.vectors[some], queries.model)
            for row, found in enumerate(self._scores(block, rule.select(some)), start):
                self._keep_best(found, rows[row], scores[row], distinct=distinct)
        return Matches(
            queries.image_ids,
            np.append(self._gallery.image_ids, "")[rows],
            np.append(self._names, "")[rows],
            scores,
            scale=SCALE,
            model=self.model,
            n_gallery=len(self._starts),
            distinct=distinct,
            ordering_only=True,
        )

    def _in_my_order(self, rule: Eligibility | None, n_queries: int) -> Eligibility:
        pairs = (*rule.differ, *rule.agree) if rule is not None else ()
        if rule is None or any((len(q), len(g)) != (n_queries, len(self._names)) for q, g in pairs):
            return rule or Eligibility()  # `check_sides` says what is wrong with it
        differ, agree = (tuple((q, g[self._order]) for q, g in codes) for codes in (rule.differ, rule.agree))
        return Eligibility(differ, agree)

    def _know_neighbourhoods(self) -> None:
        """What the photos of the gallery are to each other, made once."""
        near = nearest(self._gallery, self._gallery, self._k1, memory_mb=self._memory_mb // 2 or 1)
        self._floor = near.scores[:, -1]
        self._half = _mutual(near, _half(self._k1))
        self._half_sizes = np.asarray(self._half.sum(axis=1)).reshape(-1)
        full = _mutual(near, self._k1)
        blocks = [
            self._weighed(self._gallery.vectors, self._widened(full[start : start + _ROWS_AT_ONCE]), start)
            for start in range(0, len(self._names), _ROWS_AT_ONCE)
        ]
        self._plain = _stacked(blocks, len(self._names))
        self._by_column = (_averaging(near, self._k2 - 1, own=True) @ self._plain).tocsc()

    def _widened(self, mutual: Sparse) -> Sparse:
        """The mutual neighbours, and those of each neighbour most of whose own ones are among them."""
        shared = (mutual @ self._half.T).multiply(mutual).tocoo()
        part, whole = _MUTUAL_SHARE
        near_enough = shared.data * whole >= part * self._half_sizes[shared.col]
        joined = _matrix(shared.row[near_enough], shared.col[near_enough], mutual.shape)
        wide = (mutual + joined @ self._half).tocsr()
        wide.data[:] = 1
        return wide

    def _weighed(self, vectors: npt.NDArray[np.float32], wide: Sparse, start: int = 0) -> Sparse:
        """Each neighbour weighed by exp(cosine − 1), the weights of a photo summing to 1."""
        entries = wide.tocoo()
        weights = np.exp(cosines(vectors, self._gallery.vectors, entries.row + start, entries.col) - 1)
        return _summing_to_one(_matrix(entries.row, entries.col, wide.shape, weights))

    def _scores(self, queries: Embeddings, rule: Eligibility) -> Iterator[Scores]:
        """(G,) for each query: its scores with all photos, −inf where one may not answer."""
        neighbourhoods = self._of_queries(queries, rule)
        cosine, bad = queries.vectors @ self._gallery.vectors.T, forbidden(rule, slice(None))
        for row in range(len(queries)):
            own = slice(neighbourhoods.indptr[row], neighbourhoods.indptr[row + 1])
            likeness = self._jaccard(neighbourhoods.indices[own], neighbourhoods.data[own])
            found = ((1 - self._weight) * likeness + self._weight * cosine[row]).astype(np.float32)
            found[bad[row]] = -np.inf
            yield found

    def _of_queries(self, queries: Embeddings, rule: Eligibility) -> Sparse:
        """(B, G): the neighbourhood of each query, without the photos that may not answer it."""
        near = nearest(queries, self._gallery, self._k1, rule, memory_mb=self._memory_mb // 2 or 1)
        row, nth = np.nonzero(near.rows >= 0)
        photo = near.rows[row, nth]
        back = near.scores[row, nth] >= self._floor[photo]
        mutual = _matrix(row[back], photo[back], (len(queries), len(self._names)))
        own = self._weighed(queries.vectors, _allowed(self._widened(mutual), rule))
        lent = _averaging(near, self._k2 - 1, own=False, n_photos=len(self._names)) @ self._plain
        n_averaged = 1 + (near.rows[:, : self._k2 - 1] >= 0).sum(axis=1)
        return _summing_to_one(_allowed(own.multiply(1 / n_averaged[:, None]).tocsr() + lent, rule))

    def _jaccard(self, columns: Rows, weights: Scores) -> npt.NDArray[np.float64]:
        """(G,): Σ min / Σ max of one neighbourhood and those of all photos, each of which sums to 1."""
        starts, stops = self._by_column.indptr[columns], self._by_column.indptr[columns + 1]
        sizes = stops - starts
        entries = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes) + np.repeat(starts, sizes)
        least = np.minimum(self._by_column.data[entries], np.repeat(weights, sizes))
        shared = np.bincount(self._by_column.indices[entries], least, minlength=len(self._names))
        return np.asarray(shared / (2 - np.minimum(shared, 1)))

    def _keep_best(self, found: Scores, rows: Rows, scores: Scores, *, distinct: bool) -> None:
        """Write the best photos, or the best photo of each of the best individuals; ties by name, then by id."""
        best = np.maximum.reduceat(found, self._starts) if distinct and len(found) else found
        order = np.argsort(-best, kind="stable")[: len(rows)]
        order = order[np.isfinite(best[order])]
        photos = order
        if distinct:
            stops = np.append(self._starts[1:], len(found))
            photos = np.array([s + found[s:e].argmax() for s, e in zip(self._starts[order], stops[order], strict=True)])
        rows[: len(order)], scores[: len(order)] = photos, best[order]


def _half(k: int) -> int:
    return max(1, round(k / 2))


def _matrix(row: Rows, column: Rows, shape: tuple[int, int], values: npt.ArrayLike | None = None) -> Sparse:
    from scipy import sparse

    data = np.ones(len(row), np.float32) if values is None else np.asarray(values, np.float32)
    return sparse.csr_array((data, (row, column)), shape=shape)


def _mutual(near: Neighbours, k: int) -> Sparse:
    """(G, G): 1 where two photos are each among the other's first `k` neighbours, and on the diagonal."""
    n = len(near.rows)
    row, nth = np.nonzero(near.rows[:, :k] >= 0)
    here = _matrix(np.r_[row, np.arange(n)], np.r_[near.rows[row, nth], np.arange(n)], (n, n))
    return here.multiply(here.T).tocsr()


def _averaging(near: Neighbours, n_others: int, *, own: bool, n_photos: int | None = None) -> Sparse:
    """A matrix that averages the neighbourhoods of the first `n_others` neighbours, and with `own` the photo's."""
    n = len(near.rows)
    row, nth = np.nonzero(near.rows[:, :n_others] >= 0)
    share = 1 / (1 + (near.rows[:, :n_others] >= 0).sum(axis=1))
    column = near.rows[row, nth]
    mine = np.arange(n if own else 0)
    shape = (n, n if n_photos is None else n_photos)
    return _matrix(np.r_[row, mine], np.r_[column, mine], shape, np.r_[share[row], share[mine]])


def _allowed(matrix: Sparse, rule: Eligibility) -> Sparse:
    entries = matrix.tocoo()
    kept = permitted(rule, entries.row.astype(np.int64), entries.col.astype(np.int64))
    return _matrix(entries.row[kept], entries.col[kept], matrix.shape, entries.data[kept])


def _summing_to_one(matrix: Sparse) -> Sparse:
    total = np.asarray(matrix.sum(axis=1)).reshape(-1)
    scaled = matrix.tocsr(copy=True)
    scaled.data /= np.repeat(np.where(total > 0, total, 1), np.diff(scaled.indptr)).astype(np.float32)
    return scaled


def _stacked(blocks: list[Sparse], n_columns: int) -> Sparse:
    from scipy import sparse

    return sparse.vstack(blocks, format="csr") if blocks else sparse.csr_array((0, n_columns), dtype=np.float32)


def _checked(identities: npt.ArrayLike | Sequence[str], n_photos: int) -> npt.NDArray[np.str_]:
    given = np.asarray(identities, dtype=object).reshape(-1)
    if len(given) != n_photos:
        raise InputError(f"expected one identity per photo of the gallery, found {len(given)} for {n_photos} photos")
    for row, name in enumerate(given):
        if not isinstance(name, str) or not name:
            raise InputError(f"expected the name of an individual for every photo, found {name!r} in row {row}")
    return given.astype(np.str_)


def _check_settings(k1: int, k2: int, weight: float, memory_mb: int) -> None:
    for key, number in (("k1", k1), ("k2", k2), ("memory_mb", memory_mb)):
        if number < 1:
            raise ConfigError(f"expected {key} of at least 1, found {number}", key=key)
    if not 0 <= weight <= 1:
        raise ConfigError(f"expected weight from 0 to 1, found {weight}", key="weight")
