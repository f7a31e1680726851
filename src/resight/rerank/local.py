"""The local features of a catalogue: photo after photo on every core.

Each worker takes one photo the whole way, from its file to its keypoints, as embedding does.
Nothing is stored here: whoever stores the batches resumes by passing only what is still missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Any

from resight.core import Catalogue
from resight.errors import ConfigError, ImageError
from resight.images import (
    DEFAULT_LIMITS,
    Failure,
    ImageLimits,
    fingerprint,
    photo_size,
    pixels_to_decode,
    read_bytes,
    read_photo,
)
from resight.machine import MAX_PIXELS_IN_HAND, PixelBudget, in_order, usable_cores
from resight.progress import progress
from resight.rerank.features import LocalExtractor, LocalFeatures, PhotoFeatures
from resight.rerank.masks import MASK, cut_mask, read_mask

__all__ = ["LocalBatch", "extract_local"]

DEFAULT_BATCH_SIZE = 64


@dataclass(frozen=True)
class LocalBatch:
    """Some photos of a catalogue, in its order.

    Args:
        features: the photos whose keypoints were looked for; a photo may have none.
        fingerprints: by image id, a hash of each file's content.
        masks: by image id, a hash of each mask's content, for photos that have a mask.
        failures: the photos that could not be looked at.
    """

    features: LocalFeatures
    fingerprints: dict[str, str]
    masks: dict[str, str]
    failures: tuple[Failure, ...]


def extract_local(
    catalogue: Catalogue,
    extractor: LocalExtractor,
    *,
    batch_size: int = DEFAULT_BATCH_SIZE,
    n_workers: int | None = None,
    limits: ImageLimits = DEFAULT_LIMITS,
    strict: bool = False,
    show_progress: bool = True,
) -> Iterator[LocalBatch]:
    """The local features of a catalogue's photos, batch by batch in its order.

    A photo that cannot be read is listed with its reason and never ends the run. Work goes on in the
    background while the caller stores a batch, and stops when the iterator is closed.

    Args:
        catalogue: the photos; a `box` is cut out. A further column `mask` may hold the path of a grey
            picture of the whole photo inside the root: keypoints lie only where it is not black.
        extractor: finds the keypoints; used from several threads at once.
        batch_size: photos per batch, so many are lost at most when a run is killed.
        n_workers: photos that are worked on side by side; None means as many as there are cores.
        limits: photos beyond them are failures.
        strict: raise at the first photo that fails.
        show_progress: draw a bar on standard error, when that is a terminal.

    Raises:
        ConfigError: when a number is not positive.
        ImageError: with `strict`, for the first photo that fails.
    """
    n_workers = usable_cores() if n_workers is None else n_workers
    for key, number in (("batch_size", batch_size), ("n_workers", n_workers)):
        if number < 1:
            raise ConfigError(f"expected {key} of at least 1, found {number}", key=key)
    return _batches(catalogue, extractor, batch_size, n_workers, limits, strict, show_progress)


@dataclass
class _Outcome:
    """What became of one photo: its keypoints, or a reason."""

    image_id: str
    path: str
    fingerprint: str | None = None
    mask: str | None = None
    features: PhotoFeatures | None = None
    reason: str = ""


def _batches(
    catalogue: Catalogue,
    extractor: LocalExtractor,
    batch_size: int,
    n_workers: int,
    limits: ImageLimits,
    strict: bool,
    show_progress: bool,
) -> Iterator[LocalBatch]:
    bar: AbstractContextManager[Callable[[int], None]] = (
        progress("looking for keypoints", len(catalogue)) if show_progress else nullcontext(lambda _: None)
    )
    budget = PixelBudget(MAX_PIXELS_IN_HAND)

    def extract(row: dict[str, Any]) -> _Outcome:
        return _extract_one(row, catalogue.root, extractor, limits, budget)

    with bar as done:
        outcomes = in_order(extract, catalogue, n_workers, n_ahead=2 * batch_size, name="keypoints")
        try:
            watched = _watched(outcomes, done, catalogue.root if strict else None)
            while batch := list(islice(watched, batch_size)):
                yield _gathered(batch, extractor.model_id)
        finally:
            outcomes.close()


def _watched(outcomes: Iterator[_Outcome], done: Callable[[int], None], strict_in: Path | None) -> Iterator[_Outcome]:
    for outcome in outcomes:
        if strict_in is not None and outcome.features is None:
            raise ImageError(strict_in / outcome.path, outcome.reason)
        done(1)
        yield outcome


def _extract_one(
    row: dict[str, Any], root: Path, extractor: LocalExtractor, limits: ImageLimits, budget: PixelBudget
) -> _Outcome:
    outcome = _Outcome(row["image_id"], row["path"])
    try:
        data = read_bytes(root / row["path"], limits)
        outcome.fingerprint = fingerprint(data)
        mask = None if row.get(MASK) is None else read_mask(root, str(row[MASK]), limits)
        outcome.mask = None if mask is None else fingerprint(mask)
        size = photo_size(data, limits)
        how: dict[str, Any] = {
            "box": row["box"],
            "min_side_px": _shorter_side(size, row["box"], extractor.max_side_px),
            "limits": limits,
        }
        n_of_mask = 0 if mask is None else size[0] * size[1]
        with budget.share(pixels_to_decode(data, **how) + n_of_mask):
            pixels = read_photo(data, **how)
            where = None if mask is None else cut_mask(mask, size, pixels.shape, box=row["box"], limits=limits)
            outcome.features = extractor.extract(pixels, where)
    except ImageError as error:
        outcome.reason = error.reason
    return outcome


def _shorter_side(size: tuple[int, int], box: list[float] | None, max_side_px: int) -> int:
    """The shorter side of the working photo, so that a JPEG is decoded no larger than it needs to be."""
    x, y, width, height = box or (0.0, 0.0, *size)
    sides = min(x + width, size[0]) - max(x, 0.0), min(y + height, size[1]) - max(y, 0.0)
    return max(1, ceil(max_side_px * min(sides) / max(sides))) if min(sides) > 0 else 1


def _gathered(outcomes: list[_Outcome], model: str) -> LocalBatch:
    found = [(one.image_id, one.features) for one in outcomes if one.features is not None]
    return LocalBatch(
        LocalFeatures.of([image_id for image_id, _ in found], [features for _, features in found], model),
        fingerprints={one.image_id: one.fingerprint for one in outcomes if one.fingerprint is not None},
        masks={one.image_id: one.mask for one in outcomes if one.mask is not None},
        failures=tuple(Failure(one.image_id, one.path, one.reason) for one in outcomes if one.features is None),
    )
