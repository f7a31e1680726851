"""Pairs of photos: are the two of the same individual?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from resight.core.catalogue import Catalogue
from resight.core.ids import chosen_rows
from resight.core.table import as_polars
from resight.errors import CatalogueError, InputError, UnknownNameError

__all__ = ["REAL", "PhotoPairs"]

REAL = "real"
"""The kind of a pair whose photos are both as the camera took them; every other kind is a forgery."""

_COLUMNS: dict[str, pl.DataType] = {
    "pair_id": pl.String(),
    "first": pl.Int64(),
    "second": pl.Int64(),
    "same": pl.Boolean(),
    "kind": pl.String(),
    "person_a": pl.String(),
    "person_b": pl.String(),
    "fold": pl.String(),
}


@dataclass(frozen=True, eq=False)
class PhotoPairs:
    """Pairs of photos, and what is known of each.

    Args:
        photos: the N distinct photos, each once however many pairs name it.
        frame: one row per pair, with at least `pair_id`, `first` and `second` (rows of `photos`). Added as
            null when absent: `same` (whether both photos show one individual, and neither is forged; null
            when nobody said so), `kind` ("real", or what was forged), `person_a` and `person_b` (who is on
            each, or whom a forged one pretends to show) and `fold`. Further columns are kept.

    Always true: pair ids are unique and not blank; both rows exist and differ; a pair of one individual has
    no two persons; a pair of two individuals has one person only where its kind is a forgery.

    Raises:
        CatalogueError: with the row and column, when any of that does not hold.

    Example:
        >>> from pathlib import Path
        >>> photos = Catalogue(pl.DataFrame({"image_id": ["a", "b"], "path": ["a.jpg", "b.jpg"]}), Path("."))
        >>> pairs = PhotoPairs(photos, pl.DataFrame({"pair_id": ["1"], "first": [0], "second": [1], "same": [True]}))
        >>> len(pairs), pairs.is_genuine.tolist()
        (1, [True])
    """

    photos: Catalogue
    frame: pl.DataFrame

    def __post_init__(self) -> None:
        """Bring the table into its columns and check what is always true."""
        frame = _conform(as_polars(self.frame))
        _check(frame, len(self.photos))
        object.__setattr__(self, "frame", frame)

    def __len__(self) -> int:
        """The number of pairs."""
        return self.frame.height

    @cached_property
    def pair_ids(self) -> npt.NDArray[np.str_]:
        """(P,) the pairs' ids, text; read-only."""
        ids = self.frame["pair_id"].to_numpy().astype(np.str_)
        ids.setflags(write=False)
        return ids

    @cached_property
    def first(self) -> npt.NDArray[np.int64]:
        """(P,) row of the first photo of each pair in `photos`."""
        return self.frame["first"].to_numpy()

    @cached_property
    def second(self) -> npt.NDArray[np.int64]:
        """(P,) row of the second photo of each pair in `photos`."""
        return self.frame["second"].to_numpy()

    @cached_property
    def is_labelled(self) -> npt.NDArray[np.bool_]:
        """(P,) whether it is known what a pair shows."""
        return self.frame["same"].is_not_null().to_numpy()

    @cached_property
    def is_genuine(self) -> npt.NDArray[np.bool_]:
        """(P,) whether a pair is known to show one individual."""
        return self.frame["same"].fill_null(False).to_numpy()

    @cached_property
    def kinds(self) -> npt.NDArray[np.str_]:
        """(P,) "real" or the kind of forgery; empty where nobody said."""
        return self.frame["kind"].fill_null("").to_numpy().astype(np.str_)

    @cached_property
    def persons(self) -> npt.NDArray[np.int64]:
        """(P, 2) int64, a number for who is on each photo.

        Who has a name has the number of the name. The photos of pairs of one individual are of one person, with a
        name or without; any other photo without a name is a person of its own.
        """
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        n = len(self.photos)
        names = pl.concat([self.frame["person_a"], self.frame["person_b"]])
        codes = names.rank("dense").fill_null(0).to_numpy().astype(np.int64) + n - 1  # behind the photos; n − 1 is none
        photos = np.concatenate([self.first, self.second])
        named = codes >= n
        own = self.is_genuine
        ends = [(photos[named], codes[named]), (self.first[own], self.second[own])]
        one, other = (np.concatenate(side) for side in zip(*ends, strict=True))
        n_nodes = n + int(named.any() and codes.max() - n + 1)
        links = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(n_nodes, n_nodes))
        component = connected_components(links, directed=False)[1].astype(np.int64)
        answer: npt.NDArray[np.int64] = component[photos].reshape(2, -1).T
        return answer

    def column(self, name: str) -> npt.NDArray[np.str_]:
        """(P,) what a column says of each pair, as text; empty where it says nothing.

        A column of the pairs goes before one of the photos. Where the two photos of a pair differ, both values
        stand in alphabetical order with a slash between, as in "left / right".

        Raises:
            UnknownNameError: when neither has such a column.
        """
        if name in self.frame.columns:
            return _texts(self.frame[name])
        if name not in self.photos.frame.columns:
            told = [one for one in self.frame.columns if one not in ("first", "second")]
            raise UnknownNameError("column", name, [*told, *self.photos.frame.columns])
        values = _texts(self.photos.frame[name])
        low, high = np.sort(np.stack([values[self.first], values[self.second]]), axis=0)
        both = np.char.add(np.char.add(low, " / "), high)
        return np.where(low == high, low, np.where(low == "", "", both))

    def select(self, which: Sequence[str] | npt.NDArray[Any]) -> PhotoPairs:
        """The pairs chosen by a boolean mask, row numbers or pair ids, in the order asked for; all photos stay.

        Raises:
            UnknownNameError: when a pair id does not exist.
            InputError: when a mask has another length, or a row number does not exist.
        """
        return PhotoPairs(self.photos, self.frame[chosen_rows(which, self.frame["pair_id"], "pair")])

    def only_paired(self) -> PhotoPairs:
        """The same pairs without the photos that none of them names."""
        used = np.unique(np.concatenate([self.first, self.second]))
        if len(used) == len(self.photos):
            return self
        place = np.full(len(self.photos), -1)
        place[used] = np.arange(len(used))
        rows = [pl.Series("first", place[self.first]), pl.Series("second", place[self.second])]
        return PhotoPairs(self.photos.select(used), self.frame.with_columns(rows))


def _conform(frame: pl.DataFrame) -> pl.DataFrame:
    for name in ("pair_id", "first", "second"):
        if name not in frame.columns:
            seen = ", ".join(frame.columns) or "none"
            raise CatalogueError(f"expected a column '{name}', found the columns: {seen}")
    return frame.select(*(_column(frame, *item) for item in _COLUMNS.items()), pl.exclude(_COLUMNS))


def _column(frame: pl.DataFrame, name: str, kind: pl.DataType) -> pl.Expr | pl.Series:
    if name not in frame.columns:
        return pl.lit(None, dtype=kind).alias(name)
    found = frame[name]
    is_whole = found.dtype.is_integer() and name != "same"
    if found.dtype in (kind, pl.Null) or is_whole:
        return found.cast(kind)
    raise CatalogueError(f"expected {kind}, found {found.dtype}", column=name)


def _check(frame: pl.DataFrame, n_photos: int) -> None:
    ids, same, kind = pl.col("pair_id"), pl.col("same"), pl.col("kind")
    _refuse(frame, "pair_id", ids.is_null() | (ids.str.strip_chars() == ""), "expected a value, found {value!r}")
    _refuse(frame, "pair_id", ids.is_duplicated(), "expected each id once, found {value!r} again")
    for name in ("first", "second"):
        outside = ~pl.col(name).is_between(0, n_photos - 1).fill_null(False)
        _refuse(frame, name, outside, f"expected the row of one of {n_photos} photos, found {{value}}")
    twice = pl.col("first") == pl.col("second")
    _refuse(frame, "second", twice, "expected two photos in a pair, found one photo twice (row {value})")
    for name in ("kind", "person_a", "person_b", "fold"):
        blank = pl.col(name).str.strip_chars() == ""
        _refuse(frame, name, blank, "expected a name or null, found {value!r}")
    met = pl.col("person_a") == pl.col("person_b")
    _refuse(frame, "same", same & ~met, "expected one person on a pair of one individual, found two")
    _refuse(
        frame,
        "same",
        ~same & met & (kind.fill_null(REAL) == REAL),
        "expected two persons on a pair of two individuals, found one: say by a column 'kind' what was forged",
    )
    _refuse(
        frame,
        "same",
        same & (kind.fill_null(REAL) != REAL),
        "expected no forgery on a pair of one individual, found one: a forged photo of a person is not the same",
    )
    _check_truth(frame)


def _check_truth(frame: pl.DataFrame) -> None:
    """What pairs say of the same two photos, or of one photo, must agree."""
    low, high = pl.min_horizontal("first", "second"), pl.max_horizontal("first", "second")
    otherwise = pl.col("same").drop_nulls().n_unique().over(low, high) > 1
    _refuse(frame, "same", otherwise, "expected one truth of two photos, found two rows that disagree")
    ends = (("first", "person_a"), ("second", "person_b"))
    named = pl.concat([frame.select(photo=photo, person=person) for photo, person in ends]).drop_nulls()
    doubled = named.group_by("photo").agg(pl.col("person").n_unique()).filter(pl.col("person") > 1)["photo"]
    for photo, person in ends:
        several = pl.col(photo).is_in(doubled.implode())
        _refuse(frame, person, several, "expected one person on a photo, found several in the rows, here {value!r}")


def _refuse(frame: pl.DataFrame, column: str, wrong: pl.Expr, message: str) -> None:
    rows = frame.select(wrong.fill_null(False).arg_true()).to_series()
    if len(rows):
        row = int(rows[0])
        raise CatalogueError(message.format(value=frame[column][row]), row=row, column=column)


def _texts(column: pl.Series) -> npt.NDArray[np.str_]:
    if column.dtype.is_nested():
        raise InputError(f"expected a column of plain values, found {column.dtype} in '{column.name}'")
    return column.cast(pl.String).fill_null("").to_numpy().astype(np.str_)
