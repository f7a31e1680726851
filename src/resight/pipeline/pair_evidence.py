"""What the photos of a catalogue say of each other, pair by pair: the log-odds of being one individual.

`Evidence` is the seam: whatever turns pairs into log-odds can stand in the place of `by_cosine`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from resight.core import Catalogue, Eligibility, Embeddings, Pairs
from resight.rerank.logistic import Ridge, fit_logistic
from resight.search import ExactSearch

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_FEWEST_SAME = 10
_N_DRAWN = 200_000
_N_BLOCK = 65_536
_CLEARLY_TWO = 2.0
_MOST_STEPS = 200

NOT_TOGETHER = "Photos of one encounter were not compared: too few of them are labelled to learn from."

_TWO_KINDS = (
    "Too few photos are labelled to learn when two show one individual: the line was drawn where the cosines of "
    "neighbours fall into two kinds, and no probability here was checked. Label some individuals."
)
_ONE_KIND = (
    "Too few photos are labelled to learn when two show one individual, and the cosines of neighbours do not fall "
    "into two kinds: nothing was joined by likeness. Label some individuals that were met twice."
)


@dataclass(frozen=True, eq=False)
class PairEvidence:
    """What is known of pairs of photos.

    Args:
        log_odds: (P,) ln(P / (1 − P)) that both photos of a pair show one individual; NaN where nothing is known.
        absent: the same for a pair that was passed over because others looked more alike; 0 or less.
        calibrated: whether that was learned from labelled photos, so that trials on them say something.
        notes: sentences for the user.
    """

    log_odds: Floats
    absent: float
    calibrated: bool
    notes: tuple[str, ...] = ()


Evidence = Callable[[Catalogue, Embeddings, Pairs, tuple[str, ...]], PairEvidence]
"""Of the photos (an identity that is null is not known), their vectors, the pairs and the columns `same`."""


def neighbour_pairs(
    photos: Catalogue, embeddings: Embeddings, k: int, same: Sequence[str] = (), *, other_encounters: bool = False
) -> Pairs:
    """Each photo with the `k` that look most like it, found by exact search; each pair once, lower row first.

    Args:
        photos: N photos.
        embeddings: one vector per photo of `photos`, in its order.
        k: neighbours of each photo.
        same: columns in which two photos must agree where both have a value.
        other_encounters: pass over the photos of the same encounter.
    """
    n = len(photos)
    differ = ["image_id", *(["encounter"] if other_encounters else [])]
    rule = Eligibility.of(photos, photos, differ=differ, agree=list(same))
    searcher = ExactSearch(embeddings, photos.image_ids)
    found = searcher.search(embeddings, max(1, min(k, n - 1)), rule, distinct=False)
    first, place = np.nonzero(found.present)
    second = photos.rows_of(found.gallery_ids[first, place])
    return Pairs.of(np.minimum(first, second), np.maximum(first, second), n, n)


def by_cosine(photos: Catalogue, embeddings: Embeddings, pairs: Pairs, same: tuple[str, ...] = ()) -> PairEvidence:
    """Log-odds of a pair by the cosine of its vectors: a logistic curve fitted on the labelled pairs.

    Photos of one encounter share light and place, so they have a curve of their own; where too few labelled pairs
    show it, nothing is said of them. Without enough labelled pairs of other encounters, two bell curves of one
    width are fitted to all cosines (expectation–maximisation), and only where they stand clearly apart.
    """
    cosines = _cosines(embeddings, pairs)
    together = equal_codes(codes_of(photos, "encounter"), pairs)
    names = codes_of(photos, "identity")
    labelled = (names[pairs.queries] >= 0) & (names[pairs.photos] >= 0)
    is_same = names[pairs.queries] == names[pairs.photos]
    log_odds = np.full(len(pairs), np.nan)
    across = labelled & ~together
    if not enough_pairs(is_same[across]):
        return _without_labels(cosines, together, pairs)
    log_odds[~together] = log_odds_curve(cosines[across], is_same[across], cosines[~together])
    notes: tuple[str, ...] = ()
    if together.any():
        within = labelled & together
        if enough_same(is_same[within]):
            log_odds[together] = log_odds_curve(cosines[within], is_same[within], cosines[together])
        else:
            notes = (NOT_TOGETHER,)
    absent = absent_log_odds(photos, names, int((is_same & across).sum()), int(across.sum()), same)
    return PairEvidence(log_odds, absent, True, notes)


def enough_same(is_same: Mask) -> bool:
    """Whether enough of some labelled pairs show one individual to learn from them."""
    return int(is_same.sum()) >= _FEWEST_SAME


def enough_pairs(is_same: Mask) -> bool:
    """Whether enough of some labelled pairs show one individual, and enough show two."""
    return enough_same(is_same) and enough_same(~is_same)


def log_odds_curve(values: Floats, truth: Mask, asked: Floats) -> Floats:
    """Log-odds of a truth at the values asked for, by a logistic curve that never falls.

    A weak ridge keeps it short of certain where the truth is the same for all values, or comes apart at one of them.

    Args:
        values: (P,) numbers, at least one.
        truth: (P,) what goes with them.
        asked: (R,) numbers.
    """
    centre, width = float(values.mean()), float(values.std()) or 1.0
    scaled = (values - centre) / width
    features = np.column_stack([scaled, np.ones(len(scaled))])
    ridge = Ridge(np.zeros(2), np.array([0.5, 0.05]), np.array([0.0, -np.inf]))
    slope, level = fit_logistic(features, truth, np.ones(len(scaled)), ridge)
    return np.asarray(slope * (asked - centre) / width + level)


def absent_log_odds(photos: Catalogue, names: Codes, n_same_found: int, n_found: int, same: Sequence[str]) -> float:
    """Log-odds of a labelled pair that is not among the neighbours, from how many there are in all."""
    labelled = np.flatnonzero(names >= 0)
    encounters = codes_of(photos, "encounter")
    columns = [codes_of(photos, name) for name in same]

    def comparable(a: Codes, b: Codes) -> Mask:
        answer = (a != b) & ~((encounters[a] >= 0) & (encounters[a] == encounters[b]))
        for codes in columns:
            answer &= (codes[a] == codes[b]) | (codes[a] < 0) | (codes[b] < 0)
        return np.asarray(answer)

    rng = np.random.default_rng(0)
    drawn = (labelled[rng.integers(0, len(labelled), _N_DRAWN)] for _ in range(2))
    share = float(comparable(*drawn).mean())
    n_all = share * len(labelled) ** 2 / 2
    n_same = 0
    order = labelled[np.argsort(names[labelled], kind="stable")]
    for rows in np.split(order, np.flatnonzero(np.diff(names[order])) + 1):
        a, b = np.triu_indices(min(len(rows), 2_000), 1)
        n_same += int(comparable(rows[a], rows[b]).sum())
    missed, others = max(n_same - n_same_found, 0) + 0.5, max(n_all - n_found - (n_same - n_same_found), 0) + 0.5
    return min(0.0, float(np.log(missed / others)))


def _without_labels(cosines: Floats, together: Mask, pairs: Pairs) -> PairEvidence:
    log_odds = np.full(len(pairs), np.nan)
    curve = _two_bells(cosines[~together])
    if curve is None:
        return PairEvidence(log_odds, 0.0, False, (_ONE_KIND,))
    slope, level = curve
    log_odds[~together] = slope * cosines[~together] + level
    last = np.full(pairs.n_queries, np.inf)
    np.minimum.at(last, pairs.queries, np.where(together, np.inf, cosines))
    reached = last[np.isfinite(last)]
    absent = float(slope * reached.mean() + level) if len(reached) else 0.0
    return PairEvidence(log_odds, min(0.0, absent), False, (_TWO_KINDS,))


def _two_bells(values: Floats) -> tuple[float, float] | None:
    """Slope and level of the log-odds of the upper of two bell curves; None where they do not stand apart."""
    if len(values) < 2 * _FEWEST_SAME or not values.std():
        return None
    low, high = np.quantile(values, [0.25, 0.99])
    share, variance = 0.05, float(values.var())
    for _ in range(_MOST_STEPS):
        slope = (high - low) / variance
        level = np.log(share / (1 - share)) + (low**2 - high**2) / (2 * variance)
        upper = 1 / (1 + np.exp(-np.clip(slope * values + level, -50, 50)))
        share = float(np.clip(upper.mean(), 1e-6, 1 - 1e-6))
        high, low = float((upper @ values) / upper.sum()), float(((1 - upper) @ values) / (1 - upper).sum())
        variance = max(float((upper * (values - high) ** 2 + (1 - upper) * (values - low) ** 2).mean()), 1e-12)
    if (high - low) / np.sqrt(variance) < 2 * _CLEARLY_TWO:
        return None
    slope = (high - low) / variance
    return slope, float(np.log(share / (1 - share)) + (low**2 - high**2) / (2 * variance))


def _cosines(embeddings: Embeddings, pairs: Pairs) -> Floats:
    cosines = np.empty(len(pairs))
    for start in range(0, len(pairs), _N_BLOCK):
        part = slice(start, start + _N_BLOCK)
        one, other = embeddings.vectors[pairs.queries[part]], embeddings.vectors[pairs.photos[part]]
        cosines[part] = np.einsum("pd,pd->p", one, other, dtype=np.float64)
    return cosines


def codes_of(photos: Catalogue, column: str) -> Codes:
    """(N,) a column as numbers from 0, −1 for null."""
    values = photos.frame[column]
    ranks = values.rank("dense").cast(pl.Int64).fill_null(0).to_numpy()
    return np.asarray(ranks - 1, dtype=np.int64)


def equal_codes(codes: Codes, pairs: Pairs) -> Mask:
    """(P,) whether both photos of a pair have the same code, and it is known."""
    one, other = codes[pairs.queries], codes[pairs.photos]
    return np.asarray((one == other) & (one >= 0))
