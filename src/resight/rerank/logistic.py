"""Logistic regression of a few coefficients: weights per row, a floor under some slopes, a ridge.

Projected Newton steps (D. Bertsekas, 1982): coefficients that the floor holds are set aside, the
others take a Newton step, which is halved until the loss falls. The loss is convex, so there is one answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Ridge", "fit_logistic", "log_loss", "log_sigmoid", "sigmoid"]

_MAX_STEPS = 100
_MAX_HALVINGS = 40
_SETTLED = 1e-9
_BLOCK_ROWS = 4096

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ridge:
    """What the coefficients are before the rows speak.

    Args:
        centre: (F,) where they are drawn to.
        strength: (F,) how strongly, above 0: it counts like ½·strength·(coefficient − centre)² added to the loss.
        floor: (F,) the least that each may be; −inf where it is free.
    """

    centre: Floats
    strength: Floats
    floor: Floats


def fit_logistic(
    features: Floats, truth: npt.NDArray[np.bool_], weights: Floats, ridge: Ridge, start: Floats | None = None
) -> Floats:
    """The coefficients of the least weighted log loss with a ridge.

    Args:
        features: (P, F), finite; a column of ones gives the intercept.
        truth: (P,) what is to be told.
        weights: (P,) how much each row counts, 0 or more.
        ridge: what holds the coefficients, so that they are finite where the rows are separable.
        start: (F,) where to begin; a near guess spares steps, and changes nothing else.

    Returns:
        (F,) coefficients of the log-odds, none below its floor.
    """
    signed = np.where(truth, 1.0, -1.0)
    at = np.maximum(ridge.centre if start is None else start, ridge.floor)
    loss = _loss(at, features, signed, weights, ridge)
    for _ in range(_MAX_STEPS):
        step = _newton_step(at, features, truth, weights, ridge)
        for _ in range(_MAX_HALVINGS):
            there = np.maximum(at + step, ridge.floor)
            new_loss = _loss(there, features, signed, weights, ridge)
            if new_loss <= loss:
                break
            step = step / 2
        else:
            return at
        moved, at, loss = np.abs(there - at).max(), there, new_loss
        if moved <= _SETTLED * (1 + np.abs(at).max()):
            break
    return at


def log_sigmoid(log_odds: Floats) -> Floats:
    """The logarithm of P where the log-odds of P are given, exact for very small P too."""
    answer: Floats = np.minimum(log_odds, 0) - np.log1p(np.exp(-np.abs(log_odds)))
    return answer


def log_loss(log_odds: Floats, truth: npt.NDArray[np.bool_], weights: Floats) -> float:
    """The weighted mean of −log P(what is true), in nats; 0 without rows of any weight."""
    total = weights.sum()
    return float(-(weights * log_sigmoid(np.where(truth, log_odds, -log_odds))).sum() / total) if total else 0.0


def sigmoid(log_odds: Floats) -> Floats:
    """The probabilities of log-odds; no number is too large for it."""
    return np.asarray(0.5 + 0.5 * np.tanh(log_odds / 2))


def _loss(at: Floats, features: Floats, signed: Floats, weights: Floats, ridge: Ridge) -> float:
    surprise = -(weights * log_sigmoid(signed * (features @ at))).sum()
    return float(surprise + (ridge.strength * (at - ridge.centre) ** 2).sum() / 2)


def _newton_step(
    at: Floats, features: Floats, truth: npt.NDArray[np.bool_], weights: Floats, ridge: Ridge
) -> npt.NDArray[np.float64]:
    slope, curvature = ridge.strength * (at - ridge.centre), np.diag(ridge.strength)
    for start in range(0, len(features), _BLOCK_ROWS):  # small enough to stay in the processor's cache
        rows = slice(start, start + _BLOCK_ROWS)
        p = sigmoid(features[rows] @ at)
        slope = slope + features[rows].T @ (weights[rows] * (p - truth[rows]))
        curvature = curvature + (features[rows] * (weights[rows] * p * (1 - p))[:, None]).T @ features[rows]
    free = (at > ridge.floor) | (slope < 0)
    step = np.zeros_like(at)
    step[free] = np.linalg.solve(curvature[np.ix_(free, free)], -slope[free])
    return step
