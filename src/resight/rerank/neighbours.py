"""Neighbours: the photos most like each photo, block by block, and never itself."""

from __future__ import annotations

import operator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from resight.core import Eligibility, Embeddings
from resight.errors import ConfigError, InputError, MismatchError

Rows = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]

MEMORY_MB = 64
"""Working memory of one look for neighbours, in megabytes."""
_BYTES_PER_CELL = 24
_RESCORED_AT_ONCE = 2**18


class Neighbours(NamedTuple):
    """The photos most like each query, best first.

    Args:
        rows: (Q, k) int64, rows of the gallery; −1 where there are fewer.
        scores: (Q, k) float32, their cosines; −inf where there are fewer.
    """

    rows: Rows
    scores: Scores


def nearest(
    queries: Embeddings,
    gallery: Embeddings,
    k: int,
    rule: Eligibility | None = None,
    *,
    memory_mb: int = MEMORY_MB,
) -> Neighbours:
    """The `k` photos most like each query among those that may answer it; a photo is never its own neighbour.

    Equal cosines stand in the order of the photos' ids, so the order of the gallery does not matter.
    Blocks of products pick the neighbours; their cosines are then summed again in float64.

    Args:
        queries: (Q, D) one vector per query.
        gallery: (G, D) one vector per photo, of the same model.
        k: neighbours per query, at least 1.
        rule: which photos may be whose neighbours; by default all but a photo of the same id.
        memory_mb: working memory in megabytes, above the answer itself.

    Raises:
        InputError: when the rule speaks of other queries or photos.
        ConfigError: when `k` or `memory_mb` is below 1.
        MismatchError: when the vectors are of two models, or of two lengths.
    """
    _check_numbers(k=k, memory_mb=memory_mb)
    check_sides(queries, gallery, rule)
    rule = never_itself(queries, gallery, rule or Eligibility())
    order = np.argsort(gallery.image_ids, kind="stable")
    n_queries, n_photos = _block(gallery.dimension, k, memory_mb)
    rows = np.full((len(queries), k), -1, np.int64)
    for start in range(0, len(queries), n_queries):
        some = slice(start, start + n_queries)
        rows[some] = _nearest_rows(queries.vectors[some], gallery, order, rule.select(some), k, n_photos)
    return _ranked(rows, queries, gallery, order)


def forbidden(rule: Eligibility, photos: Rows | slice) -> npt.NDArray[np.bool_]:
    """(Q, C): which of some photos may not answer which query of a rule; at least one pair of codes is needed."""
    bad: npt.NDArray[np.bool_] | None = None
    for codes, theirs in rule.differ:
        wrong = (codes[:, None] == theirs[photos][None]) & (codes >= 0)[:, None]
        bad = wrong if bad is None else bad | wrong
    for codes, theirs in rule.agree:
        some = theirs[photos]
        wrong = (codes[:, None] != some[None]) & (codes >= 0)[:, None] & (some >= 0)[None]
        bad = wrong if bad is None else bad | wrong
    if bad is None:
        raise InputError("expected a rule with at least one pair of codes, found an empty one")
    return bad


def permitted(rule: Eligibility, queries: Rows, photos: Rows) -> npt.NDArray[np.bool_]:
    """(n,): whether the rule permits each pair of a row of the queries and a row of the gallery."""
    answer = np.ones(len(queries), dtype=bool)
    for codes, theirs in rule.differ:
        answer &= (theirs[photos] != codes[queries]) | (theirs[photos] < 0)
    for codes, theirs in rule.agree:
        answer &= (theirs[photos] == codes[queries]) | (theirs[photos] < 0) | (codes[queries] < 0)
    return answer


def never_itself(queries: Embeddings, gallery: Embeddings, rule: Eligibility) -> Eligibility:
    """The rule, and that a photo of the same id is no answer."""
    both = np.concatenate([queries.image_ids, gallery.image_ids])
    codes = np.unique(both, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return Eligibility((*rule.differ, (codes[: len(queries)], codes[len(queries) :])), rule.agree)


def check_sides(queries: Embeddings, gallery: Embeddings, rule: Eligibility | None) -> None:
    """Refuse vectors of two models, and a rule that speaks of other photos.

    Raises:
        MismatchError: when the vectors are of two models, or of two lengths.
        InputError: when the rule has other lengths.
    """
    gallery.require_same_model(queries.model)
    if queries.dimension != gallery.dimension:
        raise MismatchError(f"expected vectors of {gallery.dimension} numbers, found {queries.dimension}")
    for codes, theirs in (*rule.differ, *rule.agree) if rule is not None else ():
        if (len(codes), len(theirs)) != (len(queries), len(gallery)):
            raise InputError(
                f"expected a rule for {len(queries)} queries and {len(gallery)} photos, "
                f"found one for {len(codes)} and {len(theirs)}"
            )


def cosines(left: npt.NDArray[np.float32], right: npt.NDArray[np.float32], one: Rows, other: Rows) -> Scores:
    """(n,): the cosine of each pair of rows, summed in float64, some pairs at a time."""
    scores = np.empty(len(one), np.float32)
    at_once = max(1, _RESCORED_AT_ONCE // left.shape[1])
    for start in range(0, len(one), at_once):
        some = slice(start, start + at_once)
        scores[some] = np.einsum("nd,nd->n", left[one[some]], right[other[some]], dtype=np.float64)
    return scores


def _check_numbers(**numbers: int) -> None:
    for key, number in numbers.items():
        if isinstance(number, bool) or operator.index(number) < 1:
            raise ConfigError(f"expected {key} of at least 1, found {number}", key=key)


def _block(dimension: int, k: int, memory_mb: int) -> tuple[int, int]:
    """How many queries meet how many photos at a time."""
    n_bytes = memory_mb * 2**20
    n_photos = max(1, min(16_384, n_bytes // 2 // (4 * dimension)))
    return max(1, min(1024, n_bytes // 2 // (_BYTES_PER_CELL * (n_photos + k)))), n_photos


def _nearest_rows(
    vectors: npt.NDArray[np.float32], gallery: Embeddings, order: Rows, rule: Eligibility, k: int, n_photos: int
) -> Rows:
    """(B, k) places in `order` of the nearest photos, −1 where there are fewer; one pass over the gallery."""
    places = np.full((len(vectors), k), -1, np.int64)
    best = np.full((len(vectors), k), -np.inf, np.float32)
    for start in range(0, len(order), n_photos):
        photos = order[start : start + n_photos]
        scores = vectors @ gallery.vectors[photos].T
        scores[forbidden(rule, photos)] = -np.inf
        both = np.concatenate([best, scores], axis=1)
        kept = first_best(both, k)
        known = np.take_along_axis(places, np.minimum(kept, k - 1), axis=1)
        best = np.take_along_axis(both, kept, axis=1)
        places = np.where(np.isneginf(best), -1, np.where(kept < k, known, kept - k + start))
    return places


def first_best(scores: Scores, k: int) -> Rows:
    """(B, k) columns of the k highest of each row, rising; of equal ones the first columns."""
    floor = np.partition(scores, -k, axis=1)[:, -k, None]
    above, level = scores > floor, scores == floor
    n_level = k - above.sum(axis=1, keepdims=True)
    kept = above | (level & (np.cumsum(level, axis=1) <= n_level))
    return np.nonzero(kept)[1].reshape(len(scores), k)


def _ranked(places: Rows, queries: Embeddings, gallery: Embeddings, order: Rows) -> Neighbours:
    """The neighbours best first, with their cosines; equal ones in the order of their places."""
    present = places >= 0
    row, nth = np.nonzero(present)
    scores = np.full(places.shape, -np.inf, np.float32)
    scores[row, nth] = cosines(queries.vectors, gallery.vectors, row, order[places[row, nth]])
    rank = np.lexsort((places, -scores), axis=1)
    rows = np.where(present, order[np.maximum(places, 0)] if len(order) else places, -1)
    return Neighbours(np.take_along_axis(rows, rank, axis=1), np.take_along_axis(scores, rank, axis=1))
