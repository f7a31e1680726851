"""Which keypoints of two photos look alike.

A keypoint of the query belongs to its nearest keypoint of the photo when the second nearest is
clearly farther (the ratio test of D. Lowe, "Distinctive image features from scale-invariant
keypoints", IJCV 2004), and, where that is asked for, when each is the nearest of the other.
Nearness is the L2 distance of unit descriptors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.errors import ConfigError, MismatchError
from resight.rerank.features import PhotoFeatures
from resight.rerank.products import Levels, inner_products

__all__ = ["KeypointMatches", "check_ratio", "match", "match_levels"]

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

_LOWEST = np.iinfo(np.int32).min


@dataclass(frozen=True, eq=False)
class KeypointMatches:
    """Keypoints of one query beside keypoints of some photos.

    Args:
        photos: (M,) int64, the photo's place in the list that was asked about; rising.
        firsts: (M,) int64, the keypoint of the query.
        seconds: (M,) int64, the keypoint of the photo.
        confidences: (M,) float32 from 0 to 1, higher is surer.
        n_photos: how many photos were asked about.
    """

    photos: Rows
    firsts: Rows
    seconds: Rows
    confidences: Floats
    n_photos: int

    def __len__(self) -> int:
        """The number M of matches, over all photos."""
        return len(self.photos)

    @classmethod
    def of(cls, found: Sequence[tuple[Rows, Rows, Floats]]) -> KeypointMatches:
        """The matches of some photos, each as keypoints, keypoints and confidences."""
        numbers = np.repeat(np.arange(len(found)), [len(firsts) for firsts, _, _ in found])
        firsts, seconds = (np.concatenate([np.zeros(0, np.int64), *(one[side] for one in found)]) for side in (0, 1))
        confidences = np.concatenate([np.zeros(0, np.float32), *(one[2] for one in found)])
        return cls(numbers.astype(np.int64), firsts, seconds, confidences, len(found))

    def select(self, which: npt.NDArray[Any]) -> KeypointMatches:
        """Some of the matches, by a mask or by rising numbers."""
        chosen = (self.photos[which], self.firsts[which], self.seconds[which], self.confidences[which])
        return KeypointMatches(*chosen, self.n_photos)


def match(
    query: PhotoFeatures, photos: Sequence[PhotoFeatures], *, ratio: float | None = 0.8, mutual: bool = False
) -> KeypointMatches:
    """Match the keypoints of a query with those of each of some photos.

    Memory holds one photo's products at a time: 4 bytes for each keypoint of the query and each of
    the photo. Descriptors are compared in 8 bits (see `resight.rerank.products`): a distance differs
    from that of 32 bits by less than a hundredth, and is the same on every machine.

    Args:
        query: the keypoints to find again.
        photos: where to look for them.
        ratio: the nearest must be nearer than `ratio` times the second nearest, from above 0 to 1.
            A tie with the second, or a photo with one keypoint, gives no match. None leaves this
            test out.
        mutual: the keypoint of the query must also be the nearest one of its own nearest.

    Returns:
        The matches; confidence is 1 less the nearest's part of the second's distance, or the cosine
        where there is no ratio.

    Raises:
        ConfigError: when `ratio` is out of range.
        MismatchError: when the descriptors differ in length.

    Example:
        >>> frames = np.full((2, 2), np.nan)
        >>> one = PhotoFeatures(np.zeros((2, 2)), frames, np.array([[9, 0], [0, 9]], np.uint8), (9, 9))
        >>> match(one, [one, one]).seconds.tolist()
        [0, 1, 0, 1]
    """
    check_ratio(ratio)
    for photo in photos:
        if photo.codes.shape[1] != query.codes.shape[1] and len(photo) and len(query):
            lengths = f"{query.codes.shape[1]} and {photo.codes.shape[1]}"
            raise MismatchError(
                f"expected descriptors of one length on both photos, found {lengths}; extract both with one method"
            )
    asking = Levels.of(query.codes)
    found = [match_levels(asking, Levels.of(photo.codes), ratio=ratio, mutual=mutual) for photo in photos]
    return KeypointMatches.of(found)


def check_ratio(ratio: float | None) -> None:
    """Refuse a ratio that means nothing.

    Raises:
        ConfigError: when it is not from above 0 to 1, and not None.
    """
    if ratio is not None and not 0 < ratio <= 1:
        raise ConfigError(f"expected ratio from above 0 to 1, or none, found {ratio}", key="ratio")


def match_levels(query: Levels, photo: Levels, *, ratio: float | None, mutual: bool) -> tuple[Rows, Rows, Floats]:
    """The matches of two photos whose descriptors are levels already; the arguments are those of `match`.

    Returns:
        Keypoints of the query (rising), keypoints of the photo, and confidences.
    """
    if not len(query) or not len(photo):
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)
    products, step = inner_products(query, photo)
    nearest, best, second = _nearest_two(products)
    confidences = np.clip(best * step, 0, 1) if ratio is None else _clearness(best * step, second * step)
    kept = np.flatnonzero(best > 0 if ratio is None else confidences > 1 - ratio)
    if mutual:
        kept = kept[products[:, nearest[kept]].argmax(axis=0) == kept]
    return kept, nearest[kept], confidences[kept].astype(np.float32)


def _nearest_two(products: npt.NDArray[np.int32]) -> tuple[Rows, npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """The column of the highest number of each row, that number, and the highest of the others."""
    rows = np.arange(len(products))
    nearest = products.argmax(axis=1)
    best = products[rows, nearest]
    products[rows, nearest] = _LOWEST
    second = products[rows, products.argmax(axis=1)]
    products[rows, nearest] = best
    return nearest, best, second


def _clearness(best: npt.NDArray[Any], second: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """1 - d1 / d2 of the distances that belong to two cosines; 0 where there is no second, or it is equal."""
    near, far = np.maximum(2 - 2 * best, 0), np.maximum(2 - 2 * second, 0)
    counts = (far > near) & (second >= -2)
    return np.where(counts, 1 - np.sqrt(near / np.where(counts, far, 1)), 0)
