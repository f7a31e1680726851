"""Which photos come when: what the batches of heads and those of networks have in common."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int64]

__all__ = ["Codes", "balanced_rows", "in_turn", "of_different_encounters", "rows_by_class"]


def balanced_rows(classes: Codes, n: int, balance: float, rng: np.random.Generator) -> Codes:
    """So many rows, drawn so that a photo of a class of k photos comes in proportion to k ** -balance.

    With 0 all photos come once, in any order, before one comes again; else rows are drawn with repeats: with 0.5
    classes come by the square root of their size, with 1 all classes come equally often.

    Args:
        classes: (N,) from 0.
        n: rows to draw.
        balance: 0 to 1.
        rng: draws.

    Example:
        >>> np.bincount(balanced_rows(np.array([0, 0, 1]), 6, 0.0, np.random.default_rng(0))).tolist()
        [2, 2, 2]
    """
    if balance == 0:
        return in_turn(np.arange(len(classes)), n, rng)
    weights = np.bincount(classes)[classes].astype(np.float64) ** -balance
    return rng.choice(len(classes), n, p=weights / weights.sum())


def in_turn(rows: Codes, n: int, rng: np.random.Generator) -> Codes:
    """So many of some rows: all of them in a drawn order before one comes again."""
    return np.concatenate([rng.permutation(rows) for _ in range(-(-n // len(rows)))] or [rows[:0]])[:n]


def rows_by_class(classes: Codes) -> list[Codes]:
    """The rows of each class, from class 0 on, in their order."""
    order = np.argsort(classes, kind="stable")
    return np.split(order, np.cumsum(np.bincount(classes))[:-1])


def of_different_encounters(rows: Codes, encounters: Codes, n: int, rng: np.random.Generator) -> Codes:
    """At most n rows, drawn from some, of as many encounters as may be; all of them in a drawn order when they are few.

    Args:
        rows: of one class.
        encounters: (N,) of all photos.
        n: rows to draw.
        rng: draws.

    Example:
        >>> met = np.array([7, 7, 7, 7, 8])
        >>> met[of_different_encounters(np.arange(5), met, 2, np.random.default_rng(0))].sum()
        np.int64(15)
    """
    mixed = rng.permutation(rows)
    if len(mixed) <= n:
        return mixed
    _, codes = np.unique(encounters[mixed], return_inverse=True)
    by_encounter = np.argsort(codes, kind="stable")
    firsts = np.concatenate([[0], np.cumsum(np.bincount(codes))[:-1]])
    turn = np.empty(len(mixed), np.int64)  # the how-manieth photo of its encounter each is
    turn[by_encounter] = np.arange(len(mixed)) - firsts[codes[by_encounter]]
    return mixed[np.argsort(turn, kind="stable")[:n]]
