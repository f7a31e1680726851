"""Decisions: a verdict per query, and the operating point that rules it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.core.estimate import Estimate
from resight.core.matches import Matches
from resight.errors import InputError

_FORMAT = 2
_ADDED_IN_2: dict[str, Any] = {"group_column": None, "group_thresholds": ()}
_NUMBERS = ("threshold", "new_below", "slope", "cut", "share_new", "lean", "rest")
_COUNTS = {"n_gallery": 1, "n_photos": 1, "n_mated": 0, "n_non_mated": 0, "n_weighed": 1}


class Verdict(StrEnum):
    """What is said of a query."""

    KNOWN = "known"
    NEW = "new"
    UNSURE = "unsure"


@dataclass(frozen=True)
class Candidate:
    """One individual that a query may show.

    Args:
        identity: the individual.
        image_id: its photo that looks most like the query.
        score: on the scale of the operating point; higher is more alike.
        probability: that the query shows this individual, 0 to 1.

    Raises:
        InputError: when a name is empty, the score not finite, or the probability not within 0 to 1.
    """

    identity: str
    image_id: str
    score: float
    probability: float

    def __post_init__(self) -> None:
        """Check the names and numbers."""
        if not self.identity or not self.image_id or not math.isfinite(self.score) or not 0 <= self.probability <= 1:
            raise InputError(f"expected names, a finite score and a probability between 0 and 1, found {self}")
        for name in ("score", "probability"):  # a number of numpy's is none that JSON knows
            object.__setattr__(self, name, float(getattr(self, name)))


@dataclass(frozen=True)
class Decision:
    """What is said of one query.

    Args:
        query: the query's image id.
        verdict: KNOWN, NEW or UNSURE.
        identity: the individual when KNOWN, else None.
        probability: that the verdict is right, 0 to 1: that it is `identity` when KNOWN, that it
            is none of the gallery when NEW, the larger of the two when UNSURE.
        candidates: best first.
        probability_new: that the query shows none of the gallery, 0 to 1.

    Raises:
        InputError: when the query has no name, an identity stands without KNOWN or KNOWN without
            one, it is not the first candidate's, or a probability leaves 0 to 1.
    """

    query: str
    verdict: Verdict
    identity: str | None
    probability: float
    candidates: tuple[Candidate, ...]
    probability_new: float = 0.0

    def __post_init__(self) -> None:
        """Check that verdict, identity and probability agree."""
        if not self.query:
            raise InputError("expected the image id of a query, found nothing")
        if (self.verdict is Verdict.KNOWN) != (self.identity is not None):
            raise InputError(f"expected an identity exactly when the verdict is known, found {self}")
        if self.identity is not None and self.candidates and self.identity != self.candidates[0].identity:
            raise InputError(f"expected the identity of the first candidate, found {self}")
        probabilities = [self.probability, self.probability_new]
        if not all(0 <= probability <= 1 for probability in probabilities):
            raise InputError(f"expected probabilities between 0 and 1, found {probabilities}")
        for name in ("probability", "probability_new"):  # a number of numpy's is none that JSON knows
            object.__setattr__(self, name, float(getattr(self, name)))

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return {**asdict(self), "verdict": str(self.verdict)}


@dataclass(frozen=True)
class GroupThreshold:
    """Where the line is drawn for the queries of one group: one side, one species.

    Args:
        value: what the group's column says of these queries.
        threshold: best score from which such a query is KNOWN.
        new_below: best score below which it is NEW; at most `threshold`.
        n_individuals: individuals of the group that it was fitted on, at least 1.

    Raises:
        InputError: when the value is empty, a number not finite, `new_below` lies above `threshold`,
            or the count is none.
    """

    value: str
    threshold: float
    new_below: float
    n_individuals: int

    def __post_init__(self) -> None:
        """Check the kinds and the numbers; they become plain ones."""
        lines = (self.threshold, self.new_below)
        holds = isinstance(self.value, str) and bool(self.value)
        holds = holds and all(_is_number(line, Real) and math.isfinite(line) for line in lines)
        holds = holds and self.new_below <= self.threshold
        if not (holds and _is_number(self.n_individuals, Integral) and self.n_individuals >= 1):
            raise InputError(f"expected a value, new_below <= threshold and a number of individuals, found {self}")
        object.__setattr__(self, "threshold", float(self.threshold))
        object.__setattr__(self, "new_below", float(self.new_below))
        object.__setattr__(self, "n_individuals", int(self.n_individuals))


@dataclass(frozen=True)
class OperatingPoint:
    """Where the line between known and new is drawn, and what that rests on.

    A query is KNOWN when its best score is at least `threshold`, NEW when it is below
    `new_below`, else UNSURE. The probabilities weigh the first `n_weighed` candidates of a query,
    of which the last has the score `background`; they are proportional to

    - exp(slope·score) for each candidate,
    - exp(rest + slope·background) for "an individual of the gallery beyond these",
    - exp(cut + lean·background) for "a new individual".

    Args:
        threshold: best score from which a query is KNOWN.
        new_below: best score below which a query is NEW; at most `threshold`.
        slope: weight of a score in the log-odds, at least 0.
        cut: log-weight of "a new individual".
        scale: what a score means, as in `Matches.scale`.
        model: fingerprint of what made the scores.
        n_gallery: individuals in the gallery that it was fitted on.
        n_photos: photos in that gallery.
        goal: what was asked for, such as "fpir=0.01".
        share_new: share of new individuals among the queries that the probabilities assume.
        fpir: false positive identification rate at `threshold`: non-mated searches that are
            called KNOWN. The interval is where the rate of fresh strangers is expected.
        fnir: false negative identification rate at `threshold`: mated searches whose
            individual is not first with at least the threshold.
        n_mated: searches whose individual was in the gallery.
        n_non_mated: searches whose individual was not.
        fitted_on: fingerprint of the photos and labels that it was fitted on.
        notes: sentences for the user (the gallery is too small for the goal, and so on).
        lean: how much a query that is like everybody speaks for "a new individual", at least 0.
        rest: log-weight of "beyond these"; None when the candidates are all that there is.
        n_weighed: candidates of a query that the probabilities weigh, at least 1.
        same: columns in which a candidate must agree with its query (side, species).
        group_column: column whose value chooses the line of a query; None when one line is for all.
        group_thresholds: the line of each group; a query of any other group, or of none, has
            `threshold` and `new_below`.

    Raises:
        InputError: when a field is of another kind, a count is too small, a text that says what it
            is for is empty, `new_below` lies above `threshold`, a number is not finite, the slope or
            the lean is negative, fewer than one candidate is weighed, a group has two lines, or
            groups have lines without a column.
    """

    threshold: float
    new_below: float
    slope: float
    cut: float
    scale: str
    model: str
    n_gallery: int
    n_photos: int
    goal: str
    share_new: float
    fpir: Estimate
    fnir: Estimate
    n_mated: int
    n_non_mated: int
    fitted_on: str
    notes: tuple[str, ...] = ()
    lean: float = 0.0
    rest: float | None = None
    n_weighed: int = 5
    same: tuple[str, ...] = ()
    group_column: str | None = None
    group_thresholds: tuple[GroupThreshold, ...] = ()

    def __post_init__(self) -> None:
        """Check the kinds of the fields, then the numbers."""
        self._check_kinds()
        self._check_groups()
        rest = 0.0 if self.rest is None else self.rest
        numbers = (self.threshold, self.new_below, self.slope, self.cut, self.lean, rest, self.share_new)
        if not all(math.isfinite(number) for number in numbers):
            raise InputError(f"expected finite numbers in an operating point, found {numbers}")
        if self.new_below > self.threshold:
            raise InputError(f"expected new_below <= threshold, found {self.new_below} > {self.threshold}")
        if self.slope < 0 or not 0 <= self.share_new <= 1:
            raise InputError(f"expected slope >= 0 and share_new in 0..1, found {self.slope}, {self.share_new}")
        if self.lean < 0 or self.n_weighed < 1:
            raise InputError(f"expected lean >= 0 and n_weighed >= 1, found {self.lean}, {self.n_weighed}")

    def _check_kinds(self) -> None:
        """Numbers become plain ones, so that JSON can hold them."""
        for name in _NUMBERS:
            value = getattr(self, name)
            if name != "rest" or value is not None:
                _require(_is_number(value, Real), name, "a number", value)
                object.__setattr__(self, name, float(value))
        for name, least in _COUNTS.items():
            count = getattr(self, name)
            _require(_is_number(count, Integral) and count >= least, name, f"a whole number of at least {least}", count)
            object.__setattr__(self, name, int(count))
        for name in ("scale", "model", "goal", "fitted_on"):
            value = getattr(self, name)
            _require(isinstance(value, str) and bool(value or name == "fitted_on"), name, "text", value)
        for name in ("notes", "same"):
            value = getattr(self, name)
            _require(isinstance(value, tuple) and all(isinstance(one, str) for one in value), name, "texts", value)
        for name in ("fpir", "fnir"):
            _require(isinstance(getattr(self, name), Estimate), name, "an estimate", getattr(self, name))

    def _check_groups(self) -> None:
        column, lines = self.group_column, self.group_thresholds
        _require(column is None or (isinstance(column, str) and bool(column)), "group_column", "text", column)
        is_right = isinstance(lines, tuple) and all(isinstance(one, GroupThreshold) for one in lines)
        _require(is_right, "group_thresholds", "the lines of groups", lines)
        _require(column is not None or not lines, "group_column", "the column of the groups", column)
        names = [one.value for one in lines]
        _require(len(set(names)) == len(names), "group_thresholds", "one line per group", names)

    def lines(
        self, groups: Sequence[str | None] | npt.NDArray[Any] | None, n_queries: int
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Where the lines are drawn for each of some queries.

        Args:
            groups: (Q,) what `group_column` says of each query, None or empty where it is not known;
                None when one line is for all.
            n_queries: Q.

        Returns:
            (Q,) `threshold` and (Q,) `new_below` of each query; those of all where the group is unknown.

        Raises:
            InputError: when the groups are missing, unwanted, or not one per query.
        """
        if (groups is None) != (self.group_column is None):
            wanted = "no groups" if self.group_column is None else f"the '{self.group_column}' of each query"
            found = "none" if groups is None else "some"
            raise InputError(f"expected {wanted} with this operating point, found {found}: hand them in as 'groups'")
        if groups is not None and len(groups) != n_queries:
            raise InputError(f"expected one group per query, found {len(groups)} for {n_queries} queries")
        of = {one.value: (one.threshold, one.new_below) for one in self.group_thresholds}
        names = [None] * n_queries if groups is None else [None if name is None else str(name) for name in groups]
        pairs = [of.get(name or "", (self.threshold, self.new_below)) for name in names]
        both = np.array(pairs, dtype=np.float64).reshape(n_queries, 2)
        return both[:, 0], both[:, 1]

    def require_for(self, matches: Matches) -> None:
        """Refuse scores that this operating point was not fitted for.

        Raises:
            MismatchError: when their scale or model is another one.
        """
        matches.require_same_scale(self.scale, self.model)

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        rates = {"fpir": self.fpir.to_json(), "fnir": self.fnir.to_json()}
        texts = {"notes": list(self.notes), "same": list(self.same)}
        groups = {"group_thresholds": [asdict(one) for one in self.group_thresholds]}
        return {"format": _FORMAT, **asdict(self), **rates, **texts, **groups}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> OperatingPoint:
        """The operating point that `to_json` wrote, in this format or in the one before, which knew no groups.

        Raises:
            InputError: when a field is missing or unknown, or the format is newer.
        """
        if not isinstance(data, dict):
            raise InputError(f"expected the fields of an operating point, found {type(data).__name__}")
        if data.get("format") not in (1, _FORMAT):
            raise InputError(f"expected an operating point of format 1 or {_FORMAT}, found {data.get('format')}")
        given: dict[str, Any] = {name: value for name, value in data.items() if name != "format"}
        if data["format"] == 1:
            given = {**_ADDED_IN_2, **given}
        try:
            given |= {name: Estimate.from_json(given[name]) for name in ("fpir", "fnir")}
            given |= {name: tuple(given[name]) for name in ("notes", "same") if isinstance(given[name], list | tuple)}
            if isinstance(given["group_thresholds"], list | tuple):
                given["group_thresholds"] = tuple(GroupThreshold(**one) for one in given["group_thresholds"])
            return cls(**{field.name: given.pop(field.name) for field in fields(cls)}, **given)
        except (KeyError, TypeError, OverflowError) as error:
            raise InputError(f"expected the fields of an operating point, found otherwise: {error}") from error


def _require(holds: bool, name: str, expected: str, found: object) -> None:
    if not holds:
        raise InputError(f"expected {expected} as '{name}' of an operating point, found {found!r}")


def _is_number(value: object, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
