"""Pairs compared query by query, on several threads: what every scorer of keypoints does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from resight.errors import InputError
from resight.progress import progress

__all__ = ["checked_rows", "score_by_query"]

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


def score_by_query(
    queries: Rows,
    photos: Rows,
    score: Callable[[int, Rows], Floats],
    *,
    title: str,
    n_threads: int,
    n_together: int | None = None,
) -> Floats:
    """(P,) the scores of pairs in any order, those of one query compared together.

    Args:
        queries: (P,) row of each pair's query.
        photos: (P,) row of each pair's photo.
        score: gives (R,) the scores of one query with R photos; threads may ask at the same time.
        title: of the progress bar.
        n_threads: that compare side by side.
        n_together: photos of one query that are asked about at once at most; None for all.

    Raises:
        InputError: when the lists differ in length.
    """
    if len(queries) != len(photos):
        raise InputError(f"expected a photo per query, found {len(queries)} and {len(photos)}")
    scores = np.full(len(queries), np.nan, np.float32)
    parts = list(_by_query(queries, n_together))
    with progress(title, len(queries), "pairs") as done, ThreadPoolExecutor(n_threads) as pool:

        def compare(part: Rows) -> Floats:
            return score(int(queries[part[0]]), photos[part])

        for part, found in zip(parts, pool.map(compare, parts), strict=True):
            scores[part] = found
            done(len(part))
    return scores


def checked_rows(values: npt.ArrayLike, limit: int, name: str = "rows") -> Rows:
    """(P,) row numbers, which the error calls `name`.

    Raises:
        InputError: when they are no flat list of whole numbers, or one does not exist.
    """
    rows = np.asarray(values)
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise InputError(f"expected {name} as a flat list of whole numbers, found {rows.dtype} of shape {rows.shape}")
    if rows.size and not 0 <= rows.min() <= rows.max() < limit:
        raise InputError(f"expected {name} from 0 to below {limit}, found {rows.min()} to {rows.max()}")
    return rows.astype(np.int64)


def _by_query(queries: Rows, n_together: int | None) -> Iterator[Rows]:
    """Places of pairs of one query each."""
    order = np.argsort(queries, kind="stable")
    for places in np.split(order, np.flatnonzero(np.diff(queries[order])) + 1):
        step = n_together or max(len(places), 1)
        yield from (places[start : start + step] for start in range(0, len(places), step))
