"""Cheap scorers: what vectors, hashes, labels, dates and classifiers say of a pair of photos.

Each takes its material of both sides first and then scores pairs of rows, as `resight.protocols.Scorer` asks.
None needs the photos. A score of NaN means that nothing can be said.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from resight.core import Embeddings
from resight.core.ids import as_text, check_ids
from resight.errors import InputError

__all__ = ["AgreementScorer", "CosineScorer", "DateScorer", "HashScorer", "LogitScorer", "PrototypeScorer"]

_BLOCK_NUMBERS = 4_000_000
_N_BITS = 64

Rows = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]


class CosineScorer:
    """The cosine of two vectors of one model, −1 to 1.

    It takes memory for eight million numbers beside the answer, however many pairs come.

    Args:
        queries: (Q, D) vectors.
        gallery: (G, D) vectors of the same model.
        name: the column in `Pairs`.

    Raises:
        MismatchError: when the vectors come from two models.

    Example:
        >>> vectors = Embeddings(np.array(["a", "b"]), np.eye(2, dtype=np.float32), "toy")
        >>> CosineScorer(vectors, vectors).score(np.array([0, 0]), np.array([0, 1])).tolist()
        [1.0, 0.0]
    """

    def __init__(self, queries: Embeddings, gallery: Embeddings, name: str = "cosine") -> None:
        gallery.require_same_model(queries.model)
        self.name = name
        self.model = gallery.model
        self._queries, self._gallery = queries.vectors, gallery.vectors

    def score(self, queries: Rows, photos: Rows) -> Scores:
        """(P,) cosines of the pairs of rows."""
        _check_pairs(queries, photos, len(self._queries), len(self._gallery))
        answer = np.empty(len(queries), np.float32)
        for block in _blocks(len(queries), self._gallery.shape[1]):
            asked, answering = self._queries[queries[block]], self._gallery[photos[block]]
            answer[block] = np.einsum("pd,pd->p", asked, answering)
        return answer


class PrototypeScorer:
    """The cosine of the query and the mean vector of the individual on the photo.

    Photos of the query's own encounter are left out of that mean, else the query would answer for
    itself; an individual of which nothing else is there gets NaN. All photos of an individual score alike.

    Args:
        queries: (Q, D) vectors.
        gallery: (G, D) vectors of the same model.
        individuals: (G,) a number for the individual on each photo, 0 or more; −1 where unlabelled.
        query_encounters: (Q,) a number for the encounter of each query; −1 where it has none in the gallery.
        gallery_encounters: (G,) likewise, in the same numbering; −1 where unknown.
        name: the column in `Pairs`.

    Raises:
        MismatchError: when the vectors come from two models.
        InputError: when there is not one number per photo.

    Example:
        >>> gallery = Embeddings(np.array(["a", "b"]), np.eye(2, dtype=np.float32), "toy")
        >>> scorer = PrototypeScorer(gallery, gallery, [0, 0], [7, 8], [7, 8])
        >>> scorer.score(np.array([0]), np.array([1])).tolist()
        [0.0]
    """

    def __init__(
        self,
        queries: Embeddings,
        gallery: Embeddings,
        individuals: npt.ArrayLike,
        query_encounters: npt.ArrayLike,
        gallery_encounters: npt.ArrayLike,
        name: str = "prototype",
    ) -> None:
        gallery.require_same_model(queries.model)
        self.name = name
        self.model = gallery.model
        self._queries = queries.vectors
        self._who = _codes(individuals, len(gallery), "individuals")
        self._asked = _codes(query_encounters, len(queries), "encounters of the queries")
        self._sums = _summed(gallery.vectors, self._who)
        seen = _codes(gallery_encounters, len(gallery), "encounters of the gallery")
        known = (self._who >= 0) & (seen >= 0)
        self._n_encounters = int(max(seen.max(initial=-1), self._asked.max(initial=-1))) + 1
        self._places, groups = np.unique(self._who[known] * self._n_encounters + seen[known], return_inverse=True)
        self._of_encounter = _summed(gallery.vectors[known], groups.reshape(-1).astype(np.int64))
        self._left = np.bincount(self._who[self._who >= 0]), np.bincount(groups.reshape(-1))

    def score(self, queries: Rows, photos: Rows) -> Scores:
        """(P,) cosines of the queries and the means of the individuals."""
        _check_pairs(queries, photos, len(self._queries), len(self._who))
        answer = np.empty(len(queries), np.float32)
        for block in _blocks(len(queries), self._queries.shape[1]):
            answer[block] = self._cosines(queries[block], self._who[photos[block]])
        return answer

    def _cosines(self, queries: Rows, who: Rows) -> Scores:
        answer = np.full(len(queries), np.nan, np.float32)
        rows = np.flatnonzero(who >= 0)
        queries, who = queries[rows], who[rows]
        means, n_left = self._sums[who], self._left[0][who]
        place = who * self._n_encounters + self._asked[queries]
        at = np.minimum(np.searchsorted(self._places, place), max(len(self._places) - 1, 0))
        own = np.zeros(len(rows), bool)
        if len(self._places):
            own = (self._places[at] == place) & (self._asked[queries] >= 0)
        means[own] -= self._of_encounter[at[own]]
        n_left[own] -= self._left[1][at[own]]
        length = np.sqrt(np.einsum("pd,pd->p", means, means))
        said = (n_left > 0) & (length > 0)
        dots = np.einsum("pd,pd->p", self._queries[queries], means)
        answer[rows[said]] = dots[said] / length[said]
        return answer


class HashScorer:
    """How many bits of two perceptual hashes agree, 0 to 1.

    Args:
        queries: (Q,) uint64, or (Q, T) when each query has hashes of several orientations, of which
            the best counts.
        gallery: (G,) uint64.
        name: the column in `Pairs`.

    Raises:
        InputError: when the hashes are no uint64 of these shapes.

    Example:
        >>> hashes = np.array([0, 0xFFFF], np.uint64)
        >>> HashScorer(hashes, hashes).score(np.array([0, 0]), np.array([0, 1])).tolist()
        [1.0, 0.75]
    """

    def __init__(self, queries: npt.ArrayLike, gallery: npt.ArrayLike, name: str = "hash") -> None:
        asked, answering = np.asarray(queries), np.asarray(gallery)
        if asked.dtype != np.uint64 or answering.dtype != np.uint64 or asked.ndim not in (1, 2) or answering.ndim != 1:
            raise InputError(
                f"expected hashes as uint64 of shape (Q,) or (Q, T) and (G,), found {asked.dtype} {asked.shape} and "
                f"{answering.dtype} {answering.shape}"
            )
        self.name = name
        self._queries, self._gallery = asked.reshape(len(asked), -1), answering

    def score(self, queries: Rows, photos: Rows) -> Scores:
        """(P,) shares of bits that agree."""
        _check_pairs(queries, photos, len(self._queries), len(self._gallery))
        answer = np.empty(len(queries), np.float32)
        for block in _blocks(len(queries), self._queries.shape[1]):
            differ = np.bitwise_count(self._queries[queries[block]] ^ self._gallery[photos[block], None])
            answer[block] = 1 - differ.min(axis=1) / _N_BITS
        return answer


class AgreementScorer:
    """Whether a label of both photos, such as species or side, agrees: 1, or 0; NaN where one is unknown.

    Args:
        queries: (Q,) a whole number per label, −1 where unknown.
        gallery: (G,) likewise, in the same numbering.
        name: the column in `Pairs`.

    Raises:
        InputError: when there is another number.

    Example:
        >>> AgreementScorer([0, -1], [0, 1], "side").score(np.array([0, 0, 1]), np.array([0, 1, 0])).tolist()
        [1.0, 0.0, nan]
    """

    def __init__(self, queries: npt.ArrayLike, gallery: npt.ArrayLike, name: str) -> None:
        self.name = name
        self._queries, self._gallery = _codes(queries, None, "labels"), _codes(gallery, None, "labels")

    def score(self, queries: Rows, photos: Rows) -> Scores:
        """(P,) 1, 0 or NaN."""
        _check_pairs(queries, photos, len(self._queries), len(self._gallery))
        asked, answering = self._queries[queries], self._gallery[photos]
        known = (asked >= 0) & (answering >= 0)
        return np.where(known, asked == answering, np.nan).astype(np.float32)


class DateScorer:
    """How near in time two photos are: −log(1 + days between them); NaN where a date is unknown.

    Args:
        queries: (Q,) datetime64, or days as numbers; NaT or NaN where unknown.
        gallery: (G,) likewise.
        name: the column in `Pairs`.

    Raises:
        InputError: when these are no dates or numbers.

    Example:
        >>> dates = np.array(["2024-05-01", "2024-05-02", "NaT"], "datetime64[D]")
        >>> DateScorer(dates, dates).score(np.array([0, 0]), np.array([0, 2])).tolist()
        [-0.0, nan]
    """

    def __init__(self, queries: npt.ArrayLike, gallery: npt.ArrayLike, name: str = "date") -> None:
        self.name = name
        self._queries, self._gallery = _days(queries), _days(gallery)

    def score(self, queries: Rows, photos: Rows) -> Scores:
        """(P,) scores of at most 0."""
        _check_pairs(queries, photos, len(self._queries), len(self._gallery))
        return (-np.log1p(np.abs(self._queries[queries] - self._gallery[photos]))).astype(np.float32)


class LogitScorer:
    """What a classifier says of the query for the individual on the photo.

    To fit a fusion the logits must be those of a classifier that did not learn from the query.

    Args:
        logits: (Q, C) one number per query and class, higher is more likely; NaN where nothing is said.
        classes: (C,) the individual that each class means, each once.
        identities: (G,) the individual on each photo; one that is no class gets NaN.
        name: the column in `Pairs`.

    Raises:
        InputError: when the logits are infinite or have another shape, or a class stands twice.

    Example:
        >>> scorer = LogitScorer([[0.5, 2.0]], ["Kito", "Nala"], ["Nala", "Zuri"])
        >>> scorer.score(np.array([0, 0]), np.array([0, 1])).tolist()
        [2.0, nan]
    """

    def __init__(
        self, logits: npt.ArrayLike, classes: npt.ArrayLike, identities: npt.ArrayLike, name: str = "classifier"
    ) -> None:
        names, photos = as_text(np.asarray(classes), "classes"), as_text(np.asarray(identities), "identities")
        check_ids(names, "classes")
        table = np.asarray(logits, np.float32)
        if table.ndim != 2 or table.shape[1] != len(names) or np.isinf(table).any() or photos.ndim != 1:
            raise InputError(
                f"expected finite logits of shape (Q, {len(names)}), found {table.shape} or an infinite one"
            )
        self.name = name
        self._logits = table
        order = np.argsort(names)
        at = np.minimum(np.searchsorted(names[order], photos), max(len(names) - 1, 0))
        self._class = np.where(names[order][at] == photos, order[at], -1) if len(names) else np.full(len(photos), -1)

    def score(self, queries: Rows, photos: Rows) -> Scores:
        """(P,) logits."""
        _check_pairs(queries, photos, len(self._logits), len(self._class))
        which = self._class[photos]
        if not self._logits.shape[1]:
            return np.full(len(queries), np.nan, np.float32)
        return np.where(which >= 0, self._logits[queries, which], np.nan).astype(np.float32)


def _blocks(n: int, width: int) -> Iterator[slice]:
    size = max(_BLOCK_NUMBERS // max(width, 1), 1)
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def _summed(vectors: Scores, groups: Rows) -> Scores:
    """(groups, D) the sum of the vectors of each group; −1 belongs to none."""
    sums = np.zeros((int(groups.max(initial=-1)) + 1, vectors.shape[1]), np.float32)
    known = groups >= 0
    np.add.at(sums, groups[known], vectors[known])
    return sums


def _days(dates: npt.ArrayLike) -> npt.NDArray[np.float64]:
    values = np.asarray(dates)
    if values.dtype.kind == "M":
        seconds = values.astype("datetime64[s]")
        return np.where(np.isnat(seconds), np.nan, seconds.astype(np.int64) / 86_400)
    if values.ndim != 1 or values.dtype.kind not in "fiu" or np.isinf(values).any():
        raise InputError(f"expected dates or numbers of days in a flat list, found {values.dtype} of {values.shape}")
    return values.astype(np.float64)


def _codes(values: npt.ArrayLike, n: int | None, what: str) -> Rows:
    codes = np.asarray(values)
    if codes.ndim != 1 or (codes.size and codes.dtype.kind not in "iu") or (n is not None and len(codes) != n):
        raise InputError(f"expected {what} as one whole number per photo, found {codes.dtype} of shape {codes.shape}")
    codes = codes.astype(np.int64)
    if (codes < -1).any():
        raise InputError(f"expected {what} of at least -1, found {codes.min()}")
    return codes


def _check_pairs(queries: Rows, photos: Rows, n_queries: int, n_photos: int) -> None:
    """A row number of another catalogue must not be taken for one counted from the end."""
    if len(queries) != len(photos):
        raise InputError(f"expected a photo per query, found {len(queries)} and {len(photos)}")
    for rows, n, what in ((queries, n_queries, "queries"), (photos, n_photos, "photos")):
        if len(rows) and not 0 <= rows.min() <= rows.max() < n:
            raise InputError(f"expected rows of {n} {what}, found {rows.min()} to {rows.max()}")
