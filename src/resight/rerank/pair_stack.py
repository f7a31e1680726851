"""A calibrated stack for pairs: cosine and further evidence of two photos as one probability that they are the same.

Each column gets the curve that suits it best (`resight.rerank.pair_curve`), and the curves are added up by a logistic
regression (`resight.rerank.combining`), as in the fusion of re-ranking. Other than there, a pair may show a forgery of
the right person, which is not the same; and what is asked is the probability of the pair, not who comes first.

**Folds.** Persons are dealt to folds. A pair is judged by a fit to pairs without anybody of the folds of its two
persons; the pairs of two persons that stay count for those that went, so that pairs of one person stay as rare.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.errors import InputError, NotFittedError
from resight.rerank.combining import Stack, fields_of, fit_stack
from resight.rerank.logistic import log_loss
from resight.rerank.pair_curve import CURVES, PairCurve, ScoreBins, fit_curve

__all__ = ["PairStack", "cross_fitted_stack", "fit_pair_stack"]

N_FOLDS = 5
_LEAST_FOLDS = 3

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int64]
Columns = Mapping[str, Floats]


@dataclass(frozen=True, eq=False)
class PairStack:
    """The log-odds that both photos of a pair show the same individual, and nothing forged.

    Args:
        curves: column to the curve of its scores.
        stack: what adds them up; None where there is one column only.
        share_same: share of pairs of one individual among those that it was fitted on.
        n_pairs: that it was fitted on.
        log_losses: column to the cross-fitted log loss of each form of curve that was tried.

    Example:
        >>> same = np.tile([True, False], 6)
        >>> persons = np.stack([np.arange(12), np.arange(12) + ~same], axis=1)
        >>> stack = fit_pair_stack({"cosine": np.where(same, 0.8, 0.2)}, same, persons)
        >>> (stack.log_odds({"cosine": np.array([0.1, 0.9])}) > 0).tolist()
        [False, True]
    """

    curves: Mapping[str, PairCurve]
    stack: Stack | None
    share_same: float
    n_pairs: int
    log_losses: Mapping[str, Mapping[str, float]]

    def log_odds(self, columns: Columns) -> Floats:
        """(P,) log-odds of each pair; NaN where no column says anything of it.

        Args:
            columns: (P,) each, under the names that it was fitted on; NaN for nothing to say.

        Raises:
            InputError: when a column is lacking.
        """
        lacking = [name for name in self.curves if name not in columns]
        if lacking:
            raise InputError(f"expected the columns {', '.join(self.curves)}, found none called '{lacking[0]}'")
        said = np.column_stack([curve.log_odds(columns[name]) for name, curve in self.curves.items()])
        answer: Floats = said[:, 0] if self.stack is None else self.stack.combined(said)
        return answer

    def shift_to(self, share_same: float) -> float:
        """What is added to the log-odds where another share of the pairs is of one individual.

        Raises:
            InputError: when the share is not above 0 and below 1.
        """
        return _log_odds(share_same) - _log_odds(self.share_same)

    def as_dict(self) -> dict[str, Any]:
        """The stack as plain lists and numbers."""
        return {
            "curves": {name: curve.as_dict() for name, curve in self.curves.items()},
            "stack": None if self.stack is None else fields_of(self.stack),
            "share_same": self.share_same,
            "n_pairs": self.n_pairs,
            "log_losses": {name: dict(losses) for name, losses in self.log_losses.items()},
        }


def fit_pair_stack(
    columns: Columns,
    same: Bools,
    persons: Codes,
    *,
    weights: Floats | None = None,
    forms: tuple[str, ...] = CURVES,
    n_folds: int = N_FOLDS,
) -> PairStack:
    """The stack that suits some labelled pairs; nothing is drawn, so the same pairs give the same stack.

    Args:
        columns: (P,) each, higher for more alike; NaN for nothing to say.
        same: (P,) whether a pair shows one individual and nothing forged.
        persons: (P, 2) a number for who is on each photo, or whom a forged one pretends to show.
        weights: (P,) how much each pair counts; default: all alike.
        forms: of curves to choose from, by their cross-fitted log loss: some of `CURVES`.
        n_folds: of that.

    Raises:
        NotFittedError: when there are too few persons to leave two folds of them out.
        InputError: when lengths differ, or there is no column.
    """
    _check(columns, same, persons)
    counts = np.ones(len(same)) if weights is None else weights
    folds = list(_folds(same, persons, counts, n_folds))
    curves, held_out, losses = {}, [], {}
    for name, scores in columns.items():
        bins = ScoreBins(scores, same)
        tries = {form: _held_out(form, bins, scores, folds) for form in forms}
        heard = ~np.isnan(scores)
        losses[name] = {form: log_loss(tried[heard], same[heard], counts[heard]) for form, tried in tries.items()}
        form = min(forms, key=losses[name].__getitem__)
        curves[name] = fit_curve(form, bins, counts)
        held_out.append(tries[form])
    priors = np.array([curve.prior for curve in curves.values()])
    stack = fit_stack(np.column_stack(held_out), priors, same, counts) if len(curves) > 1 else None
    share = float(np.average(same, weights=counts))
    return PairStack(curves, stack, share, int(np.count_nonzero(counts)), losses)


def cross_fitted_stack(
    columns: Columns, same: Bools, persons: Codes, *, forms: tuple[str, ...] = CURVES, n_folds: int = N_FOLDS
) -> Floats:
    """(P,) log-odds of each pair by a stack that was fitted without either of its persons.

    Curves, their forms and the stack are fitted anew for each two folds.

    Args:
        columns: as for `fit_pair_stack`, and so `same`, `persons` and `forms`.
        same: whether a pair shows one individual.
        persons: who is on each photo.
        forms: of curves.
        n_folds: of persons.

    Raises:
        NotFittedError: when there are too few persons for that.
        InputError: as for `fit_pair_stack`.
    """
    _check(columns, same, persons)
    answer = np.full(len(same), np.nan)
    for weights, held in _folds(same, persons, np.ones(len(same)), n_folds):
        rows = np.flatnonzero(weights)
        part = {name: scores[rows] for name, scores in columns.items()}
        options: dict[str, Any] = {"weights": weights[rows], "forms": forms, "n_folds": n_folds}
        stack = fit_pair_stack(part, same[rows], persons[rows], **options)
        answer[held] = stack.log_odds({name: scores[held] for name, scores in columns.items()})
    return answer


def _held_out(form: str, bins: ScoreBins, scores: Floats, folds: list[tuple[Floats, Codes]]) -> Floats:
    """(P,) log-odds of each pair by a curve that was fitted without its persons."""
    answer = np.full(len(scores), np.nan)
    for weights, held in folds:
        answer[held] = fit_curve(form, bins, weights).log_odds(scores[held])
    return answer


def _folds(same: Bools, persons: Codes, counts: Floats, n_folds: int) -> Iterator[tuple[Floats, Codes]]:
    """For each two folds of persons, and each fold alone: the weights of the pairs to learn from, and those held out.

    Persons with most pairs are dealt first, so that each fold has its part of them.
    """
    unique, flat = np.unique(persons, return_inverse=True)
    n_folds = min(n_folds, len(unique))
    if n_folds < _LEAST_FOLDS or same.all() or not same.any():
        raise NotFittedError(
            f"expected labelled pairs of {_LEAST_FOLDS} persons at least, some of one individual and some of two, "
            f"found {int(same.sum())} and {int((~same).sum())} of {len(unique)} persons: label more pairs"
        )
    codes = flat.reshape(persons.shape)
    own = np.bincount(codes[same].ravel(), minlength=len(unique))
    order = np.lexsort((np.arange(len(unique)), -np.bincount(codes.ravel()), -own))
    fold_of = np.empty(len(unique), np.int64)
    fold_of[order] = np.resize(np.concatenate([np.arange(n_folds), np.arange(n_folds)[::-1]]), len(unique))
    sides = np.sort(fold_of[codes], axis=1)
    for one, other in combinations_with_replacement(range(n_folds), 2):
        held = np.flatnonzero((sides[:, 0] == one) & (sides[:, 1] == other))
        if len(held):
            apart: Bools = ~(np.isin(sides[:, 0], (one, other)) | np.isin(sides[:, 1], (one, other)))
            yield _learnt_from(apart, same, counts), held


def _learnt_from(apart: Bools, same: Bools, counts: Floats) -> Floats:
    """(P,) weights of the pairs apart from those held out; pairs of two stay as many to those of one as they were."""
    genuine, impostor = (float(counts[apart & which].sum()) for which in (same, ~same))
    if not genuine or not impostor:
        raise NotFittedError(
            "expected enough persons, some on pairs of one individual and some on pairs of two, that those of two "
            "folds can be left out, found too few: label pairs of more persons"
        )
    ratio = float(counts[~same].sum()) / float(counts[same].sum())
    return np.where(apart, counts * np.where(same, 1.0, ratio * genuine / impostor), 0.0)


def _log_odds(share: float) -> float:
    if not 0 < share < 1:
        raise InputError(f"expected a share of pairs of one individual above 0 and below 1, found {share}")
    return float(np.log(share) - np.log1p(-share))


def _check(columns: Columns, same: Bools, persons: Codes) -> None:
    n = len(same)
    wrong = [name for name, scores in columns.items() if np.shape(scores) != (n,) or np.isinf(scores).any()]
    if wrong or not columns or persons.shape != (n, 2):
        raise InputError(
            f"expected columns of finite numbers (or NaN) and two persons for each of {n} pairs, found "
            f"{wrong[0] if wrong else 'no column or persons of shape ' + str(persons.shape)}"
        )
