"""Candidates by all that `calibrate --rerank` fitted: what it says of photos, kept while names change.

What two photos have in common does not depend on their names. So the log-odds of a photo and those nearest to it are
kept per photo, and individuals are made of them with the names as they are at each look.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt
import polars as pl

from resight.config import RerankRecipe
from resight.core import Catalogue, Embeddings, Matches, Pairs
from resight.errors import InputError, MismatchError
from resight.pipeline.fused_gallery import fused_matches
from resight.pipeline.reranking import Reranker
from resight.pipeline.review_board import Board, Query
from resight.pipeline.review_names import Names
from resight.pipeline.sides import Side
from resight.store import CatalogueStore

__all__ = ["N_KEPT", "Compare", "Holder", "Photos", "Weigher", "fitted_for"]

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

N_KEPT = 2_000
"""Photos whose log-odds are kept in memory: of a thousand neighbours each, 24 MB."""


@dataclass(frozen=True, eq=False)
class Photos:
    """Some photos with their vectors: plain values, that another process can be handed.

    Args:
        catalogue: the photos.
        embeddings: one vector per photo, in the same order.
        kept: whether they are the catalogue's own, so that what is found on them is kept with it.
    """

    catalogue: Catalogue
    embeddings: Embeddings
    kept: bool = True


Compare = Callable[[Photos, Photos, str], Floats]
"""One photo, the others, and the fingerprint of what was fitted, to (N,) log-odds; NaN where nothing was compared."""


@dataclass(eq=False)
class Holder:
    """Holds a photo against others by what was fitted for a catalogue; reads that when it is first asked.

    Args:
        folder: the catalogue.
        url: of the database server that keeps its tables, if one does.
        embeddings: fingerprint of the model whose vectors are searched.
    """

    folder: Path
    url: str | None
    embeddings: str
    _opened: Reranker | None = field(default=None, init=False, repr=False)

    def __call__(self, one: Photos, others: Photos, fitted: str) -> Floats:
        """(N,) log-odds that each of some photos shows the individual of one photo; NaN where nothing was compared.

        Raises:
            MismatchError: when something else was fitted meanwhile.
            NotFittedError: when nothing was.
            StoreError: when what was kept is broken.
        """
        if self._opened is None or self._opened.model != fitted:
            store = CatalogueStore.open(self.folder, url=self.url)
            self._opened = fitted_for(store, store.catalogue(), store.embeddings(self.embeddings))
        reranker = self._opened
        if reranker.model != fitted:
            raise MismatchError(f"expected candidates by {fitted}, found {reranker.model} fitted since: refresh")
        n = len(others.catalogue)
        pairs = Pairs(np.zeros(n, np.int64), np.arange(n), 1, n)
        return reranker.weigh(self._side(one, reranker), self._side(others, reranker), pairs)[1]

    @staticmethod
    def _side(photos: Photos, reranker: Reranker) -> Side:
        store = reranker.gallery.store if photos.kept else None
        return Side(photos.catalogue, photos.embeddings, store, show_progress=False)


def fitted_for(store: CatalogueStore, photos: Catalogue, vectors: Embeddings) -> Reranker:
    """What `calibrate --rerank` fitted for the vectors of a model, without photos that answer.

    Args:
        store: the catalogue on disk.
        photos: all that it holds.
        vectors: of some or all of them.

    Raises:
        NotFittedError: when nothing was fitted.
        StoreError: when what was kept is broken.
    """
    photos = photos.select(np.isin(photos.image_ids, vectors.image_ids))
    found = Reranker.open(store, photos, vectors.select(photos.image_ids))
    nothing = np.zeros(0, np.int64)
    return replace(found, gallery=Side(photos.select(nothing), vectors.select(nothing), store))


class Weigher:
    """Re-ranks the photos nearest to a query of a board; safe for threads.

    Args:
        reranker: what was fitted.
        board: the photos that answer.
        compare: holds a photo against others.
    """

    def __init__(self, reranker: Reranker, board: Board, compare: Compare) -> None:
        self._recipe, self.model = reranker.recipe, reranker.model
        self._board, self._compare = board, compare
        self._kept: OrderedDict[str, tuple[Rows, Floats]] = OrderedDict()
        self._lock = Lock()

    @property
    def n_photos(self) -> int:
        """How many photos are weighed per query."""
        return self._recipe.shortlist.n_photos

    def kept(self, image_id: str) -> tuple[Rows, Floats] | None:
        """The rows that a photo was last held against, and the log-odds of each; None when it never was."""
        with self._lock:
            return self._kept.get(image_id)

    def has_weighed(self, image_ids: Sequence[str]) -> npt.NDArray[np.bool_]:
        """(Q,) which photos were held against others by now."""
        with self._lock:
            return np.array([one in self._kept for one in image_ids], bool)

    def take_over(self, before: Weigher) -> None:
        """Keep what was said of photos that are the same on both boards, where the same was fitted."""
        if before.model != self.model:
            return
        row_of = before._board.rows_in(self._board)
        with before._lock:
            kept = list(before._kept.items())
        for image_id, (rows, log_odds) in kept:
            if row_of[before._board.row_of[image_id]] >= 0:
                there = row_of[rows]
                order = np.argsort(there)[int((there < 0).sum()) :]
                self._keep(image_id, there[order], log_odds[order])

    def search(self, query: Query, names: Names, near: Rows, k: int, *, distinct: bool = True) -> Matches:
        """The best `k` individuals (or, not `distinct`, photos) among those nearest to a query, by log-odds.

        Args:
            query: who asks.
            names: who is on the photos.
            near: rising rows of the photos nearest to it by the embedding.
            k: candidates at most.
            distinct: whether each individual comes once.

        Raises:
            InputError: when the photo of the query is not there.
        """
        asked = (query.image_id, near, self.weigh(query, near))
        return self.matches([asked], names, len(np.unique(names.codes[near])), k, distinct=distinct)

    def weigh(self, query: Query, near: Rows) -> Floats:
        """The log-odds of a query and each of some rising rows; NaN where nothing was compared.

        Of a photo of the board they are kept, until it is held against rows that are not among them.

        Raises:
            InputError: when the photo of the query is not there.
        """
        kept = None if query.row is None else self.kept(query.image_id)
        if kept is not None and (np.array_equal(kept[0], near) or (self._each_alone and np.isin(near, kept[0]).all())):
            return kept[1][np.searchsorted(kept[0], near)]
        log_odds = self._compared(query, near) if len(near) else np.zeros(0)
        if query.row is not None:
            self._keep(query.image_id, near, log_odds)
        return log_odds

    @property
    def _each_alone(self) -> bool:
        """Whether what is said of a pair does not depend on the others: no scorer sees but the best of one before."""
        return all(getattr(one, "n_best", None) is None for one in self._recipe.scorers)

    def matches(
        self, asked: list[tuple[str, Rows, Floats]], names: Names, n_gallery: int, k: int, *, distinct: bool = True
    ) -> Matches:
        """The best individuals (or photos) of some queries, each with the rows that it was held against.

        Args:
            asked: of each query its id, the rising rows, and the log-odds of each; NaN leaves a row out.
            names: who is on the photos; a row without a name is left out.
            n_gallery: individuals that might have answered.
            k: candidates per query.
            distinct: whether each individual comes once.
        """
        queries = np.repeat(np.arange(len(asked)), [len(one[1]) for one in asked])
        rows, log_odds = (np.concatenate([np.zeros(0), *(one[part] for one in asked)]) for part in (1, 2))
        named = names.codes[rows.astype(np.int64)] >= 0
        there, photos = np.unique(rows[named].astype(np.int64), return_inverse=True)
        image_ids = self._board.photos.image_ids[there]
        called = [names.name(row) for row in there.tolist()] if distinct else image_ids.tolist()
        found = fused_matches(
            Pairs(queries[named], photos.reshape(-1), len(asked), len(there)),
            log_odds[named],
            self._asking([one[0] for one in asked]),
            self._answering(there, called),
            self._recipe if distinct else _each_photo(self._recipe),
            self.model,
            k,
        )
        identities = found.identities if distinct else self._called(found.gallery_ids, names)
        return replace(found, identities=identities, n_gallery=max(n_gallery, found.n_gallery), distinct=distinct)

    def _compared(self, query: Query, rows: Rows) -> Floats:
        photos, embeddings = self._board.photos, self._board.embeddings
        photo = query.photo if query.row is None else photos.select(np.array([query.row]))
        if photo is None:
            raise InputError(
                f"expected the photo of '{query.image_id}' to re-rank its candidates, found its vector alone"
            )
        one = Catalogue(photo.frame.with_columns(identity=pl.lit(None, pl.String)), photo.root)  # its name says nothing
        vector = Embeddings(one.image_ids, query.vector[None], embeddings.model)
        places = np.array([self._board.place_of[row] for row in rows.tolist()], np.int64)
        others = Photos(photos.select(rows), embeddings.select(places))
        return self._compare(Photos(one, vector, query.row is not None), others, self.model)

    def _keep(self, image_id: str, rows: Rows, log_odds: Floats) -> None:
        with self._lock:
            self._kept[image_id] = (rows, log_odds)
            self._kept.move_to_end(image_id)
            while len(self._kept) > N_KEPT:
                self._kept.popitem(last=False)

    def _asking(self, image_ids: list[str]) -> Catalogue:
        """Who asks, by name alone: what a photo was called when it was sent in need not be a path."""
        return Catalogue(pl.DataFrame({"image_id": image_ids, "path": "asking"}), self._board.photos.root)

    def _answering(self, rows: Rows, called: list[str | None]) -> Catalogue:
        photos = self._board.photos.select(rows)
        return Catalogue(photos.frame.with_columns(pl.Series("identity", called, dtype=pl.String)), photos.root)

    def _called(self, image_ids: npt.NDArray[np.str_], names: Names) -> npt.NDArray[np.str_]:
        found = [names.name(self._board.row_of[one]) or "" if one else "" for one in image_ids.reshape(-1).tolist()]
        return np.array(found, np.str_).reshape(image_ids.shape)


def _each_photo(recipe: RerankRecipe) -> RerankRecipe:
    """A recipe by which a photo counts as it is."""
    return recipe.model_copy(update={"identity": recipe.identity.model_copy(update={"how": "best"})})
