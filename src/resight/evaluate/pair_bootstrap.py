"""Intervals of figures of pairs, by resampling persons: a pair has two, and errs with both.

Persons are drawn with replacement. A pair of two persons counts as often as the product of their draws, and a pair
of one person as often as that one was drawn. The product is the pigeonhole bootstrap (Owen, Annals of Applied
Statistics 2007), which for pairs of faces is the vertex bootstrap (Fogliato, Patil and Perona, 2024). It errs on the
wide side where pairs share few persons, up to 1.7 times, and on the narrow side where there are few persons: of 25 that
were all compared with each other, .88 of the intervals held what .95 should have.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from resight.core import Estimate
from resight.core.rates import unseen
from resight.errors import InputError

__all__ = ["bootstrap_pairs", "pair_weights"]

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def pair_weights(persons: npt.ArrayLike, *, n_resamples: int, seed: int) -> Iterator[Counts]:
    """How often each pair counts, (P,), once per resample; nothing where there are fewer than two persons.

    Args:
        persons: (P, 2) a number for the person on either photo of each pair.
        n_resamples: how many resamples.
        seed: of the draws.

    Raises:
        InputError: when the persons are not (P, 2), or `n_resamples` is negative.

    Example:
        >>> next(pair_weights([[0, 0], [0, 1], [1, 1]], n_resamples=1, seed=0)).tolist()
        [0, 0, 2]
    """
    codes = np.asarray(persons)
    if codes.ndim != 2 or codes.shape[1] != 2:
        raise InputError(f"expected two persons per pair, found shape {codes.shape}")
    if n_resamples < 0:
        raise InputError(f"expected n_resamples of at least 0, found {n_resamples}")
    unique, flat = np.unique(codes, return_inverse=True)
    one, other = flat.reshape(codes.shape).T
    rng, n = np.random.default_rng(seed), len(unique)
    for _ in range(n_resamples if n > 1 else 0):
        times = np.bincount(rng.integers(0, n, n), minlength=n)
        yield times[one] * np.where(one == other, 1, times[other])


def bootstrap_pairs(
    rates: Callable[[Counts], Floats],
    persons: npt.NDArray[np.int64],
    n_persons: npt.ArrayLike,
    *,
    n_resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> list[Estimate]:
    """Several rates with their percentile intervals over resampled persons, all from the same draws.

    Where a rate is 0 or 1 its interval reaches as far as so many persons cannot exclude.

    Args:
        rates: takes how often each pair counts, (P,), and gives (S,) rates; NaN where there is none.
        persons: (P, 2) as for `pair_weights`.
        n_persons: (S,) how many persons each rate rests on.
        n_resamples: how many resamples; 0 for no interval.
        seed: of the draws.
        level: coverage of the interval.

    Raises:
        InputError: as for `pair_weights`.
    """
    found = rates(np.ones(len(persons), np.int64))
    drawn = [rates(weights) for weights in pair_weights(persons, n_resamples=n_resamples, seed=seed)]
    table = np.array(drawn, dtype=np.float64).reshape(len(drawn), len(found))
    counts = np.asarray(n_persons, dtype=np.int64).tolist()
    columns = zip(found.tolist(), table.T, counts, strict=True)
    return [_estimate(value, column[~np.isnan(column)], n, level) for value, column, n in columns]


def _estimate(value: float, drawn: Floats, n: int, level: float) -> Estimate:
    if not len(drawn) or math.isnan(value):
        return Estimate(value, math.nan, math.nan, n, level)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2]).tolist()
    bound = unseen(n, level) if value in (0, 1) else math.nan
    low, high = (min(low, 1 - bound), high) if value == 1 else (low, max(high, bound) if value == 0 else high)
    return Estimate(value, low, high, n, level)
