"""The two sides of compared pairs: photos, their vectors, and what else the scorers of a recipe need of them."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resight import registry
from resight.config import LocalOptions, NaiveBayesOptions
from resight.core import Catalogue, Embeddings
from resight.curate.hashes import N_ORIENTATIONS
from resight.curate.hashing import hash_photos
from resight.embed import Bundle, Failure, embed_all
from resight.errors import InputError
from resight.pipeline.local_features import local_features
from resight.rerank.features import LocalExtractor, LocalFeatures
from resight.store import CatalogueStore

__all__ = ["Side", "extractor_of"]


@dataclass(eq=False)
class Side:
    """Photos that ask or answer, and what is known of them; what is dear is made once, when it is first asked for.

    Args:
        catalogue: the photos.
        embeddings: one vector per photo, in the same order.
        store: the catalogue on disk that keeps what is found on the photos; None keeps it in memory only.
        show_progress: draw bars on standard error.

    Raises:
        InputError: when the vectors are those of other photos.
    """

    catalogue: Catalogue
    embeddings: Embeddings
    store: CatalogueStore | None = None
    failures: list[Failure] = field(default_factory=list)
    show_progress: bool = True
    _local: dict[str, LocalFeatures] = field(default_factory=dict)
    _vectors: dict[str, Embeddings] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that photos and vectors belong together."""
        if self.catalogue.image_ids.tolist() != self.embeddings.image_ids.tolist():
            raise InputError("expected one vector per photo in the order of the photos, found otherwise")

    def __len__(self) -> int:
        """The number of photos."""
        return len(self.catalogue)

    def local(self, extractor: LocalExtractor) -> LocalFeatures:
        """The keypoints of every photo; none for one that cannot be read, which is noted in `failures`."""
        if extractor.model_id not in self._local:
            folder = None if self.store is None else self.store.folder
            found, failures = local_features(
                folder, self.catalogue, self._contents(), extractor, show_progress=self.show_progress
            )
            self.failures.extend(failures)
            self._local[extractor.model_id] = _in_order(found, self.catalogue)
        return self._local[extractor.model_id]

    def vectors(self, bundle: Bundle) -> Embeddings:
        """The vectors of another model: those that the store keeps, and the rest made now.

        Raises:
            InputError: when a photo cannot be read any more.
        """
        if bundle.model_id not in self._vectors:
            kept = self._kept(bundle.model_id)
            there = np.isin(self.catalogue.image_ids, kept.image_ids if kept is not None else [])
            if kept is not None and there.all():
                found = kept
            else:
                found = self._embedded(bundle, ~there)
                if kept is not None:
                    vectors = np.concatenate([kept.vectors, found.vectors])
                    found = Embeddings(np.concatenate([kept.image_ids, found.image_ids]), vectors, found.model)
            self._vectors[bundle.model_id] = found.select(self.catalogue.image_ids)
        return self._vectors[bundle.model_id]

    def _kept(self, model: str) -> Embeddings | None:
        """The vectors of a model that the store keeps; None where it keeps none."""
        if self.store is None or all(known.name != model for known in self.store.models()):
            return None
        return self.store.embeddings(model)

    def _embedded(self, bundle: Bundle, lacking: npt.NDArray[np.bool_]) -> Embeddings:
        embedded = embed_all(self.catalogue.select(lacking), bundle)
        if embedded.failures:
            first = embedded.failures[0]
            raise InputError(f"expected photos that can be read, found {first.path}: {first.reason}")
        return embedded.embeddings

    def hashes(self) -> npt.NDArray[np.uint64]:
        """(N, 8) perceptual hashes of every photo in all orientations, the upright one first.

        Raises:
            InputError: when a photo cannot be read any more.
        """
        parts = list(hash_photos(self.catalogue))
        unreadable = [one for part in parts for one in part.unreadable]
        if unreadable:
            raise InputError(f"expected photos that can be read, found {unreadable[0].path}: {unreadable[0].reason}")
        return np.concatenate([np.zeros((0, N_ORIENTATIONS), np.uint64), *(part.values for part in parts)])

    def _contents(self) -> dict[str, Any] | None:
        if "content" not in self.catalogue.frame.columns:
            return None
        return dict(zip(self.catalogue.image_ids.tolist(), self.catalogue.frame["content"], strict=True))


def extractor_of(options: LocalOptions | NaiveBayesOptions) -> LocalExtractor:
    """What finds the keypoints that a scorer asks for: a method by name, else a bundle by path.

    Raises:
        UnknownNameError: when there is neither.
        InputError: when a learned method is named without its bundle, or what lies there is no bundle.
    """
    sizes: dict[str, Any] = {"max_side_px": options.max_side_px, "n_keypoints": options.n_keypoints}
    if Path(options.features).exists():
        from resight.rerank.learned import LearnedFeatures

        return LearnedFeatures(options.features, **sizes)
    kind = registry.get("local_features", options.features)
    if "bundle" in inspect.signature(kind).parameters:
        raise InputError(
            f"expected the path of a bundle of '{options.features}' keypoints, found the name alone: make one with "
            "scripts/make_local_bundle.py and give its folder as  features"
        )
    made: LocalExtractor = kind(**sizes)
    return made


def _in_order(found: LocalFeatures, catalogue: Catalogue) -> LocalFeatures:
    """The features of every photo of a catalogue; an empty span stands for a photo without."""
    row_of = {image_id: row for row, image_id in enumerate(found.image_ids.tolist())}
    rows = np.array([row_of.get(image_id, -1) for image_id in catalogue.image_ids.tolist()], np.int64)
    there = rows >= 0
    spans = np.zeros((len(rows), 2), np.int64)
    sizes = np.ones((len(rows), 2), np.int32)
    spans[there], sizes[there] = found.spans[rows[there]], found.sizes[rows[there]]
    return LocalFeatures(catalogue.image_ids, spans, found.points, found.frames, found.codes, sizes, found.model)
