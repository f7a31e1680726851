"""Pairs of photos: how alike the two of each are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.core import Catalogue
from resight.datasets import read_catalogue
from resight.datasets.pair_tables import pairs_of_catalogue
from resight.embed import Failure
from resight.errors import InputError
from resight.pipeline.bundles import bundle_for
from resight.pipeline.pair_vectors import cosines, photo_vectors
from resight.store import CatalogueStore


@dataclass(frozen=True, eq=False)
class PairScores:
    """How alike the photos of some pairs are.

    Args:
        ids: (P,) the pairs, in the order of their names.
        scores: (P,) cosine, −1 to 1, higher is more alike; NaN where a photo is missing or unreadable.
        failures: the photos that could not be read, with the reason.
    """

    ids: tuple[str, ...]
    scores: npt.NDArray[np.float64]
    failures: tuple[Failure, ...]

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        pairs = zip(self.ids, self.scores.tolist(), strict=True)
        return {
            "scale": "cosine",
            "pairs": [{"pair": name, "score": None if np.isnan(score) else score} for name, score in pairs],
            "failures": [{"image_id": f.image_id, "path": f.path, "reason": f.reason} for f in self.failures],
        }


def compare_pairs(
    photos: str | Path | Catalogue,
    folder: str | Path,
    *,
    labels: str | Path | None = None,
    only: Collection[str] | None = None,
    model: str | Path | None = None,
    strict: bool = False,
) -> PairScores:
    """Compare the two photos of each pair by the model of a catalogue.

    Args:
        photos: folders `<pair_id>/0.jpg` and `1.jpg`, or a catalogue with a column `pair_id`.
        folder: the catalogue whose model compares.
        labels: table of the pairs, when it does not lie in `photos`.
        only: compare no other pairs than these.
        model: bundle to compare by; default: the catalogue's own.
        strict: raise at the first photo that cannot be read.

    Raises:
        InputError: when there are no pairs, a pair has more than two photos, or (`strict`) a photo
            cannot be read.
        StoreError: when there is no catalogue.
    """
    bundle = bundle_for(CatalogueStore.open(folder), model)
    source = photos if isinstance(photos, Catalogue) else read_catalogue(Path(photos), labels and Path(labels))
    pairs = pairs_of_catalogue(source)
    if only is not None:
        pairs = pairs.select(np.isin(pairs.pair_ids, list(only))).only_paired()
    if not len(pairs):
        raise InputError(f"expected the pairs of the sample in {source.root}, found none of them")
    vectors = photo_vectors(pairs.photos, bundle, strict=strict)
    order = np.argsort(pairs.pair_ids)
    scores = cosines(pairs, vectors.embeddings).astype(np.float64)
    return PairScores(tuple(pairs.pair_ids[order].tolist()), scores[order], vectors.failures)
