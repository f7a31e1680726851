"""The local features of a catalogue: those that the store has, and the rest found and kept."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from resight.core import Catalogue
from resight.errors import ImageError, StoreError
from resight.images import DEFAULT_LIMITS, Failure, ImageLimits, fingerprint, read_bytes
from resight.rerank.features import LocalExtractor, LocalFeatures, PhotoFeatures
from resight.rerank.local import LocalBatch, extract_local
from resight.rerank.masks import MASK, read_mask
from resight.store.local_features import FeatureCache, StoredFeatures, feature_key

__all__ = ["FEATURES", "local_features"]

FEATURES = "features"
"""The folder of local features inside a catalogue's."""

_N_PASSES = 4  # more than two only when somebody removes the folder meanwhile


def local_features(
    store_folder: Path | None,
    catalogue: Catalogue,
    contents: Mapping[str, str | None] | None,
    extractor: LocalExtractor,
    *,
    n_workers: int | None = None,
    limits: ImageLimits = DEFAULT_LIMITS,
    strict: bool = False,
    show_progress: bool = True,
) -> tuple[LocalFeatures, tuple[Failure, ...]]:
    """The local features of some photos, in the order of the catalogue, and the photos that have none.

    Only what is missing is looked for, and kept batch by batch: a killed run goes on where it was. What
    was kept is found by the content of the photo, its box and the content of its mask, whatever it is called.

    Args:
        store_folder: the catalogue on disk that keeps them; None keeps them in memory only, and so does a
            folder that cannot be written to with those that it lacks.
        catalogue: the photos, with `box` and perhaps a column `mask`.
        contents: by image id, the fingerprint of a photo's file as it was indexed; where there is none, the
            file is read for it. A file that has changed since is looked at as it is now.
        extractor: finds the keypoints.
        n_workers: photos that are worked on side by side; None means as many as there are cores.
        limits: photos beyond them are failures.
        strict: raise at the first photo that fails.
        show_progress: draw a bar on standard error, when that is a terminal.

    Raises:
        ConfigError: when `n_workers` is not positive.
        ImageError: with `strict`, for the first photo that fails.
        MismatchError: when the extractor gives other codes under the same model id as before.
        StoreError: when the kept features are locked, or the disk refuses.
    """
    options: dict[str, Any] = {
        "n_workers": n_workers,
        "limits": limits,
        "strict": strict,
        "show_progress": show_progress,
    }
    if store_folder is None:
        return _beside({}, catalogue, extractor, options)
    cache = FeatureCache(store_folder / FEATURES, extractor.model_id)
    keys = _keys(catalogue, contents or {}, limits)
    if not os.access(store_folder, os.W_OK):
        return _beside(_by_image(cache, keys), catalogue, extractor, options)
    failed: dict[str, Failure] = {}
    for _ in range(_N_PASSES):
        stored = cache.read(_each_once(keys))
        kept = set(stored.keys)
        done = failed.keys() | {image_id for image_id, key in keys.items() if key in kept}
        missing = [image_id for image_id in catalogue.image_ids.tolist() if image_id not in done]
        if not missing:
            return _mapped(catalogue, keys, stored, extractor.model_id), tuple(failed.values())
        for batch in extract_local(catalogue.select(missing), extractor, **options):
            failed.update({failure.image_id: failure for failure in batch.failures})
            keys.update(_keep(cache, catalogue, batch))
    raise StoreError(f"expected to find what was just kept in {cache.folder}, found it gone: leave that folder alone")


def _keys(catalogue: Catalogue, contents: Mapping[str, str | None], limits: ImageLimits) -> dict[str, str]:
    """The key of each photo, by image id; none for one whose file or mask cannot be read."""
    keys = {}
    for row in catalogue:
        try:
            content = contents.get(row["image_id"]) or fingerprint(read_bytes(catalogue.root / row["path"], limits))
            mask = None if row.get(MASK) is None else fingerprint(read_mask(catalogue.root, str(row[MASK]), limits))
        except ImageError:
            continue  # looking for its keypoints says what is wrong
        keys[row["image_id"]] = feature_key(content, row["box"], mask)
    return keys


def _keep(cache: FeatureCache, catalogue: Catalogue, batch: LocalBatch) -> dict[str, str]:
    """Store a batch; the key of each photo as it was read, by image id."""
    ids = batch.features.image_ids.tolist()
    boxes = dict(zip(ids, catalogue.select(batch.features.image_ids).frame["box"].to_list(), strict=True))
    keys = {one: feature_key(batch.fingerprints[one], boxes[one], batch.masks.get(one)) for one in ids}
    cache.add(list(keys.values()), [batch.features.photo(row) for row in range(len(ids))])
    return keys


def _mapped(catalogue: Catalogue, keys: Mapping[str, str], stored: StoredFeatures, model: str) -> LocalFeatures:
    """The stored features of the photos that have any, in the order of the catalogue; the pool stays in its file."""
    row_of = {key: row for row, key in enumerate(stored.keys)}
    ids = [image_id for image_id in catalogue.image_ids.tolist() if keys.get(image_id) in row_of]
    rows = np.array([row_of[keys[image_id]] for image_id in ids], np.int64)
    spans, sizes = stored.spans[rows], stored.sizes[rows]
    return LocalFeatures(np.array(ids, np.str_), spans, stored.points, stored.frames, stored.codes, sizes, model)


def _by_image(cache: FeatureCache, keys: Mapping[str, str]) -> dict[str, PhotoFeatures]:
    stored = cache.read(_each_once(keys))
    kept = {}
    for key, (start, stop), (width, height) in zip(stored.keys, stored.spans, stored.sizes.tolist(), strict=True):
        here = slice(start, stop)
        kept[key] = PhotoFeatures(stored.points[here], stored.frames[here], stored.codes[here], (width, height))
    return {image_id: kept[key] for image_id, key in keys.items() if key in kept}


def _beside(
    found: dict[str, PhotoFeatures], catalogue: Catalogue, extractor: LocalExtractor, options: Mapping[str, Any]
) -> tuple[LocalFeatures, tuple[Failure, ...]]:
    """Those that are there, and the rest found and kept in memory."""
    found, failures = dict(found), list[Failure]()
    missing = [image_id for image_id in catalogue.image_ids.tolist() if image_id not in found]
    for batch in extract_local(catalogue.select(missing), extractor, **options):
        failures += batch.failures
        found |= {image_id: batch.features.photo(row) for row, image_id in enumerate(batch.features.image_ids.tolist())}
    ids = [image_id for image_id in catalogue.image_ids.tolist() if image_id in found]
    return LocalFeatures.of(ids, [found[image_id] for image_id in ids], extractor.model_id), tuple(failures)


def _each_once(keys: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(keys.values()))
