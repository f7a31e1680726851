"""Which photos a head looks at together: as they come, balanced between classes, or P classes by K photos."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from resight.train.batches import Codes, balanced_rows, of_different_encounters, rows_by_class

__all__ = ["balanced_batches", "class_batches"]


def balanced_batches(classes: Codes, n_photos: int, balance: float, rng: np.random.Generator) -> Iterator[Codes]:
    """The rows of an epoch, batch by batch: as many draws as there are photos.

    A photo of a class of n photos is drawn in proportion to n ** -balance; with 0 every photo comes once.

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
    n_batches = max(1, round(len(classes) / n_photos))
    yield from np.array_split(balanced_rows(classes, len(classes), balance, rng), n_batches)


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
    rows_of = rows_by_class(classes)
    n_classes = len(rows_of)
    n_together = max(2, n_photos // n_each)
    n_rounds = max(1, round(len(classes) / sum(min(len(rows), n_each) for rows in rows_of)))
    for _ in range(n_rounds):
        for some in np.array_split(rng.permutation(n_classes), max(1, round(n_classes / n_together))):
            yield np.concatenate([of_different_encounters(rows_of[one], encounters, n_each, rng) for one in some])
