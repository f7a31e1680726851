"""Lines: where a goal draws the threshold, for all queries or for each group of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from resight.core import GroupThreshold, Matches
from resight.core.rates import n_allowed
from resight.decide import thresholds
from resight.decide.conformal import conformal_line
from resight.decide.goals import Goal
from resight.decide.group_thresholds import Groups, Members, codes_of, group_lines, names_of, refitted
from resight.decide.intervals import Refit
from resight.errors import ConfigError

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Searches:
    """Searches of one kind.

    Args:
        matches: (Q, K) what was found.
        individuals: (Q,) number of the individual on each query, from 0.
        mate_places: (Q,) zero-based place of that individual, behind all that tie with it; −1 when
            it is not among the candidates.
        scores: (Q, K) float32 of the candidates.
        best: (Q,) float32, the first of them; −inf where there is none.
    """

    matches: Matches
    individuals: Codes
    mate_places: Codes
    scores: Scores
    best: Scores

    @property
    def n_individuals(self) -> int:
        """The number of individuals that asked."""
        return int(self.individuals.max()) + 1

    def moved(self, members: Members, offsets: Floats) -> Searches:
        """The searches whose group is known, their scores less its offset."""
        known = members.codes >= 0
        return replace(
            self,
            individuals=self.individuals[known],
            mate_places=self.mate_places[known],
            scores=members.moved(offsets, self.scores)[known],
            best=members.moved(offsets)[known],
        )


@dataclass(frozen=True)
class Wish:
    """What the lines are drawn for.

    Args:
        goal: what they must reach.
        share_new: share of new individuals among the queries to come.
        unsure_miss: share of mated searches that may be called new, where there is room for *unsure*.
        seed: of what is drawn.
    """

    goal: Goal
    share_new: float
    unsure_miss: float
    seed: int


@dataclass(frozen=True, eq=False)
class Lines:
    """The lines that were drawn.

    Args:
        threshold: of a query whose group is not known.
        new_below: likewise.
        of_groups: those of each group.
        of_mated: the threshold of the mated searches, one for all or (Q,).
        of_non_mated: that of the non-mated searches, one for all or (P,).
        refit: the latter anew, when the individuals count another number of times.
    """

    threshold: float
    new_below: float
    of_groups: tuple[GroupThreshold, ...]
    of_mated: float | Floats
    of_non_mated: float | Floats
    refit: Refit


def one_line(wish: Wish, known: Searches, strangers: Searches) -> Lines:
    """One threshold for all queries."""
    threshold = _threshold(wish, known, strangers)
    miss = thresholds.missing_at_most(known.best, wish.unsure_miss)
    new_below = threshold if wish.goal.two_way else min(threshold, miss)
    rate = _rate(wish, strangers, threshold)
    order = np.argsort(-strangers.best, kind="stable")  # sorting anew what is sorted costs little
    best, individuals = strangers.best[order], strangers.individuals[order]

    def refit(times: Codes) -> float:
        if wish.goal.name == "conformal":
            return conformal_line(best, individuals, rate, times)
        return _keeping(best, rate, times[individuals])

    return Lines(threshold, new_below, (), threshold, threshold, refit)


def line_per_group(wish: Wish, known: Searches, strangers: Searches, groups: Groups) -> Lines:
    """A threshold for each group: one line on scores that were moved by their group's offset.

    Raises:
        ConfigError: with the goal `conformal`, whose promise would not hold for moved scores.
    """
    if wish.goal.name == "conformal":
        raise ConfigError(
            f"expected one line for all with the goal {wish.goal}, whose promise holds for strangers of every group "
            f"together, found a line per '{groups.column}': ask for fpir={wish.goal.value:g}, or for no groups",
            key="per",
        )
    pooled = one_line(wish, known, strangers)
    names = names_of(groups, np.isfinite(strangers.best))
    asked, met = codes_of(groups.mated, names), codes_of(groups.non_mated, names)
    if not (names and np.isfinite(known.best[asked >= 0]).any()):
        return pooled
    rate = _rate(wish, strangers, pooled.threshold)
    members = Members.of(strangers.best, strangers.individuals, met, len(names), rate, wish.seed)
    once = np.ones(strangers.n_individuals, dtype=np.int64)
    offsets = members.offsets(once)
    mates = Members(known.best, known.individuals, asked, len(names), members.level, members.noise)
    line = _line_on_moved(wish, known.moved(mates, offsets), strangers.moved(members, offsets), pooled, strangers, met)
    of_groups = members.lines(line, offsets)
    new_below = of_groups if wish.goal.two_way else _new_below(wish, known, asked, len(names))
    return Lines(
        pooled.threshold,
        pooled.new_below,
        group_lines(names, of_groups, new_below, members.n_individuals(once)),
        np.append(of_groups, pooled.threshold)[asked],
        np.append(of_groups, pooled.threshold)[met],
        refitted(
            members, lambda moved, times: _keeping(moved, rate, times[strangers.individuals] * (met >= 0)), pooled.refit
        ),
    )


def _line_on_moved(
    wish: Wish, known: Searches, moved: Searches, pooled: Lines, strangers: Searches, met: Codes
) -> float:
    """The line on moved scores; what the pooled line accepts of the other searches is taken off the rate."""
    if wish.goal.promised_fpir is None:
        return _threshold(wish, known, moved)
    others = int((strangers.best[met < 0] >= pooled.threshold).sum())
    allowed = n_allowed(wish.goal.promised_fpir, len(met)) - others
    return thresholds.accepting_at_most(moved.best, np.ones(len(moved.best)), allowed)


def _new_below(wish: Wish, known: Searches, asked: Codes, n_groups: int) -> Floats:
    """(G,): the line below which a query is new, from the lower tails of the mated searches."""
    upside_down = Members.of(-known.best, known.individuals, asked, n_groups, wish.unsure_miss, wish.seed)
    offsets = -upside_down.offsets(np.ones(known.n_individuals, dtype=np.int64))
    mates = replace(upside_down, best=known.best)
    return mates.lines(thresholds.missing_at_most(mates.moved(offsets)[asked >= 0], wish.unsure_miss), offsets)


def _threshold(wish: Wish, known: Searches, strangers: Searches) -> float:
    goal, share_new = wish.goal, wish.share_new
    if goal.name == "fpir" and goal.value is not None:
        return thresholds.keeping_fpir(strangers.best, goal.value)
    if goal.name == "conformal" and goal.value is not None:
        return conformal_line(strangers.best, strangers.individuals, goal.value)
    if goal.name == "share-new":
        return thresholds.reaching_share_new(known.best, strangers.best, share_new)
    if goal.name == "map@5":
        return thresholds.best_map(known.scores, known.mate_places, strangers.scores, share_new)
    right = known.mate_places == 0
    return thresholds.best_baks_baus(known.best, right, known.individuals, strangers.best, strangers.individuals)


def _rate(wish: Wish, strangers: Searches, threshold: float) -> float:
    """The rate that the line was set for; else the one that is observed there."""
    promised = wish.goal.promised_fpir
    return float((strangers.best >= threshold).mean()) if promised is None else promised


def _keeping(best: Scores, rate: float, weights: Codes) -> float:
    return thresholds.accepting_at_most(best, weights, n_allowed(rate, int(weights.sum())))
