"""The gallery of a catalogue: the labelled photos that have a vector, and what is to be said of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from resight.core import Catalogue, Embeddings, OperatingPoint
from resight.errors import InputError, UnknownNameError
from resight.store import CatalogueStore


def labelled_gallery(store: CatalogueStore, model: str) -> tuple[Catalogue, Embeddings]:
    """The photos of a catalogue that have both a name and a vector, and these vectors.

    Raises:
        InputError: when there is none.
    """
    embeddings = store.embeddings(model)
    embedded = set(embeddings.image_ids.tolist())
    gallery = store.catalogue().labelled()
    gallery = gallery.select(np.array([i in embedded for i in gallery.frame["image_id"]], dtype=bool))
    if not len(gallery):
        raise InputError(
            f"expected labelled photos in the catalogue {store.folder}, found none: index photos with labels "
            "(a folder per individual, or a table with a column 'identity')"
        )
    return gallery, embeddings.select(gallery.image_ids)


def rejections_by_content(store: CatalogueStore) -> dict[tuple[str, str], tuple[str, ...]]:
    """The individuals that photos of a catalogue were said not to show, by image id and content of the file.

    The content is asked for since another folder may call another photo the same.
    """
    rejections = store.rejections()
    if not rejections:
        return {}
    rows = store.catalogue().frame.filter(pl.col("image_id").is_in(list(rejections)) & pl.col("content").is_not_null())
    return {(image_id, content): rejections[image_id] for image_id, content in rows["image_id", "content"].iter_rows()}


def rejections_of(queries: Catalogue, rejections: Mapping[tuple[str, str], Sequence[str]]) -> dict[str, Sequence[str]]:
    """Image id to the individuals that a query was said not to show, for those that are photos of the catalogue."""
    if not rejections or "content" not in queries.frame.columns:
        return {}
    keys = zip(queries.image_ids.tolist(), queries.column("content"), strict=True)
    return {key[0]: rejections[key] for key in keys if key in rejections}


def encounter_notes(gallery: Catalogue) -> tuple[str, ...]:
    """A sentence when encounters are not known, so that figures may be too good."""
    n_without = gallery.frame["encounter"].null_count()
    if not n_without:
        return ()
    sentence = (
        f"{n_without} of {len(gallery)} photos have no encounter, so each counts as met on its own: photos of one "
        "session answer for each other, and figures may be too good."
    )
    return (sentence,)


def require_columns(gallery: Catalogue, same: Sequence[str]) -> None:
    """Refuse a column that the gallery lacks or that says nothing.

    Raises:
        UnknownNameError: when there is no such column.
        InputError: when it is empty throughout.
    """
    for name in same:
        if name not in gallery.frame.columns:
            raise UnknownNameError("column", name, gallery.frame.columns)
        if gallery.frame[name].null_count() == len(gallery):
            raise InputError(
                f"expected values in column '{name}' of the catalogue, found none: label them or leave it out"
            )


def groups_of(photos: Catalogue, point: OperatingPoint) -> npt.NDArray[np.str_] | None:
    """(N,) what the column of an operating point's groups says of each photo, empty where it says nothing.

    None when the operating point draws one line for all.
    """
    return None if point.group_column is None else values_of(photos, point.group_column)


def values_of(photos: Catalogue, column: str) -> npt.NDArray[np.str_]:
    """(N,) a column as text, empty where it is null or where there is no such column."""
    if column not in photos.frame.columns:
        return np.full(len(photos), "", np.str_)
    return photos.frame[column].cast(pl.String).fill_null("").to_numpy().astype(np.str_)


def fingerprint(gallery: Catalogue, embeddings: Embeddings) -> str:
    """A hash of the photos, labels and model that something was fitted on."""
    digest = hashlib.blake2b(embeddings.model.encode(), digest_size=16)
    columns = [name for name in ("image_id", "identity", "encounter", "content") if name in gallery.frame.columns]
    for row in gallery.frame.select(columns).sort("image_id").iter_rows():
        digest.update(repr(row).encode())
    return digest.hexdigest()
