"""Eligibility: which photos of a gallery may answer which query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from resight.core.catalogue import Catalogue
from resight.errors import InputError, UnknownNameError

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Eligibility:
    """Which photos of a gallery may answer which query.

    A photo may answer a query when their codes differ in every pair of `differ` and are equal in
    every pair of `agree`. A code of −1 means unknown and never forbids anything.

    Args:
        differ: pairs of ((Q,), (G,)) int64 codes that must not be equal (image, encounter).
        agree: pairs of ((Q,), (G,)) int64 codes that must be equal (side, species).

    The codes are copied and frozen. Without any pair the rule is empty: every photo may answer.

    Raises:
        InputError: when a code is no whole number of at least −1, or the lengths of the pairs do
            not fit each other.
    """

    differ: tuple[tuple[Codes, Codes], ...] = ()
    agree: tuple[tuple[Codes, Codes], ...] = ()

    def __post_init__(self) -> None:
        """Check that all pairs speak of the same queries and the same gallery."""
        object.__setattr__(self, "differ", tuple((_frozen_codes(q), _frozen_codes(g)) for q, g in self.differ))
        object.__setattr__(self, "agree", tuple((_frozen_codes(q), _frozen_codes(g)) for q, g in self.agree))
        pairs = (*self.differ, *self.agree)
        if len({(len(q), len(g)) for q, g in pairs}) > 1:
            raise InputError("expected all codes of the same queries and gallery, found different lengths")

    @classmethod
    def of(
        cls,
        queries: Catalogue,
        gallery: Catalogue,
        *,
        differ: Sequence[str] = ("image_id", "encounter"),
        agree: Sequence[str] = (),
    ) -> Eligibility:
        """Codes from the columns of two catalogues; a null or NaN value forbids nothing.

        With the default, a photo never answers for itself nor for another one of its encounter.

        Raises:
            UnknownNameError: when a catalogue lacks one of the columns.
            InputError: when a column holds lists, such as boxes, or values of two kinds that
                cannot be compared.
        """
        return cls(
            tuple(_codes(queries, gallery, name) for name in differ),
            tuple(_codes(queries, gallery, name) for name in agree),
        )

    def barring(
        self, query_ids: npt.NDArray[np.str_], identities: npt.ArrayLike, rejections: Mapping[str, Sequence[str]]
    ) -> Eligibility:
        """The same rule, by which no individual answers a query that was said not to show it.

        Each rejection of the query that has most of them adds a pair to `differ`.

        Args:
            query_ids: (Q,) image ids of the queries.
            identities: (G,) text, the individual on each photo of the gallery.
            rejections: image id to the individuals that the photo was said not to show; others may be named, too.
        """
        rows = [(row, rejections[one]) for row, one in enumerate(query_ids.tolist()) if rejections.get(one)]
        if not rows:
            return self
        names, theirs = np.unique(np.asarray(identities, dtype=np.str_), return_inverse=True)
        code_of = {name: code for code, name in enumerate(names.tolist())}
        known = [(row, [code_of[name] for name in rejected if name in code_of]) for row, rejected in rows]
        barred = np.full((max(len(codes) for _, codes in known), len(query_ids)), -1, dtype=np.int64)
        for row, codes in known:
            barred[: len(codes), row] = codes
        there = _frozen_codes(theirs.reshape(-1))
        return Eligibility((*self.differ, *((one, there) for one in barred)), self.agree)

    def select(self, queries: npt.NDArray[np.int64] | slice) -> Eligibility:
        """The same rule for some of the queries."""
        return Eligibility(
            tuple((q[queries], g) for q, g in self.differ),
            tuple((q[queries], g) for q, g in self.agree),
        )

    def allowed(self, query: int) -> npt.NDArray[np.bool_]:
        """(G,): which photos may answer one query.

        Raises:
            InputError: when the rule is empty, since it then does not know the gallery.
        """
        pairs = (*self.differ, *self.agree)
        if not pairs:
            raise InputError("an empty rule does not know the gallery: everything may answer")
        answer = np.ones(len(pairs[0][1]), dtype=bool)
        for q, g in self.differ:
            answer &= (g != q[query]) | (g < 0) | (q[query] < 0)
        for q, g in self.agree:
            answer &= (g == q[query]) | (g < 0) | (q[query] < 0)
        return answer


def _codes(queries: Catalogue, gallery: Catalogue, column: str) -> tuple[Codes, Codes]:
    for catalogue in (queries, gallery):
        if column not in catalogue.frame.columns:
            raise UnknownNameError("column", column, catalogue.frame.columns)
    values = [_single_values(catalogue.frame[column]) for catalogue in (queries, gallery)]
    try:
        both = pl.concat([value.to_frame() for value in values], how="vertical_relaxed")[column]
        codes = both.rank("dense").cast(pl.Int64).fill_null(-1).to_numpy()
    except pl.exceptions.PolarsError as error:
        kinds = " and ".join(str(value.dtype) for value in values)
        raise InputError(f"expected a column '{column}' of values that can be compared, found {kinds}") from error
    return codes[: len(queries)], codes[len(queries) :]


def _single_values(values: pl.Series) -> pl.Series:
    if values.dtype.is_nested():
        raise InputError(f"expected a column of single values to compare, found {values.dtype} in '{values.name}'")
    return values.fill_nan(None) if values.dtype.is_float() else values


def _frozen_codes(values: npt.ArrayLike) -> Codes:
    codes = np.asarray(values)
    if codes.ndim != 1 or (codes.size and codes.dtype.kind not in "iu"):
        raise InputError(f"expected codes as a flat list of whole numbers, found {codes.dtype} of shape {codes.shape}")
    codes = codes.astype(np.int64, copy=codes.flags.writeable)
    if (codes < -1).any():
        raise InputError(f"expected codes of at least -1, found {codes.min()}")
    codes.setflags(write=False)
    return codes
