"""The gallery as every searcher holds it: checked, sorted, and with exact scores."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from resight.core import Eligibility, Embeddings, Matches
from resight.errors import InputError, MismatchError

Rows = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]

SCALE = "cosine"
_RESCORED_AT_ONCE = 2**18


class Gathered:
    """Vectors that stay where they are, in a mapped file perhaps, and are read in another order.

    Args:
        vectors: (N, D) float32.
        order: (G,) the row of each place.
    """

    def __init__(self, vectors: npt.NDArray[np.float32], order: Rows) -> None:
        self._vectors = vectors
        self._order = order
        self.shape = len(order), vectors.shape[1]

    def __getitem__(self, places: slice | Rows) -> npt.NDArray[np.float32]:
        """The vectors at some places, (n, D), copied."""
        found: npt.NDArray[np.float32] = self._vectors[self._order[places]]
        return found


class SortedNames:
    """The photos that answer, in the order of their individual and then of their id, wherever their vectors are.

    Sorting puts the photos of an individual side by side, and it is the order of equal scores: an
    answer does not depend on the order in which the gallery came. Ids are looked up where the caller
    holds them, so that a photo takes 16 bytes here, and an individual its name.

    Args:
        image_ids: (G,) text, unique.
        identities: (G,) text, the individual on each photo.
        model: the fingerprint of what made their vectors.
        dimension: of the vectors.

    Raises:
        InputError: when a photo has no identity, or the lengths differ.
    """

    def __init__(
        self, image_ids: npt.NDArray[np.str_], identities: npt.ArrayLike | Sequence[str], model: str, dimension: int
    ) -> None:
        names = _checked_identities(identities, len(image_ids))
        ranks = pl.Series(names, dtype=pl.String)  # text of numpy is as wide as its longest, and sorted copies are too
        self._names = ranks.unique().sort().to_numpy().astype(np.str_)
        owners = ranks.rank("dense").to_numpy().astype(np.int64) - 1
        self.order: Rows = np.lexsort((image_ids, owners))
        self.owners: Rows = owners[self.order]
        self._unsorted_ids = image_ids
        self.n_identities = len(self._names)
        self.model = model
        self.dimension = dimension
        self.rounding = np.float32((dimension + 8) * 1.01 * 2.0**-24)

    def __len__(self) -> int:
        """The number of photos G."""
        return len(self.owners)

    @property
    def image_ids(self) -> npt.NDArray[np.str_]:
        """(G,) the ids, put in order anew each time."""
        return self._unsorted_ids[self.order]

    @property
    def identities(self) -> npt.NDArray[np.str_]:
        """(G,) the names, written out anew each time."""
        return self._names[self.owners]

    def told(self, places: Rows) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.str_]]:
        """The ids and the names of the photos at some places, (n,) each."""
        return self._unsorted_ids[self.order[places]], self._names[self.owners[places]]

    def answers(self, *, distinct: bool) -> Rows:
        """(G,): what may stand only once in an answer: the individual, or the photo."""
        return self.owners if distinct else self._one_photo_each

    @cached_property
    def _one_photo_each(self) -> Rows:
        return np.arange(len(self))

    def n_places(self, k: int, *, distinct: bool) -> int:
        """How many of `k` places the whole gallery can fill."""
        return min(k, self.n_identities if distinct else len(self))

    def check(self, queries: Embeddings, k: int, eligibility: Eligibility | None) -> Eligibility:
        """Refuse a question that makes no sense; give the rule in the order of this gallery.

        Raises:
            InputError: when `k` is not a whole number of at least 1, or the rule speaks of other
                queries or another gallery.
            MismatchError: when the queries come from another model.
        """
        if isinstance(k, bool) or operator.index(k) < 1:
            raise InputError(f"expected k of at least 1, found {k}: ask for one candidate or more")
        if queries.model != self.model:
            raise MismatchError(
                f"expected queries of model {self.model}, which made the gallery, found {queries.model}: "
                "embed both with the same model"
            )
        if queries.dimension != self.dimension:
            raise MismatchError(
                f"expected queries of {self.dimension} dimensions, like the gallery, found {queries.dimension}"
            )
        return self._in_my_order(eligibility or Eligibility(), len(queries))

    def _in_my_order(self, rule: Eligibility, n_queries: int) -> Eligibility:
        for q, g in (*rule.differ, *rule.agree):
            if (len(q), len(g)) != (n_queries, len(self)):
                raise InputError(
                    f"expected a rule for {n_queries} queries and a gallery of {len(self)} photos, "
                    f"found one for {len(q)} and {len(g)}"
                )
        return Eligibility(
            tuple((q, g[self.order]) for q, g in rule.differ), tuple((q, g[self.order]) for q, g in rule.agree)
        )

    def matches(self, queries: Embeddings, places: Rows, scores: Scores, k: int, *, distinct: bool) -> Matches:
        """The answer, from (Q, at most k) places in this gallery (−1 for absent) and their scores."""
        ids = np.zeros((len(places), k), self._unsorted_ids.dtype)
        names = np.zeros((len(places), k), self._names.dtype)
        filled = np.full((len(places), k), np.nan, np.float32)
        row, nth = np.nonzero(places >= 0)
        ids[row, nth], names[row, nth] = self.told(places[row, nth])
        filled[row, nth] = scores[row, nth]
        return Matches(
            queries.image_ids,
            ids,
            names,
            filled,
            scale=SCALE,
            model=self.model,
            n_gallery=self.n_identities,
            distinct=distinct,
        )


class SortedGallery(SortedNames):
    """The photos that answer, in the order of `SortedNames`, and their vectors.

    Args:
        gallery: (G, D) one vector per photo; they are held once more when they come unsorted.
        identities: (G,) text, the individual on each photo.
        in_memory: hold them once more; else they are gathered where they lie, each time.

    Raises:
        InputError: when a photo has no identity, or the lengths differ.
    """

    def __init__(
        self, gallery: Embeddings, identities: npt.ArrayLike | Sequence[str], *, in_memory: bool = True
    ) -> None:
        super().__init__(gallery.image_ids, identities, gallery.model, gallery.dimension)
        is_sorted = bool((np.diff(self.order) == 1).all())
        self.vectors: npt.NDArray[np.float32] | Gathered = gallery.vectors
        if not is_sorted:
            self.vectors = gallery.vectors[self.order] if in_memory else Gathered(gallery.vectors, self.order)

    def vectors_at(self, places: Rows) -> npt.NDArray[np.float32]:
        """The vectors at rising places; a view where they lie side by side."""
        if len(places) and places[-1] - places[0] + 1 == len(places):
            return self.vectors[places[0] : places[-1] + 1]
        return self.vectors[places]

    def exact_scores(self, queries: npt.NDArray[np.float32], rows: Rows, places: Rows) -> Scores:
        """The score of each pair of a query and a place in this gallery, (n,), as `exact_scores` gives it."""
        return exact_scores(queries, rows, self.vectors, places)


def exact_scores(
    queries: npt.NDArray[np.float32], rows: Rows, photos: npt.NDArray[np.float32] | Gathered, places: Rows
) -> Scores:
    """The score of each pair of a query and a photo, (n,).

    The products are summed in float64 in an order that only the dimension fixes, so a pair has one
    score to the last bit, whatever is scored beside it, and equal vectors have equal scores.

    Args:
        queries: (Q, D) unit vectors.
        rows: (n,) the query of each pair.
        photos: (G, D) unit vectors.
        places: (n,) the photo of each pair.
    """
    scores = np.empty(len(rows), np.float32)
    at_once = max(1, _RESCORED_AT_ONCE // queries.shape[1])
    for start in range(0, len(rows), at_once):
        some = slice(start, start + at_once)
        products = queries[rows[some]].astype(np.float64)
        products *= photos[places[some]]
        scores[some] = products.sum(axis=1)
    return scores


def no_answers(n_queries: int, k: int) -> tuple[Rows, Scores]:
    """(Q, k) places, all −1 for absent, and (Q, k) scores, all −inf for absent: what a search begins with."""
    return np.full((n_queries, k), -1, np.int64), np.full((n_queries, k), -np.inf, np.float32)


def best_places(rows: Rows, places: Rows, scores: Scores, answers: Rows, shape: tuple[int, int]) -> tuple[Rows, Scores]:
    """The best candidates of each query, each answer once; equal scores in the order of their places.

    Args:
        rows: (n,) the query of each candidate.
        places: (n,) its place in the gallery.
        scores: (n,) its exact score.
        answers: (G,) as `SortedGallery.answers` gives it.
        shape: (Q, k) of the result.

    Returns:
        (Q, k) places, −1 for absent, and (Q, k) scores, −inf for absent.
    """
    order = np.lexsort((places, -scores, rows))
    answer_of_row = rows[order] * (len(answers) + 1) + answers[places[order]]
    _, first = np.unique(answer_of_row, return_index=True)
    kept = order[np.sort(first)]
    rank = np.arange(len(kept)) - np.searchsorted(rows[kept], rows[kept])
    kept, rank = kept[rank < shape[1]], rank[rank < shape[1]]
    top_places, top_scores = no_answers(*shape)
    top_places[rows[kept], rank] = places[kept]
    top_scores[rows[kept], rank] = scores[kept]
    return top_places, top_scores


def _checked_identities(identities: npt.ArrayLike | Sequence[str], n_photos: int) -> npt.NDArray[np.str_]:
    given = np.asarray(identities) if isinstance(identities, np.ndarray) else np.asarray(identities, dtype=object)
    given = given.reshape(-1)
    if len(given) != n_photos:
        raise InputError(f"expected one identity per photo of the gallery, found {len(given)} for {n_photos} photos")
    is_text = given.dtype.kind == "U"  # else each value is looked at
    named = given != "" if is_text else np.array([isinstance(name, str) and name != "" for name in given], bool)
    if not named.all():
        row = int(np.argmin(named))
        raise InputError(
            f"expected the name of an individual for every photo of the gallery, found {given[[row]].tolist()[0]!r} in "
            f"row {row}: keep only labelled photos (Catalogue.labelled())"
        )
    return given.astype(np.str_, copy=False)
