"""Probabilities of pairs: fitted on other labelled pairs, or on the pairs themselves without their own persons."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.core import PhotoPairs
from resight.errors import NotFittedError
from resight.evaluate import Stated
from resight.rerank.logistic import log_loss, sigmoid
from resight.rerank.pair_stack import PairStack, cross_fitted_stack, fit_pair_stack

__all__ = ["COSINE", "PairCalibration", "calibrated"]

COSINE = "cosine"
"""The column of the cosine, without which nothing is said of a pair."""

_FOLDS = (5, 10, 20)
_ITSELF, _OTHERS = "these pairs, cross-fitted by person", "other pairs"

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Columns = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class PairCalibration:
    """How scores became probabilities.

    Args:
        stack: the curves, and what adds them up.
        fitted_on: "these pairs, cross-fitted", or where the others came from.
        share_same: share of pairs of one individual that the probabilities take for granted.
        stated: the probabilities of the labelled pairs, and whether it was so; None without any.
        log_loss: their mean surprise, in nats; NaN without any.
    """

    stack: PairStack
    fitted_on: str
    share_same: float
    stated: Stated | None
    log_loss: float

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return {
            "fitted_on": self.fitted_on,
            "share_same": self.share_same,
            "log_loss": None if math.isnan(self.log_loss) else self.log_loss,
            "expected_calibration_error": None if self.stated is None else self.stated.calibration_error,
            "stack": self.stack.as_dict(),
        }


def calibrated(
    pairs: PhotoPairs,
    columns: Columns,
    taught: tuple[PhotoPairs, Columns] | None,
    share_same: float | None,
    *,
    must: bool,
) -> tuple[PairCalibration | None, Floats, tuple[str, ...]]:
    """The probability that each pair shows one individual and nothing forged, how it was fitted, and notes on that.

    Args:
        pairs: the pairs that are asked about.
        columns: what is said of them; `COSINE` among it.
        taught: other labelled pairs to fit on, and what is said of them; None to fit on the labelled ones of `pairs`,
            each judged by a fit without its persons.
        share_same: share of pairs of one individual that the probabilities take for granted; None: as fitted.
        must: raise where nothing can be fitted, instead of a note.

    Raises:
        NotFittedError: when `must`, and too few labelled pairs say how.
        InputError: when the share is not above 0 and below 1.
    """
    source, theirs = (pairs, columns) if taught is None else taught
    rows = _known(source, theirs)
    asked = source.is_genuine[rows], source.persons[rows]
    try:
        stack, own = _fitted(_rows(theirs, rows), asked, crossed=taught is None)
    except NotFittedError as error:
        if must:
            raise
        return None, np.full(len(pairs), np.nan), (f"There are no probabilities: {error}.",)
    log_odds = stack.log_odds(_rows(columns, np.arange(len(pairs))))
    log_odds[np.isnan(columns[COSINE])] = np.nan
    if own is not None:
        log_odds[rows] = own
    shift = 0.0 if share_same is None else stack.shift_to(share_same)
    stated, loss = _judged(pairs, columns, log_odds)
    share = stack.share_same if share_same is None else share_same
    found = PairCalibration(stack, _ITSELF if taught is None else _OTHERS, share, stated, loss)
    return found, sigmoid(log_odds + shift), _shared(pairs, taught)


def _fitted(
    columns: Mapping[str, Floats], asked: tuple[Bools, npt.NDArray[np.int64]], *, crossed: bool
) -> tuple[PairStack, Floats | None]:
    """The stack, and what stacks without its persons say of each pair.

    Of few pairs two folds of persons may be all of one kind; of more folds each two are fewer persons.
    """
    for n_folds in _FOLDS[:-1]:
        with suppress(NotFittedError):
            return _fitted_by(columns, asked, n_folds, crossed=crossed)
    return _fitted_by(columns, asked, _FOLDS[-1], crossed=crossed)


def _fitted_by(
    columns: Mapping[str, Floats], asked: tuple[Bools, npt.NDArray[np.int64]], n_folds: int, *, crossed: bool
) -> tuple[PairStack, Floats | None]:
    stack = fit_pair_stack(columns, *asked, n_folds=n_folds)
    return stack, cross_fitted_stack(columns, *asked, n_folds=n_folds) if crossed else None


def _judged(pairs: PhotoPairs, columns: Columns, log_odds: Floats) -> tuple[Stated | None, float]:
    """The probabilities of the labelled pairs beside the truth; at the share that they were fitted on."""
    rows = _known(pairs, columns)
    if not len(rows):
        return None, math.nan
    same, about = pairs.is_genuine[rows], pairs.persons[rows, 0].astype(np.str_)
    means = "Probability that a pair shows one individual; right when it does."
    stated = Stated(sigmoid(log_odds[rows]), same, about, means)
    return stated, log_loss(log_odds[rows], same, np.ones(len(rows)))


def _shared(pairs: PhotoPairs, taught: tuple[PhotoPairs, Columns] | None) -> tuple[str, ...]:
    """A sentence when the probabilities were fitted on persons who are asked about."""
    if taught is None:
        return ()
    here, there = (
        {name for side in ("person_a", "person_b") for name in one.frame[side].drop_nulls()}
        for one in (pairs, taught[0])
    )
    sentence = (
        f"{len(here & there):,} persons are among the pairs that the probabilities were fitted on as well: of others "
        "they will be less right than the figures say."
    )
    return (sentence,) if here & there else ()


def _known(pairs: PhotoPairs, columns: Columns) -> npt.NDArray[np.int64]:
    """The rows of labelled pairs that could be compared."""
    return np.flatnonzero(pairs.is_labelled & ~np.isnan(columns[COSINE]))


def _rows(columns: Columns, rows: npt.NDArray[np.int64]) -> dict[str, Floats]:
    return {name: values[rows].astype(np.float64) for name, values in columns.items()}
