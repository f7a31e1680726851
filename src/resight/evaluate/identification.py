"""Identification: how high the right individual stands in a ranked list.

Ties count against the system: of candidates with one score the wrong ones stand first, and a candidate
that ties with the last place of a full row is not found, for more of its score may stand beyond.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from resight.core import Matches
from resight.errors import InputError
from resight.evaluate.rows import Bools, Names, best_score, mask_of, mates_of, may_tie_beyond, require_places
from resight.evaluate.thresholds import share

Floats = npt.NDArray[np.float64]
NEW = "new_individual"


def average_precision_at_k(truth: Sequence[str], predictions: Sequence[Sequence[str]], k: int = 5) -> Floats:
    """1 / rank of the first right label within `k` per query, else 0.

    A label that is repeated counts once, where it stands first; a repeated wrong one still takes its place.

    Args:
        truth: (Q,) the right label of each query.
        predictions: (Q,) lists of labels, best first, of any length.
        k: how many places count, at least 1.

    Returns:
        (Q,) values in 0..1.

    Raises:
        InputError: when the lengths differ, or `k` is below 1.

    Example:
        >>> average_precision_at_k(["a", "b"], [["a", "a"], ["c", "b"]]).tolist()
        [1.0, 0.5]
    """
    _require_k(k)
    if len(truth) != len(predictions):
        raise InputError(f"expected one list of labels per query, found {len(predictions)} for {len(truth)} queries")
    pairs = zip(truth, predictions, strict=True)
    return np.array([_reciprocal_rank(label, list(labels[:k])) for label, labels in pairs], dtype=np.float64)


def map_at_k(
    truth: Sequence[str],
    predictions: Sequence[Sequence[str]],
    k: int = 5,
    *,
    known: Collection[str] | None = None,
    new: str = NEW,
) -> float:
    """Mean over the queries of 1 / rank of the right label within `k`, the MAP@k of the whale contests.

    Args:
        truth: (Q,) the right label of each query.
        predictions: (Q,) lists of labels, best first.
        k: how many places count, at least 1.
        known: the individuals of the gallery; the truth of any other query becomes `new`.
            None when the truth already says `new` itself.
        new: the label that says "none of them".

    Returns:
        A value in 0..1; NaN without queries.

    Raises:
        InputError: when the lengths differ, or `k` is below 1.

    Example:
        >>> map_at_k(["a", "stranger"], [["b", "a"], ["new_individual"]], known={"a", "b"})
        0.75
    """
    labels = truth if known is None else [label if label in known else new for label in truth]
    return share(average_precision_at_k(labels, predictions, k))


def accuracy(truth: Sequence[str] | Names, predicted: Sequence[str] | Names) -> float:
    """The share of queries whose label is right; NaN without queries.

    Raises:
        InputError: when the lengths differ.

    Example:
        >>> accuracy(["a", "b"], ["a", "c"])
        0.5
    """
    right, found = np.asarray(truth).astype(np.str_), np.asarray(predicted).astype(np.str_)
    if right.shape != found.shape:
        raise InputError(f"expected one label per query, found {len(found)} for {len(right)} queries")
    return share(right == found)


def ranks_of_mates(matches: Matches, truth: Sequence[str] | Names) -> Floats:
    """The rank of each query's own individual: 1 + the number of others with at least its score.

    Args:
        matches: the searches; with photos as candidates, an individual counts by its best photo.
        truth: (Q,) the individual on each query.

    Returns:
        (Q,) ranks from 1; inf where the individual is absent or may tie with others beyond the last place.

    Raises:
        InputError: when the lengths differ, or a query has no individual.
    """
    mates = mates_of(matches, truth)
    scores = best_score(matches, mates)
    rivals = matches.present & ~mates & (matches.scores >= scores[:, None])
    ranks = np.asarray(1 + _n_individuals(matches, rivals), dtype=np.float64)
    ranks[~mates.any(axis=1) | may_tie_beyond(matches, scores)] = math.inf
    return ranks


def cmc(matches: Matches, truth: Sequence[str] | Names, ks: Iterable[int]) -> dict[int, float]:
    """Cumulative match characteristic: the share of searches whose individual stands within the first k.

    Args:
        matches: mated searches only; more places than the largest k, so that ties beyond it show.
        truth: (Q,) the individual on each query.
        ks: the ranks asked for.

    Returns:
        k to share, in the order of `ks`; NaN without searches.

    Raises:
        InputError: when the rows are too short to know, the lengths differ, or a k is below 1.
    """
    wanted = list(ks)
    require_places(matches, max(wanted, default=1))
    for k in wanted:
        _require_k(k)
    ranks = ranks_of_mates(matches, truth)
    return {k: share(ranks <= k) for k in wanted}


def average_precision_with_new(
    matches: Matches, truth: Sequence[str] | Names, mated: npt.ArrayLike, threshold: float | Floats, k: int = 5
) -> Floats:
    """1 / rank of the right answer within `k`, when "new" is put before the first candidate below a threshold.

    The right answer is the individual of a mated search and "new" of a non-mated one.

    Args:
        matches: searches with distinct individuals and more than `k` places.
        truth: (Q,) the individual on each query; not looked at where not mated.
        mated: (Q,) whether the gallery could answer with the query's individual.
        threshold: a candidate of at least this score stands before "new"; one for all or (Q,).
        k: how many places count, at least 1.

    Returns:
        (Q,) values in 0..1.

    Raises:
        InputError: when the rows are too short to know, or the lengths differ.
    """
    require_places(matches, k)
    is_mated = mask_of(mated, len(matches))
    thresholds = np.broadcast_to(threshold, len(matches))
    n_before_new = (matches.present & (matches.scores.astype(np.float64) >= thresholds[:, None])).sum(axis=1)
    ranks = 1.0 + n_before_new
    named = matches.select(is_mated)
    names = np.asarray(truth, dtype=object)[is_mated]
    own = ranks_of_mates(named, names)
    own_scores = best_score(named, mates_of(named, names)).astype(np.float64)
    ranks[is_mated] = own + (own_scores < thresholds[is_mated])
    return np.where(ranks <= k, 1 / ranks, 0.0)


def _reciprocal_rank(label: str, labels: list[str]) -> float:
    return 1 / (labels.index(label) + 1) if label in labels else 0.0


def _n_individuals(matches: Matches, chosen: Bools) -> npt.NDArray[np.int64]:
    if matches.distinct:
        return np.asarray(chosen.sum(axis=1))
    rows = zip(matches.identities, chosen, strict=True)
    return np.array([len(set(names[which].tolist())) for names, which in rows], dtype=np.int64)


def _require_k(k: int) -> None:
    if k < 1:
        raise InputError(f"expected k of at least 1, found {k}")
