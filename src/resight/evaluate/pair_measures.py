"""How well scores of pairs tell one individual from two, real or forged, with intervals over persons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.core import Estimate
from resight.core.photo_pairs import REAL
from resight.errors import InputError
from resight.evaluate.fold_accuracy import FoldAccuracy, fold_accuracy
from resight.evaluate.pair_bootstrap import bootstrap_pairs
from resight.evaluate.pair_rates import FORGED, JudgedPairs, PairRates
from resight.evaluate.thresholds import AtTarget
from resight.evaluate.verification import EER_VARIANTS, tar_at_far

__all__ = ["FAR_TARGETS", "GroupMeasures", "PairMeasures", "TarAtFar", "measure_pairs"]

FAR_TARGETS = (0.1, 0.01, 0.001)
"""False accept rates at which the true accept rate is told."""

Names = npt.NDArray[np.str_]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TarAtFar:
    """The true accept rate at one false accept rate.

    Args:
        at: target, achieved rate, threshold, and whether the data suffice.
        estimate: the true accept rate with its interval; NaN when they do not.
    """

    at: AtTarget
    estimate: Estimate

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return {**self.at.to_json(), "interval": self.estimate.to_json()}


@dataclass(frozen=True)
class GroupMeasures:
    """The same for the pairs of one group.

    Args:
        column: what they are grouped by.
        value: which group.
        n_genuine: pairs of one individual.
        n_impostor: pairs of two.
        eer: equal error rate within the group.
        fnmr: share of its genuine pairs refused at the threshold of all pairs' EER.
        fmr: share of its impostor pairs accepted there.
    """

    column: str
    value: str
    n_genuine: int
    n_impostor: int
    eer: Estimate
    fnmr: Estimate
    fmr: Estimate

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        rates = {name: getattr(self, name).to_json() for name in ("eer", "fnmr", "fmr")}
        counts = {"n_genuine": self.n_genuine, "n_impostor": self.n_impostor}
        return {"column": self.column, "value": self.value, **counts, **rates}


@dataclass(frozen=True)
class PairMeasures:
    """What scores of pairs are worth.

    Args:
        n_genuine: pairs of one individual.
        n_impostor: pairs of two, or with something forged.
        n_persons: who were resampled.
        n_not_compared: pairs that could not be compared; they count as refused.
        threshold: where FMR and FNMR are nearest to each other.
        eer: by variant.
        eer_real: of all genuine pairs against real impostor pairs; None where nothing is forged.
        eer_fake: of all genuine pairs against forged ones; likewise.
        kinds: EER of all genuine pairs against each kind of forgery.
        tar: true accept rates at `FAR_TARGETS`.
        folds: accuracy by folds; None without any.
        groups: the measures of each group.
    """

    n_genuine: int
    n_impostor: int
    n_persons: int
    n_not_compared: int
    threshold: float
    eer: Mapping[str, Estimate]
    eer_real: Estimate | None
    eer_fake: Estimate | None
    kinds: Mapping[str, Estimate]
    tar: tuple[TarAtFar, ...]
    folds: FoldAccuracy | None = None
    groups: tuple[GroupMeasures, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        counts = {name: getattr(self, name) for name in ("n_genuine", "n_impostor", "n_persons", "n_not_compared")}
        parts = {
            name: None if (one := getattr(self, name)) is None else one.to_json() for name in ("eer_real", "eer_fake")
        }
        return {
            **counts,
            "threshold": self.threshold if math.isfinite(self.threshold) else None,
            "eer": {name: one.to_json() for name, one in self.eer.items()},
            **parts,
            "kinds": {name: one.to_json() for name, one in self.kinds.items()},
            "tar": [one.to_json() for one in self.tar],
            "folds": self.folds and self.folds.to_json(),
            "groups": [one.to_json() for one in self.groups],
        }


def measure_pairs(
    judged: JudgedPairs,
    *,
    folds: Names | None = None,
    groups: Mapping[str, Names] | None = None,
    targets: Sequence[float] = FAR_TARGETS,
    n_resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> PairMeasures:
    """Every measure of pairs, with intervals from the same resamples of persons.

    Args:
        judged: the pairs; both genuine and impostor ones.
        folds: (P,) the fold of each pair, for the accuracy by folds.
        groups: column to (P,) what it says of each pair, empty for nothing, for measures per group.
        targets: false accept rates.
        n_resamples: bootstrap resamples; 0 for no intervals.
        seed: of the draws.
        level: coverage of the intervals.

    Raises:
        InputError: when there is no genuine or no impostor pair, or lengths differ.

    Example:
        >>> persons = np.array([[0, 0], [1, 1], [0, 1], [1, 2]])
        >>> pairs = JudgedPairs([0.9, 0.4, 0.5, 0.1], np.array([True, True, False, False]), persons, [""] * 4)
        >>> measure_pairs(pairs, n_resamples=0).eer["interpolated"].value
        0.5
    """
    if not judged.same.any() or judged.same.all():
        n_same = int(judged.same.sum())
        raise InputError(
            f"expected pairs of one individual and pairs of two, found {n_same} and {len(judged) - n_same}: label both"
        )
    rates = PairRates.of(judged, groups or {}, targets)
    found = bootstrap_pairs(rates.row, judged.persons, rates.n_persons, n_resamples=n_resamples, seed=seed, level=level)
    named = dict(zip(rates.names, found, strict=True))
    kinds = {key[1]: one for key, one in named.items() if key[0] == "kind"}
    return PairMeasures(
        n_genuine=int(judged.same.sum()),
        n_impostor=int((~judged.same).sum()),
        n_persons=len(np.unique(judged.persons)),
        n_not_compared=int(np.isneginf(judged.scores).sum()),
        threshold=rates.threshold,
        eer={name: named["eer", name] for name in EER_VARIANTS},
        eer_real=kinds.pop(REAL, None),
        eer_fake=kinds.pop(FORGED, None),
        kinds=kinds,
        tar=tuple(_tar(judged, target, named["tar", f"{target:g}"]) for target in targets),
        folds=None if folds is None else fold_accuracy(judged.scores, judged.same, folds, judged.persons),
        groups=tuple(_group(judged, key, named, rows) for key, rows in rates.groups.items()),
    )


def _tar(judged: JudgedPairs, target: float, estimate: Estimate) -> TarAtFar:
    at = tar_at_far(judged.scores[judged.same], judged.scores[~judged.same], target)
    return TarAtFar(at, estimate if at.sufficient else replace(estimate, value=math.nan, low=math.nan, high=math.nan))


def _group(
    judged: JudgedPairs, key: tuple[str, str], named: Mapping[tuple[str, ...], Estimate], rows: Counts
) -> GroupMeasures:
    n_genuine = int(judged.same[rows].sum())
    rates = (named[("group", *key, rate)] for rate in ("eer", "fnmr", "fmr"))
    return GroupMeasures(*key, n_genuine, len(rows) - n_genuine, *rates)
