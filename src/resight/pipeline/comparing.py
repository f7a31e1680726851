"""What the scorers of a recipe say of pairs, each asked no more often than needed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from resight.config import RerankRecipe
from resight.core import Eligibility, Pairs
from resight.pipeline.scorers import NamedScorer
from resight.pipeline.sides import Side
from resight.search import choose

__all__ = ["Comparer", "permitted", "shortlist"]

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_PAIRS_AT_ONCE = 4_000_000


def shortlist(queries: Side, gallery: Side, rule: Eligibility, n_photos: int) -> Pairs:
    """The pairs of each query and the photos that may answer it: all, or those nearest by the embedding.

    Args:
        queries: who asks.
        gallery: who answers.
        rule: which photo may answer which query.
        n_photos: per query at most.
    """
    if len(gallery) <= n_photos:
        return _all_pairs(rule, len(queries), len(gallery))
    searcher, _ = choose(gallery.embeddings, gallery.catalogue.column("identity").astype(np.str_))
    found = searcher.search(queries.embeddings, n_photos, rule, distinct=False)
    present = found.present
    photos = gallery.catalogue.rows_of(found.gallery_ids[present])
    return Pairs.of(np.nonzero(present)[0], photos, len(queries), len(gallery))


def permitted(rule: Eligibility, pairs: Pairs) -> Mask:
    """(P,): which pairs a rule permits."""
    answer = np.ones(len(pairs), dtype=bool)
    for asked, there in rule.differ:
        q, g = asked[pairs.queries], there[pairs.photos]
        answer &= (g != q) | (q < 0)
    for asked, there in rule.agree:
        q, g = asked[pairs.queries], there[pairs.photos]
        answer &= (g == q) | (g < 0) | (q < 0)
    return answer


def _all_pairs(rule: Eligibility, n_queries: int, n_photos: int) -> Pairs:
    queries = np.repeat(np.arange(n_queries), n_photos)
    every = Pairs(queries, np.tile(np.arange(n_photos), n_queries), n_queries, n_photos)
    return every.select(permitted(rule, every))


@dataclass(eq=False)
class Comparer:
    """The scorers of a recipe, built on two sides.

    Args:
        recipe: says which scorers there are, and how many pairs each may see.
        scorers: in the order of the recipe.
        remember: keep what was said of each pair; for pairs that are asked about again and again.
    """

    recipe: RerankRecipe
    scorers: tuple[NamedScorer, ...]
    remember: bool = False
    _said: dict[str, _Said] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that `compare` gives."""
        return tuple(one.title for one in self.scorers)

    @property
    def models(self) -> dict[str, str]:
        """What each scorer rests on."""
        return {one.title: one.model for one in self.scorers}

    def compare(self, pairs: Pairs, apart: Mask | None = None) -> Pairs:
        """The pairs with what each scorer says.

        A scorer that may see the best n pairs of a query only leaves the others out, at NaN.

        Args:
            pairs: of the rows of both sides.
            apart: (P,) pairs that are looked away from when the query plays a stranger: the best n are
                taken with and without them.
        """
        before: str | None = None
        for one in self.scorers:
            asked = _best(pairs, before, one.n_best, apart)
            values = np.full(len(pairs), np.nan, np.float32)
            values[asked] = self._asked(one, pairs.queries[asked], pairs.photos[asked], pairs.n_photos)
            pairs, before = pairs.with_scores(one.title, values), one.title
        return pairs

    def _asked(self, one: NamedScorer, queries: Rows, photos: Rows, n_photos: int) -> npt.NDArray[np.float32]:
        if not self.remember:
            parts = [one.scorer.score(queries[some], photos[some]) for some in _blocks(len(queries))]
            return np.concatenate([np.zeros(0, np.float32), *parts])
        said = self._said.setdefault(one.title, _Said())
        places = queries * n_photos + photos
        lacking = ~said.knows(places)
        if lacking.any():
            before = time.perf_counter()
            said.add(places[lacking], one.scorer.score(queries[lacking], photos[lacking]))
            said.seconds += time.perf_counter() - before
        return said.of(places)

    @property
    def seconds_per_pair(self) -> dict[str, float]:
        """What each scorer took for a pair that it was asked about, where that is remembered."""
        return {name: said.seconds / max(len(said.places), 1) for name, said in self._said.items()}


@dataclass(eq=False)
class _Said:
    """What one scorer said of pairs, by their place."""

    places: Rows = field(default_factory=lambda: np.zeros(0, np.int64))
    values: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    seconds: float = 0.0

    def knows(self, places: Rows) -> Mask:
        at = np.searchsorted(self.places, places)
        known: Mask = np.zeros(len(places), bool)
        inside = at < len(self.places)
        known[inside] = self.places[at[inside]] == places[inside]
        return known

    def add(self, places: Rows, values: npt.NDArray[np.float32]) -> None:
        places, values = np.concatenate([self.places, places]), np.concatenate([self.values, values])
        order = np.argsort(places)
        self.places, self.values = places[order], values[order]

    def of(self, places: Rows) -> npt.NDArray[np.float32]:
        return self.values[np.searchsorted(self.places, places)]


def _best(pairs: Pairs, by: str | None, n: int | None, apart: Mask | None) -> Rows:
    """The pairs that a scorer sees: each query's best `n` by the scorer before it, strangers' best too."""
    if n is None or by is None:
        return np.arange(len(pairs))
    chosen = _first(pairs, by, n, np.ones(len(pairs), bool))
    if apart is not None:
        chosen |= _first(pairs, by, n, ~apart)
    return np.flatnonzero(chosen)


def _first(pairs: Pairs, by: str, n: int, among: Mask) -> Mask:
    rows = np.flatnonzero(among & ~np.isnan(pairs.scores[by]))
    order = rows[np.lexsort((-pairs.scores[by][rows], pairs.queries[rows]))]
    asked = pairs.queries[order]
    rank = np.arange(len(order)) - np.searchsorted(asked, asked)
    chosen = np.zeros(len(pairs), bool)
    chosen[order[rank < n]] = True
    return chosen


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, start + _PAIRS_AT_ONCE) for start in range(0, n, _PAIRS_AT_ONCE))
