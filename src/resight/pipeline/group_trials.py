"""Grouping judged by labelled photos whose names are hidden: how right it is, and where to draw its line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from resight.core import Catalogue, Embeddings, Pairs
from resight.decide.constraints import Constraints
from resight.decide.correlation import Linkage
from resight.decide.grouping import Groups, group_photos
from resight.decide.head_count import Tally
from resight.errors import InputError
from resight.evaluate.clustering import cluster_scores
from resight.pipeline.group_constraints import constraints_of
from resight.pipeline.pair_evidence import Evidence, PairEvidence, by_cosine, neighbour_pairs
from resight.store import Denials

PROBABILITIES = (0.5, 0.35, 0.25, 0.15, 0.1, 0.06, 0.04, 0.025, 0.015)
"""The least mean probabilities of a group among which the trials choose."""

Mask = npt.NDArray[np.bool_]

_MOST_PHOTOS = 2_000
_FEWEST_INDIVIDUALS = 6


@dataclass(frozen=True)
class GroupRules:
    """How photos are grouped.

    Args:
        same: columns in which photos must agree to be matched.
        one_per_encounter: whether the user says that an encounter shows one individual.
        n_neighbours: photos that each is compared with: those that look most like it.
        linkage: as `cluster_blocks` takes it.
        evidence: turns pairs into log-odds.
    """

    same: tuple[str, ...] = ()
    one_per_encounter: bool = False
    n_neighbours: int = 50
    linkage: Linkage = "average"
    evidence: Evidence = by_cosine

    def pairs(self, photos: Catalogue, embeddings: Embeddings) -> Pairs:
        """The pairs to compare."""
        return neighbour_pairs(
            photos, embeddings, self.n_neighbours, self.same, other_encounters=self.one_per_encounter
        )

    def constraints(self, photos: Catalogue, denials: Denials | None = None) -> Constraints:
        """What is known of the photos before any are compared."""
        return constraints_of(photos, same=self.same, one_per_encounter=self.one_per_encounter, denials=denials)

    def groups(
        self,
        photos: Catalogue,
        pairs: Pairs,
        said: PairEvidence,
        min_probability: float,
        denials: Denials | None = None,
    ) -> Groups:
        """Group photos whose pairs were judged."""
        constraints = self.constraints(photos, denials)
        names = photos.column("identity")
        line = log_odds_of(min_probability)
        absent = min(0.0, said.absent - line)
        return group_photos(pairs, said.log_odds - line, constraints, names, absent=absent, linkage=self.linkage)


@dataclass(frozen=True, eq=False)
class GroupTrial:
    """What grouping made of photos whose names were hidden.

    Args:
        min_probability: the line that was drawn.
        ari: adjusted Rand index over the hidden photos.
        ami: adjusted mutual information over them.
        n_individuals: on them, in truth.
        tally: what became of strangers and of known individuals.
        sure: (H,) the confidence in each.
        right: (H,) whether it stands where it belongs: in a known individual's group if it shows that one, in a
            proposed group if most of its photos do, alone if no other photo at all shows its individual.
    """

    min_probability: float
    ari: float
    ami: float
    n_individuals: int
    tally: Tally
    sure: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]


def log_odds_of(probability: float) -> float:
    """ln(p / (1 − p)).

    Raises:
        InputError: when the probability is not above 0 and below 1.
    """
    if not 0 < probability < 1:
        raise InputError(f"expected min_probability above 0 and below 1, found {probability}")
    return float(np.log(probability / (1 - probability)))


def enough_to_try(photos: Catalogue) -> bool:
    """Whether there are labelled individuals enough to hide some and to learn from the others."""
    return photos.n_identities >= _FEWEST_INDIVIDUALS


def line_among(probability: float, share: float) -> float:
    """The line among the photos of which those that something was learned from are only a share.

    Among more photos a photo has as many mates and more look-alikes. What a pair said when learned from therefore
    stands for odds that are lower by that share, and the line moves up instead.

    Example:
        >>> line_among(0.5, 0.25)
        0.8
    """
    odds = probability / (1 - probability) / share
    return odds / (1 + odds)


def trials(
    photos: Catalogue,
    embeddings: Embeddings,
    rules: GroupRules,
    probabilities: Sequence[float] = PROBABILITIES,
    *,
    n_repeats: int = 10,
    seed: int = 0,
) -> Iterator[tuple[GroupTrial, ...]]:
    """Hide names, group, and compare: per repeat one trial for each probability.

    Half of the individuals lose all their names, and one encounter of each other one its own. The log-odds are those
    of all names: by a curve of two numbers, which hardly knows any one of them, or by cross-fitting. Of more than
    2,000 photos whole individuals are drawn.

    Args:
        photos: labelled photos.
        embeddings: one vector per photo of `photos`, in its order.
        rules: how to group.
        probabilities: the lines to try.
        n_repeats: how often names are hidden.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    rows = _some_individuals(photos, rng)
    photos, embeddings = photos.select(rows), embeddings.select(rows)
    pairs = rules.pairs(photos, embeddings)
    said = rules.evidence(photos, embeddings, pairs, rules.same)
    for _ in range(n_repeats):
        strangers, held_out = _hidden(photos, rng)
        hidden = strangers | held_out
        told = photos.frame.with_columns(pl.when(~pl.Series(hidden)).then(pl.col("identity")).alias("identity"))
        known = replace(photos, frame=told)
        found = ((line, rules.groups(known, pairs, said, line)) for line in probabilities)
        yield tuple(_judged(groups, photos, strangers, held_out, line) for line, groups in found)


def _judged(groups: Groups, photos: Catalogue, strangers: Mask, held_out: Mask, line: float) -> GroupTrial:
    names, hidden = photos.column("identity").astype(np.str_), strangers | held_out
    truth, found = names[hidden], groups.clusters[hidden]
    scores = cluster_scores(truth, found)
    is_named = groups.is_known
    share = np.bincount(groups.clusters, strangers, len(groups)) / np.bincount(
        groups.clusters, hidden, len(groups)
    ).clip(1)
    proposed = np.unique(groups.clusters[hidden & ~is_named])
    n_of_strangers = int((share[proposed] > 0.5).sum())
    tally = Tally(
        len(set(names[strangers])),
        int(strangers.sum()),
        n_of_strangers,
        int((strangers & is_named).sum()),
        int(held_out.sum()),
        len(proposed) - n_of_strangers,
        int((held_out & is_named).sum()),
    )
    right = _right(groups, photos)[hidden]
    return GroupTrial(line, scores.ari, scores.ami, scores.n_individuals, tally, groups.confidence[hidden], right)


def _right(groups: Groups, photos: Catalogue) -> Mask:
    """(N,) whether a photo stands where it belongs, as `GroupTrial` says; without meaning where nobody knows."""
    frame = pl.DataFrame({"name": photos.frame["identity"], "cluster": groups.clusters, "group": groups.identities})
    most = pl.col("name").mode().sort().first().over("cluster")
    expected = pl.when(pl.Series(groups.is_known)).then("group").otherwise(most)
    alone = (pl.len().over("cluster") == 1) & ~pl.Series(groups.is_known)
    is_right = pl.when(alone).then(pl.len().over("name") == 1).otherwise(pl.col("name") == expected)
    return np.asarray(frame.select(is_right.alias("right"))["right"].to_numpy())


def _some_individuals(photos: Catalogue, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    names = photos.column("identity").astype(np.str_)
    unique, sizes = np.unique(names, return_counts=True)
    order = rng.permutation(len(unique))
    kept = unique[order[: max(1, int((np.cumsum(sizes[order]) <= _MOST_PHOTOS).sum()))]]
    return np.flatnonzero(np.isin(names, kept))


def _hidden(photos: Catalogue, rng: np.random.Generator) -> tuple[Mask, Mask]:
    """Which photos lose their name: those of strangers, and an encounter each of other individuals."""
    names = photos.column("identity").astype(np.str_)
    met = photos.frame.select(pl.coalesce("encounter", "image_id")).to_series().to_numpy().astype(np.str_)
    unique = rng.permutation(np.unique(names))
    strangers = np.isin(names, unique[: len(unique) // 2])
    held_out = np.zeros(len(names), dtype=bool)
    for name in unique[len(unique) // 2 :].tolist():
        own = np.flatnonzero(names == name)
        meetings = np.unique(met[own])
        if len(meetings) > 1:
            held_out[own[met[own] == rng.choice(meetings)]] = True
    return strangers, held_out
