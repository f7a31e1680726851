"""Conformal lines: a bound on FPIR that holds for finitely many individuals, whatever the scores look like.

Strangers are exchangeable, their photos are not: those of one individual resemble each other. So each of
the N individuals stands for one stranger, its photos share its weight, and one more stranger, who has not
been seen, is put above every line. When at most the share α of these N + 1 lies at or above the line,
the first photo of a new stranger is accepted with a probability of at most α: on average over galleries,
over new individuals and over their photos (Dunn, Wasserman and Ramdas 2022; Lee, Barber and Willett 2023).

What the guarantee is not: it says nothing of one given gallery (its rate scatters around α; the
stated interval shows how far), and it supposes strangers drawn as the gallery was. And it holds nearly,
not wholly, for scores of searches without the query's individual: each of those met the N − 1 others, while a
stranger meets all N, hence one more chance of a high score; and the N scores share one gallery.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from resight.decide.thresholds import accepting_at_most
from resight.errors import ConfigError, NotFittedError

_EVEN = 1e-9


def conformal_line(
    best: npt.NDArray[np.float32],
    individuals: npt.NDArray[np.int64],
    alpha: float,
    times: npt.NDArray[np.int64] | None = None,
) -> float:
    """The lowest threshold that promises FPIR ≤ α to the photo of a new stranger.

    Args:
        best: (P,) best scores of non-mated searches, −inf where nothing was found, one at least finite.
        individuals: (P,) number of the individual on each query, 0 to N − 1, each with a search.
        alpha: the rate, above 0 and below 1.
        times: (N,) how many strangers each individual stands for; default: one each.

    Raises:
        ConfigError: when α is not between 0 and 1.
        NotFittedError: when so few individuals cannot promise α: N promise 1 / (N + 1) at best.

    Example:
        >>> scores = np.array([0.9, 0.1, 0.3, 0.2, 0.4], np.float32)
        >>> round(conformal_line(scores, np.array([0, 0, 1, 2, 3]), 0.3), 2)  # half of the first, and one unseen
        0.4
    """
    if not 0 < alpha < 1:
        raise ConfigError(f"expected a conformal rate between 0 and 1, found {alpha}", key="conformal")
    n_searches = np.bincount(individuals)
    times = np.ones(len(n_searches), np.int64) if times is None else times
    n = int(times.sum())
    budget = alpha * (n + 1) - 1
    if budget < -_EVEN:
        raise NotFittedError(
            f"{n} individuals can promise at best FPIR 1/{n + 1}, found conformal={alpha:g}: label more individuals "
            f"or ask for conformal={1 / (n + 1):.2g} or more"
        )
    return accepting_at_most(best, (times / n_searches)[individuals], budget + _EVEN)
