"""Group thresholds: a line for each side or species, as far as the photos show that they differ.

Strangers of one species may score higher than those of another, so that one line promises too little to
the first and too much to the second. A line for each group, fitted on that group alone, is worse than one
for all as soon as a group has a few dozen individuals. So here a group's scores are moved by its *offset*,
and one line is drawn on all the moved scores: it keeps the rate overall, on the scores that it was
fitted on.

The offset is how far the group's upper tenth begins above that of all, shrunk by empirical Bayes (Morris
1983): times τ² / (τ² + c/n), where n counts the group's individuals, c/n is the variance that drawing n
individuals brings, and τ² is the variance between groups (DerSimonian and Laird 1986). Groups that differ by
no more than chance get no offset at all. `docs/decisions/0004-operating-point.md` has the measurements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from resight.core import GroupThreshold
from resight.decide.thresholds import just_above

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Scores = npt.NDArray[np.float32]

_TAIL = 0.1
_N_DRAWS = 200
_LEAST = 1e-18


@dataclass(frozen=True, eq=False)
class Groups:
    """What a column says of each query of the searches that an operating point is fitted on.

    Args:
        column: name of the column, such as "side".
        mated: (Q,) text, the value for each mated search; empty where it is not known.
        non_mated: (P,) the same for the non-mated searches.
    """

    column: str
    mated: npt.NDArray[np.str_]
    non_mated: npt.NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Members:
    """Which search belongs to which group, and how often each group's individuals count.

    Args:
        best: (P,) float32 best scores, −inf where nothing was found.
        individuals: (P,) number of the individual on each query, from 0.
        codes: (P,) number of the group of each query, −1 where it is not known.
        n_groups: groups that there are.
        level: share of the scores that the tail holds, 0 to 1.
        noise: variance of where the tail begins, times the number of individuals.
    """

    best: Scores
    individuals: Codes
    codes: Codes
    n_groups: int
    level: float
    noise: float

    @classmethod
    def of(cls, best: Scores, individuals: Codes, codes: Codes, n_groups: int, rate: float, seed: int) -> Members:
        """The members with the noise of their tails, from a bootstrap over individuals.

        Args:
            best: (P,) best scores.
            individuals: (P,) number of the individual on each query, from 0.
            codes: (P,) number of the group, −1 where not known.
            n_groups: groups that there are.
            rate: share of the scores that lies above the line; the tail holds a tenth at least.
            seed: of the bootstrap.
        """
        level = max(rate, _TAIL)
        return cls(best, individuals, codes, n_groups, level, _noise(best, individuals, codes, n_groups, level, seed))

    @cached_property
    def _rows(self) -> tuple[Codes, ...]:
        """The searches of each group that found anything, the best first."""
        falling = np.argsort(-self.best, kind="stable")
        falling = falling[np.isfinite(self.best[falling])]
        return tuple(falling[self.codes[falling] == group] for group in range(self.n_groups))

    @cached_property
    def _whose(self) -> tuple[Codes, ...]:
        """The individuals of each group."""
        return tuple(np.unique(self.individuals[self.codes == group]) for group in range(self.n_groups))

    def n_individuals(self, times: Codes) -> Codes:
        """(G,): individuals of each group, where the i-th counts `times[i]` times."""
        return np.array([int(times[whose].sum()) for whose in self._whose], dtype=np.int64)

    def offsets(self, times: Codes) -> Floats:
        """(G,): how far the scores of each group stand above those of all, shrunk."""
        begins = [_tail(self.best[rows], times[self.individuals[rows]], self.level) for rows in self._rows]
        return _shrunk(np.array(begins), self.n_individuals(times), self.noise)

    def moved(self, offsets: Floats, scores: Scores | None = None) -> Scores:
        """The scores, (P,) best or (P, K) any, less the offset of their query's group."""
        scores = self.best if scores is None else scores
        of_query = np.append(offsets, 0.0)[self.codes].reshape((-1,) + (1,) * (scores.ndim - 1))
        return np.asarray(scores - of_query, dtype=np.float32)

    def lines(self, line: float, offsets: Floats) -> Floats:
        """(G,): the line on the moved scores, put back on the scale of each group's own.

        Rounding never lets a score change its side of the line.
        """
        moved = self.moved(offsets)
        lines = line + offsets
        for group in range(self.n_groups):
            own = (self.codes == group) & np.isfinite(self.best)
            below, above = self.best[own & (moved < line)], self.best[own & (moved >= line)]
            low = just_above(below.max()) if len(below) else -np.inf
            high = float(above.min()) if len(above) else np.inf
            lines[group] = min(max(lines[group], low), high)
        return np.asarray(lines)


def names_of(groups: Groups, found: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    """The groups of which some non-mated search found anything, in the order of their names."""
    return tuple(np.unique(groups.non_mated[found & (groups.non_mated != "")]).tolist())


def codes_of(values: npt.NDArray[np.str_], names: tuple[str, ...]) -> Codes:
    """(Q,): the number of each query's group among `names`, −1 where it is none of them."""
    of = {name: number for number, name in enumerate(names)}
    return np.array([of.get(value, -1) for value in values.tolist()], dtype=np.int64)


def group_lines(
    names: tuple[str, ...], thresholds: Floats, new_below: Floats, n_individuals: Codes
) -> tuple[GroupThreshold, ...]:
    """One line per group, in the order of their names."""
    rows = zip(names, thresholds, np.minimum(new_below, thresholds), n_individuals, strict=True)
    return tuple(GroupThreshold(name, float(known), float(new), int(n)) for name, known, new, n in rows)


def refitted(
    members: Members, line: Callable[[Scores, Codes], float], pooled: Callable[[Codes], float | Floats]
) -> Callable[[Codes], Floats]:
    """How the line of each search is fitted anew when each individual counts another number of times.

    Args:
        members: the searches.
        line: from moved scores and times, the one line on them.
        pooled: from times, the line of a query whose group is not known.
    """

    def lines(times: Codes) -> Floats:
        offsets = members.offsets(times)
        on_moved = line(members.moved(offsets), times)
        return np.append(on_moved + offsets, pooled(times))[members.codes]

    return lines


def _noise(best: Scores, individuals: Codes, codes: Codes, n_groups: int, level: float, seed: int) -> float:
    """Variance of where a tail begins, times individuals: groups are set on one median, and individuals drawn."""
    centred, units = _centred(best, individuals, codes, n_groups)
    if not len(centred):
        return 0.0
    rng = np.random.default_rng(seed)
    n = int(units.max()) + 1
    draws = (np.bincount(rng.integers(0, n, n), minlength=n) for _ in range(_N_DRAWS))
    return float(np.var([_tail(centred, times[units], level) for times in draws]) * n)


def _centred(best: Scores, individuals: Codes, codes: Codes, n_groups: int) -> tuple[Scores, Codes]:
    """The finite scores of known groups, falling, less their group's median; and whose they are.

    An individual that is in two groups counts as two here, as it does when offsets are taken.
    """
    known = np.flatnonzero((codes >= 0) & np.isfinite(best))
    centred = best[known].copy()
    for rows in _rows_of(codes[known], n_groups):
        centred[rows] -= np.median(centred[rows])
    pairs = individuals[known] * n_groups + codes[known]
    units = np.unique(pairs, return_inverse=True)[1].reshape(-1)
    order = np.argsort(-centred, kind="stable")
    return centred[order], units[order]


def _rows_of(codes: Codes, n_groups: int) -> Iterator[Codes]:
    rows = (np.flatnonzero(codes == group) for group in range(n_groups))
    return (one for one in rows if len(one))


def _tail(falling: Scores, weights: Codes, level: float) -> float:
    """The highest score that the share `level` of the weight reaches; NaN where there is no weight."""
    reached = np.cumsum(weights)
    if not len(reached) or not reached[-1]:
        return float("nan")
    return float(falling[np.searchsorted(reached, level * reached[-1])])


def _shrunk(begins: Floats, n_individuals: Codes, noise: float) -> Floats:
    """How far each tail begins above the common place, shrunk; 0 where nothing is known."""
    known = np.isfinite(begins) & (n_individuals > 0)
    offsets = np.zeros(len(begins))
    if known.sum() < 2:
        return offsets
    here, variance = begins[known], max(noise, _LEAST) / n_individuals[known]
    between = _between(here, variance)
    weights = 1 / (between + variance)
    common = (weights * here).sum() / weights.sum()
    offsets[known] = between / (between + variance) * (here - common)
    return offsets


def _between(values: Floats, variances: Floats) -> float:
    """The variance between groups beyond chance, by the method of moments (DerSimonian and Laird)."""
    weights = variances.min() / variances  # the scale cancels
    common = (weights * values).sum() / weights.sum()
    spread = (weights * (values - common) ** 2).sum() - (len(values) - 1) * variances.min()
    return float(max(0.0, spread / (weights.sum() - (weights**2).sum() / weights.sum())))
