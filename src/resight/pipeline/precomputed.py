"""Vectors that were made elsewhere: indexed, and asked about, like those that are made here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resight.core import Catalogue, Embeddings
from resight.datasets import read_catalogue
from resight.datasets.named_rows import catalogue_of_names, has_labels, label_rows, with_names
from resight.datasets.precomputed import read_precomputed
from resight.datasets.table_files import is_table
from resight.embed import EmbeddedBatch, Failure
from resight.errors import InputError, MismatchError
from resight.pipeline.codes import keep_codes
from resight.pipeline.identify import Identification, Identifier
from resight.pipeline.index import Indexed
from resight.pipeline.vector_contents import contents_of
from resight.store import CatalogueStore

_BATCH = 4096
_ZEROS = "its vector holds only zeros: it has no direction"


@dataclass(frozen=True, eq=False)
class GivenVectors:
    """Vectors from a file, and what is known of their photos.

    Args:
        embeddings: the vectors that have a direction, in the order of the file.
        photos: the photos of all names, also of a vector of zeros; and those that have no vector, when
            a folder of photos was named.
        failures: the photos whose vector has no direction.
        told: where the labels came from, in a few words.
    """

    embeddings: Embeddings
    photos: Catalogue
    failures: tuple[Failure, ...]
    told: str


def read_vectors(
    vectors: str | Path,
    *,
    names: str | Path | None = None,
    model_name: str,
    labels: str | Path | None = None,
    photos: str | Path | None = None,
    layout: str = "auto",
) -> GivenVectors:
    """Vectors that were made elsewhere, and what labels say of their photos.

    Args:
        vectors: a matrix, one vector per row: `.npy`, `.npz` or a table.
        names: what its rows are called: a table, `.txt`, `.npy` or `.json`; None when the names stand
            in the file of the vectors.
        model_name: what the user calls the model that made them.
        labels: table that says who is on the photos; default: `names`, when that says so.
        photos: the folder of photos, when they are there; its own labels are read too.
        layout: of these labels.

    Raises:
        InputError: when a file holds something else, counts differ, or a name is doubled.
        CatalogueError: when the labels are wrong, or speak of none of the photos.
    """
    matrix, listed = Path(vectors), None if names is None else Path(names)
    given = read_precomputed(matrix, listed, model_name)
    table = None if labels is None else Path(labels)
    if photos is not None:
        there = read_catalogue(Path(photos), table, layout)
        catalogue, ids = with_names(there, given.names)
        n_unknown = len(catalogue) - len(there)
        told = f"photos in {photos}" + (f" ({n_unknown} names that none of them goes by)" if n_unknown else "")
    else:
        if table is None and listed is not None and is_table(listed) and has_labels(listed):
            table = listed
        rows = None if table is None else label_rows(table)
        catalogue, ids = catalogue_of_names(given.names, rows, matrix.resolve()), list(given.names)
        told = "no labels" if table is None else f"labels in {table.name}"
    named, has_direction = np.array(ids, dtype=np.str_), given.has_direction
    embeddings = Embeddings(named[has_direction], given.vectors[has_direction], given.model)
    zeros = catalogue.select(named[~has_direction])
    failures = tuple(Failure(row["image_id"], row["path"], _ZEROS) for row in zeros)
    return GivenVectors(embeddings, catalogue, failures, f"embeddings in {matrix.name}, {told}")


def index_embeddings(
    vectors: str | Path,
    folder: str | Path,
    *,
    names: str | Path | None = None,
    model_name: str,
    labels: str | Path | None = None,
    photos: str | Path | None = None,
    layout: str = "auto",
    who: str = "index",
) -> Indexed:
    """Bring vectors that were made elsewhere into a catalogue on disk, with their photos' labels.

    The photos need not lie on disk. A second run takes over what changed. All else then works as
    with vectors that were made here: calibrate, evaluate, and identify by `identify_embeddings`.

    Args:
        vectors: as for `read_vectors`, and so `names`, `model_name`, `labels`, `photos`, `layout`.
        folder: the catalogue; made when absent.
        names: what the rows are called.
        model_name: what the user calls the model.
        labels: table that says who is on the photos.
        photos: the folder of photos, when they are there.
        layout: of their labels.
        who: name written into the journal.

    Raises:
        InputError: as `read_vectors`; or photos without a file have vectors of another model already.
        MismatchError: when a model of that name made vectors of another dimension before.
        StoreError: when the catalogue is locked, broken or newer.
    """
    given = read_vectors(vectors, names=names, model_name=model_name, labels=labels, photos=photos, layout=layout)
    store = CatalogueStore.open_or_create(folder)
    _refuse_other_dimension(store, given.embeddings, model_name)
    contents, stats = contents_of(given.photos.select(given.embeddings.image_ids), given.embeddings)
    _refuse_second_model(store, given, without_file=[name for name, stat in stats.items() if not stat.mtime_ns])
    registered = store.register(given.photos, who=who, without_files=True)
    _forget_changed(store, given.embeddings)
    n_added = 0
    for start in range(0, max(len(given.embeddings), 1), _BATCH):
        rows = slice(start, start + _BATCH)
        part = Embeddings(given.embeddings.image_ids[rows], given.embeddings.vectors[rows], given.embeddings.model)
        failures = given.failures if start == 0 else ()
        n_added += store.add(EmbeddedBatch(part, contents, stats, failures))
    keep_codes(store, given.embeddings.model)
    return Indexed(
        layout=given.told,
        model=given.embeddings.model,
        n_photos=len(given.photos),
        n_identities=store.catalogue().n_identities,
        n_added=registered.n_added,
        n_relabelled=registered.n_relabelled,
        n_removed=registered.n_removed,
        n_embedded=n_added,
        failures=tuple(Failure(*failure) for failure in store.failures(given.embeddings.model)),
    )


def identify_vectors(
    identifier: Identifier,
    vectors: str | Path,
    *,
    names: str | Path | None = None,
    labels: str | Path | None = None,
    photos: str | Path | None = None,
    top: int = 5,
) -> Identification:
    """Say of each vector of a file which individual its photo shows, or that it is a new one.

    Args:
        identifier: of a catalogue whose vectors were made elsewhere too, by the same model.
        vectors: as for `read_vectors`, and so `names`, `labels`, `photos`.
        names: what the rows are called.
        labels: table with side, species or encounter of the photos.
        photos: the folder of photos, when they are there.
        top: candidates per photo.

    Raises:
        InputError: as `read_vectors`, or `top` is not at least 1.
        MismatchError: when the vectors have another dimension, or the gallery's were made here.
    """
    model = identifier.embeddings.model
    if identifier.bundle is not None:
        raise MismatchError(
            f"expected a catalogue of vectors that were made elsewhere, found model {model}: give photos"
        )
    name, dimension = model.partition("@")[0], identifier.embeddings.dimension
    given = read_vectors(vectors, names=names, model_name=name, labels=labels, photos=photos)
    if given.embeddings.dimension != dimension:
        raise MismatchError(f"expected vectors of {dimension} numbers, found {given.embeddings.dimension} in {vectors}")
    return identifier.identify_embeddings(given.embeddings, given.photos, top=top, failures=given.failures)


def _refuse_other_dimension(store: CatalogueStore, embeddings: Embeddings, model_name: str) -> None:
    for known in store.models():
        if known.name.startswith(f"{model_name}@external-") and known.name != embeddings.model:
            raise MismatchError(
                f"expected vectors of {known.dimension} numbers, as '{model_name}' made before, found "
                f"{embeddings.dimension}: give the other model another name"
            )


def _refuse_second_model(store: CatalogueStore, given: GivenVectors, without_file: list[str]) -> None:
    """A photo without a file is known by its vector, so it can have that of one model only."""
    others = [one.name for one in store.models() if one.name != given.embeddings.model and one.n_photos]
    known = set(store.catalogue().image_ids.tolist()) if others else set()
    again = next((name for name in without_file if name in known), None)
    if again is not None:
        raise InputError(
            f"expected a file for each photo that has vectors of two models, found none for '{again}', which has one "
            f"of {others[0]}: index into another catalogue, or say where the photos lie"
        )


def _forget_changed(store: CatalogueStore, embeddings: Embeddings) -> None:
    """Let the stored vectors of a model go when one of them is another one now."""
    if embeddings.model not in [one.name for one in store.models() if one.n_photos]:
        return
    stored = store.embeddings(embeddings.model)
    row_of = {name: row for row, name in enumerate(stored.image_ids.tolist())}
    shared = [(row_of[name], row) for row, name in enumerate(embeddings.image_ids.tolist()) if name in row_of]
    for start in range(0, len(shared), _BATCH):
        theirs, ours = zip(*shared[start : start + _BATCH], strict=True)
        if not np.array_equal(stored.vectors[list(theirs)], embeddings.vectors[list(ours)]):
            store.drop_vectors(embeddings.model)
            return
