"""Approximate search: a graph of neighbours proposes, exact scores rank."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.core import Eligibility, Embeddings, Matches
from resight.errors import InputError
from resight.search.exact import ExactSearch
from resight.search.gallery import Rows, Scores, best_places, no_answers
from resight.search.masks import permitted
from resight.search.threads import faiss_threads

_BYTES_PER_PROPOSAL = 120
_WIDENINGS = (4, 16, 64)
_LEAST_ASKED = 32


class ApproximateSearch:
    """Search that looks at a small part of a large gallery.

    A graph over the gallery (HNSW of faiss, vectors in half precision; Malkov and Yashunin, 2018)
    proposes photos. Those that may not answer fall out, the others are scored exactly, so each score
    equals that of `ExactSearch` to the last bit. A query that is left with fewer than `k` answers asks
    for four and sixteen times as many proposals, and is searched exactly when that is not enough: a row
    ends in absent places only where the gallery has no more to give.

    What may differ from exact search is that the graph overlooks a candidate. Where the photos of an
    individual lie close together, at least 0.95 of the five best individuals are found: 0.99 among
    51,033 photos of 512 dimensions. Vectors without such order lose more; `breadth` trades time for it.

    Memory: the vectors once more as in `ExactSearch`, and 2 · D + 8 · `n_links` bytes per photo.

    Args:
        gallery: (G, D) one vector per photo.
        identities: (G,) text, the individual on each photo.
        n_links: neighbours per photo in the graph; more find more and take more memory.
        breadth_build: candidates looked at to place a photo; more find more and build longer.
        breadth: candidates looked at per query, at least; more find more and search longer.
        memory_mb: working memory of a search, at least 16.
        n_threads: threads of building and searching; by default one per core. With 1 the graph is the
            same in every run; with more it depends on which thread comes first. Answers of one graph
            are always the same.

    Raises:
        InputError: when a photo has no identity, the lengths differ, or an option is out of range.

    Example:
        >>> vectors = np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float32)
        >>> gallery = Embeddings(np.array(["a1", "a2", "b1"]), vectors, "toy")
        >>> query = Embeddings(np.array(["q"]), vectors[1:2], "toy")
        >>> ApproximateSearch(gallery, ["Ann", "Ann", "Bob"]).search(query, k=2).gallery_ids.tolist()
        [['a2', 'b1']]
    """

    def __init__(
        self,
        gallery: Embeddings,
        identities: npt.ArrayLike | Sequence[str],
        *,
        n_links: int = 32,
        breadth_build: int = 80,
        breadth: int = 128,
        memory_mb: int = 512,
        n_threads: int | None = None,
    ) -> None:
        for name, value in (("n_links", n_links), ("breadth_build", breadth_build), ("breadth", breadth)):
            if value < 2:
                raise InputError(f"expected {name} of at least 2, found {value}")
        self._exact = ExactSearch(gallery, identities, memory_mb=memory_mb, n_threads=n_threads)
        self.gallery = self._exact.gallery
        self.n_threads = self._exact.n_threads
        self.breadth = breadth
        self._most_proposals = memory_mb * 2**20 // _BYTES_PER_PROPOSAL
        self._graph = self._built(gallery.dimension, n_links, breadth_build)

    def search(
        self, queries: Embeddings, k: int, eligibility: Eligibility | None = None, *, distinct: bool = True
    ) -> Matches:
        """The best `k` candidates that the graph finds among the photos that may answer each query.

        The arguments and errors are those of `ExactSearch.search`.

        Raises:
            InputError: when `k` is below 1, or the rule speaks of other queries or photos.
            MismatchError: when the queries come from another model.
        """
        rule = self.gallery.check(queries, k, eligibility)
        n_places = self.gallery.n_places(k, distinct=distinct)
        places, scores = no_answers(len(queries), n_places)
        pending = np.arange(len(queries) if n_places else 0)
        for n_asked in self._widenings(n_places):
            for rows in self._blocks(pending, n_asked):
                found = self._proposed(queries.vectors[rows], rule.select(rows), n_asked)
                answers = self.gallery.answers(distinct=distinct)
                places[rows], scores[rows] = best_places(*found, answers, (len(rows), n_places))
            pending = pending[places[pending, -1] < 0]
        if len(pending):
            here = rule.select(pending)
            exact = self._exact.best(queries.select(pending), here, n_places, distinct=distinct)
            places[pending], scores[pending] = exact
        return self.gallery.matches(queries, places, scores, k, distinct=distinct)

    def _built(self, dimension: int, n_links: int, breadth_build: int) -> Any:
        faiss = import_module("faiss")
        kind = faiss.ScalarQuantizer.QT_fp16
        graph = faiss.IndexHNSWSQ(dimension, kind, n_links, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = breadth_build
        if len(self.gallery):
            with faiss_threads(self.n_threads):
                graph.train(self.gallery.vectors[:1])
                graph.add(self.gallery.vectors)
        return graph

    def _widenings(self, n_places: int) -> list[int]:
        """How many proposals to ask for, one after the other; none when nearly all would be asked for."""
        asked = (max(_LEAST_ASKED, factor * n_places) for factor in _WIDENINGS)
        return [n for n in dict.fromkeys(asked) if n <= len(self.gallery)]

    def _blocks(self, pending: Rows, n_asked: int) -> Iterator[Rows]:
        size = max(1, self._most_proposals // n_asked)
        return (pending[start : start + size] for start in range(0, len(pending), size))

    def _proposed(self, vectors: npt.NDArray[np.float32], rule: Eligibility, n_asked: int) -> tuple[Rows, Rows, Scores]:
        """Who may answer among the proposals: (n,) rows of the queries, places and exact scores."""
        faiss = import_module("faiss")
        breadth = faiss.SearchParametersHNSW(efSearch=max(self.breadth, n_asked))
        with faiss_threads(self.n_threads):
            _, proposals = self._graph.search(vectors, n_asked, params=breadth)
        rows, nth = np.nonzero(proposals >= 0)
        places = proposals[rows, nth]
        allowed = permitted(rule, rows, places)
        rows, places = rows[allowed], places[allowed]
        return rows, places, self.gallery.exact_scores(vectors, rows, places)
