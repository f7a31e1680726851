"""Ways to combine what several scorers say of a pair: a logistic stack, and the plain mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from resight.errors import InputError
from resight.rerank.logistic import Ridge, fit_logistic, log_sigmoid

__all__ = ["Combination", "MeanProbability", "Stack", "combination_from", "fit_mean", "fit_stack"]

_RIDGE, _INTERCEPT_RIDGE = 1.0, 1e-3
_SURE = 40.0

Floats = npt.NDArray[np.float64]
Truth = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Stack:
    """The log-odds as a sum: an intercept, and per scorer either its evidence or what its silence says.

    log-odds = intercept + Σ weight·(log-odds of the scorer − its prior), over the scorers that
    compared the pair, + Σ absence, over those that did not. No weight is below 0, so that
    more alike never lowers.

    Args:
        weights: (S,) per scorer, 0 or more.
        absences: (S,) what is added where a scorer did not compare the pair.
        priors: (S,) log-odds of a pair that the scorer compared, whatever it said.
        intercept: log-odds of a pair of which every scorer says nothing new.

    Raises:
        InputError: when the lengths differ, a number is not finite, or a weight is below 0.
    """

    weights: tuple[float, ...]
    absences: tuple[float, ...]
    priors: tuple[float, ...]
    intercept: float

    def __post_init__(self) -> None:
        """Check the numbers."""
        _check_numbers(*self.weights, *self.absences, *self.priors, self.intercept)
        if not len(self.weights) == len(self.absences) == len(self.priors):
            raise InputError("expected a weight, an absence and a prior per scorer, found different lengths")
        if min(self.weights, default=0.0) < 0:
            raise InputError(f"expected weights of at least 0, found {min(self.weights)}")

    def combined(self, log_odds: Floats) -> Floats:
        """(P, S) log-odds of the scorers, NaN where silent → (P,) log-odds; NaN where all are silent."""
        silent = np.isnan(log_odds)
        evidence = np.where(silent, 0.0, log_odds - np.array(self.priors))
        answer = self.intercept + evidence @ np.array(self.weights) + silent @ np.array(self.absences)
        return np.where(silent.all(axis=1), np.nan, answer)


@dataclass(frozen=True)
class MeanProbability:
    """The mean of the probabilities of the scorers that compared the pair, made reliable.

    Scorers that confirm each other make a pair surer than their mean says, so the log-odds of the
    mean pass through one logistic curve, which never changes the order.

    Args:
        slope: of that curve, 0 or more.
        intercept: of that curve.

    Raises:
        InputError: when a number is not finite, or the slope is below 0.
    """

    slope: float
    intercept: float

    def __post_init__(self) -> None:
        """Check the numbers."""
        _check_numbers(self.slope, self.intercept)
        if self.slope < 0:
            raise InputError(f"expected a slope of at least 0, found {self.slope}")

    def combined(self, log_odds: Floats) -> Floats:
        """(P, S) log-odds of the scorers, NaN where silent → (P,) log-odds; NaN where all are silent."""
        return self.intercept + self.slope * _mean_log_odds(log_odds)


Combination: TypeAlias = Stack | MeanProbability


def fit_stack(
    log_odds: Floats, priors: Floats, same: Truth, weights: Floats, start: Combination | None = None
) -> Stack:
    """The stack of the least log loss, with a slight ridge.

    The ridge draws the weights to 1/S, where all scorers say the same once, and the absences to 0.

    Args:
        log_odds: (P, S) of the scorers, NaN where silent; cross-fitted, so that no scorer is believed for what
            it learnt from the very pair.
        priors: (S,) log-odds of the pairs that each scorer compared.
        same: (P,) whether both photos of a pair show the same individual.
        weights: (P,) how much each pair counts.
        start: a stack of nearly the same pairs, which spares time.
    """
    n = log_odds.shape[1]
    silent = np.isnan(log_odds)
    at_times = np.flatnonzero(silent.any(axis=0))
    features = np.column_stack([np.where(silent, 0.0, log_odds - priors), np.ones(len(log_odds)), silent[:, at_times]])
    prior = np.log(weights[same].sum() + 0.5) - np.log(weights[~same].sum() + 0.5)
    zeros = np.zeros(len(at_times))
    ridge = Ridge(
        np.concatenate([np.full(n, 1 / n), [prior], zeros]),
        np.concatenate([np.full(n, _RIDGE), [_INTERCEPT_RIDGE], zeros + _RIDGE]),
        np.concatenate([np.zeros(n), [-np.inf], zeros - np.inf]),
    )
    near = (
        np.concatenate([start.weights, [start.intercept], np.array(start.absences)[at_times]])
        if isinstance(start, Stack)
        else None
    )
    found = fit_logistic(features, same, weights, ridge, near)
    absences = np.zeros(n)
    absences[at_times] = found[n + 1 :]
    return Stack(tuple(found[:n].tolist()), tuple(absences.tolist()), tuple(priors.tolist()), float(found[n]))


def fit_mean(log_odds: Floats, same: Truth, weights: Floats, start: Combination | None = None) -> MeanProbability:
    """The mean with the logistic curve of the least log loss; its ridge draws to the mean as it is.

    Args:
        log_odds: (P, S) of the scorers, NaN where silent; some scorer speaks in every row.
        same: (P,) whether both photos of a pair show the same individual.
        weights: (P,) how much each pair counts.
        start: the mean of nearly the same pairs, which spares time.
    """
    mean = _mean_log_odds(log_odds)
    ridge = Ridge(np.array([1.0, 0.0]), np.array([_RIDGE, _INTERCEPT_RIDGE]), np.array([0.0, -np.inf]))
    near = np.array([start.slope, start.intercept]) if isinstance(start, MeanProbability) else None
    features = np.column_stack([mean, np.ones(len(mean))])
    slope, intercept = fit_logistic(features, same, weights, ridge, near).tolist()
    return MeanProbability(slope, intercept)


def combination_from(fields: Mapping[str, Any]) -> Combination:
    """The combination that its fields describe, as `dataclasses.asdict` gives them.

    Raises:
        InputError: when a field is lacking, unknown or of another kind.
    """
    try:
        if "weights" in fields:
            rows = {name: tuple(fields[name]) for name in ("weights", "absences", "priors")}
            return Stack(**{**fields, **rows})
        return MeanProbability(**fields)
    except (KeyError, TypeError) as error:
        raise InputError(f"expected the fields of a combination, found others ({error}): fit again") from error


def fields_of(combination: Combination) -> dict[str, Any]:
    """The combination as plain lists and numbers."""
    fields = asdict(combination)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}


def _mean_log_odds(log_odds: Floats) -> Floats:
    """The log-odds of the mean probability over those that speak; exact near 0 and near 1."""
    heard = ~np.isnan(log_odds)
    bounded = np.clip(np.where(heard, log_odds, 0.0), -_SURE, _SURE)
    with np.errstate(divide="ignore", invalid="ignore"):  # no scorer spoke: 0 − 0 of −inf gives NaN
        answer: Floats = np.log((np.exp(log_sigmoid(bounded)) * heard).sum(axis=1)) - np.log(
            (np.exp(log_sigmoid(-bounded)) * heard).sum(axis=1)
        )
    return answer


def _check_numbers(*numbers: float) -> None:
    if not all(isinstance(number, float) and np.isfinite(number) for number in numbers):
        raise InputError("expected a combination of finite numbers, found another value")
