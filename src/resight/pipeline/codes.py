"""The codes of a large gallery, kept in its catalogue so that nobody has to load or to compare all vectors."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from resight.core import Embeddings
from resight.errors import InputError, StoreError
from resight.pipeline.gallery import labelled_gallery
from resight.search import CodedSearch, CodesFolder, is_large
from resight.store import CatalogueStore
from resight.store.vectors import file_stem

__all__ = ["codes_folder", "keep_codes"]

_LOG = logging.getLogger(__name__)
_GROWN = 4
_WORN = 2


def codes_folder(store: CatalogueStore, model: str) -> Path:
    """Where a catalogue keeps the codes of a model's vectors; they derive from these and may be removed."""
    return store.folder / "vectors" / f"{file_stem(model)}.codes"


def keep_codes(store: CatalogueStore, model: str) -> None:
    """Bring the codes of a large gallery up to date; a small one has none.

    New photos are appended. All is coded anew when the gallery has grown to four times what the codes were learned
    from, when more than half of the codes are of photos that are gone, or when they are broken. Codes that would find
    too few are not kept, and a warning is logged.

    Args:
        store: the catalogue.
        model: fingerprint of the model.

    Raises:
        StoreError: when the disk refuses.
    """
    known = next((one for one in store.models() if one.name == model), None)
    if known is None or not is_large(known.n_photos, known.dimension):
        return
    try:
        gallery, embeddings = labelled_gallery(store, model)
    except InputError:
        return  # nobody has a name yet
    if not is_large(len(embeddings), embeddings.dimension) or _appended(store, embeddings):
        return
    try:
        CodedSearch.build(codes_folder(store, model), embeddings, gallery.column("identity").astype(np.str_))
    except InputError as error:
        _LOG.warning("the gallery stays without codes: %s", error)


def _appended(store: CatalogueStore, embeddings: Embeddings) -> bool:
    """Whether there are codes that serve, and all photos are among them now."""
    folder = CodesFolder(codes_folder(store, embeddings.model))
    if not folder.exists:
        return False
    try:
        codes = folder.read()
        if len(embeddings) > _GROWN * codes.n_trained or codes.n_rows > _WORN * len(embeddings):
            return False
        folder.append(embeddings)
    except StoreError as error:
        _LOG.warning("the codes of the gallery are made anew: %s", error)
        return False
    return True
