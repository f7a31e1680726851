"""How many new individuals there are: the groups proposed, set right by trials of which the truth is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from resight.core import Estimate, Pairs
from resight.decide.constraints import Constraints
from resight.decide.correlation import Floats, Linkage
from resight.decide.grouping import group_photos
from resight.errors import InputError

__all__ = ["Tally", "counted_by_noise", "counted_by_trials"]


@dataclass(frozen=True)
class Tally:
    """What grouping made of strangers and of known individuals, where the truth is known.

    Args:
        n_strangers: individuals none of whose photos had a name.
        n_stranger_photos: photos of them.
        n_stranger_groups: proposed groups most of whose photos show one of them.
        n_strangers_named: photos of them that came to a known individual.
        n_known_photos: photos without a name of individuals that have names on others.
        n_known_groups: proposed groups most of whose photos show one of those.
        n_known_named: photos of those that came to a known individual.
    """

    n_strangers: int
    n_stranger_photos: int
    n_stranger_groups: int
    n_strangers_named: int
    n_known_photos: int
    n_known_groups: int
    n_known_named: int

    def n_new(self, n_groups: int, n_photos: int, n_named: int) -> float:
        """How many strangers would leave so many proposed groups, were all as in this trial; at least a half.

        How many of the photos show known individuals is taken from how many were named; where strangers are named as
        often as known individuals, that tells nothing, and their share is that of the trial.

        Args:
            n_groups: proposed groups.
            n_photos: photos without a name.
            n_named: those of them that came to a known individual.
        """
        of_known = self.n_known_named / max(self.n_known_photos, 1)
        of_strangers = self.n_strangers_named / max(self.n_stranger_photos, 1)
        n_known = n_photos * self.n_known_photos / max(self.n_known_photos + self.n_stranger_photos, 1)
        if of_known > of_strangers:
            n_known = (n_named - of_strangers * n_photos) / (of_known - of_strangers)
        n_false = self.n_known_groups / max(self.n_known_photos, 1) * min(max(n_known, 0.0), n_photos)
        per_stranger = max(self.n_stranger_groups, 0.5) / max(self.n_strangers, 1)
        return max((n_groups - n_false) / per_stranger, 0.5)


def counted_by_trials(
    n_groups: int, n_photos: int, n_named: int, trials: Sequence[Tally], *, level: float = 0.95
) -> Estimate:
    """The number of new individuals, from the groups proposed and from trials of which the truth is known.

    Grouping proposes too many individuals where photos are hard to match, and too few where they are alike; and some
    groups are of known individuals that were not recognised. By how much is taken from the trials: each says how many
    strangers would leave as many groups as were proposed. Their geometric mean is the estimate, and the interval is
    where Student's t expects the next of them. It holds as far as the photos are like those of the trials, above all in
    photos per individual.

    Args:
        n_groups: proposed groups.
        n_photos: photos without a name.
        n_named: those of them that came to a known individual.
        trials: at least two.
        level: of the interval.

    Raises:
        InputError: when there are fewer than two trials.

    Example:
        >>> trial = Tally(10, 60, 20, 0, 0, 0, 0)
        >>> counted_by_trials(40, 100, 0, [trial] * 3).value
        20.0
    """
    from scipy.stats import t

    if len(trials) < 2:
        raise InputError(f"expected two trials or more, found {len(trials)}")
    logs = np.log([trial.n_new(n_groups, n_photos, n_named) for trial in trials])
    spread = float(logs.std(ddof=1)) * math.sqrt(1 + 1 / len(logs))
    reach = float(t.ppf((1 + level) / 2, len(logs) - 1)) * spread
    low, value, high = (min(math.exp(float(logs.mean()) + step), float(n_photos)) for step in (-reach, 0, reach))
    if not n_groups:
        low = value = 0.0
    return Estimate(round(value, 9), round(low, 9), round(high, 9), n=len(logs), level=level)


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
