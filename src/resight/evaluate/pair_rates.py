"""Every rate of judged pairs in one row, for any weights of the pairs: what a bootstrap over persons asks for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resight.core.photo_pairs import REAL
from resight.errors import InputError
from resight.evaluate.verification import EER_VARIANTS, Roc, eer_of, roc, roc_of_counts

__all__ = ["FORGED", "JudgedPairs", "PairRates"]

FORGED = "forged"
"""What all kinds of forgery together are called."""

Floats = npt.NDArray[np.float64]
Names = npt.NDArray[np.str_]
Bools = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class JudgedPairs:
    """Pairs of which the truth is known.

    Args:
        scores: (P,) higher is more alike; NaN for a pair that could not be compared, which no threshold accepts.
        same: (P,) whether a pair shows one individual and nothing forged.
        persons: (P, 2) a number for who is on each photo, or whom a forged one pretends to show.
        kinds: (P,) "real" or empty, or what was forged; that of a pair of one individual is not looked at.

    Raises:
        InputError: when lengths differ.
    """

    scores: Floats
    same: Bools
    persons: Counts
    kinds: Names

    def __post_init__(self) -> None:
        """Check lengths; a pair that was not compared gets the least score."""
        scores, same = np.asarray(self.scores, np.float64), np.asarray(self.same)
        kinds, persons = np.asarray(self.kinds, np.str_), np.asarray(self.persons, np.int64)
        shapes = scores.shape, same.shape, kinds.shape, persons.shape
        if scores.ndim != 1 or shapes != (scores.shape, scores.shape, scores.shape, (len(scores), 2)):
            raise InputError(
                f"expected a truth, a kind and two persons for each of {scores.shape} scores, found {shapes}"
            )
        if same.dtype.kind != "b":
            raise InputError(f"expected the truth as booleans, found {same.dtype}")
        compared = np.where(np.isnan(scores), -np.inf, scores)
        for name, array in (("scores", compared), ("same", same), ("persons", persons), ("kinds", kinds)):
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        """The number of pairs."""
        return len(self.scores)

    @property
    def forged(self) -> Bools:
        """(P,) which pairs of two show something forged."""
        answer: Bools = ~self.same & (self.kinds != "") & (self.kinds != REAL)
        return answer

    def select(self, which: Bools) -> JudgedPairs:
        """Some of the pairs, by a mask."""
        return JudgedPairs(self.scores[which], self.same[which], self.persons[which], self.kinds[which])


@dataclass(frozen=True, eq=False)
class PairRates:
    """The rates of all pairs and of parts of them; made by `PairRates.of`.

    Args:
        names: (S,) what each rate is: `("eer", variant)`, `("tar", target)`, `("kind", kind)` or
            `("group", column, value, rate)`.
        n_persons: (S,) how many persons each rests on.
        threshold: where FMR and FNMR of all pairs are nearest to each other, the highest such.
        groups: column and value of each group, and the rows of its pairs.
    """

    names: tuple[tuple[str, ...], ...]
    n_persons: tuple[int, ...]
    threshold: float
    groups: Mapping[tuple[str, str], Counts]
    _judged: JudgedPairs
    _kinds: Mapping[str, Counts]
    _targets: tuple[float, ...]
    _levels: Floats
    _place: Counts

    @classmethod
    def of(cls, judged: JudgedPairs, groups: Mapping[str, Names], targets: Sequence[float]) -> PairRates:
        """The rates of some pairs, of each kind of forgery, and of each value of each column.

        Raises:
            InputError: when a column has not one value per pair.
        """
        kinds, grouped = _by_kind(judged), _by_group(len(judged), groups)
        names: list[tuple[str, ...]] = [("eer", name) for name in EER_VARIANTS]
        names += [("tar", f"{target:g}") for target in targets]
        counts = [_n_persons(judged)] * len(names)
        names += [("kind", kind) for kind in kinds]
        counts += [_n_persons(judged, rows) for rows in kinds.values()]
        for key, rows in grouped.items():
            names += [("group", *key, rate) for rate in ("eer", "fnmr", "fmr")]
            counts += [_n_persons(judged, rows)] * 3
        curve = roc(judged.scores[judged.same], judged.scores[~judged.same])
        threshold = float(curve.thresholds[int(np.argmin(np.abs(curve.fnmr - curve.fmr)))])
        levels, place = np.unique(judged.scores, return_inverse=True)
        place = place + np.where(judged.same, 0, len(levels))  # genuine pairs first, then impostor ones
        return cls(tuple(names), tuple(counts), threshold, grouped, judged, kinds, tuple(targets), levels, place)

    def row(self, weights: Counts) -> Floats:
        """(S,) the rates where each pair counts as often as its weight says, (P,); NaN where there is none."""
        counts = self._counts(slice(None), weights)
        full, thinned = (roc_of_counts(self._levels, *counts, drop_collinear=drop) for drop in (False, True))
        rates = [eer_of(thinned if name == "sklearn" else full, name) for name in EER_VARIANTS]
        rates += [_tar(full, target) for target in self._targets]
        rates += [self._eer(rows, weights) for rows in self._kinds.values()]
        for rows in self.groups.values():
            rates += [self._eer(rows, weights), *self._at_threshold(rows, weights)]
        return np.array(rates)

    def _counts(self, rows: Counts | slice, weights: Counts) -> tuple[Counts, Counts]:
        """(L,) how many genuine and how many impostor pairs of some rows have each score."""
        n = len(self._levels)
        counts = np.bincount(self._place[rows], weights[rows], 2 * n).astype(np.int64)
        return counts[:n], counts[n:]

    def _eer(self, rows: Counts, weights: Counts) -> float:
        return eer_of(roc_of_counts(self._levels, *self._counts(rows, weights), drop_collinear=True), "sklearn")

    def _at_threshold(self, rows: Counts, weights: Counts) -> tuple[float, float]:
        """FNMR and FMR of some rows at the threshold of all."""
        same, counts = self._judged.same[rows], weights[rows]
        wrong = (self._judged.scores[rows] >= self.threshold) != same
        return _weighted(wrong[same], counts[same]), _weighted(wrong[~same], counts[~same])


def _by_kind(judged: JudgedPairs) -> dict[str, Counts]:
    """Rows of all genuine pairs with the real impostor ones, with all forged ones, and with each kind of those."""
    forged = judged.forged
    if not forged.any():
        return {}
    found = {REAL: ~judged.same & ~forged, FORGED: forged}
    for kind in np.unique(judged.kinds[forged]).tolist():
        found.setdefault(kind, forged & (judged.kinds == kind))
    return {kind: np.flatnonzero(judged.same | impostor) for kind, impostor in found.items()}


def _by_group(n_pairs: int, groups: Mapping[str, Names]) -> dict[tuple[str, str], Counts]:
    found = {}
    for column, values in groups.items():
        if len(values) != n_pairs:
            raise InputError(f"expected a value of '{column}' for each of {n_pairs} pairs, found {len(values)}")
        for value in np.unique(values).tolist():
            if value:
                found[column, value] = np.flatnonzero(values == value)
    return found


def _n_persons(judged: JudgedPairs, rows: Counts | None = None) -> int:
    return len(np.unique(judged.persons if rows is None else judged.persons[rows]))


def _tar(curve: Roc, target: float) -> float:
    """The true accept rate at the lowest threshold that keeps the false accept rate."""
    if np.isnan(curve.fmr).any() or np.isnan(curve.fnmr).any():
        return math.nan
    return float(1 - curve.fnmr[np.searchsorted(curve.fmr, target, side="right") - 1])


def _weighted(wrong: Bools, counts: Counts) -> float:
    total = int(counts.sum())
    return float(counts[wrong].sum() / total) if total else math.nan
