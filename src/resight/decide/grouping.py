"""Grouping: photos that nobody named, into proposed individuals, anchored to the known ones."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from resight.core import Pairs
from resight.decide.constraints import Blocks, Codes, Constraints
from resight.decide.correlation import BlockGraph, Floats, Linkage, cluster_blocks
from resight.errors import InputError

__all__ = ["Groups", "anchored_blocks", "group_photos"]


@dataclass(frozen=True, eq=False)
class Groups:
    """Which photos show one individual, as far as can be told.

    Args:
        image_ids: (N,) text.
        clusters: (N,) int64, the cluster of each photo, from 0: known individuals by name, then proposed
            ones, the largest first.
        names: name of each cluster: the individual's, or a proposed one ("new-0001").
        n_known: how many clusters, the first ones, have the name of a known individual.
        confidence: (N,) 0 to 1, the probability that the photo belongs with the rest of its cluster (of a
            cluster of one: that it belongs nowhere else); 1 where a label said so.

    Raises:
        InputError: when lengths differ, a cluster is empty or a name stands twice.
    """

    image_ids: npt.NDArray[np.str_]
    clusters: Codes
    names: tuple[str, ...]
    n_known: int
    confidence: Floats

    def __post_init__(self) -> None:
        """Check the lengths and numbers; freeze the arrays."""
        if not len(self.image_ids) == len(self.clusters) == len(self.confidence):
            raise InputError("expected a cluster and a confidence per photo, found other lengths")
        if np.unique(self.clusters).tolist() != list(range(len(self.names))):
            raise InputError(f"expected clusters from 0 to {len(self.names) - 1}, none of them empty, found others")
        if len(set(self.names)) < len(self.names):
            raise InputError("expected a name of its own for each cluster, found one twice")
        for array in (self.image_ids, self.clusters, self.confidence):
            array.setflags(write=False)

    def __len__(self) -> int:
        """The number of clusters."""
        return len(self.names)

    @property
    def n_new(self) -> int:
        """The number of proposed individuals."""
        return len(self) - self.n_known

    @property
    def identities(self) -> npt.NDArray[np.str_]:
        """(N,) the name of each photo's cluster."""
        return np.array(self.names, dtype=np.str_)[self.clusters]

    @property
    def is_known(self) -> npt.NDArray[np.bool_]:
        """(N,) whether the photo is in the cluster of a known individual."""
        return np.asarray(self.clusters < self.n_known)

    def rows(self, cluster: int) -> Codes:
        """The rows of the photos of a cluster."""
        return np.flatnonzero(self.clusters == cluster)

    def table(self) -> pl.DataFrame:
        """One row per photo: image_id, cluster (its name), known, confidence."""
        columns = {"image_id": self.image_ids, "cluster": self.identities, "known": self.is_known}
        return pl.DataFrame({**columns, "confidence": self.confidence})


def group_photos(
    pairs: Pairs,
    log_odds: npt.ArrayLike,
    constraints: Constraints,
    anchors: npt.ArrayLike | None = None,
    *,
    absent: float = 0.0,
    linkage: Linkage = "average",
    taken: Collection[str] = (),
) -> Groups:
    """Group photos so that the pairs in one group carry the most log-odds of being one individual.

    Args:
        pairs: which photos were compared; both rows count the same N photos.
        log_odds: (P,) ln(P / (1 − P)) that the two show one individual, less that of the probability from which
            a link is worth making; NaN for a pair of which nothing is known, which then counts as not compared.
        constraints: of the N photos.
        anchors: (N,) the known individual on each photo, or None; photos of one name stay together, photos of
            two names apart.
        absent: log-odds of a pair that was not compared, 0 (nothing is known) or less (it was passed over because
            others looked more alike).
        linkage: as `cluster_blocks` takes it.
        taken: names that no proposed individual may get.

    Raises:
        InputError: when lengths differ, a number is infinite, `absent` is above 0, or the constraints contradict
            each other; then the photos are named.

    Example:
        >>> pairs = Pairs.of([0, 0, 1], [1, 2, 2], 3, 3)
        >>> groups = group_photos(pairs, [2.0, -3.0, -1.0], Constraints(["a", "b", "c"]))
        >>> groups.table()["cluster"].to_list()
        ['new-0001', 'new-0001', 'new-0002']
    """
    names = _anchors(constraints, anchors)
    blocks = anchored_blocks(constraints, names)
    graph = block_graph(pairs, log_odds, blocks, absent)
    of_block = np.array(cluster_blocks(graph, linkage).of_block, dtype=np.int64)
    numbers, labels = _numbered(of_block[blocks.of_photo], names, {*taken, *(n for n in names if n is not None)})
    confidence = _confidence(graph, of_block)[blocks.of_photo]
    confidence[np.array([name is not None for name in names], dtype=bool)] = 1.0
    n_known = len({name for name in names if name is not None})
    return Groups(np.array(constraints.image_ids, dtype=np.str_), numbers, labels, n_known, confidence)


def anchored_blocks(constraints: Constraints, anchors: npt.ArrayLike | None = None) -> Blocks:
    """The photos that must be one individual, those of one name too.

    Args:
        constraints: of N photos.
        anchors: (N,) the known individual on each photo, or None.

    Raises:
        InputError: when two photos must be one individual and cannot be; names them.
    """
    names = _anchors(constraints, anchors)
    one, agree = {**constraints.one, "name": names}, {"name": names, **constraints.agree}
    return Blocks.of(replace(constraints, one=one, agree=agree))


def _anchors(constraints: Constraints, anchors: npt.ArrayLike | None) -> npt.NDArray[Any]:
    return np.full(len(constraints), None) if anchors is None else np.asarray(anchors, dtype=object)


def block_graph(pairs: Pairs, log_odds: npt.ArrayLike, blocks: Blocks, absent: float) -> BlockGraph:
    """The pairs that say something, summed up by blocks.

    Raises:
        InputError: as `group_photos`.
    """
    n = len(blocks.of_photo)
    odds = np.asarray(log_odds, dtype=np.float64)
    if (pairs.n_queries, pairs.n_photos) != (n, n):
        raise InputError(f"expected pairs among {n} photos, found {pairs.n_queries} and {pairs.n_photos}")
    if odds.shape != (len(pairs),) or np.isinf(odds).any():
        raise InputError(f"expected finite log-odds or NaN for each of {len(pairs)} pairs, found others")
    if not absent <= 0 or np.isinf(absent):
        raise InputError(f"expected log-odds of at most 0 for pairs that were not compared, found {absent}")
    first, second = np.minimum(pairs.queries, pairs.photos), np.maximum(pairs.queries, pairs.photos)
    said = ~np.isnan(odds) & (first != second)
    _, once = np.unique(first[said] * max(n, 1) + second[said], return_index=True)
    return BlockGraph.of(blocks, first[said][once], second[said][once], odds[said][once], absent)


def _numbered(clusters: Codes, anchors: npt.NDArray[Any], taken: set[str]) -> tuple[Codes, tuple[str, ...]]:
    """Clusters from 0 in the order of `Groups`, and their names."""
    name_of = {int(cluster): name for cluster, name in zip(clusters, anchors, strict=True) if name is not None}
    unique, first, sizes = np.unique(clusters, return_index=True, return_counts=True)
    known = sorted(name_of, key=lambda cluster: name_of[cluster])
    proposed = [
        (-int(n), int(row), int(cluster))
        for cluster, row, n in zip(unique, first, sizes, strict=True)
        if int(cluster) not in name_of
    ]
    order = [*known, *(cluster for _, _, cluster in sorted(proposed))]
    number = np.zeros(int(clusters.max(initial=-1)) + 1, dtype=np.int64)
    number[order] = np.arange(len(order))
    fresh = _fresh(taken)
    return number[clusters], (*(name_of[cluster] for cluster in known), *(next(fresh) for _ in proposed))


def _fresh(taken: set[str]) -> Iterator[str]:
    return (name for name in (f"new-{n:04d}" for n in count(1)) if name not in taken)


def _confidence(graph: BlockGraph, of_block: Codes) -> Floats:
    """(B,) the share of a block's own cluster among all that it could belong to, being alone as one of them.

    A cluster weighs by the mean log-odds of its pairs with the block; their sum would be far too sure, for the
    pairs of one photo err together.
    """
    sizes = np.bincount(of_block, graph.blocks.sizes, len(of_block))
    ends, others = np.concatenate([graph.first, graph.second]), np.concatenate([graph.second, graph.first])
    key, place = np.unique(ends * len(of_block) + of_block[others], return_inverse=True)
    block, cluster = key // max(len(of_block), 1), key % max(len(of_block), 1)
    n_pairs = graph.blocks.sizes[block] * (sizes[cluster] - graph.blocks.sizes[block] * (of_block[block] == cluster))
    mean = np.bincount(place, np.tile(graph.surplus, 2), len(key)) / np.maximum(n_pairs, 1) + graph.absent
    weight = np.exp(np.clip(mean, -30, 30))
    has_others = sizes[of_block] > graph.blocks.sizes
    own = np.where(has_others, np.exp(np.clip(graph.absent, -30, 0)), 0.0)
    is_own = cluster == of_block[block]
    own[block[is_own]] = weight[is_own]
    elsewhere = np.bincount(block[~is_own], weight[~is_own], len(of_block))
    return np.asarray(np.where(has_others, own, 1.0) / (own + elsewhere + 1.0))
