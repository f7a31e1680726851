"""Codes of vectors: small and quickly compared. They only propose; a score never comes from them.

A quantiser is learned once, from a sample: the centres of the lists that vectors are sorted into (an inverted
file), and how a number, or a part of a vector, becomes a byte. Codes stand in segments, each of which fits into the
memory that was allowed; photos that come later are a further segment, coded by the same quantiser.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import repeat
from math import ceil, isqrt
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from resight.core import Embeddings
from resight.errors import UnknownNameError
from resight.machine import usable_cores
from resight.search.gallery import Rows
from resight.search.threads import faiss_threads

KINDS = {"fp16": 64, "int8": 64, "pq": 256}
"""How numbers are kept, and how many photos are proposed for a query at least."""

LISTS_PAY_FROM = 30_000
"""Photos from which codes stand in lists, of which a query looks at some."""

CHECKED_AT_OPENING = 20_000
"""Photos whose vectors are compared with their codes' checksums when codes are opened."""

_LISTS_PER_ROOT = 4
_SAMPLES_PER_LIST = 32
_LEAST_SAMPLE = 16_384
_PQ_CENTRES = 256
_PQ_PART = 4
_SEED = 0
_QUERIES_AT_ONCE = 16

Mask = npt.NDArray[np.bool_]
Vectors = npt.NDArray[np.float32]
Bits = tuple[npt.NDArray[np.uint8], ...]


@dataclass(frozen=True)
class Recall:
    """How many of the best individuals the codes found, of those that exact search finds.

    Args:
        value: the share, 0 to 1.
        n_queries: photos of the gallery that asked, each without itself.
        k: individuals asked for.
    """

    value: float
    n_queries: int
    k: int


@dataclass(frozen=True, eq=False)
class Segment:
    """The codes of some photos.

    Args:
        image_ids: (n,) text.
        checksums: (n,) int64, the CRC-32 of the bytes of each photo's vector.
        index: the codes, in lists.
        name: of its files; empty when it stands in memory only.
    """

    image_ids: npt.NDArray[np.str_]
    checksums: npt.NDArray[np.int64]
    index: Any
    name: str = ""

    def __len__(self) -> int:
        """The number of photos."""
        return len(self.image_ids)


Keep = Callable[[Segment], Segment]


@dataclass(frozen=True, eq=False)
class VectorCodes:
    """The codes of a set of vectors, in segments. A photo that stands in several counts in the last one.

    Args:
        model: fingerprint of what made the vectors.
        dimension: D of the vectors.
        kind: one of `KINDS`.
        n_trained: photos there were when the quantiser was learned.
        quantiser: that coded all segments, itself without codes.
        segments: the codes.
        n_probes: lists that a query looks at.
        n_proposals: photos that are proposed for a query at least.
        recall: as it was measured, or None.
    """

    model: str
    dimension: int
    kind: str
    n_trained: int
    quantiser: Any
    segments: tuple[Segment, ...] = ()
    n_probes: int = 1
    n_proposals: int = 64
    recall: Recall | None = None

    @property
    def n_lists(self) -> int:
        """The number of lists that codes are sorted into."""
        return int(self.quantiser.nlist)

    @property
    def n_rows(self) -> int:
        """The number of codes, with those of photos that have newer ones."""
        return sum(len(segment) for segment in self.segments)

    def rows_of(self, gallery: Embeddings, n_checked: int | None = CHECKED_AT_OPENING) -> Rows:
        """(G,) the row of the codes of each photo, counted through the segments; −1 where there are none that fit.

        Args:
            gallery: the photos with their vectors as they are now.
            n_checked: whether a photo's vector is still the coded one is looked up for so many, spread evenly; for
                all when one of them is not, or with None.
        """
        ids = [pl.Series(np.asarray(segment.image_ids), dtype=pl.String) for segment in self.segments]
        known = pl.DataFrame({"id": pl.concat([*ids, pl.Series(dtype=pl.String)])})
        known = known.with_row_index("row").unique("id", keep="last")
        asked = pl.DataFrame({"id": pl.Series(gallery.image_ids, dtype=pl.String)})
        found = asked.join(known, on="id", how="left", maintain_order="left")["row"].cast(pl.Int64).fill_null(-1)
        rows = found.to_numpy().copy()
        coded = np.flatnonzero(rows >= 0)
        if n_checked is not None and n_checked < len(coded):
            some = coded[np.linspace(0, len(coded) - 1, n_checked).astype(np.int64)]
            coded = coded if self._changed(gallery, rows, some).any() else coded[:0]
        rows[coded[self._changed(gallery, rows, coded)]] = -1
        return rows

    def bits(self, allowed: Mask) -> Bits:
        """Which photos may be proposed, as `propose` takes it, from (n_rows,) booleans."""
        ends = np.cumsum([len(segment) for segment in self.segments])[:-1]
        return tuple(np.packbits(part, bitorder="little") for part in np.split(allowed, ends))

    def propose(self, vectors: Vectors, n_asked: int, n_probes: int, allowed: Bits | None = None) -> tuple[Rows, Rows]:
        """The photos whose codes are most like each query: (n,) rows of the queries, and (n,) rows of the codes.

        What is proposed for a query does not depend on the other queries.

        Args:
            vectors: (Q, D) of the queries.
            n_asked: photos per query, at most.
            n_probes: lists to look at.
            allowed: which photos may be proposed, as `bits` gives it; None for all.
        """
        lists, nearness = self._nearest_lists(vectors, min(n_probes, self.n_lists))
        found = np.full((len(vectors), n_asked), -1, np.int64)
        likeness = np.full((len(vectors), n_asked), -np.inf, np.float32)
        before = 0
        for segment, here in zip(self.segments, allowed or repeat(None), strict=False):
            alike, rows = _looked_up(segment.index, vectors, n_asked, (lists, nearness), here)
            rows[rows >= 0] += before
            found, likeness = _merged((found, likeness), (rows, alike)) if before else (rows, alike)
            before += len(segment)
        query, nth = np.nonzero(found >= 0)
        return query, found[query, nth]

    def with_photos(
        self, gallery: Embeddings, photos: Rows, *, memory_mb: int, n_threads: int | None, keep: Keep | None = None
    ) -> VectorCodes:
        """These codes and those of further photos, coded block by block.

        Args:
            gallery: photos with their vectors, mapped perhaps.
            photos: (n,) rows of the gallery to code.
            memory_mb: how much may be held at a time, of vectors and of codes that nobody kept yet.
            n_threads: threads to code with; by default one per core.
            keep: is given each segment as soon as it is full, and gives it back as it is to be held.
        """
        n_bytes = memory_mb * 2**20
        # A list doubles what it holds when it is full, so that codes take up to twice their size.
        per_segment = max(1, n_bytes // 2 // (int(self.quantiser.code_size) + 8))
        new = []
        for start in range(0, len(photos), per_segment):
            segment = self._coded(gallery, photos[start : start + per_segment], n_bytes, n_threads)
            new.append(segment if keep is None else keep(segment))
        return replace(self, segments=(*self.segments, *new))

    def _coded(self, gallery: Embeddings, photos: Rows, n_bytes: int, n_threads: int | None) -> Segment:
        index = import_module("faiss").clone_index(self.quantiser)
        sums = np.empty(len(photos), np.int64)
        with faiss_threads(n_threads or usable_cores()):
            for some in _blocks(len(photos), n_bytes // 8 // (4 * self.dimension)):
                block = np.ascontiguousarray(gallery.vectors[photos[some]])
                sums[some] = [zlib.crc32(row) for row in block]
                index.add(block)
        return Segment(gallery.image_ids[photos], sums, index)

    def _changed(self, gallery: Embeddings, rows: Rows, photos: Rows) -> Mask:
        """(n,): whether the vector of a photo is another one than the coded one."""
        sums = np.concatenate([*(segment.checksums for segment in self.segments), np.zeros(0, np.int64)])
        now = np.fromiter((zlib.crc32(gallery.vectors[photo]) for photo in photos), np.int64, len(photos))
        changed: Mask = now != sums[rows[photos]]
        return changed

    def _nearest_lists(self, vectors: Vectors, n: int) -> tuple[Rows, Vectors]:
        # So few at once are compared one by one: a product of matrices would give a query another last bit, and
        # perhaps another list, in other company.
        lists, nearness = np.empty((len(vectors), n), np.int64), np.empty((len(vectors), n), np.float32)
        for some in _blocks(len(vectors), _QUERIES_AT_ONCE):
            nearness[some], lists[some] = self.quantiser.quantizer.search(vectors[some], n)
        return lists, nearness


def learned(
    gallery: Embeddings, kind: str, *, n_lists: int | None = None, memory_mb: int, n_threads: int | None
) -> VectorCodes:
    """Learn a quantiser from a sample of a gallery; nothing is coded yet.

    Args:
        gallery: the vectors, mapped perhaps.
        kind: one of `KINDS`.
        n_lists: how many lists; by default two to four times the root of the photos, or one for fewer than
            `LISTS_PAY_FROM`.
        memory_mb: how much the sample and what is made of it may take.
        n_threads: threads to learn with; by default one per core.

    Raises:
        UnknownNameError: when there is no such kind.
    """
    if kind not in KINDS:
        raise UnknownNameError("kind of codes", kind, KINDS)
    n, dimension = len(gallery), gallery.dimension
    n_lists = n_lists or (2 ** (_LISTS_PER_ROOT * isqrt(n)).bit_length() // 2 if n >= LISTS_PAY_FROM else 1)
    faiss = import_module("faiss")
    quantiser = faiss.index_factory(
        dimension, f"IVF{n_lists},{_faiss_name(kind, dimension)}", faiss.METRIC_INNER_PRODUCT
    )
    for clustering in (quantiser.cp, *([quantiser.pq.cp] if kind == "pq" else [])):
        clustering.min_points_per_centroid = 1  # else it writes a warning to stderr
    most = min(max(_LEAST_SAMPLE, _SAMPLES_PER_LIST * n_lists), memory_mb * 2**20 // 6 // (4 * dimension))
    with faiss_threads(n_threads or usable_cores()):
        quantiser.train(_sample(gallery.vectors, max(most, n_lists), kind))
    return VectorCodes(gallery.model, dimension, kind, n, quantiser, n_proposals=KINDS[kind])


def _sample(vectors: Vectors, most: int, kind: str) -> Vectors:
    n, dimension = vectors.shape
    if not n:
        drawn = np.random.default_rng(_SEED).standard_normal((4 * _PQ_CENTRES, dimension)).astype(np.float32)
        unit: Vectors = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
        return unit
    rows = np.arange(n) if n <= most else np.sort(np.random.default_rng(_SEED).choice(n, most, replace=False))
    sample = np.ascontiguousarray(vectors[rows])
    if kind == "pq" and len(sample) < _PQ_CENTRES:
        sample = np.tile(sample, (ceil(_PQ_CENTRES / len(sample)), 1))
    return sample


def _faiss_name(kind: str, dimension: int) -> str:
    # "np": without the search for an order of the codes that serves another way of comparing, and takes minutes.
    part = next(size for size in (_PQ_PART, 3, 2, 1) if dimension % size == 0)
    return {"fp16": "SQfp16", "int8": "SQ8", "pq": f"PQ{dimension // part}np"}[kind]


def _looked_up(
    index: Any, vectors: Vectors, n_asked: int, chosen: tuple[Rows, Vectors], allowed: npt.NDArray[np.uint8] | None
) -> tuple[Vectors, Rows]:
    """(Q, n_asked) likeness and rows of a segment, −1 for absent, from the lists that were chosen for each query."""
    faiss = import_module("faiss")
    lists, nearness = chosen
    options: dict[str, Any] = {"nprobe": lists.shape[1]}
    if allowed is not None:
        options["sel"] = faiss.IDSelectorBitmap(allowed)
    vectors = np.ascontiguousarray(vectors)
    likeness, found = np.empty((len(vectors), n_asked), np.float32), np.empty((len(vectors), n_asked), np.int64)
    asked, *rest = [faiss.swig_ptr(array) for array in (vectors, lists, nearness, likeness, found)]
    index.search_preassigned_c(len(vectors), asked, n_asked, *rest, False, faiss.SearchParametersIVF(**options))
    return likeness, found


def _merged(some: tuple[Rows, Vectors], others: tuple[Rows, Vectors]) -> tuple[Rows, Vectors]:
    """The best of two sets of proposals, as many as one has; of equal ones those of the first."""
    found, likeness = np.concatenate([some[0], others[0]], axis=1), np.concatenate([some[1], others[1]], axis=1)
    best = np.argsort(-likeness, axis=1, kind="stable")[:, : some[0].shape[1]]
    return np.take_along_axis(found, best, axis=1), np.take_along_axis(likeness, best, axis=1)


def _blocks(n: int, size: int) -> Iterator[slice]:
    size = max(1, size)
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def tail_to_absorb(sizes: Sequence[int], n_new: int, at_most: int) -> int:
    """How many of the last segments a new one should take in, so that there are never many of them.

    Args:
        sizes: photos in each segment.
        n_new: photos in the new one.
        at_most: photos that a segment may hold.

    Example:
        >>> tail_to_absorb([1000, 30, 20], 15, 500)
        2
    """
    n, total = 0, n_new
    while n < len(sizes) and sizes[-1 - n] <= 2 * total and sizes[-1 - n] + total <= at_most:
        total += sizes[-1 - n]
        n += 1
    return n
