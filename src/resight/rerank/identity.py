"""From compared pairs to candidates: one score per individual, of the photos that were compared with the query."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resight.core import Matches, Pairs
from resight.core.ids import as_text
from resight.errors import ConfigError, InputError

__all__ = ["HOW", "blend", "identity_matches"]

_BLOCK_PAIRS = 1_000_000

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


def _best(values: Floats, starts: Rows) -> Floats:
    return values[starts]


def _mean(values: Floats, starts: Rows) -> Floats:
    answer: Floats = np.add.reduceat(values, starts) / np.diff(starts, append=len(values))
    return answer


def _sum(values: Floats, starts: Rows) -> Floats:
    answer: Floats = np.add.reduceat(values, starts)
    return answer


def _any(values: Floats, starts: Rows) -> Floats:
    with np.errstate(divide="ignore"):  # a certain photo makes the individual certain
        answer: Floats = -np.expm1(np.add.reduceat(np.log1p(-values), starts))
    return answer


_SCORED: dict[str, Callable[[Floats, Rows], Floats]] = {"best": _best, "mean": _mean, "any": _any, "sum": _sum}

HOW = tuple(_SCORED)
"""How an individual is scored: by its best photo, the mean of its best m, as seen on any of its best m, or by the sum
of their probabilities."""


def identity_matches(
    pairs: Pairs,
    values: npt.ArrayLike,
    identities: npt.ArrayLike,
    gallery_ids: npt.ArrayLike,
    query_ids: npt.ArrayLike,
    *,
    how: str = "best",
    m: int = 3,
    k: int = 10,
    scale: str,
    model: str,
    n_gallery: int,
) -> Matches:
    """The best `k` individuals of each query, each by its photos that were compared with it.

    An individual with fewer than `m` compared photos is scored by those that there are. The photo shown
    is its best. Equal scores stand in the order of the photos in the gallery. Beside the pairs it takes
    memory for a million pairs at a time, however many there are.

    Args:
        pairs: what was compared.
        values: (P,) one score per pair, higher is more alike; NaN leaves the pair out.
        identities: (G,) the individual on each photo of the gallery; empty leaves a photo out.
        gallery_ids: (G,) their ids.
        query_ids: (Q,) ids of the queries.
        how: one of `HOW`. "any" is 1 − Π(1 − p) and takes probabilities; photos of one individual err
            together, so it is too sure by itself: let an operating point calibrate it.
            "sum" takes probabilities, too; with it, more photos that agree stand higher than one that is surer.
        m: photos of an individual that count at most, for all but "best".
        k: candidates per query, at least 1.
        scale: what a score means.
        model: fingerprint of what made the scores.
        n_gallery: individuals in the gallery.

    Raises:
        ConfigError: when `how` is not known, or `m` or `k` is below 1.
        InputError: when a length differs, a value is infinite, or no probability where one is needed.

    Example:
        >>> pairs = Pairs([0, 0, 0], [0, 1, 2], 1, 3)
        >>> matches = identity_matches(
        ...     pairs, [0.2, 0.9, 0.4], ["Nala", "Kito", "Nala"], ["a", "b", "c"], ["q"],
        ...     k=2, scale="cosine", model="toy", n_gallery=2,
        ... )
        >>> matches.identities.tolist(), matches.gallery_ids.tolist()
        ([['Kito', 'Nala']], [['b', 'c']])
    """
    _check_options(how, m, k)
    photos = _Photos.of(as_text(np.asarray(identities), "identities"), as_text(np.asarray(gallery_ids), "gallery ids"))
    asked = as_text(np.asarray(query_ids), "query ids")
    scored = _checked_values(values, how, len(pairs))
    if (pairs.n_queries, pairs.n_photos) != (len(asked), len(photos.ids)):
        raise InputError(
            f"expected ids of {pairs.n_queries} queries and {pairs.n_photos} photos, as the pairs have, "
            f"found {len(asked)} and {len(photos.ids)}"
        )
    rows, scores = np.full((len(asked), k), -1, np.int64), np.full((len(asked), k), np.nan, np.float32)
    for block in _blocks(pairs.queries):
        _fill(rows, scores, pairs.queries[block], pairs.photos[block], scored[block], photos.codes, _SCORED[how], m)
    there = rows >= 0
    named = [
        np.where(there, part[np.maximum(rows, 0)], "") if len(part) else np.full(rows.shape, "") for part in photos.text
    ]
    return Matches(asked, named[0], named[1], scores, scale, model, n_gallery)


def blend(first: npt.ArrayLike, second: npt.ArrayLike, *, share: float = 0.5) -> Floats:
    """(P,) a weighted mean of two probabilities per pair: of the nearest photo, say, and of a classifier.

    With ½ and ½ it is the blend that won Happywhale (2022). A classifier says the same of all photos of an
    individual, so to blend pairs and then take an individual's best photo is to blend individuals.
    Where one says nothing the other stands alone; for that both must be on one scale: probabilities.

    Args:
        first: (P,) 0 to 1, NaN where nothing is said.
        second: (P,) likewise.
        share: of the first, 0 to 1.

    Raises:
        InputError: when the lengths differ or a value is no probability.
        ConfigError: when the share is out of range.

    Example:
        >>> blend([0.5, 0.25, np.nan], [1.0, np.nan, np.nan]).tolist()
        [0.75, 0.25, nan]
    """
    if not 0 <= share <= 1:
        raise ConfigError(f"expected share from 0 to 1, found {share}", key="share")
    one = np.asarray(first, np.float64)
    other = _checked_values(second, "any", len(one))
    one = _checked_values(one, "any", len(one))
    both: Floats = share * one + (1 - share) * other
    return np.where(np.isnan(one), other, np.where(np.isnan(other), one, both))


@dataclass(frozen=True, eq=False)
class _Photos:
    """The photos of a gallery: ids, names, and a number per individual, −1 where unlabelled."""

    ids: npt.NDArray[np.str_]
    names: npt.NDArray[np.str_]
    codes: Rows

    @classmethod
    def of(cls, names: npt.NDArray[np.str_], ids: npt.NDArray[np.str_]) -> _Photos:
        if names.ndim != 1 or names.shape != ids.shape:
            raise InputError(f"expected an identity per photo of the gallery, found {names.shape} and {ids.shape}")
        codes = np.unique(names, return_inverse=True)[1].reshape(-1)
        return cls(ids, names, np.where(names == "", -1, codes))

    @property
    def text(self) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.str_]]:
        return self.ids, self.names


def _blocks(queries: Rows) -> Iterator[slice]:
    """Slices of whole queries, of about a million pairs each."""
    start = 0
    while start < len(queries):
        stop = start + _BLOCK_PAIRS
        if stop < len(queries):
            first = int(np.searchsorted(queries, queries[stop]))
            stop = first if first > start else int(np.searchsorted(queries, queries[stop], side="right"))
        yield slice(start, stop)
        start = stop


def _fill(
    rows: Rows,
    scores: npt.NDArray[np.float32],
    queries: Rows,
    photos: Rows,
    values: Floats,
    codes: Rows,
    scored: Callable[[Floats, Rows], Floats],
    m: int,
) -> None:
    """Write the best candidates of some queries: photo rows, and scores."""
    k = rows.shape[1]
    who = codes[photos]
    kept = np.flatnonzero(~np.isnan(values) & (who >= 0))
    if not len(kept):
        return
    group_of = queries[kept] * (int(who.max()) + 1) + who[kept]
    order = np.lexsort((-values[kept], group_of))  # stable, so that equal scores stay in the order of the photos
    kept = kept[order]
    place, starts = _place_in_group(group_of[order])
    leaders = kept[starts]
    among = place < m
    group = scored(values[kept[among]], np.flatnonzero(place[among] == 0)).astype(np.float32)
    order = np.lexsort((photos[leaders], -group, queries[leaders]))
    rank, _ = _place_in_group(queries[leaders][order])
    top = order[rank < k]
    at = queries[leaders[top]], rank[rank < k]
    rows[at], scores[at] = photos[leaders[top]], group[top]


def _place_in_group(groups: Rows) -> tuple[Rows, Rows]:
    """The place of each row among those of its group, which stand together; and where each group starts."""
    new = np.ones(len(groups), bool)
    new[1:] = groups[1:] != groups[:-1]
    starts = np.flatnonzero(new)
    return np.arange(len(new)) - starts[np.cumsum(new) - 1], starts


def _checked_values(values: npt.ArrayLike, how: str, n: int) -> Floats:
    answer = np.asarray(values, np.float64)
    if answer.shape != (n,):
        raise InputError(f"expected one value per pair, found shape {answer.shape} for {n} pairs")
    if np.isinf(answer).any():
        raise InputError("expected finite values, or NaN for a pair not compared, found an infinite one")
    if how in ("any", "sum") and ((answer < 0) | (answer > 1)).any():
        raise InputError("expected probabilities between 0 and 1, found another value")
    return answer


def _check_options(how: str, m: int, k: int) -> None:
    if how not in _SCORED:
        raise ConfigError(f"expected how as one of {', '.join(HOW)}, found '{how}'.", key="how", known=HOW)
    for key, number in (("m", m), ("k", k)):
        if number < 1:
            raise ConfigError(f"expected {key} of at least 1, found {number}", key=key)
