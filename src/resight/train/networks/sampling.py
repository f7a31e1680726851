"""Which photos a network looks at in an epoch, and how much a class counts: what is done about imbalance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
import numpy.typing as npt

from resight.config.train_recipe import SamplingOptions
from resight.errors import InputError
from resight.train.batches import Codes, balanced_rows, in_turn, of_different_encounters, rows_by_class

__all__ = ["class_weights", "epoch_batches", "looks_per_class", "merge_rare"]

Weighing = Literal["none", "balanced", "root", "effective"]


def epoch_batches(classes: Codes, encounters: Codes, options: SamplingOptions, *, seed: int, epoch: int) -> list[Codes]:
    """The batches of an epoch, as row numbers; each has exactly `n_photos_per_batch` rows.

    It follows from the arguments alone. "balanced" draws as many photos as there are, looks again at the classes
    that came less than `at_least` times, and mixes all. "classes" takes the classes in turn, in whole rounds: as
    many as come near the number of photos, one at least, more where `at_least` asks for it. A batch holds two
    classes at least, where there are two, and each gives `n_photos_each` or, where that does not go into a batch,
    some more or less; a class with fewer photos gives some of them again. The last batch is filled by further draws.

    Args:
        classes: (N,) from 0; a code may be absent.
        encounters: (N,) of each photo.
        options: in which proportions.
        seed: of the run; at least 0.
        epoch: of the run; at least 0.

    Raises:
        InputError: when there is no photo, or the two arrays are not of one length.

    Example:
        >>> options = SamplingOptions(n_photos_per_batch=2)
        >>> batches = epoch_batches(np.array([0, 0, 1]), np.array([0, 1, 2]), options, seed=0, epoch=0)
        >>> [len(batch) for batch in batches], set(np.concatenate(batches).tolist())
        ([2, 2], {0, 1, 2})
    """
    if classes.ndim != 1 or not len(classes) or classes.shape != encounters.shape:
        raise InputError(
            f"expected a class and an encounter for each photo to learn from, found {classes.shape} "
            f"and {encounters.shape}"
        )
    rng = np.random.default_rng([seed, epoch])
    dense = np.unique(classes, return_inverse=True)[1].astype(np.int64)
    if options.how == "classes":
        return _class_batches(dense, encounters, options, rng)
    return _balanced_batches(dense, options, rng)


def _balanced_batches(classes: Codes, options: SamplingOptions, rng: np.random.Generator) -> list[Codes]:
    drawn = balanced_rows(classes, len(classes), options.balance, rng)
    short_of = np.maximum(options.at_least - np.bincount(classes[drawn], minlength=classes.max() + 1), 0)
    rows_of = rows_by_class(classes)
    again = [in_turn(rows_of[one], short_of[one], rng) for one in np.flatnonzero(short_of)]
    mixed = rng.permutation(np.concatenate([drawn, *again]))
    last = mixed[len(mixed) - len(mixed) % options.n_photos_per_batch :]
    missing = -len(mixed) % options.n_photos_per_batch
    if options.balance:
        more = balanced_rows(classes, missing, options.balance, rng)
    else:  # none that is in the batch already, as far as there are others
        others = rng.permutation(np.setdiff1d(np.arange(len(classes)), last))[:missing]
        more = np.concatenate([others, in_turn(np.arange(len(classes)), missing - len(others), rng)])
    return list(np.concatenate([mixed, more]).reshape(-1, options.n_photos_per_batch))


def _class_batches(
    classes: Codes, encounters: Codes, options: SamplingOptions, rng: np.random.Generator
) -> list[Codes]:
    rows_of = rows_by_class(classes)
    n_together = min(max(2, options.n_photos_per_batch // options.n_photos_each), len(rows_of))
    sizes = np.full(n_together, options.n_photos_per_batch // n_together)
    sizes[: options.n_photos_per_batch % n_together] += 1
    n_rounds = max(1, round(len(classes) / (len(rows_of) * sizes.mean())), -(-options.at_least // int(sizes.min())))
    batches = []
    for some in _classes_in_turn(len(rows_of), n_together, n_rounds, rng):
        parts = [_exactly(rows_of[one], encounters, n, rng) for one, n in zip(some, sizes, strict=True)]
        batches.append(np.concatenate(parts))
    return batches


def _classes_in_turn(n: int, n_together: int, n_rounds: int, rng: np.random.Generator) -> list[Codes]:
    """All classes so often, so many together and never one twice; those at the end are filled up by others."""
    groups = []
    for _ in range(n_rounds):
        order = rng.permutation(n)
        begun = order[: n - n % n_together]  # those that are not in the last group yet
        filled = np.concatenate([order, rng.permutation(begun)[: -n % n_together]])
        groups += list(filled.reshape(-1, n_together))
    return groups


def _exactly(rows: Codes, encounters: Codes, n: int, rng: np.random.Generator) -> Codes:
    """So many rows of a class, of different encounters first; where it has fewer, some again."""
    drawn = of_different_encounters(rows, encounters, n, rng)
    return np.concatenate([drawn, in_turn(rows, n - len(drawn), rng)])


def merge_rare(classes: Codes, options: SamplingOptions) -> tuple[Codes, Codes]:
    """What becomes of the individuals with few photos.

    Args:
        classes: (N,) from 0; a code may be absent.
        options: of them `rare_below` and `rare`.

    Returns:
        (M,) the classes of the rows that are kept, from 0 without gaps and in the order of the old codes; all rare
        ones "together" are the last. And (M,) the numbers of these rows.

    Raises:
        InputError: when nobody is left.

    Example:
        >>> merge_rare(np.array([0, 1, 1, 2]), SamplingOptions(rare_below=2, rare="together"))[0].tolist()
        [1, 0, 0, 1]
        >>> merge_rare(np.array([0, 1, 1, 2]), SamplingOptions(rare_below=2, rare="drop"))
        (array([0, 0]), array([1, 2]))
    """
    rows = np.arange(len(classes))
    merged = classes.astype(np.int64)
    if len(classes):
        rare = np.bincount(classes)[classes] < options.rare_below
        if options.rare == "drop":
            rows = np.flatnonzero(~rare)
        if options.rare == "together":
            merged = np.where(rare, classes.max() + 1, classes)
    if not len(rows):
        raise InputError(
            f"expected individuals with at least {options.rare_below} photos, found none: lower  rare_below  "
            "in [sampling], or keep the rare ones"
        )
    return np.unique(merged[rows], return_inverse=True)[1].astype(np.int64), rows


def class_weights(counts: npt.ArrayLike, how: Weighing, times: npt.ArrayLike | None = None) -> npt.NDArray[np.float32]:
    """How much a photo of each class counts in the losses over classes; their mean over photos is 1.

    "balanced" weighs by 1 / n and "root" by its square root. "effective" weighs by 1 / E(n) with the effective number
    of photos E(n) = (1 - b ** n) / (1 - b) of Cui et al. (2019, Class-balanced loss based on effective number of
    samples). They set b = (N - 1) / N and leave N, the photos beyond which further ones show nothing new, to be
    chosen. Here N is the mean number of photos of a class: a class with very many counts as one with N different ones.

    Args:
        counts: (C,) photos of each class; a class without any is weighed as one with one.
        how: "none", "balanced", "root" or "effective".
        times: (C,) how much more each class counts than that; None for 1.

    Returns:
        (C,) float32.

    Raises:
        InputError: when there is no photo.

    Example:
        >>> class_weights([1, 3], "balanced").tolist()
        [2.0, 0.6666666865348816]
    """
    n = np.asarray(counts, np.float64)
    if n.ndim != 1 or not n.sum() > 0 or n.min() < 0:
        raise InputError(f"expected photos of classes to weigh, found counts {n.tolist()[:10]}")
    some = np.maximum(n, 1)
    raw = {
        "none": np.ones_like(some),
        "balanced": 1 / some,
        "root": some**-0.5,
        "effective": 1 / _effective(some, n.sum() / np.count_nonzero(n)),
    }[how] * (1.0 if times is None else np.asarray(times, np.float64))
    return np.asarray(raw * n.sum() / (raw @ n), np.float32)


def _effective(counts: npt.NDArray[np.float64], most: float) -> npt.NDArray[np.float64]:
    """The effective number of photos, `most` at most."""
    beta = (most - 1) / most
    return np.asarray(most * (1 - beta**counts))


def looks_per_class(classes: Codes, batches: Iterable[Codes]) -> tuple[Codes, Codes]:
    """(C,) photos of each class, and (C,) how often batches look at it.

    Args:
        classes: (N,) from 0.
        batches: row numbers.

    Example:
        >>> [some.tolist() for some in looks_per_class(np.array([0, 0, 1]), [np.array([0, 2]), np.array([1, 2])])]
        [[2, 1], [2, 2]]
    """
    photos = np.bincount(classes)
    looks = np.zeros_like(photos)
    for batch in batches:
        looks += np.bincount(classes[batch], minlength=len(photos))
    return photos, looks
