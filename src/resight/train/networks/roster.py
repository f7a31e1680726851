"""Who takes part in a stage: the photos, and the class of each for every loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from resight.config import StageOptions, TrainRecipe
from resight.core import Catalogue
from resight.errors import NotFittedError, UnknownNameError
from resight.train.examples import codes_of, synthetic_marks
from resight.train.networks.sampling import merge_rare

__all__ = ["Classes", "Roster", "roster_of", "titles_of"]

Codes = npt.NDArray[np.int64]

_LEAST = 2
"""Individuals of a stage: one alone teaches nothing."""

_SWAPPED = {"left": "right", "right": "left"}


@dataclass(frozen=True, eq=False)
class Classes:
    """What one loss tells apart.

    Args:
        codes: (N,) the class of each photo of the roster, -1 where it is not known.
        names: (C,) of the classes.
        mirrored: (C,) the class that a mirrored photo of each shows.
        generated: (C,) whether its photos are generated; None where none is.
    """

    codes: Codes
    names: tuple[str, ...]
    mirrored: Codes
    generated: npt.NDArray[np.bool_] | None = None

    @property
    def counts(self) -> Codes:
        """(C,) photos of each class."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.names))


@dataclass(frozen=True, eq=False)
class Roster:
    """The photos of a stage.

    Args:
        rows: (N,) their rows in the catalogue.
        individuals: what is sampled by: the classes of the individuals.
        encounters: (N,) of each photo.
        classes: name of a loss to what it tells apart.
    """

    rows: Codes
    individuals: Classes
    encounters: Codes
    classes: Mapping[str, Classes]


def roster_of(
    photos: Catalogue, rows: Codes, names: Sequence[str | None], recipe: TrainRecipe, stage: StageOptions
) -> Roster:
    """Who takes part in a stage.

    Args:
        photos: all of the catalogue.
        rows: that may be learned from.
        names: (N,) who is on each of these: its label, or whom a stage before took it for.
        recipe: of the training.
        stage: which individuals, by their number of photos.

    Raises:
        UnknownNameError: when a loss is of a column that there is not.
        NotFittedError: when fewer than two individuals are left.
    """
    frame = photos.frame[rows].with_columns(pl.Series("identity", names, dtype=pl.String))
    is_fake = synthetic_marks(frame)
    if recipe.photos.synthetic == "leave-out":
        keep = ~is_fake
        frame, rows, is_fake = frame.filter(keep), rows[keep], is_fake[keep]
    frame = frame.with_columns(pl.Series("synthetic", is_fake))
    keys = ["identity", "synthetic", *recipe.same]
    codes = codes_of(frame, keys)
    enough = np.bincount(codes)[codes] >= max(stage.min_photos, _needed(recipe))
    if len(np.unique(codes[enough])) < _LEAST:
        raise NotFittedError(
            f"expected at least {_LEAST} individuals in stage '{stage.name}', found {len(np.unique(codes[enough]))}: "
            "lower min_photos or rare_below, or label more"
        )
    codes, kept = merge_rare(codes[enough], recipe.sampling)
    chosen = np.flatnonzero(enough)[kept]
    frame, rows = frame[chosen], rows[chosen]
    individuals = _individuals(frame, codes, keys, recipe)
    encounters = codes_of(frame.select(pl.coalesce("encounter", "image_id").alias("met")), ["met"])
    classes = {
        loss.title: individuals if loss.of == "individual" else _of_column(frame, loss.of) for loss in recipe.losses
    }
    return Roster(rows, individuals, encounters, classes)


def _needed(recipe: TrainRecipe) -> int:
    """Photos that an individual needs so as not to be dropped as rare."""
    return recipe.sampling.rare_below if recipe.sampling.rare == "drop" else 0


def _individuals(frame: pl.DataFrame, codes: Codes, keys: list[str], recipe: TrainRecipe) -> Classes:
    n = int(codes.max(initial=-1)) + 1
    first = np.full(n, -1)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    titles = titles_of(frame[first], [key for key in keys if key != "synthetic"])
    fakes = frame[first]["synthetic"].to_list()
    is_merged = False
    names = [f"{title} (synthetic)" if fake else title for title, fake in zip(titles, fakes, strict=True)]
    if recipe.sampling.rare == "together" and frame.filter(codes == n - 1).select(keys).n_unique() > 1:
        names[-1], is_merged, fakes[-1] = "(rare)", True, False
    generated = np.array(fakes, dtype=bool)
    mirror = recipe.photos.mirror
    if mirror in ("no", "same"):
        return Classes(codes, tuple(names), np.arange(n), generated)
    if mirror == "other":
        return Classes(
            codes, (*names, *(f"{name} (mirrored)" for name in names)), _there_and_back(n), np.tile(generated, 2)
        )
    return _other_sides(frame[first], codes, names, keys, is_merged=is_merged)


def _other_sides(firsts: pl.DataFrame, codes: Codes, names: list[str], keys: list[str], *, is_merged: bool) -> Classes:
    """A mirrored photo of one side is one of the other side of its individual; one of the rare is a rare one still."""
    if "side" not in keys:
        raise UnknownNameError("column in `same` that mirror = 'other-side' needs", "side", keys)
    n_known = len(names) - is_merged
    place = {row: number for number, row in enumerate(firsts.select(keys).rows()[:n_known])}
    sides, synthetic = keys.index("side"), keys.index("synthetic")
    mirrored, more = [], list(names)
    for row in list(place):
        swapped = (*row[:sides], _SWAPPED.get(str(row[sides]).lower(), row[sides]), *row[sides + 1 :])
        if swapped not in place:
            place[swapped] = len(more)
            more.append(f"{names[place[row]]} (mirrored)")
        mirrored.append(place[swapped])
    mirrored += range(n_known, len(names))
    back = {there: number for number, there in enumerate(mirrored)}
    mirrored += [back[number] for number in range(len(names), len(more))]
    generated = np.zeros(len(more), dtype=bool)
    for row, number in place.items():
        generated[number] = row[synthetic]
    return Classes(codes, tuple(more), np.array(mirrored, np.int64), generated)


def titles_of(frame: pl.DataFrame, columns: Sequence[str]) -> list[str]:
    """(N,) what a class is called: the values of some columns, one after the other."""
    return [" ".join(str(part) for part in row if part is not None) for row in frame.select(columns).rows()]


def _there_and_back(n: int) -> Codes:
    return np.concatenate([np.arange(n, 2 * n), np.arange(n)])


def _of_column(frame: pl.DataFrame, column: str) -> Classes:
    """The values of a column as classes; those of a mirrored photo are its own."""
    if column not in frame.columns:
        raise UnknownNameError("column", column, frame.columns)
    values = frame[column].cast(pl.String)
    known = sorted(values.drop_nulls().unique().to_list())
    place = {value: number for number, value in enumerate(known)}
    codes = np.array([place.get(value, -1) for value in values.to_list()], np.int64)
    return Classes(codes, tuple(known), np.arange(len(known)))
