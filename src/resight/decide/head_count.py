"""How many individuals there are: the number of groups found, set right by trials of which the truth is known."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from resight.core import Estimate, Pairs
from resight.decide.constraints import Constraints
from resight.decide.correlation import Floats, Linkage
from resight.decide.grouping import group_photos
from resight.errors import InputError

__all__ = ["counted_by_noise", "counted_by_trials"]


def counted_by_trials(
    n_found: int, truths: Sequence[int], found: Sequence[int], *, most: int, level: float = 0.95
) -> Estimate:
    """The number of individuals, from the groups found and from what trials found where the truth is known.

    Grouping finds too many individuals where photos are hard to match, and too few where they are alike. By how much
    is taken from the trials: the mean of ln(truth / found) sets the number right, and the interval is where Student's
    t expects the next trial. It holds as far as the photos are like those of the trials, above all in photos per
    individual.

    Args:
        n_found: groups found among the photos in question.
        truths: the number of individuals in each trial.
        found: the number of groups found in it.
        most: what the number cannot exceed: the photos in question.
        level: of the interval.

    Raises:
        InputError: when there are fewer than two trials, or a number is below 1.

    Example:
        >>> counted_by_trials(40, [10, 10, 10], [20, 20, 20], most=100).value
        20.0
    """
    from scipy.stats import t

    if len(truths) != len(found) or len(truths) < 2 or min(*truths, *found, n_found) < 1:
        raise InputError("expected two trials or more with at least one individual and group each, found others")
    ratios = np.log(np.array(truths, dtype=np.float64) / np.array(found))
    spread = float(ratios.std(ddof=1)) * math.sqrt(1 + 1 / len(ratios))
    reach = float(t.ppf((1 + level) / 2, len(ratios) - 1)) * spread
    low, value, high = (
        min(max(n_found * math.exp(float(ratios.mean()) + step), 1.0), float(most)) for step in (-reach, 0, reach)
    )
    return Estimate(round(value, 9), round(low, 9), round(high, 9), n=len(ratios), level=level)


def counted_by_noise(
    pairs: Pairs,
    log_odds: Floats,
    constraints: Constraints,
    *,
    absent: float = 0.0,
    linkage: Linkage = "average",
    n_draws: int = 20,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """The number of groups, and where it falls when the log-odds are disturbed.

    Each draw adds noise of the standard logistic distribution to every pair and groups anew ("perturb and MAP",
    Papandreou and Yuille 2011). This shows how firmly the groups stand, not whether they are right: nothing here was
    compared with a truth, so the interval promises no coverage.

    Args:
        pairs: which photos were compared.
        log_odds: (P,) as `group_photos` takes them, as are the next three.
        constraints: of the photos.
        absent: log-odds of a pair that was not compared.
        linkage: as `cluster_blocks` takes it.
        n_draws: how often.
        seed: of the noise.
        level: share of the draws inside the interval.
    """
    rng = np.random.default_rng(seed)
    counts = [
        len(group_photos(pairs, log_odds + rng.logistic(size=len(pairs)), constraints, absent=absent, linkage=linkage))
        for _ in range(n_draws)
    ]
    value = float(len(group_photos(pairs, log_odds, constraints, absent=absent, linkage=linkage)))
    low, high = np.quantile(counts, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, min(float(low), value), max(float(high), value), n=n_draws, level=level)
