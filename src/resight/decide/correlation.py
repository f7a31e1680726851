"""Correlation clustering: the clusters whose pairs of photos carry the most log-odds of being one individual.

Finding the best clusters is NP-hard (Bansal, Blum and Chawla 2004), so they are sought by greedy joins (Keuper
et al. 2015, "greedy additive edge contraction") and then by moves of single blocks, in the manner of Kernighan and
Lin, in turn until nothing gains. We differ in that pairs that were not compared may count as well, by one number
for all of them, which costs no memory.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from resight.decide.clusters import Clusters
from resight.decide.constraints import Blocks, Codes

Floats = npt.NDArray[np.float64]
Linkage = Literal["sum", "average"]
_MOST_ROUNDS, _MOST_SWEEPS = 6, 8
_LEAST_GAIN = 1e-9


@dataclass(frozen=True, eq=False)
class BlockGraph:
    """Pairs of blocks that were compared.

    Args:
        blocks: the B blocks.
        first: (E,) the lower block of each pair.
        second: (E,) the higher one.
        log_odds: (E,) log-odds of being one individual, summed over the pairs of photos compared.
        surplus: (E,) the same above what these pairs of photos would count had they not been compared.
        absent: what a pair of photos counts that was not compared, 0 or less.
    """

    blocks: Blocks
    first: Codes
    second: Codes
    log_odds: Floats
    surplus: Floats
    absent: float

    @classmethod
    def of(cls, blocks: Blocks, first: Codes, second: Codes, log_odds: Floats, absent: float) -> BlockGraph:
        """Sum up pairs of photos by blocks; those that can never be one individual are left out."""
        ends = np.sort(np.stack([blocks.of_photo[first], blocks.of_photo[second]]), axis=0)
        inside = ends[0] == ends[1]
        key, place = np.unique(ends[0][~inside] * len(blocks) + ends[1][~inside], return_inverse=True)
        sums: Floats = np.bincount(place, log_odds[~inside], len(key)).astype(np.float64)
        counts = np.bincount(place, minlength=len(key))
        one, other = key // max(len(blocks), 1), key % max(len(blocks), 1)
        kept = _may_meet(blocks, one, other)
        surplus = sums - absent * counts
        return cls(blocks, one[kept], other[kept], sums[kept], surplus[kept], absent)

    def worth_joining(self) -> BlockGraph:
        """The pairs within parts that positive pairs hold together: no cluster reaches beyond such a part."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        likely = self.log_odds > 0
        shape = (len(self.blocks), len(self.blocks))
        graph = coo_array((likely[likely], (self.first[likely], self.second[likely])), shape=shape)
        part = connected_components(graph, directed=False)[1]
        kept = part[self.first] == part[self.second]
        edges = (self.first[kept], self.second[kept], self.log_odds[kept], self.surplus[kept])
        return BlockGraph(self.blocks, *edges, self.absent)


def cluster_blocks(graph: BlockGraph, linkage: Linkage = "sum") -> Clusters:
    """The clusters of a graph.

    Args:
        graph: the blocks, and the pairs that were compared.
        linkage: "sum" joins first what gains the most log-odds and then improves by moves; "average" joins
            first what has the highest mean, while that is positive, and moves nothing.
    """
    clusters = Clusters(graph.blocks)
    narrow = graph.worth_joining()
    if linkage == "average":
        _join_all(narrow, clusters, average=True)
        return clusters
    rows = _rows(narrow)
    for _ in range(_MOST_ROUNDS):
        n_joined = _join_all(narrow, clusters, average=False)
        if not n_joined + _move_all(rows, clusters, graph.absent):
            break
    return clusters


def _may_meet(blocks: Blocks, one: Codes, other: Codes) -> npt.NDArray[np.bool_]:
    if not (blocks.agree or blocks.sides or blocks.enemies):
        return np.ones(len(one), dtype=bool)
    clusters = Clusters(blocks)
    return np.array([clusters.may_join(a, b) for a, b in zip(one.tolist(), other.tolist(), strict=True)], dtype=bool)


def _join_all(graph: BlockGraph, clusters: Clusters, *, average: bool) -> int:
    """Join the two clusters that gain the most, until no two gain anything; gives the number of joins."""
    near = _near(graph, clusters)

    def worth(one: int, other: int) -> float:
        n = clusters.n_pairs(one, other)
        gain = near[one][other] + graph.absent * n
        return gain / n if average and n else gain

    heap = [(-value, a, b) for a in near for b in near[a] if a < b and (value := worth(a, b)) > _LEAST_GAIN]
    heapq.heapify(heap)
    n_joined = 0
    while heap:
        told, a, b = heapq.heappop(heap)
        if b not in near.get(a, ()) or not clusters.may_join(a, b):
            continue
        value = worth(a, b)
        if value != -told:  # it fell as the clusters grew, or rose and stands in the heap again
            if _LEAST_GAIN < value < -told:
                heapq.heappush(heap, (-value, a, b))
            continue
        if value <= _LEAST_GAIN:
            break
        kept, gone = (a, b) if len(near[a]) >= len(near[b]) else (b, a)
        clusters.join(kept, gone)
        n_joined += 1
        for c in _merge(near, kept, gone):
            value = worth(kept, c)
            if value > _LEAST_GAIN:
                heapq.heappush(heap, (-value, min(kept, c), max(kept, c)))
    return n_joined


def _near(graph: BlockGraph, clusters: Clusters) -> dict[int, dict[int, float]]:
    """For each cluster those that it was compared with, and the surplus of them all."""
    of_block = np.array(clusters.of_block, dtype=np.int64)
    ends = np.sort(np.stack([of_block[graph.first], of_block[graph.second]]), axis=0)
    apart = ends[0] != ends[1]
    key, place = np.unique(ends[0][apart] * len(of_block) + ends[1][apart], return_inverse=True)
    sums = np.bincount(place, graph.surplus[apart], len(key))
    near: dict[int, dict[int, float]] = {}
    width = max(len(of_block), 1)
    for one, other, surplus in zip((key // width).tolist(), (key % width).tolist(), sums.tolist(), strict=True):
        near.setdefault(one, {})[other] = surplus
        near.setdefault(other, {})[one] = surplus
    return near


def _merge(near: dict[int, dict[int, float]], kept: int, gone: int) -> Iterator[int]:
    """Give the neighbours of one cluster to another; yields those whose surplus changed."""
    mine, theirs = near[kept], near.pop(gone)
    for c, surplus in theirs.items():
        del near[c][gone]
        if c == kept:
            continue
        mine[c] = near[c][kept] = mine.get(c, 0.0) + surplus
        yield c


def _rows(graph: BlockGraph) -> dict[int, list[tuple[int, float]]]:
    rows: dict[int, list[tuple[int, float]]] = {}
    for a, b, surplus in zip(graph.first.tolist(), graph.second.tolist(), graph.surplus.tolist(), strict=True):
        rows.setdefault(a, []).append((b, surplus))
        rows.setdefault(b, []).append((a, surplus))
    return rows


def _move_all(rows: dict[int, list[tuple[int, float]]], clusters: Clusters, absent: float) -> int:
    """Move single blocks to where they gain the most, until none gains; gives the number of moves."""
    n_moved, waiting = 0, sorted(rows)
    for _ in range(_MOST_SWEEPS):
        moved = [block for block in waiting if _move(block, rows[block], clusters, absent)]
        n_moved += len(moved)
        if not moved:
            break
        waiting = sorted({block for one in moved for block, _ in rows[one]} | set(moved))
    return n_moved


def _move(block: int, row: list[tuple[int, float]], clusters: Clusters, absent: float) -> bool:
    """Move a block to the cluster, or out of all clusters, where it gains the most; false when it stands best."""
    sums: dict[int, float] = {}
    for other, surplus in row:
        where = clusters.of_block[other]
        sums[where] = sums.get(where, 0.0) + surplus
    own, size = clusters.of_block[block], len(clusters.members[clusters.of_block[block]])
    here = sums.get(own, 0.0)
    n_photos = clusters.n_photos_of(block)
    at_least = here + absent * n_photos * (clusters.size[own] - n_photos)
    if at_least >= 0 and all(surplus <= at_least for where, surplus in sums.items() if where != own):
        return False  # wherever else it gains less than that
    alone = clusters.take_out(block)
    best, gain = alone, 0.0
    stays = own if size > 1 else alone
    for where in sorted(sums, key=lambda cluster: (cluster != stays, cluster)):
        if where != alone and clusters.may_join(where, alone):
            value = sums[where] + absent * clusters.n_pairs(where, alone)
            if value > gain + _LEAST_GAIN:
                best, gain = where, value
    if best != alone:
        clusters.join(best, alone)
    return best != stays
