"""A catalogue's gallery in Milvus: written there, searched there, and brought back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from resight.core import Catalogue, Embeddings
from resight.errors import InputError
from resight.pipeline.bundles import model_of
from resight.pipeline.gallery import labelled_gallery, require_columns, values_of
from resight.protocols import Searcher
from resight.search import MilvusCollection, MilvusConnection, MilvusSearch, Written
from resight.search.milvus_collection import Text
from resight.store import CatalogueStore

COLUMNS = ("encounter", "side", "species")
"""The columns of a catalogue that always go to Milvus, so that rules over them are answered there."""


@dataclass(frozen=True)
class Pulled:
    """What came out of Milvus.

    Args:
        vectors: the file of vectors, (N, D) float32.
        names: the table of what its rows are called, with `identity` and the columns.
        n_photos: N.
        model: that made the vectors.
    """

    vectors: Path
    names: Path
    n_photos: int
    model: str


def push_to_milvus(
    folder: str | Path,
    uri: str,
    *,
    collection: str = "resight",
    model: str | Path | None = None,
    index: str = "HNSW",
    columns: Sequence[str] = (),
    patience_s: float = 60.0,
) -> Written:
    """Let a collection of Milvus hold the labelled photos of a catalogue and their vectors.

    Only what is new or has changed is sent, and what the catalogue does not hold any more is removed. A
    push that was cut short is finished by the next one.

    Args:
        folder: the catalogue.
        uri: `http://host:19530` of a server, or a path that ends in `.db` for Milvus Lite. The token of a
            server is taken from the environment variable `RESIGHT_MILVUS_TOKEN`.
        collection: its name.
        model: whose vectors, by name or path; default: the catalogue's own.
        index: "HNSW", "HNSW_SQ" or "FLAT", for a collection that is not there yet.
        columns: of the catalogue (a place, say), beside `COLUMNS`, that rules speak of.
        patience_s: seconds that a call waits for a server that is away.

    Raises:
        StoreError: when there is no catalogue, or no answer from Milvus.
        UnknownNameError: when the catalogue has no such column.
        InputError: when no photo of the catalogue has both a name and a vector, or the address is none.
        MismatchError: when the collection holds vectors of another model.
    """
    store = CatalogueStore.open(folder)
    gallery, embeddings = labelled_gallery(store, model_of(store, model))
    require_columns(gallery, columns)
    texts = _texts(gallery, (*COLUMNS, *columns))
    there = MilvusCollection(MilvusConnection(uri, patience_s=patience_s), collection)
    return there.write(embeddings, gallery.column("identity").astype(np.str_), texts, index=index)


def pull_from_milvus(uri: str, out: str | Path, *, collection: str = "resight", patience_s: float = 60.0) -> Pulled:
    """Bring the vectors of a collection back, as files that `index_embeddings` and plain numpy read.

    Args:
        uri: as `push_to_milvus` takes it.
        out: folder for `vectors.npy` and `names.csv`; it must not hold them yet.
        collection: its name.
        patience_s: seconds that a call waits for a server that is away.

    Raises:
        StoreError: when there is no such collection, or no answer.
        InputError: when the files are there already.
    """
    vectors, names = Path(out) / "vectors.npy", Path(out) / "names.csv"
    for file in (vectors, names):
        if file.exists():
            raise InputError(f"expected a folder without {file.name}, found one in {out}: choose another folder")
    there = MilvusCollection(MilvusConnection(uri, patience_s=patience_s), collection)
    model, dimension, columns = there.open()
    held = there.read(columns)
    matrix = there.vectors(held.keys, dimension)
    table = {"image_id": held.image_ids, "identity": held.identities, **held.columns}
    Path(out).mkdir(parents=True, exist_ok=True)
    drafts = vectors.with_suffix(".tmp"), names.with_suffix(".tmp")
    with drafts[0].open("wb") as opened:
        np.save(opened, matrix, allow_pickle=False)
    pl.DataFrame({name: pl.Series(text, dtype=pl.String) for name, text in table.items()}).write_csv(drafts[1])
    drafts[0].replace(vectors)
    drafts[1].replace(names)
    return Pulled(vectors, names, len(matrix), model)


def search_in_milvus(gallery: Catalogue, embeddings: Embeddings, uri: str, collection: str) -> tuple[Searcher, str]:
    """The search of a gallery in a collection, which must hold just this gallery, and a sentence that says so.

    Raises:
        StoreError: when there is no such collection, or no answer.
        MismatchError: when it holds another gallery.
    """
    names = gallery.column("identity").astype(np.str_)
    connection = MilvusConnection(uri)
    texts = _texts(gallery, MilvusCollection(connection, collection).describe()[2])
    connection.close()
    found = MilvusSearch.of(embeddings, names, uri=uri, collection=collection, columns=texts, write=False)
    return found, f"Milvus: its collection '{collection}' of {len(gallery):,} photos proposes candidates"


def _texts(gallery: Catalogue, columns: Sequence[str]) -> dict[str, Text]:
    return {name: values_of(gallery, name) for name in columns}
