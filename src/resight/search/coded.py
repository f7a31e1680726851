"""Search of a gallery of millions: codes propose, exact scores rank, and the vectors stay on the disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.core import Eligibility, Embeddings, Matches
from resight.errors import InputError, MismatchError
from resight.search.codes import Bits, Recall, VectorCodes, Vectors, learned
from resight.search.codes_folder import CodesFolder
from resight.search.exact import ExactSearch
from resight.search.gallery import Rows, Scores, best_places, no_answers
from resight.search.masks import agreeing, alike, permitted
from resight.search.threads import faiss_threads

_BYTES_PER_PROPOSAL = 120
_WIDENINGS = (1, 4, 16, 64, 256)
_PROPOSALS_PER_PLACE = 4
_N_SAMPLED = 200
_SAMPLED_K = 5
_MOST_QUERIES = 64
_AIM = 0.99
_LEAST_SHARE = 64
_STEP = 4
_SEED = 0


class CodedSearch:
    """Search of a gallery whose vectors may lie in a mapped file.

    Codes of the vectors (half precision, one byte per number, or product quantisation; Jégou, Douze and Schmid,
    2011), in lists of which a query looks at some, propose photos. Those that may not answer never come up: what
    must agree (side, species, place) is looked at while codes are compared, what must differ (encounter) right
    after. The others are scored exactly from their vectors, so each score equals that of `ExactSearch` to the last
    bit. A query that is left with fewer than `k` answers, as when an individual has a thousand photos, asks for four
    times as many proposals, again and again; it is searched exactly when a quarter of the photos would be proposed.
    So is a query that only few photos may answer.

    What may differ from exact search is that a candidate is overlooked. `build` measures how often.

    Memory: the codes, mapped where they come from a folder, 200 bytes per photo (as measured; 24 of them for the
    order) and 300 while it is opened, and `memory_mb` for a search. The vectors are not held, and ids and names
    only where the caller holds them.

    Args:
        gallery: (G, D) one vector per photo, mapped or not.
        identities: (G,) text, the individual on each photo.
        codes: of these vectors. Photos that they lack are coded here, and found at once; by default
            all are, in one list.
        kind: of the codes that are made here: "fp16", "int8" or "pq".
        memory_mb: working memory of a search, at least 16.
        n_threads: threads of a search; by default one per core.

    Raises:
        InputError: when a photo has no identity, the lengths differ, or an option is out of range.
        MismatchError: when the codes are of another model.
        UnknownNameError: when there is no such kind of codes.

    Example:
        >>> vectors = np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float32)
        >>> gallery = Embeddings(np.array(["a1", "a2", "b1"]), vectors, "toy")
        >>> query = Embeddings(np.array(["q"]), vectors[1:2], "toy")
        >>> CodedSearch(gallery, ["Ann", "Ann", "Bob"]).search(query, k=2).gallery_ids.tolist()
        [['a2', 'b1']]
    """

    def __init__(
        self,
        gallery: Embeddings,
        identities: npt.ArrayLike | Sequence[str],
        *,
        codes: VectorCodes | None = None,
        kind: str = "int8",
        memory_mb: int = 512,
        n_threads: int | None = None,
    ) -> None:
        self.exact = ExactSearch(gallery, identities, memory_mb=memory_mb, n_threads=n_threads, in_memory=False)
        self.gallery = self.exact.gallery
        self.n_threads = self.exact.n_threads
        self._n_bytes = memory_mb * 2**20
        if codes is None:
            codes = learned(gallery, kind, n_lists=1, memory_mb=memory_mb, n_threads=n_threads)
        if (codes.model, codes.dimension) != (gallery.model, gallery.dimension):
            raise MismatchError(
                f"expected codes of model {gallery.model} and {gallery.dimension} dimensions, found those of "
                f"{codes.model} and {codes.dimension}: build the codes anew"
            )
        rows = codes.rows_of(gallery)
        lacking = np.flatnonzero(rows < 0)
        rows[lacking] = codes.n_rows + np.arange(len(lacking))
        self.codes = codes.with_photos(gallery, lacking, memory_mb=memory_mb, n_threads=n_threads)
        self.n_uncoded = len(lacking)
        self._place_of_row = np.full(self.codes.n_rows, -1, np.int64)
        self._place_of_row[rows[self.gallery.order]] = np.arange(len(gallery))
        others = self.codes.n_rows > len(gallery)
        self._of_gallery = self.codes.bits(self._place_of_row >= 0) if others else None

    @classmethod
    def build(
        cls,
        folder: str | Path,
        gallery: Embeddings,
        identities: npt.ArrayLike | Sequence[str],
        *,
        kind: str = "int8",
        n_lists: int | None = None,
        least_recall: float = 0.95,
        memory_mb: int = 2048,
        n_threads: int | None = None,
    ) -> CodedSearch:
        """Code a gallery in a folder, and measure how much the codes overlook.

        Photos of the gallery, 200 of them, ask for the five best individuals, each without itself. A query will
        look at as many lists as it takes to find 0.99 of those that exact search finds. Whatever moment a build is
        killed at, the codes that the folder held before still stand.

        Args:
            folder: where to keep the codes; what it held before is replaced.
            gallery: (G, D) one vector per photo; mapped ones are read in blocks.
            identities: (G,) text, the individual on each photo; they are not kept.
            kind: "fp16" (two bytes per number), "int8" (one), or "pq" (one for four).
            n_lists: lists to sort codes into; by default two to four times the root of the photos.
            least_recall: build nothing that finds fewer, 0 to 1.
            memory_mb: working memory, at least 16, above 500 bytes per photo. Half of it bounds a segment of
                codes, and a query pays for each: two million photos of 512 dimensions take one by default.
            n_threads: by default one per core.

        Raises:
            InputError: when too few are found, or as above.
            StoreError: when the disk refuses, or another process writes to the folder.
        """
        if not 0 <= least_recall <= 1:
            raise InputError(f"expected least_recall from 0 to 1, found {least_recall}")
        with CodesFolder(folder).writing() as place:
            plain = learned(gallery, kind, n_lists=n_lists, memory_mb=memory_mb, n_threads=n_threads)
            options: dict[str, Any] = {"memory_mb": memory_mb, "n_threads": n_threads}
            coded = plain.with_photos(gallery, np.arange(len(gallery)), **options, keep=place.keep)
            searcher = cls(gallery, identities, codes=coded, **options)
            searcher._look_at_enough(least_recall)
            place.commit(searcher.codes)
        return cls.open(folder, gallery, identities, **options)

    @classmethod
    def open(
        cls,
        folder: str | Path,
        gallery: Embeddings,
        identities: npt.ArrayLike | Sequence[str],
        *,
        memory_mb: int = 512,
        n_threads: int | None = None,
    ) -> CodedSearch:
        """Search with the codes that a folder holds; the identities may be other ones than when it was built.

        Raises:
            StoreError: when there are no codes, or they are broken.
            MismatchError: when they are of another model.
        """
        return cls(gallery, identities, codes=CodesFolder(folder).read(), memory_mb=memory_mb, n_threads=n_threads)

    def search(
        self, queries: Embeddings, k: int, eligibility: Eligibility | None = None, *, distinct: bool = True
    ) -> Matches:
        """The best `k` candidates that the codes find among the photos that may answer each query.

        The arguments and errors are those of `ExactSearch.search`.

        Raises:
            InputError: when `k` is below 1, or the rule speaks of other queries or photos.
            MismatchError: when the queries come from another model.
        """
        rule = self.gallery.check(queries, k, eligibility)
        n_places = self.gallery.n_places(k, distinct=distinct)
        places, scores = no_answers(len(queries), n_places)
        for rows in alike(rule, len(queries) if n_places else 0):
            photos = agreeing(rule.select(rows), len(self.gallery)) if rule.agree else None
            pending = self._sifted(queries.vectors, rule, rows, photos, (places, scores), distinct=distinct)
            if len(pending):
                here = queries.select(pending), rule.select(pending)
                places[pending], scores[pending] = self.exact.best(*here, n_places, distinct=distinct)
        return self.gallery.matches(queries, places, scores, k, distinct=distinct)

    def _sifted(
        self,
        vectors: Vectors,
        rule: Eligibility,
        rows: Rows,
        photos: Rows | None,
        answers: tuple[Rows, Scores],
        *,
        distinct: bool,
    ) -> Rows:
        """Answer some queries of one group in place by what the codes propose; gives those left short.

        `photos` agree with the group; None for all.
        """
        places, scores = answers
        n_places = places.shape[1]
        n_photos = len(self.gallery) if photos is None else len(photos)
        allowed = self._allowed(photos)
        least = max(self.codes.n_proposals, _PROPOSALS_PER_PLACE * n_places)
        for factor in _WIDENINGS:
            n_asked = factor * least
            if not len(rows) or _PROPOSALS_PER_PLACE * n_asked > n_photos:
                break
            n_probes = self._n_probes(n_asked, n_photos)

            def answer(some: Rows, breadth: tuple[int, int] = (n_asked, n_probes)) -> None:
                found = self._scored(vectors[some], rule.select(some), breadth, allowed)
                shape = len(some), n_places
                places[some], scores[some] = best_places(*found, self.gallery.answers(distinct=distinct), shape)

            self._each(answer, self._blocks(rows, n_asked + n_probes))
            rows = rows[places[rows, -1] < 0]
        return rows

    def _each(self, answer: Callable[[Rows], None], blocks: Sequence[Rows]) -> None:
        """Answer each block of queries, in threads of our own where there are several."""
        if len(blocks) > 1:
            with ThreadPoolExecutor(self.n_threads) as pool:
                list(pool.map(answer, blocks))
        else:
            list(map(answer, blocks))

    def _scored(
        self, vectors: Vectors, rule: Eligibility, breadth: tuple[int, int], allowed: Bits | None
    ) -> tuple[Rows, Rows, Scores]:
        """Who may answer among the proposals: (n,) rows of the queries, places and exact scores."""
        with faiss_threads(1):  # blocks have threads of their own
            rows, found = self.codes.propose(vectors, *breadth, allowed)
        places = self._place_of_row[found]
        may = permitted(rule, rows, places)
        rows, places = rows[may], places[may]
        return rows, places, self.gallery.exact_scores(vectors, rows, places)

    def _allowed(self, photos: Rows | None) -> Bits | None:
        """Which codes are of some photos; None for all there are."""
        if photos is None or len(photos) == len(self.gallery):
            return self._of_gallery
        wanted = np.zeros(len(self.gallery) + 1, dtype=bool)  # the last one is for codes of no photo: place −1
        wanted[photos] = True
        return self.codes.bits(wanted[self._place_of_row])

    def _n_probes(self, n_asked: int, n_photos: int) -> int:
        """Lists to look at: as many as recall was measured with, and enough to choose from.

        Where fewer may answer, the same number of them lies in more lists.
        """
        enough = _PROPOSALS_PER_PLACE * n_asked * self.codes.n_lists // len(self.gallery)
        return ceil(max(self.codes.n_probes, enough) * len(self.gallery) / n_photos)

    def _blocks(self, rows: Rows, n_each: int) -> Sequence[Rows]:
        """Blocks of queries that fit into the memory, and that all threads have something of."""
        most = self._n_bytes // self.n_threads // (_BYTES_PER_PROPOSAL * n_each)
        size = max(1, min(most, _MOST_QUERIES, -(-len(rows) // self.n_threads)))
        return [rows[start : start + size] for start in range(0, len(rows), size)]

    def _look_at_enough(self, least_recall: float) -> None:
        """Choose how many lists a query looks at, by the photos' own searches.

        Raises:
            InputError: when even all of them find too few.
        """
        asking, truth = self._sampled()
        n_probes = max(1, self.codes.n_lists // _LEAST_SHARE)
        while True:
            self.codes = replace(self.codes, n_probes=n_probes)
            found = self._recall(asking, truth)
            self.codes = replace(self.codes, recall=found)
            if found.value >= max(_AIM, least_recall) or n_probes >= self.codes.n_lists:
                break
            n_probes = min(self.codes.n_lists, n_probes + ceil(n_probes / _STEP))
        if found.value < least_recall:
            raise InputError(
                f"expected codes that find at least {least_recall:g} of the best individuals, found "
                f"{found.value:.4f} with codes '{self.codes.kind}' and {found.n_queries} searches: take codes that "
                "keep more (pq, int8, fp16), ask for less (least_recall), or search exactly"
            )

    def _sampled(self) -> tuple[tuple[Embeddings, Eligibility], Matches]:
        """Photos of the gallery as queries, the rule that none answers for itself, and what exact search says."""
        n = len(self.gallery)
        rows = np.sort(np.random.default_rng(_SEED).choice(n, min(n, _N_SAMPLED), replace=False)) if n else np.arange(0)
        queries = Embeddings(self.gallery.image_ids[rows], self.gallery.vectors[rows], self.gallery.model)
        codes_in_caller_order = np.empty(n, np.int64)
        codes_in_caller_order[self.gallery.order] = np.arange(n)
        rule = Eligibility(differ=((rows, codes_in_caller_order),))
        return (queries, rule), self.exact.search(queries, _SAMPLED_K, rule)

    def _recall(self, asking: tuple[Embeddings, Eligibility], truth: Matches) -> Recall:
        found = self.search(asking[0], _SAMPLED_K, asking[1])
        rows = zip(found.identities, truth.identities, truth.present, strict=True)
        shares = [np.isin(names[there], mine).mean() for mine, names, there in rows if there.any()]
        return Recall(float(np.mean(shares)) if shares else 1.0, len(shares), _SAMPLED_K)
