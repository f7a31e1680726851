"""Which scorers are combined, and how: the choice that decides best on individuals that it was not fitted on.

A scorer may lower the log loss of pairs and yet put the wrong individual first for many, and another may leave every
order as it is and yet tell known individuals from strangers. So ways are compared by what the user asks for: that the
right individual stands first, with a score above a stranger's (OSCR). Scorers are added one after the other as long as
that rises (forward selection), each time by the stack or the mean, whichever is better; a scorer that does not
help is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resight.rerank.combining import Combination, Stack, fit_mean, fit_stack
from resight.rerank.logistic import log_loss

__all__ = ["WAYS", "Fold", "Heard", "Way", "chosen_way", "every_way", "oscr"]

WAYS = ("stack", "mean")
"""How several scorers are combined."""

_MOST_STRANGERS = 100_000
"""Pairs of strangers that a combination is fitted on; more change its few numbers by nothing that counts."""

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Fold:
    """(P,) how much each pair counts in learning, 0 outside; and which pairs are held out."""

    weights: Floats
    held: Mask


@dataclass(frozen=True, eq=False)
class Heard:
    """What the curves of some scorers say of labelled pairs that they were not fitted on.

    Args:
        names: of the S scorers.
        log_odds: (P, S), NaN where silent; some scorer speaks in every row.
        priors: (S,) log-odds of the pairs that each compared.
        queries: (P,) row of each pair's query.
        same: (P,) whether both photos show the same individual.
        weights: (P,) how much each pair counts.
        folds: of whole individuals; each pair is held out once.
    """

    names: tuple[str, ...]
    log_odds: Floats
    priors: Floats
    queries: Rows
    same: Mask
    weights: Floats
    folds: tuple[Fold, ...]


@dataclass(frozen=True, eq=False)
class Way:
    """One way to combine some of the scorers, and how it does on individuals held out.

    Args:
        how: "stack", "mean", or "alone" for a single scorer.
        scorers: places of those that it takes, in the order of the recipe.
        name: of both, for people.
        combination: fitted on all pairs.
        oscr: 0 to 1; higher is better.
        log_loss: in nats per pair; lower is better.
    """

    how: str
    scorers: tuple[int, ...]
    name: str
    combination: Combination
    oscr: float
    log_loss: float

    @property
    def merit(self) -> tuple[float, float]:
        """What ways are compared by: OSCR, and the log loss between those that are equal there."""
        return self.oscr, -self.log_loss


def every_way(heard: Heard, how: str) -> list[Way]:
    """The one way that takes all scorers as asked."""
    return [_way(heard, tuple(range(len(heard.names))), how)]


def chosen_way(heard: Heard) -> list[Way]:
    """All that was tried; each best one stands behind the best one of fewer scorers, and the last best is chosen."""
    everywhere = [place for place in range(len(heard.names)) if _speaks_in_each_fold(heard, place)]
    if not everywhere:
        return every_way(heard, WAYS[0])
    tried = [_way(heard, (place,), "alone") for place in everywhere]
    best = max(tried, key=lambda way: way.merit)
    while more := list(_with_one_more(heard, best)):
        tried += more
        better = max(more, key=lambda way: way.merit)
        if better.merit <= best.merit:
            break
        best = better
    return [*(way for way in tried if way is not best), best]


def oscr(log_odds: Floats, queries: Rows, same: Mask) -> float:
    """How often a query's best mate is above all its strangers, and above those of how many queries.

    The open-set classification rate (Dhamija, Günther and Boult 2018) over all thresholds, photo by photo: the best
    stranger of a query stands for the query of an individual that is not in the gallery. Ties count against.

    Args:
        log_odds: (P,) of the pairs, NaN where not compared.
        queries: (P,) row of each pair's query.
        same: (P,) whether both photos show the same individual.

    Example:
        >>> oscr(np.array([0.1, 0.5, 0.9, 0.4]), np.array([0, 0, 1, 1]), np.array([False, True, False, True]))
        0.25
    """
    values = np.where(np.isnan(log_odds), -np.inf, log_odds)
    mate, stranger = (_best(values[part], queries[part], queries) for part in (same, ~same))
    asked, answering = np.unique(queries[same]), np.unique(queries[~same])
    if not len(asked) or not len(answering):
        return 0.0
    right = mate[asked] > stranger[asked]
    above = np.searchsorted(np.sort(stranger[answering]), mate[asked], side="left") / len(answering)
    return float((right * above).mean())


def _best(values: Floats, rows: Rows, queries: Rows) -> Floats:
    """The highest value of each query, from 0 on; −∞ where it has none."""
    best = np.full(int(queries.max(initial=-1)) + 1, -np.inf)
    np.maximum.at(best, rows, values)
    return best


def _speaks_in_each_fold(heard: Heard, place: int) -> bool:
    """Whether something can be learnt from a scorer alone, whichever individuals are held out."""
    mates = heard.same & ~np.isnan(heard.log_odds[:, place])
    return all((mates & (fold.weights > 0)).any() for fold in heard.folds)


def _with_one_more(heard: Heard, best: Way) -> Iterator[Way]:
    for place in range(len(heard.names)):
        if place not in best.scorers:
            for how in WAYS:
                yield _way(heard, tuple(sorted((*best.scorers, place))), how)


def _way(heard: Heard, scorers: tuple[int, ...], how: str) -> Way:
    """A way, fitted on all, and its figures on the pairs held out."""
    log_odds, priors = heard.log_odds[:, scorers], heard.priors[list(scorers)]
    spoken = ~np.isnan(log_odds).all(axis=1)
    whole = _learnt(how, log_odds, priors, heard, heard.weights * spoken)
    answer = np.full(len(log_odds), np.nan)
    for fold in heard.folds:
        part = _learnt(how, log_odds, priors, heard, fold.weights * spoken, whole)
        answer[fold.held] = part.combined(log_odds[fold.held])
    loss = log_loss(answer[spoken], heard.same[spoken], heard.weights[spoken])
    names = ", ".join(heard.names[place] for place in scorers)
    rate = oscr(answer, heard.queries, heard.same)
    return Way(how, scorers, f"{how}: {names}", whole, rate, loss)


def _learnt(
    how: str, log_odds: Floats, priors: Floats, heard: Heard, weights: Floats, start: Combination | None = None
) -> Combination:
    if how == "alone":
        return Stack((1.0,), (0.0,), (float(priors[0]),), float(priors[0]))  # the curve as it is
    rows, counts = _thinned(heard.same, weights)
    if how == "stack":
        return fit_stack(log_odds[rows], priors, heard.same[rows], counts, start)
    return fit_mean(log_odds[rows], heard.same[rows], counts, start)


def _thinned(same: Mask, weights: Floats) -> tuple[Rows, Floats]:
    """All mates and every n-th stranger that counts, with weights for those between: a combination has few numbers."""
    mates, strangers = np.flatnonzero(same & (weights > 0)), np.flatnonzero(~same & (weights > 0))
    kept = strangers[:: len(strangers) // _MOST_STRANGERS + 1]
    for_all = weights[strangers].sum() / max(weights[kept].sum(), 1e-300)
    rows = np.sort(np.concatenate([mates, kept]))
    return rows, weights[rows] * np.where(same[rows], 1.0, for_all)
