"""Which photos of a catalogue are learned from: a part of it, so that the rest can judge what was learned."""

from __future__ import annotations

import numpy as np
import polars as pl

from resight.core import Catalogue
from resight.errors import InputError, UnknownNameError
from resight.pipeline.splits import side_of
from resight.store import CatalogueStore

__all__ = ["learned_from"]

_SPLIT = "split:"


def learned_from(photos: Catalogue, which: str | None, store: CatalogueStore | None = None) -> Catalogue:
    """The photos that a recipe lets be learned from.

    Args:
        photos: of a catalogue.
        which: "column=value,value", or "split:name" for the train side of a kept split; None for all.
        store: that keeps the split.

    Raises:
        UnknownNameError: when there is no such column or split.
        InputError: when no photo is left, or a split is asked of a catalogue in memory.
    """
    if which is None:
        return photos
    chosen = photos.select(_of_split(photos, which, store) if which.startswith(_SPLIT) else _of_column(photos, which))
    if not len(chosen):
        raise InputError(f'expected photos to learn from with  learn_from = "{which}", found none')
    return chosen


def _of_column(photos: Catalogue, which: str) -> np.ndarray:
    column, _, values = which.partition("=")
    if column not in photos.frame.columns:
        raise UnknownNameError("column", column, photos.frame.columns)
    wanted = [one.strip() for one in values.split(",")]
    texts = photos.frame[column].cast(pl.String)
    strange = sorted(set(wanted) - set(texts.drop_nulls().unique().to_list()))
    if strange:
        raise UnknownNameError(f"value in column '{column}'", strange[0], texts.drop_nulls().unique().to_list())
    return texts.is_in(wanted).fill_null(False).to_numpy()


def _of_split(photos: Catalogue, which: str, store: CatalogueStore | None) -> np.ndarray:
    if store is None:
        raise InputError(f'expected a catalogue on disk for  learn_from = "{which}", found one in memory')
    name = which.removeprefix(_SPLIT)
    return side_of(photos, store.splits.named(name), store.splits.sides(name), "train")
