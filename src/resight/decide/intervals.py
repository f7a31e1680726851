"""Intervals: where a rate is expected among fresh individuals.

Photos of one individual resemble each other, so individuals are drawn, never photos. What a share of
individuals can be at most when none of n shows it (or at least when all show it) is a bound that no
drawing from these n can see: the intervals always reach it (Clopper and Pearson 1934; the "rule of three").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from resight.core import Estimate
from resight.core.rates import unseen

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]
Refit = Callable[[Codes], float | npt.NDArray[np.float64]]
LEVEL = 0.95


def fresh_fpir(
    best: Floats, individuals: Codes, lines: float | Floats, refit: Refit, n_draws: int, seed: int
) -> Estimate:
    """FPIR at a threshold, and where the rate of fresh strangers is expected.

    Out-of-bag bootstrap over individuals (Efron 1983): draw as many individuals as there are, with
    repetition; set the threshold on them; take the rate of those that were not drawn. So
    both the luck of the strangers that set the line and the luck of those that meet it are in it.

    Args:
        best: (P,) best scores of non-mated searches, −inf where nothing was found.
        individuals: (P,) number of the individual on each query, 0 to n − 1.
        lines: where the line stands, for all or (P,) for each search.
        refit: from (n,) how often each individual was drawn, where it would stand then.
        n_draws: bootstrap draws.
        seed: of the draws.
    """
    rates = []
    for times in _draws(int(individuals.max()) + 1, n_draws, seed):
        left_out = times[individuals] == 0
        if left_out.any():
            rates.append(float((best >= refit(times))[left_out].mean()))
    return _estimate(float((best >= lines).mean()), rates, int(individuals.max()) + 1)


def share_of(hits: npt.NDArray[np.bool_], individuals: Codes, n_draws: int, seed: int) -> Estimate:
    """The share of searches that hit, with its bootstrap interval over individuals.

    Args:
        hits: (Q,) whether each search hit.
        individuals: (Q,) number of the individual on each query, 0 to n − 1.
        n_draws: bootstrap draws.
        seed: of the draws.
    """
    n_hits, n_searches = np.bincount(individuals, weights=hits), np.bincount(individuals)
    rates = [float(times @ n_hits / (times @ n_searches)) for times in _draws(len(n_hits), n_draws, seed)]
    return _estimate(float(hits.mean()), rates, len(n_hits))


def _draws(n: int, n_draws: int, seed: int) -> Iterator[Codes]:
    """How often each of `n` individuals is drawn, draw by draw."""
    rng = np.random.default_rng(seed)
    for _ in range(n_draws):
        yield np.bincount(rng.integers(0, n, n), minlength=n)


def _estimate(value: float, rates: list[float], n: int) -> Estimate:
    low, high = np.quantile(rates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if rates else (0.0, 1.0)
    low, high = min(low, value, 1 - unseen(n, LEVEL)), max(high, value, unseen(n, LEVEL))
    return Estimate(value, float(low), float(high), n, LEVEL)
