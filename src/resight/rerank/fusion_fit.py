"""Fit a fusion: choose each scorer's curve, the scorers and their combination, by cross-validation over individuals.

**Folds.** Individuals are dealt to folds, and a pair is held out with the individual on its *query*. To learn
for that fold only pairs serve of which *neither* side shows one of its individuals: else the pair (A, B) held
out with A would be known from the pair (B, A), which has nearly the same scores. This drops strangers but no
mates of other folds, so the strangers that stay count for those that went, and mates stay as rare as they were.

**Rarity.** Mates are rare, and they stay so: every pair counts as often as it comes, since a probability
that was learnt on balanced pairs is none. What they are compared with says how rare: see `resight.rerank.fusion`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resight.core import Pairs
from resight.errors import ConfigError, InputError, NotFittedError
from resight.rerank.choosing import WAYS, Fold, Heard, chosen_way, every_way
from resight.rerank.fusion import Fusion, FusionSummary, ScorerSummary
from resight.rerank.labelled_pairs import LabelledPairs
from resight.rerank.logistic import log_loss
from resight.rerank.pair_curve import CURVES, PairCurve, ScoreBins, fit_curve

__all__ = ["COMBINATIONS", "WEIGHED", "cross_fitted", "fit_fusion"]

COMBINATIONS = ("auto", *WAYS)
"""How scorers are combined; "auto" chooses that, and which of them, as `resight.rerank.choosing` says."""

WEIGHED = ("pairs", "individuals")
"""What counts once in a fit."""

N_FOLDS = 5

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Task:
    """What is to be learnt: scores (P, S), queries (P,), truth (P,), weights (P,) and folds."""

    names: tuple[str, ...]
    scores: Floats
    queries: npt.NDArray[np.int64]
    same: Mask
    weights: Floats
    folds: tuple[Fold, ...]


def fit_fusion(
    labelled: LabelledPairs,
    scorers: Sequence[str] | None = None,
    *,
    combine: str = "auto",
    weigh: str = "pairs",
    models: Mapping[str, str] | None = None,
    n_folds: int = N_FOLDS,
) -> Fusion:
    """The fusion that suits some labelled pairs.

    Each scorer gets the curve with the least log loss on individuals that it was not fitted on
    (simpler ones first when they are equal). Which scorers are combined, and whether by the stack or the mean, is
    chosen by how often the right one comes first there, above a stranger. Nothing is drawn: the same pairs give the
    same fusion.

    Args:
        labelled: pairs of a gallery with itself, chosen as pairs will be chosen for a query: by the same
            shortlist of the same cheap scorer. A scorer that was trained on these very photos lies here.
        scorers: which columns to use; by default all, in their order.
        combine: one of `COMBINATIONS`.
        weigh: "pairs" when every pair counts once, so that the probability is a share of pairs;
            "individuals" when every individual counts once, so that one with many photos does not speak for all.
        models: fingerprints of what the scorers rest on, kept in the fusion.
        n_folds: of the cross-validation, 2 or more; less when fewer individuals have a mate.

    Raises:
        NotFittedError: when too few individuals have pairs with mates and with strangers.
        UnknownNameError: when a scorer did not speak.
        ConfigError: when an option is none of those listed.
        InputError: when no scorer is named, or one is named twice.
    """
    _check_options(combine, weigh, n_folds)
    names = tuple(labelled.pairs.scores) if scorers is None else tuple(scorers)
    if not names or len(set(names)) != len(names):
        raise InputError(f"expected names of scorers, each once, found {list(names)}")
    labelled = _compared(labelled, names)
    return _fitted(labelled, _weights(labelled, weigh), names, combine, weigh, n_folds, models or {})


def cross_fitted(
    labelled: LabelledPairs,
    scorers: Sequence[str] | None = None,
    *,
    combine: str = "auto",
    weigh: str = "pairs",
    n_folds: int = N_FOLDS,
) -> Floats:
    """(P,) log-odds of each pair by a fusion that never saw an individual of its query's fold.

    All of `fit_fusion`, choices too, is done again for each fold: what comes out is honest, and
    serves for reliability diagrams and for calibrating an operating point on the gallery's own photos.

    Args:
        labelled: as for `fit_fusion`.
        scorers: as for `fit_fusion`.
        combine: as for `fit_fusion`.
        weigh: as for `fit_fusion`.
        n_folds: of the outer cross-validation and of each fit in it.

    Returns:
        Log-odds in the order of the pairs; NaN where no scorer compared the pair.

    Raises:
        NotFittedError: when a fold leaves too few individuals to fit on.
        UnknownNameError: as for `fit_fusion`.
        ConfigError: as for `fit_fusion`.
        InputError: as for `fit_fusion`.
    """
    _check_options(combine, weigh, n_folds)
    names = tuple(labelled.pairs.scores) if scorers is None else tuple(scorers)
    whole, labelled = labelled, _compared(labelled, names)
    answer = np.full(len(labelled), np.nan)
    for fold in _folds(labelled, _weights(labelled, weigh), n_folds):
        taught = np.flatnonzero(fold.weights > 0)
        fusion = _fitted(_some(labelled, taught), fold.weights[taught], names, combine, weigh, n_folds, {})
        answer[fold.held] = fusion.log_odds(labelled.pairs.select(fold.held))
    compared = ~np.isnan(whole.pairs.matrix(names)).all(axis=1)
    everywhere = np.full(len(whole), np.nan)
    everywhere[compared] = answer
    return everywhere


def _fitted(
    labelled: LabelledPairs,
    weights: Floats,
    names: tuple[str, ...],
    combine: str,
    weigh: str,
    n_folds: int,
    models: Mapping[str, str],
) -> Fusion:
    folds = _folds(labelled, weights, n_folds)
    task = _Task(names, labelled.pairs.matrix(names), labelled.pairs.queries, labelled.same, weights, folds)
    found = [_chosen_curve(task, place) for place in range(len(names))]
    curves = [one[0] for one in found]
    priors = np.array([curve.prior for curve in curves])
    held_out = np.column_stack([one[1] for one in found])
    heard = Heard(names, held_out, priors, task.queries, task.same, weights, folds)
    ways = chosen_way(heard) if combine == "auto" else every_way(heard, combine)
    chosen = ways[-1]
    summary = FusionSummary(
        n_pairs=len(labelled),
        n_same=int(labelled.same.sum()),
        n_individuals=len(np.unique(labelled.query_individuals)),
        n_folds=len(folds),
        weigh=weigh,
        chosen=chosen.name,
        asked=combine,
        oscr={way.name: way.oscr for way in ways},
        log_loss={**{way.name: way.log_loss for way in ways}, "prior": _bare_loss(task)},
        scorers=tuple(one[2] for one in found),
    )
    kept = {names[place]: curves[place] for place in chosen.scorers}
    return Fusion(kept, chosen.combination, summary, {name: models[name] for name in kept if name in models})


def _chosen_curve(task: _Task, place: int) -> tuple[PairCurve, Floats, ScorerSummary]:
    """The curve of one scorer, what curves of its form say of the pairs held out, and the figures."""
    scores = task.scores[:, place]
    heard, bins = ~np.isnan(scores), ScoreBins(scores, task.same)
    tries = {form: _held_out(form, task, scores, bins) for form in CURVES}
    same, weights = task.same[heard], task.weights[heard]
    losses = {form: log_loss(values[heard], same, weights) for form, values in tries.items()}
    form = min(CURVES, key=lambda name: losses[name])
    curve = fit_curve(form, bins, task.weights)
    bare = log_loss(np.full(len(same), curve.prior), same, weights)
    return curve, tries[form], ScorerSummary(task.names[place], form, losses, bare, float(heard.mean()))


def _held_out(form: str, task: _Task, scores: Floats, bins: ScoreBins) -> Floats:
    """(P,) log-odds of each pair by the curve that was fitted without its fold."""
    answer = np.full(len(scores), np.nan)
    for fold in task.folds:
        answer[fold.held] = fit_curve(form, bins, fold.weights).log_odds(scores[fold.held])
    return answer


def _bare_loss(task: _Task) -> float:
    """The log loss of someone who knows only how rare mates are."""
    share = float(np.average(task.same, weights=task.weights))
    return log_loss(np.full(len(task.same), np.log(share) - np.log1p(-share)), task.same, task.weights)


def _folds(labelled: LabelledPairs, weights: Floats, n_folds: int) -> tuple[Fold, ...]:
    """Individuals dealt to folds, those with most mates first, so that each fold has its part of them."""
    asked, answering, same = labelled.query_individuals, labelled.photo_individuals, labelled.same
    n = int(max(asked.max(initial=-1), answering.max(initial=-1))) + 1
    n_mates, n_pairs = np.bincount(asked[same], minlength=n), np.bincount(asked, minlength=n)
    n_folds = min(n_folds, int((n_mates > 0).sum()))
    if n_folds < 2 or same.all():
        raise NotFittedError(
            "expected pairs of one individual's photos from different encounters, for two individuals at least, and "
            f"pairs of strangers; found {int(same.sum())} and {int((~same).sum())}: label more photos"
        )
    order = np.lexsort((np.arange(n), -n_pairs, -n_mates))
    there_and_back = np.concatenate([np.arange(n_folds), np.arange(n_folds)[::-1]])
    fold_of = np.empty(n, np.int64)
    fold_of[order] = np.resize(there_and_back, n)
    return tuple(
        _fold(fold_of[asked] == one, fold_of[answering] == one, same, weights, asked) for one in range(n_folds)
    )


def _fold(held: Mask, answered: Mask, same: Mask, weights: Floats, who: npt.NDArray[np.int64]) -> Fold:
    """Learn from pairs without any individual of the fold; their strangers count for those that were dropped."""
    apart = ~held & ~answered
    kept, there = weights[apart & ~same].sum(), weights[~held & ~same].sum()
    if not kept or not weights[apart & same].sum():
        n_met = len(np.unique(who[same]))
        raise NotFittedError(
            "expected enough individuals, met twice or more, that a fold of them can be left out and others stay with "
            f"mates and strangers, found {n_met}: label photos of more individuals"
        )
    return Fold(np.where(apart, weights * np.where(same, 1.0, there / kept), 0.0), held)


def _compared(labelled: LabelledPairs, names: tuple[str, ...]) -> LabelledPairs:
    """The pairs of which some scorer says something."""
    heard = ~np.isnan(labelled.pairs.matrix(names)).all(axis=1)
    return labelled if heard.all() else _some(labelled, np.flatnonzero(heard))


def _some(labelled: LabelledPairs, rows: npt.NDArray[np.int64]) -> LabelledPairs:
    pairs: Pairs = labelled.pairs.select(rows)
    return LabelledPairs(pairs, labelled.query_individuals[rows], labelled.photo_individuals[rows])


def _weights(labelled: LabelledPairs, weigh: str) -> Floats:
    """(P,) how much each pair counts; their mean is 1."""
    if weigh == "pairs" or not len(labelled):
        return np.ones(len(labelled))
    n_pairs = np.bincount(labelled.query_individuals)
    answer: Floats = len(labelled) / (np.count_nonzero(n_pairs) * n_pairs[labelled.query_individuals])
    return answer


def _check_options(combine: str, weigh: str, n_folds: int) -> None:
    for key, value, known in (("combine", combine, COMBINATIONS), ("weigh", weigh, WEIGHED)):
        if value not in known:
            raise ConfigError(f"expected {key} as one of {', '.join(known)}, found '{value}'.", key=key, known=known)
    if n_folds < 2:
        raise ConfigError(f"expected n_folds of at least 2, found {n_folds}", key="n_folds")
