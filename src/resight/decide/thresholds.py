"""Thresholds: the line on the scores that reaches a goal.

Everywhere a score of at least the threshold is accepted, so that a tie with a stranger's score
counts against the system. A query without any candidate has the best score −inf and is never accepted.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from resight.core.rates import n_allowed

Scores = npt.NDArray[np.float32]
Weights = npt.NDArray[np.float64]

N_LABELS = 5
"""Labels per query that the goal `best=map@5` counts."""
_EVEN = 1e-12


def keeping_fpir(non_mated_best: Scores, rate: float) -> float:
    """The lowest threshold that accepts at most the share `rate` of non-mated searches.

    With k = ⌊rate·n⌋ it lies just above the (k+1)-th largest best score.

    Args:
        non_mated_best: (P,) best scores; −inf where a search found nothing, one at least finite.
        rate: the share, above 0 and below 1.
    """
    return accepting_at_most(non_mated_best, np.ones(len(non_mated_best)), n_allowed(rate, len(non_mated_best)))


def accepting_at_most(best: Scores, weights: npt.NDArray[np.number], allowed: float) -> float:
    """The lowest threshold at which the accepted searches weigh at most `allowed` together.

    Args:
        best: (P,) best scores; −inf where a search found nothing, one at least finite.
        weights: (P,) of the searches, at least 0.
        allowed: their weight that may be accepted.
    """
    order = np.argsort(-best, kind="stable")
    place = int(np.searchsorted(np.cumsum(weights[order]), allowed, side="right"))
    blocked = best[order[place]] if place < len(best) else np.float32(-np.inf)
    return float(best[np.isfinite(best)].min()) if np.isneginf(blocked) else just_above(blocked)


def missing_at_most(mated_best: Scores, miss: float) -> float:
    """The highest line that leaves at most the share `miss` of mated searches below it (a finite one)."""
    rising = np.sort(mated_best)
    return float(max(rising[n_allowed(miss, len(rising))], rising[np.isfinite(rising)].min()))


def reaching_share_new(mated_best: Scores, non_mated_best: Scores, share_new: float) -> float:
    """The threshold that comes nearest to calling the share `share_new` of queries new.

    The queries are a mixture: `share_new` of them like the non-mated searches, the rest like the mated ones.
    """
    best = np.concatenate([mated_best, non_mated_best])
    weights = np.concatenate([_even(mated_best) * (1 - share_new), _even(non_mated_best) * share_new])
    values = _values(best)
    called_new = _gained(values, best, weights)
    return _places(values)[_last_best(-np.abs(called_new - share_new))]


def best_map(mated: Scores, mate_places: npt.NDArray[np.int64], non_mated: Scores, share_new: float) -> float:
    """The threshold of the highest expected MAP@5, "new" standing before the first candidate below it.

    A candidate's label stands at its own rank r while its score is at least the threshold, else at
    r + 1; "new" stands after the candidates that are at least the threshold.

    Args:
        mated: (Q, K) scores of the candidates, NaN where absent.
        mate_places: (Q,) zero-based place of the right individual among them, −1 when it is not there.
        non_mated: (P, K) scores of the candidates.
        share_new: share of queries that are like the non-mated searches.
    """
    mated, non_mated = mated[:, :N_LABELS], non_mated[:, :N_LABELS]
    found = np.flatnonzero((mate_places >= 0) & (mate_places < mated.shape[1]))
    mate_scores, places = mated[found, mate_places[found]], mate_places[found]
    losses = (_precision(places + 1) - _precision(places)) * (1 - share_new) / len(mated)
    rows, columns = np.nonzero(~np.isnan(non_mated))
    gains = (_precision(columns) - _precision(columns + 1)) * share_new / len(non_mated)
    values = _values(np.concatenate([mated.ravel(), non_mated.ravel()]))
    expected = _gained(values, mate_scores, losses) + _gained(values, non_mated[rows, columns], gains)
    return _places(values)[_last_best(expected)]


def best_baks_baus(
    mated_best: Scores,
    right: npt.NDArray[np.bool_],
    mated_identities: npt.NDArray[np.int64],
    non_mated_best: Scores,
    non_mated_identities: npt.NDArray[np.int64],
) -> float:
    """The threshold of the highest √(BAKS·BAUS): both are means over identities, so each weighs the same.

    Args:
        mated_best: (Q,) best scores of mated searches.
        right: (Q,) whether the first candidate is the right individual.
        mated_identities: (Q,) number of the individual.
        non_mated_best: (P,) best scores of non-mated searches.
        non_mated_identities: (P,) number of the individual.
    """
    values = _values(np.concatenate([mated_best, non_mated_best]))
    known, unknown = _by_identity(mated_identities), _by_identity(non_mated_identities)
    accuracy = known[right].sum() - _gained(values, mated_best[right], known[right])
    called_new = _gained(values, non_mated_best, unknown)
    return _places(values)[_last_best(np.sqrt(np.maximum(accuracy * called_new, 0)))]


def _precision(places: npt.NDArray[np.int64]) -> Weights:
    return np.where(places < N_LABELS, 1 / (places + 1.0), 0.0)


def _even(scores: Scores) -> Weights:
    return np.full(len(scores), 1 / len(scores))


def _by_identity(identities: npt.NDArray[np.int64]) -> Weights:
    """(n,): weights that sum to 1, each identity with the same."""
    _, codes, counts = np.unique(identities, return_inverse=True, return_counts=True)
    return 1 / (counts[codes] * len(counts))


def _values(scores: Scores) -> Scores:
    """The distinct finite scores, rising."""
    return np.unique(scores[np.isfinite(scores)])


def _places(values: Scores) -> list[float]:
    """The thresholds worth trying: the lowest value, between each two values, and just above the highest."""
    low, high = values[:-1], values[1:]
    middle = ((low.astype(np.float64) + high) / 2).astype(np.float32)
    between = np.where(middle > low, middle, high)
    return [float(values[0]), *between.tolist(), just_above(values[-1])]


def _gained(values: Scores, scores: Scores, gains: Weights) -> Weights:
    """For each place of `_places` the sum of the gains whose score lies below it."""
    at = np.searchsorted(values, scores) + np.isfinite(scores)
    return np.bincount(at, weights=gains, minlength=len(values) + 1).cumsum()


def _last_best(objective: Weights) -> int:
    """The highest place among equals: where the data do not say, the system must not accept."""
    return int(np.flatnonzero(objective >= objective.max() - _EVEN)[-1])


def just_above(score: np.float32) -> float:
    """The next float32: the lowest threshold that a score does not reach."""
    return float(np.nextafter(np.float32(score), np.float32(np.inf)))
