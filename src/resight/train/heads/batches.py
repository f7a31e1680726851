"""Which photos a head looks at together: as they come, balanced between classes, or P classes by K photos."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int64]


def balanced_batches(classes: Codes, n_photos: int, balance: float, rng: np.random.Generator) -> Iterator[Codes]:
    """The rows of an epoch, batch by batch: as many draws as there are photos.

    A photo of a class of n photos is drawn in proportion to n ** -balance: with 0 every photo comes once,
    with 0.5 classes come by the square root of their size, with 1 all classes come equally often.

    Args:
        classes: (N,) from 0.
        n_photos: of a batch; the last one may have fewer, but never one alone.
        balance: 0 to 1.
        rng: draws.

    Example:
        >>> batches = balanced_batches(np.array([0, 0, 1]), 2, 0.0, np.random.default_rng(0))
        >>> sorted(np.concatenate(list(batches)).tolist())
        [0, 1, 2]
    """
    n = len(classes)
    if balance == 0:
        drawn = rng.permutation(n)
    else:
        weights = np.bincount(classes)[classes].astype(np.float64) ** -balance
        drawn = rng.choice(n, n, p=weights / weights.sum())
    n_batches = max(1, round(n / n_photos))
    yield from np.array_split(drawn, n_batches)


def class_batches(
    classes: Codes, encounters: Codes, n_photos: int, n_each: int, rng: np.random.Generator
) -> Iterator[Codes]:
    """The rows of an epoch in batches of P classes by K photos; a class with fewer photos gives all it has.

    All classes come before one comes again, and about as many photos as there are make an epoch. Of a class
    photos of different encounters come first: what a loss compares should be hard.

    Args:
        classes: (N,) from 0.
        encounters: (N,) of each photo.
        n_photos: of a batch: P is this over K, at least 2.
        n_each: K.
        rng: draws.
    """
    order = np.argsort(classes, kind="stable")
    rows_of = np.split(order, np.cumsum(np.bincount(classes))[:-1])
    n_classes = len(rows_of)
    n_together = max(2, n_photos // n_each)
    n_rounds = max(1, round(len(classes) / sum(min(len(rows), n_each) for rows in rows_of)))
    for _ in range(n_rounds):
        for some in np.array_split(rng.permutation(n_classes), max(1, round(n_classes / n_together))):
            yield np.concatenate([_different(rows_of[one], encounters, n_each, rng) for one in some])


def _different(rows: Codes, encounters: Codes, n: int, rng: np.random.Generator) -> Codes:
    """Some rows of a class, of as many encounters as may be."""
    mixed = rng.permutation(rows)
    if len(mixed) <= n:
        return mixed
    _, codes = np.unique(encounters[mixed], return_inverse=True)
    by_encounter = np.argsort(codes, kind="stable")
    firsts = np.concatenate([[0], np.cumsum(np.bincount(codes))[:-1]])
    turn = np.empty(len(mixed), np.int64)  # the how-manieth photo of its encounter each is
    turn[by_encounter] = np.arange(len(mixed)) - firsts[codes[by_encounter]]
    return mixed[np.argsort(turn, kind="stable")[:n]]
