"""Exact or approximate: chosen by size, and said in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy.typing as npt

from resight.core import Embeddings
from resight.protocols import Searcher
from resight.search.approximate import ApproximateSearch
from resight.search.coded import CodedSearch
from resight.search.codes_folder import CodesFolder
from resight.search.exact import ExactSearch

LARGE_GALLERY = 500_000_000
"""Numbers (photos × dimensions) from which a gallery is large.

Exact search reads all of them for a single query, 2 GB. That takes a quarter of a second on a free core and half
a second on a busy one, and a person begins to wait (`benchmarks/search.py`, `docs/decisions/0003-search.md`).
"""

GRAPH_PAYS_FROM = 30_000
"""Queries from which making the graph of a large gallery costs less than comparing with all.

On two cores a photo takes 0.5 to 1.9 ms to enter the graph, and 15 to 29 ns to be compared with one query of
many (512 dimensions, by load): the ratio, 20,000 to 65,000, is the same for every large gallery.
"""


def is_large(n_photos: int, dimension: int) -> bool:
    """Whether a gallery has so many numbers that comparing a query with all of them takes a person's time.

    Example:
        >>> is_large(51_033, 512), is_large(1_580_000, 512)
        (False, True)
    """
    return n_photos * dimension >= LARGE_GALLERY


def choose(
    gallery: Embeddings,
    identities: npt.ArrayLike | Sequence[str],
    *,
    n_queries: int | None = None,
    memory_mb: int = 512,
    n_threads: int | None = None,
    codes: str | Path | None = None,
) -> tuple[Searcher, str]:
    """The searcher that fits the size of the gallery, and a sentence that says which and why.

    Args:
        gallery: (G, D) one vector per photo.
        identities: (G,) text, the individual on each photo.
        n_queries: how many queries it will be asked in all, where that is known; for few of
            them a large gallery is searched exactly too.
        memory_mb: working memory of a search, at least 16.
        n_threads: threads of a search; by default one per core.
        codes: folder of the codes of a large gallery; used where it holds some.

    Raises:
        InputError: when a photo has no identity, the lengths differ, or an option is out of range.
        StoreError: when the codes are broken.
        MismatchError: when they are of another model.

    Example:
        >>> import numpy as np
        >>> gallery = Embeddings(np.array(["a", "b"]), np.eye(2, dtype=np.float32), "toy")
        >>> choose(gallery, ["Ann", "Bob"])[1]
        'exact search: each query is compared with all 2 photos'
    """
    n_photos = f"{len(gallery):,} photos"
    if not is_large(len(gallery), gallery.dimension):
        reason = f"exact search: each query is compared with all {n_photos}"
    elif codes is not None and CodesFolder(codes).exists:
        coded = CodedSearch.open(codes, gallery, identities, memory_mb=memory_mb, n_threads=n_threads)
        return coded, _by_codes(coded, n_photos)
    elif n_queries is not None and n_queries < GRAPH_PAYS_FROM:
        reason = (
            f"exact search: each query is compared with all {n_photos}, "
            f"as a graph of them pays from {GRAPH_PAYS_FROM:,} queries on"
        )
    else:
        reason = (
            f"approximate search: {n_photos} of {gallery.dimension} dimensions are too many to compare "
            "each query with all, so a graph proposes candidates and may overlook one"
        )
        return ApproximateSearch(gallery, identities, memory_mb=memory_mb, n_threads=n_threads), reason
    return ExactSearch(gallery, identities, memory_mb=memory_mb, n_threads=n_threads), reason


def _by_codes(searcher: CodedSearch, n_photos: str) -> str:
    codes = searcher.codes
    told = f"approximate search: codes ({codes.kind}) of {n_photos} on disk propose candidates and may overlook one"
    if codes.recall is None or not codes.recall.n_queries:
        return told
    return f"{told}; they found {codes.recall.value:.3f} of the best {codes.recall.k} when they were built"
