"""A gallery searched by its own photos: the honest source of calibration and evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resight.core import Catalogue, Eligibility, Embeddings, Matches
from resight.evaluate import Searches
from resight.search import choose

N_CANDIDATES = 10
"""Candidates kept per search: enough to rank and to calibrate, and small in memory."""

MAX_SEARCHES = 20_000
"""Photos of a gallery that ask it at most."""

ENOUGH = 50
"""Photos that a model never learned, at least, that a threshold can rest on."""

SAME_PHOTO = ("image_id", "encounter", "content")
"""What a photo may not share with one that answers for it."""


@dataclass(frozen=True, eq=False)
class SelfSearch:
    """What a gallery's own photos find in it.

    Args:
        mated: searches without the query's own encounter, by photos whose individual has an
            eligible photo in another encounter.
        mated_identities: (Q,) text, the individual on each of these queries.
        non_mated: searches without the query's whole individual: strangers by construction.
        non_mated_identities: (P,) text, the individual on each of these queries.
    """

    mated: Matches
    mated_identities: npt.NDArray[np.str_]
    non_mated: Matches
    non_mated_identities: npt.NDArray[np.str_]

    def summary(self) -> Searches:
        """What open-set measures and the report need of it."""
        mated = Searches.of(self.mated, self.mated_identities, np.ones(len(self.mated), dtype=bool))
        strangers = np.zeros(len(self.non_mated), dtype=bool)
        return Searches.pooled([mated, Searches.of(self.non_mated, self.non_mated_identities, strangers)])


def self_search(
    gallery: Catalogue,
    embeddings: Embeddings,
    *,
    same: Sequence[str] = (),
    unseen: npt.NDArray[np.bool_] | None = None,
    k: int = N_CANDIDATES,
    max_searches: int = MAX_SEARCHES,
    seed: int = 0,
) -> SelfSearch:
    """Search a labelled gallery with its own photos, with and without their individual.

    A photo never answers for itself, for a copy of its file, nor for its encounter. What reviewers rejected does
    answer: the figures are promises for photos that no reviewer has looked at, and what was rejected are just the
    look-alikes that such photos meet.

    Args:
        gallery: labelled photos.
        embeddings: one vector per photo of `gallery`, in its order.
        same: columns in which a candidate must agree with the query (side, species).
        unseen: (N,) the photos that the model never learned; only these ask, where they are enough. None: all.
        k: candidates per search, each another individual.
        max_searches: of a larger gallery this many photos are drawn as queries.
        seed: of that draw.
    """
    identities = gallery.column("identity").astype(np.str_)
    searcher, _ = choose(embeddings, identities)
    rows = asking_rows(np.ones(len(gallery), dtype=bool) if unseen is None else unseen, max_searches, seed)
    queries, vectors = gallery.select(rows), embeddings.select(rows)
    rule = who_may_answer(queries, gallery, same=same)
    mated = has_mate(queries, gallery, rule)
    strangers = who_may_answer(queries, gallery, same=same, differ=(*SAME_PHOTO, "identity"))
    return SelfSearch(
        searcher.search(vectors.select(mated), k, rule.select(np.flatnonzero(mated))),
        identities[rows][mated],
        searcher.search(vectors, k, strangers),
        identities[rows],
    )


def who_may_answer(
    queries: Catalogue,
    gallery: Catalogue,
    *,
    same: Sequence[str] = (),
    differ: Sequence[str] = SAME_PHOTO,
    rejections: Mapping[str, Sequence[str]] | None = None,
) -> Eligibility:
    """The rule over the columns that both catalogues have.

    Args:
        queries: who asks.
        gallery: who answers; labelled, where there are rejections.
        same: columns in which the two must agree.
        differ: columns in which they must differ.
        rejections: image id of a query to the individuals that it was said not to show; they do not answer it.
    """
    both = set(queries.frame.columns) & set(gallery.frame.columns)
    rule = Eligibility.of(
        queries,
        gallery,
        differ=[name for name in differ if name in both],
        agree=[name for name in same if name in both],
    )
    if not rejections:
        return rule
    return rule.barring(queries.image_ids, gallery.column("identity").astype(np.str_), rejections)


def has_mate(queries: Catalogue, gallery: Catalogue, rule: Eligibility) -> npt.NDArray[np.bool_]:
    """(Q,): whether some eligible photo of the gallery shows the query's individual."""
    photos_of: dict[str, list[int]] = {}
    for row, identity in enumerate(gallery.frame["identity"]):
        photos_of.setdefault(identity, []).append(row)
    answer = np.zeros(len(queries), dtype=bool)
    for query, identity in enumerate(queries.frame["identity"]):
        mates = np.array(photos_of.get(identity, []), dtype=np.int64) if identity is not None else np.zeros(0, int)
        allowed = np.ones(len(mates), dtype=bool)
        for codes, theirs in rule.differ:
            allowed &= (theirs[mates] != codes[query]) | (codes[query] < 0)
        for codes, theirs in rule.agree:
            allowed &= (theirs[mates] == codes[query]) | (theirs[mates] < 0) | (codes[query] < 0)
        answer[query] = bool(allowed.any())
    return answer


def asking_rows(unseen: npt.NDArray[np.bool_], at_most: int = MAX_SEARCHES, seed: int = 0) -> npt.NDArray[np.int64]:
    """Who of a gallery asks: photos that the model never learned, where these are `ENOUGH`, else any; rising.

    A photo that a model learned finds its mates better than a new one will, so that thresholds and weights that
    rest on it promise too much.
    """
    rows = np.flatnonzero(unseen) if is_enough(unseen) else np.arange(len(unseen))
    return rows[drawn_rows(len(rows), at_most, seed)]


def is_enough(unseen: npt.NDArray[np.bool_]) -> bool:
    """Whether those photos of a gallery that the model never learned can ask for all."""
    return int(unseen.sum()) >= ENOUGH


def drawn_rows(n: int, at_most: int = MAX_SEARCHES, seed: int = 0) -> npt.NDArray[np.int64]:
    """All rows, or of more than `at_most` so many, drawn by a seed; rising."""
    if n <= at_most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, at_most, replace=False))
