"""The vectors of the photos of pairs: each photo embedded once, kept on disk where a folder is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from resight.core import Catalogue, Embeddings, PhotoPairs
from resight.embed import Bundle, Failure, embed_all, embed_photos
from resight.store import CatalogueStore

__all__ = ["PhotoVectors", "cosines", "photo_vectors", "vector_rows"]

_BLOCK_ROWS = 65_536
_GONE = "the file is gone since it was embedded"


@dataclass(frozen=True, eq=False)
class PhotoVectors:
    """What became of some photos.

    Args:
        embeddings: of those that could be embedded.
        failures: the others, with the reason.
        n_embedded: vectors that were made now; the rest were there.
    """

    embeddings: Embeddings
    failures: tuple[Failure, ...]
    n_embedded: int

    def of(self, photos: Catalogue) -> PhotoVectors:
        """The same of some of the photos; `n_embedded` stays that of all."""
        asked = set(photos.image_ids.tolist())
        if len(asked) == len(self.embeddings) + len(self.failures):
            return self
        rows = np.array([image_id in asked for image_id in self.embeddings.image_ids.tolist()], bool)
        failures = tuple(one for one in self.failures if one.image_id in asked)
        return PhotoVectors(self.embeddings.select(rows), failures, self.n_embedded)


def photo_vectors(
    photos: Catalogue, bundle: Bundle, folder: Path | None = None, *, strict: bool = False
) -> PhotoVectors:
    """The vectors of some photos; with a folder only those that it does not hold are made, and kept there.

    Args:
        photos: of one root.
        bundle: the model.
        folder: a catalogue on disk, made when absent; a run that was killed goes on from there.
        strict: raise at the first photo that cannot be read.

    Raises:
        ImageError: with `strict`, for the first photo that fails.
        StoreError: when the folder holds something else, is locked, or cannot be written to.
    """
    if folder is None:
        batch = embed_all(photos, bundle, strict=strict)
        return PhotoVectors(batch.embeddings, batch.failures, len(batch.embeddings))
    store = CatalogueStore.open_or_create(folder)
    store.register(photos, who="verify")
    n_embedded = 0
    for one in embed_photos(store.pending(bundle.model_id, retry_failed=strict), bundle, strict=strict):
        store.add(one)
        n_embedded += len(one.embeddings)
    return _kept(photos, store, bundle, n_embedded)


def cosines(pairs: PhotoPairs, embeddings: Embeddings) -> npt.NDArray[np.float32]:
    """(P,) float32, the cosine of the two photos of each pair; NaN where one has no vector."""
    rows = vector_rows(pairs.photos, embeddings)
    first, second = rows[pairs.first], rows[pairs.second]
    found = np.full(len(pairs), np.nan, np.float32)
    whole = np.flatnonzero((first >= 0) & (second >= 0))
    for start in range(0, len(whole), _BLOCK_ROWS):
        part = whole[start : start + _BLOCK_ROWS]
        one, other = embeddings.vectors[first[part]], embeddings.vectors[second[part]]
        found[part] = np.einsum("pd,pd->p", one, other)
    return found


def vector_rows(photos: Catalogue, embeddings: Embeddings) -> npt.NDArray[np.int64]:
    """(N,) the row of each photo's vector, −1 for one without."""
    row_of = {image_id: row for row, image_id in enumerate(embeddings.image_ids.tolist())}
    return np.array([row_of.get(image_id, -1) for image_id in photos.image_ids.tolist()], np.int64)


def _kept(photos: Catalogue, store: CatalogueStore, bundle: Bundle, n_embedded: int) -> PhotoVectors:
    """What the catalogue on disk holds of these photos."""
    asked = set(photos.image_ids.tolist())
    every = store.embeddings(bundle.model_id)
    embeddings = every.select(np.array([image_id in asked for image_id in every.image_ids.tolist()], bool))
    reasons = {one.image_id: one.reason for one in store.failures(bundle.model_id)}
    have = set(embeddings.image_ids.tolist())
    failures = tuple(
        Failure(image_id, path, reasons.get(image_id, _GONE))
        for image_id, path in photos.frame.select("image_id", "path").iter_rows()
        if image_id not in have
    )
    return PhotoVectors(embeddings, failures, n_embedded)
