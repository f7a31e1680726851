"""What the desk looks at: the photos that are there, their vectors, and who of them may answer a query.

Vectors are searched photo by photo and names are put to the photos afterwards, so that a rename, a merge or a
judgement never moves a vector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from resight.core import Catalogue, Embeddings, Matches
from resight.errors import UnknownNameError
from resight.pipeline.review_columns import Column
from resight.pipeline.review_names import Names
from resight.pipeline.self_search import SAME_PHOTO
from resight.search.gallery import SCALE

__all__ = ["Board", "Mask", "Query"]

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_KNOWN_APART = ("image_id", "path", "identity", "box", "content")
"""Columns that are no facts for a reader, or stand elsewhere."""
_MONTH = len("2024-05")
_N_VALUES = 500
_BY_START = ("date",)
"""Columns of which a filter gives the beginning: 2024, 2024-05."""
_GATHERING = 4
"""How many times dearer it is to gather a vector than to compare with it."""


@dataclass(frozen=True, eq=False)
class Query:
    """A photo that asks.

    Args:
        image_id: its id.
        vector: (D,) float32 of unit length.
        known: what is known of it: content, encounter, and the columns in which a candidate must agree.
        without: individuals that it was said not to show.
        row: of the board, when it is a photo of the catalogue; such a photo never answers itself.
        photo: one that is no photo of the catalogue, itself; None where nothing but its vector is there.
    """

    image_id: str
    vector: npt.NDArray[np.float32]
    known: Mapping[str, str | None]
    without: Sequence[str] = ()
    row: int | None = None
    photo: Catalogue | None = None


@dataclass(frozen=True, eq=False)
class Board:
    """The photos of a catalogue and the vectors of one model, as they were when it was read.

    Args:
        photos: those that are there.
        embeddings: vectors of some or all of them, in any order.
        same: columns in which a candidate must agree with its query.
    """

    photos: Catalogue
    embeddings: Embeddings
    same: tuple[str, ...] = ()

    @cached_property
    def row_of(self) -> dict[str, int]:
        """The row of each image id."""
        return {image_id: row for row, image_id in enumerate(self.photos.frame["image_id"])}

    @cached_property
    def rows(self) -> Rows:
        """(M,) the row of the photo of each vector."""
        return np.array([self.row_of.get(image_id, -1) for image_id in self.embeddings.image_ids.tolist()], np.int64)

    @cached_property
    def place_of(self) -> dict[int, int]:
        """The vector of each row that has one."""
        return {row: place for place, row in enumerate(self.rows.tolist()) if row >= 0}

    def rows_in(self, other: Board) -> Rows:
        """(N,) the row of each photo on another board, −1 where it is not there or its file has changed."""
        here, there = (board.photos.frame.select("image_id", "content") for board in (self, other))
        found = here.join(there.with_row_index("row"), on=["image_id", "content"], how="left", maintain_order="left")
        return found["row"].cast(pl.Int64).fill_null(-1).to_numpy()

    def row(self, image_id: str) -> int:
        """The row of a photo.

        Raises:
            UnknownNameError: when there is no such photo.
        """
        if image_id not in self.row_of:
            raise UnknownNameError("photo", image_id, self.row_of)
        return self.row_of[image_id]

    def column(self, name: str) -> Column:
        """What one column says.

        Raises:
            UnknownNameError: when there is no such column.
        """
        if name not in self.columns:
            raise UnknownNameError("column", name, self.columns)
        return self._told[name]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that say something of the photos: those to show, and to filter by."""
        frame = self.photos.frame
        nested = {name for name, kind in frame.schema.items() if kind.is_nested()}
        told = [name for name in frame.columns if name not in {*_KNOWN_APART, *nested}]
        return tuple(name for name in told if frame[name].null_count() < len(frame))

    def facts(self, row: int) -> dict[str, str]:
        """What the columns say of a photo."""
        told = {name: column.text(row) for name, column in self._told.items()}
        return {name: value for name, value in told.items() if value}

    def filters(self) -> dict[str, list[str]]:
        """The columns to filter by, each with up to 500 of its values: of a date, the months."""
        found = {}
        for name, column in self._told.items():
            values = column.beginnings(_MONTH) if name in _BY_START else column.values
            found[name] = [value for value in values if value][:_N_VALUES]
        return found

    def chosen(self, wanted: Mapping[str, str]) -> Mask:
        """(N,) whether a photo passes a filter: column to value; of a date, its beginning.

        Raises:
            UnknownNameError: when there is no such column.
        """
        mask = np.ones(len(self.photos), bool)
        for name, value in wanted.items():
            column = self.column(name)
            mask &= column.begins(value) if name in _BY_START else column.bears(value)
        return mask

    def query(self, row: int, names: Names) -> Query | None:
        """A photo of the catalogue as one that asks; None when it has no vector."""
        place = self.place_of.get(row)
        if place is None:
            return None
        image_id = str(self.photos.frame["image_id"][row])
        known = {name: column.text(row) for name, column in self._ruling.items()}
        return Query(image_id, self.embeddings.vectors[place], known, names.labels[image_id].rejected, row)

    def answering(self, query: Query, names: Names, wanted: Mapping[str, str]) -> Mask:
        """(N,) which photos may answer a query.

        Those that it may be held against; only those with a name that it was not said not to show, and that pass the
        filter.

        Raises:
            UnknownNameError: when there is no such column to filter by.
        """
        mask = self.comparable(query) & self.chosen(wanted) & (names.codes >= 0)
        if query.without:
            mask &= ~np.isin(names.codes, names.code_set(query.without))
        return mask

    def comparable(self, query: Query) -> Mask:
        """(N,) which photos a query may be held against, whoever is on them.

        Never the photo itself, another of its encounter or a copy of its file; those that agree with it in `same`.
        """
        mask = np.ones(len(self.photos), bool)
        for name, column in self._ruling.items():
            value = query.known.get(name) or ""
            if value:
                mask &= ~column.bears(value) if name in SAME_PHOTO else column.bears(value) | column.bears("")
        if query.row is not None:
            mask[query.row] = False
        return mask

    def search(self, query: Query, names: Names, mask: Mask, k: int, *, distinct: bool = True) -> Matches:
        """The best `k` individuals (or, not `distinct`, photos) for a query.

        Every photo that may answer is compared. Scores are cosines: the float64 sum of the products, rounded to
        float32, as exact search gives them.
        """
        places, rough = self._roughly(query, mask)
        codes, ranks = names.codes[self.rows[places]], self._rank[self.rows[places]]
        order = _best_of_each(rough, codes, ranks, k + 1) if distinct else np.lexsort((ranks, -rough))[: k + 1]
        best, exact = self._exactly(query, places[order], k)
        return self._matches(query, best, exact, names, distinct=distinct, n_gallery=len(np.unique(codes)))

    def nearest(self, query: Query, mask: Mask, k: int) -> Rows:
        """The rising rows of the `k` photos that are nearest to a query, whoever is on them."""
        places, rough = self._roughly(query, mask)
        order = np.lexsort((self._rank[self.rows[places]], -rough))[: k + 1]
        return np.sort(self.rows[self._exactly(query, places[order], k)[0]])

    def _roughly(self, query: Query, mask: Mask) -> tuple[Rows, npt.NDArray[np.float32]]:
        """The vectors of the photos of a mask, and their cosines as float32 sums them."""
        places = np.flatnonzero(mask[self.rows] & (self.rows >= 0))
        vectors, few = self.embeddings.vectors, len(places) * _GATHERING < len(self.rows)
        return places, vectors[places] @ query.vector if few else (vectors @ query.vector)[places]

    def _exactly(self, query: Query, best: Rows, k: int) -> tuple[Rows, npt.NDArray[np.float32]]:
        vectors = self.embeddings.vectors[best].astype(np.float64)
        exact = (vectors @ query.vector.astype(np.float64)).astype(np.float32)
        again = np.argsort(-exact, kind="stable")[:k]
        return best[again], exact[again]

    def _matches(
        self,
        query: Query,
        places: Rows,
        scores: npt.NDArray[np.float32],
        names: Names,
        *,
        distinct: bool,
        n_gallery: int,
    ) -> Matches:
        shown = self.embeddings.image_ids[places].reshape(1, -1)
        called = np.array([names.name(row) for row in self.rows[places]], np.str_).reshape(1, -1)
        ids, model = np.array([query.image_id], np.str_), self.embeddings.model
        return Matches(ids, shown, called, scores.reshape(1, -1), SCALE, model, n_gallery, distinct)

    @cached_property
    def _rank(self) -> Rows:
        """(N,) the place of each photo in the order of the ids."""
        rank = np.empty(len(self.photos), np.int64)
        rank[np.argsort(self.photos.image_ids, kind="stable")] = np.arange(len(self.photos))
        return rank

    @cached_property
    def _told(self) -> dict[str, Column]:
        return {name: Column.of(self.photos.frame[name]) for name in self.columns}

    @cached_property
    def _ruling(self) -> dict[str, Column]:
        """The columns that say who may answer whom; the image id rules by the row."""
        there = [name for name in (*SAME_PHOTO[1:], *self.same) if name in self.photos.frame.columns]
        return {name: self._told.get(name) or Column.of(self.photos.frame[name]) for name in there}


def _best_of_each(scores: npt.NDArray[np.float32], codes: Rows, ranks: Rows, k: int) -> Rows:
    """The places of the best photo of each of the `k` best individuals, best first."""
    if not len(codes):
        return np.zeros(0, np.int64)
    best = np.full(int(codes.max()) + 1, -np.inf, np.float32)
    np.maximum.at(best, codes, scores)
    found = []
    for code in np.argsort(-best, kind="stable")[:k]:
        if np.isfinite(best[code]):
            equal = np.flatnonzero((codes == code) & (scores == best[code]))
            found.append(int(equal[np.argmin(ranks[equal])]))
    return np.array(found, np.int64)
