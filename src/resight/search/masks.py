"""Who may answer whom, applied to blocks and never as a comparison of all with all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from resight.core import Eligibility
from resight.search.gallery import Rows


def alike(rule: Eligibility, n_queries: int) -> Iterator[Rows]:
    """Queries whose codes in `agree` are the same, so that the same photos agree with them.

    Every query stands in exactly one group, in rising order.
    """
    if not n_queries:
        return
    if not rule.agree:
        yield np.arange(n_queries)
        return
    codes = np.stack([q for q, _ in rule.agree], axis=1)
    _, group = np.unique(np.maximum(codes, -1), axis=0, return_inverse=True)
    by_group = np.argsort(group.reshape(-1), kind="stable")
    yield from np.split(by_group, np.cumsum(np.bincount(group.reshape(-1)))[:-1])


def agreeing(rule: Eligibility, n_photos: int) -> Rows:
    """The photos that agree with the queries of one group of `alike`, rising."""
    allowed = np.ones(n_photos, dtype=bool)
    for q, g in rule.agree:
        if q[0] >= 0:
            allowed &= (g == q[0]) | (g < 0)
    return np.flatnonzero(allowed)


def forbid(scores: npt.NDArray[np.float32], rule: Eligibility, photos: Rows, at_once: int) -> None:
    """Set the score of every pair that `differ` forbids to −inf, in place.

    Args:
        scores: (B, C) of the rule's queries and `photos`.
        rule: of B queries; its `agree` is not looked at.
        photos: (C,) rows of the gallery that the rule speaks of.
        at_once: pairs that are written at a time, to bound the memory.
    """
    for q, g in rule.differ:
        theirs = g[photos]
        concerned = np.flatnonzero(np.isin(theirs, q[q >= 0]))
        concerned = concerned[np.argsort(theirs[concerned], kind="stable")]
        first = np.searchsorted(theirs[concerned], q, "left")
        n_forbidden = np.where(q < 0, 0, np.searchsorted(theirs[concerned], q, "right") - first)
        for some in parcels(n_forbidden, at_once):
            n = n_forbidden[some]
            nth = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
            rows = np.repeat(np.arange(some.start, some.stop), n)
            scores[rows, concerned[np.repeat(first[some], n) + nth]] = -np.inf


def permitted(rule: Eligibility, rows: Rows, photos: Rows) -> npt.NDArray[np.bool_]:
    """(n,): whether the rule permits each pair of a query and a photo."""
    answer = np.ones(len(rows), dtype=bool)
    for q, g in rule.differ:
        answer &= (g[photos] != q[rows]) | (g[photos] < 0)
    for q, g in rule.agree:
        answer &= (g[photos] == q[rows]) | (g[photos] < 0) | (q[rows] < 0)
    return answer


def parcels(sizes: npt.NDArray[np.int64], at_most: int) -> Iterator[slice]:
    """Consecutive slices of rows whose sizes sum to `at_most`, or that hold one row alone."""
    total = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = total[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(total, before + at_most, "right")))
        yield slice(start, stop)
        start = stop
