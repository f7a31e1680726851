"""What a head is learned on: named photos, their stored vectors, and who on them is to be alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from resight.core import Catalogue, Embeddings
from resight.errors import InputError
from resight.train.spread import Spread

Codes = npt.NDArray[np.int64]

FACE_OF = "face_of"
"""Column with the person whose face is on a photo, where generated photos have been given a name of their own."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Named photos with their vectors.

    Args:
        catalogue: N photos, each with an identity.
        embeddings: a vector for each, in the same order.
        same: columns in which two photos must agree to be alike (side, species).

    Raises:
        InputError: when there is no photo, one has no identity, or the vectors are those of other photos.

    Example:
        >>> frame = pl.DataFrame({"image_id": ["a", "b"], "path": ["a.jpg", "b.jpg"], "identity": ["ann", "ann"]})
        >>> photos = Catalogue(frame.with_columns(side=pl.Series(["left", "right"])), ".")
        >>> vectors = Embeddings(photos.image_ids, np.eye(2, dtype=np.float32), "toy")
        >>> Examples(photos, vectors).classes.tolist(), Examples(photos, vectors, ("side",)).classes.tolist()
        ([0, 0], [0, 1])
    """

    catalogue: Catalogue
    embeddings: Embeddings
    same: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Check that every photo has a name and its own vector."""
        if not len(self.catalogue):
            raise InputError("expected photos to learn from, found none")
        if self.catalogue.frame["identity"].null_count():
            raise InputError("expected a name for each photo to learn from, found unlabelled ones: use labelled()")
        if not np.array_equal(self.catalogue.image_ids, self.embeddings.image_ids):
            raise InputError("expected the vectors of these photos in their order, found others")

    def __len__(self) -> int:
        """The number of photos."""
        return len(self.catalogue)

    def select(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Examples:
        """Some of the photos, by a mask or by row numbers."""
        return Examples(self.catalogue.select(rows), self.embeddings.select(rows), self.same)

    def mapped(self, vectors: npt.NDArray[np.float32], model: str) -> Examples:
        """The same photos with other vectors."""
        return Examples(self.catalogue, Embeddings(self.embeddings.image_ids, vectors, model), self.same)

    @cached_property
    def vectors(self) -> npt.NDArray[np.float32]:
        """(N, D) the vectors, in memory."""
        return np.ascontiguousarray(self.embeddings.vectors)

    @cached_property
    def spread(self) -> Spread:
        """How the vectors differ; every head starts from it.

        Raises:
            NotFittedError: when they do not.
        """
        return Spread.of(self.vectors, self.classes)

    @cached_property
    def individuals(self) -> Codes:
        """(N,) the individual on each photo, from 0."""
        return codes_of(self.catalogue.frame, ["identity"])

    @cached_property
    def classes(self) -> Codes:
        """(N,) what is learned to be alike: the individual, and of `same` the same values."""
        return codes_of(self.catalogue.frame, ["identity", *self.same])

    @cached_property
    def persons(self) -> Codes:
        """(n individuals,) the person behind each: one for whom generated photos were set apart, and these."""
        column = FACE_OF if FACE_OF in self.catalogue.frame.columns else "identity"
        found = np.empty(self.individuals.max() + 1, np.int64)
        found[self.individuals] = codes_of(self.catalogue.frame, [column])
        return found

    @cached_property
    def encounters(self) -> Codes:
        """(N,) the encounter of each photo; a photo without one was met on its own."""
        frame = self.catalogue.frame.select(
            pl.col("encounter").is_null().alias("alone"), pl.coalesce("encounter", "image_id")
        )
        return codes_of(frame, frame.columns)

    @cached_property
    def met_again(self) -> npt.NDArray[np.bool_]:
        """(n individuals,) whether a class of the individual was met in two encounters."""
        pairs = np.unique(np.stack([self.classes, self.encounters]), axis=1)
        n_meetings = np.bincount(pairs[0], minlength=self.classes.max() + 1)
        again = np.zeros(self.individuals.max() + 1, dtype=bool)
        again[self.individuals[n_meetings[self.classes] > 1]] = True
        return again


def codes_of(frame: pl.DataFrame, columns: Sequence[str]) -> Codes:
    """(N,) codes from 0 of the rows that differ in some columns, in order of first appearance."""
    keys = frame.select(columns).with_row_index("row")
    firsts = keys.group_by(columns, maintain_order=True).agg(pl.col("row")).with_row_index("code").explode("row")
    return firsts.sort("row")["code"].to_numpy().astype(np.int64)


def synthetic_marks(frame: pl.DataFrame) -> npt.NDArray[np.bool_]:
    """(N,) which photos the column `is_synthetic` marks as generated; none where there is no such column."""
    if "is_synthetic" not in frame.columns:
        return np.zeros(len(frame), bool)
    marks = frame["is_synthetic"]
    if marks.dtype != pl.Boolean:
        marks = marks.cast(pl.String).str.to_lowercase().is_in(["1", "1.0", "true", "yes"])
    return marks.fill_null(False).to_numpy().astype(bool)
