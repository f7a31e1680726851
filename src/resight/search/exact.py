"""Exact search: every eligible photo is compared, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy.typing as npt

from resight.core import Eligibility, Embeddings, Matches
from resight.errors import InputError
from resight.machine import usable_cores
from resight.search.gallery import Rows, Scores, SortedGallery, no_answers
from resight.search.masks import agreeing, alike
from resight.search.scan import Budget, Scan
from resight.search.threads import one_blas_thread

MIN_MEMORY_MB = 16
"""The least working memory of one thread."""


class ExactSearch:
    """Search that compares a query with every photo that may answer it.

    Scores are cosines. Each is the float64 sum of the products of two vectors, rounded to float32:
    the same to the last bit whatever the block, the thread or the other queries. Equal scores stand
    in the order of identity, then of photo id, so the order of the gallery does not matter either.

    Fast float32 matrix products only pick who may be among the best: a candidate is dropped when its
    fast score lies further below the k-th best than rounding can explain (twice D · 2⁻²⁴ for unit
    vectors, by Cauchy and Schwarz), so the answer is exact.

    Memory: the gallery's vectors are held once more, sorted, unless they come sorted by identity and
    photo id. Above that and above the answer itself, a search works in at most `memory_mb`
    and some 40 bytes per photo and thread, however many queries there are.

    Args:
        gallery: (G, D) one vector per photo.
        identities: (G,) text, the individual on each photo.
        memory_mb: working memory of a search, at least 16.
        n_threads: threads of a search; by default one per core, but no more than one per
            16 MB of `memory_mb`.
        in_memory: whether unsorted vectors are held once more; else each search gathers them where they
            lie, which is slower and leaves a mapped file on the disk.

    Raises:
        InputError: when a photo has no identity, the lengths differ, or an option is out of range.

    Example:
        >>> import numpy as np
        >>> vectors = np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float32)
        >>> gallery = Embeddings(np.array(["a1", "a2", "b1"]), vectors, "toy")
        >>> searcher = ExactSearch(gallery, ["Ann", "Ann", "Bob"])
        >>> query = Embeddings(np.array(["q"]), vectors[1:2], "toy")
        >>> searcher.search(query, k=2).gallery_ids.tolist()
        [['a2', 'b1']]
    """

    def __init__(
        self,
        gallery: Embeddings,
        identities: npt.ArrayLike | Sequence[str],
        *,
        memory_mb: int = 512,
        n_threads: int | None = None,
        in_memory: bool = True,
    ) -> None:
        if memory_mb < MIN_MEMORY_MB:
            raise InputError(f"expected memory_mb of at least {MIN_MEMORY_MB}, found {memory_mb}")
        if n_threads is not None and n_threads < 1:
            raise InputError(f"expected n_threads of at least 1, found {n_threads}")
        self.gallery = SortedGallery(gallery, identities, in_memory=in_memory)
        self.n_threads = min(n_threads or usable_cores(), memory_mb // MIN_MEMORY_MB)
        self._budget = Budget(memory_mb * 2**20 // self.n_threads, gallery.dimension)

    def search(
        self, queries: Embeddings, k: int, eligibility: Eligibility | None = None, *, distinct: bool = True
    ) -> Matches:
        """The best `k` candidates of each query among the photos that may answer it.

        A row with fewer than `k` candidates ends in absent places.

        Args:
            queries: (Q, D) one vector per query, of the gallery's model.
            k: candidates per query, at least 1.
            eligibility: which photos may answer which query; by default all.
            distinct: whether K counts identities, each by its best photo, or photos.

        Raises:
            InputError: when `k` is below 1, or the rule speaks of other queries or photos.
            MismatchError: when the queries come from another model.
        """
        rule = self.gallery.check(queries, k, eligibility)
        places, scores = self.best(queries, rule, self.gallery.n_places(k, distinct=distinct), distinct=distinct)
        return self.gallery.matches(queries, places, scores, k, distinct=distinct)

    def best(self, queries: Embeddings, rule: Eligibility, k: int, *, distinct: bool) -> tuple[Rows, Scores]:
        """The answer as (Q, k) places in `self.gallery`, −1 for absent, and scores; for other searchers.

        Args:
            queries: checked by `self.gallery`.
            rule: in the order of `self.gallery`.
            k: at most what the gallery has to give.
            distinct: as in `search`.
        """
        places, scores = no_answers(len(queries), k)
        answers = self.gallery.answers(distinct=distinct)

        def answer(rows: Rows) -> None:
            here = rule.select(rows)
            scan = Scan(self.gallery, answers, queries.vectors[rows], here, self._budget)
            places[rows], scores[rows] = scan.best(agreeing(here, len(self.gallery)), k)

        with one_blas_thread(), ThreadPoolExecutor(self.n_threads) as pool:
            list(pool.map(answer, self._parts(rule, len(queries))))
        return places, scores

    def _parts(self, rule: Eligibility, n_queries: int) -> Iterator[Rows]:
        """Blocks of queries that agree with the same photos; enough blocks for every thread."""
        for rows in alike(rule, n_queries):
            size = min(self._budget.n_queries, -(-len(rows) // self.n_threads))
            yield from (rows[start : start + size] for start in range(0, len(rows), size))
