"""Learned local features: keypoints found by a network, and matches chosen by one.

Both come as bundles, which `scripts/make_local_bundle.py` makes, and need onnxruntime only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.errors import ConfigError, InputError, MismatchError
from resight.images import scaled
from resight.rerank.features import PhotoFeatures
from resight.rerank.local_bundle import LocalBundleInfo, Started, start_local

__all__ = ["LearnedFeatures", "LearnedMatcher"]

_BORDER_PX = 2
"""No keypoint lies so near to the edge of the working photo: there the network sees what is not there."""

_WHITE = np.float32(255)


class LearnedFeatures:
    """Finds the keypoints of a photo by a network in a bundle, and describes them.

    Safe to use from many threads at once; the same photo gives the same features in each.

    Args:
        bundle: folder or zip, of kind "local_features".
        max_side_px: the photo's longer side is brought to this length first.
        n_keypoints: keypoints of a photo at most, those of the highest score.
        enlarge: enlarge a photo whose longer side is shorter; else it stays as it is.
        n_threads: threads that one photo takes; one is best where photos run side by side.

    Raises:
        ConfigError: when a number is out of range, or a key of the bundle is wrong.
        InputError: when what lies there is not a bundle, or its graph does not run.
        MismatchError: when the bundle is of another kind, or is not the one it describes.
    """

    def __init__(
        self,
        bundle: str | Path,
        max_side_px: int = 448,
        n_keypoints: int = 800,
        *,
        enlarge: bool = True,
        n_threads: int = 1,
    ) -> None:
        for key, number, least in (("max_side_px", max_side_px, 2 * _BORDER_PX + 1), ("n_keypoints", n_keypoints, 1)):
            if isinstance(number, bool) or not isinstance(number, int) or number < least:
                raise ConfigError(f"expected {key} as a whole number of at least {least}, found {number!r}", key=key)
        self.max_side_px = max_side_px
        self.n_keypoints = n_keypoints
        self.enlarge = enlarge
        self._model: Started = start_local(bundle, "local_features", n_threads)

    @property
    def info(self) -> LocalBundleInfo:
        """What the bundle says of itself, its licence among it."""
        return self._model.info

    @property
    def model_id(self) -> str:
        """The fingerprint of weights and settings."""
        fit = "" if self.enlarge else "-small-as-is"
        return f"{self.info.model_id}-{self.max_side_px}px-{self.n_keypoints}{fit}"

    def extract(self, pixels: npt.NDArray[np.uint8], mask: npt.NDArray[Any] | None = None) -> PhotoFeatures:
        """The keypoints of a photo; none when it is blank or tiny.

        Args:
            pixels: (H, W, 3) uint8 RGB.
            mask: (H, W); keypoints lie only where it is not zero.

        Raises:
            InputError: when an array is of another kind, or the model gives what is no keypoint.
        """
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or 0 in pixels.shape:
            raise InputError(f"expected (H, W, 3) uint8 with pixels, found {pixels.shape} {pixels.dtype}")
        if mask is not None and mask.shape != pixels.shape[:2]:
            raise InputError(f"expected a mask of {pixels.shape[:2]}, like the photo, found {mask.shape}")
        photo = self._at_working_size(pixels)
        allowed = _allowed(mask, *photo.shape[:2])
        points, codes = self._strongest(photo, allowed)
        frames = np.full((len(points), 2), np.nan, np.float32)
        return PhotoFeatures(points, frames, codes.astype(np.float16), (photo.shape[1], photo.shape[0]))

    def _strongest(
        self, photo: npt.NDArray[np.uint8], allowed: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """(M, 2) points and (M, D) descriptors, the highest score first."""
        n_wanted = min(self.n_keypoints, int(allowed.sum()))
        if not n_wanted:
            return np.zeros((0, 2), np.float32), np.zeros((0, self.info.dimension), np.float32)
        unit = self.info.side_unit_px
        fill = [(0, -side % unit) for side in photo.shape[:2]]
        values = np.pad(photo, [*fill, (0, 0)], mode="edge").transpose(2, 0, 1)[None] / _WHITE
        points, scores, codes = self._model.run({
            "photo": values,
            "mask": np.pad(allowed, fill)[None, None].astype(np.float32),
            "slots": np.zeros(n_wanted, np.float32),
        })  # fmt: skip
        found = scores > 0
        if codes.shape != (n_wanted, self.info.dimension) or not np.isfinite(codes[found]).all():
            expected = f"expected ({n_wanted}, {self.info.dimension}) finite descriptors"
            raise InputError(f"{self._model.place}: {expected}, found {codes.shape}, or numbers that are not finite")
        return points[found], codes[found]

    def _at_working_size(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        height, width = pixels.shape[:2]
        scale = self.max_side_px / max(width, height)
        if scale > 1 and not self.enlarge:
            return pixels
        return scaled(pixels, max(1, round(width * scale)), max(1, round(height * scale)))


class LearnedMatcher:
    """Matches the keypoints of two photos by a network in a bundle.

    Safe to use from many threads at once. Dear: tens to hundreds of milliseconds a pair.

    Args:
        bundle: folder or zip, of kind "local_matcher".
        min_confidence: from 0 to 1; a match must be surer than this.
        n_threads: threads that one pair takes.

    Raises:
        ConfigError: when a number is out of range, or a key of the bundle is wrong.
        InputError: when what lies there is not a bundle, or its graph does not run.
        MismatchError: when the bundle is of another kind, or is not the one it describes.
    """

    def __init__(self, bundle: str | Path, min_confidence: float = 0.1, *, n_threads: int = 1) -> None:
        if not 0 <= min_confidence < 1:
            key = "min_confidence"
            raise ConfigError(f"expected a {key} from 0 to below 1, found {min_confidence!r}", key=key)
        self.min_confidence = float(min_confidence)
        self._model: Started = start_local(bundle, "local_matcher", n_threads)

    @property
    def info(self) -> LocalBundleInfo:
        """What the bundle says of itself, its licence among it."""
        return self._model.info

    @property
    def model_id(self) -> str:
        """The fingerprint of weights and settings."""
        return f"{self.info.model_id}-{self.min_confidence!r}"

    def match(self, one: PhotoFeatures, other: PhotoFeatures) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Which keypoints of two photos are the same.

        Returns:
            (n, 2) int64, rows of the keypoints in `one` and `other`, each at most once; (n,)
            float32, how sure the network is, from 0 to 1.

        Raises:
            MismatchError: when the descriptors have another length than the network was trained on.
        """
        for photo in (one, other):
            if len(photo) and photo.codes.shape[1] != self.info.dimension:
                raise MismatchError(
                    f"{self._model.place}: expected descriptors of {self.info.dimension} numbers, as those of "
                    f"'{self.info.features}', found {photo.codes.shape[1]}: extract with the features of this matcher"
                )
        if not len(one) or not len(other):
            return np.zeros((0, 2), np.int64), np.zeros(0, np.float32)
        there, sure = self._model.run({
            "points0": _placed(one),
            "points1": _placed(other),
            "codes0": one.descriptors,
            "codes1": other.descriptors,
        })  # fmt: skip
        rows = np.flatnonzero(sure > self.min_confidence)
        return np.column_stack([rows, there[rows]]).astype(np.int64), sure[rows].astype(np.float32)


def _allowed(mask: npt.NDArray[Any] | None, height: int, width: int) -> npt.NDArray[np.bool_]:
    """(height, width) where a keypoint may lie: inside the border and the mask."""
    allowed = np.zeros((height, width), np.bool_)
    inside = slice(_BORDER_PX, max(height - _BORDER_PX, 0)), slice(_BORDER_PX, max(width - _BORDER_PX, 0))
    allowed[inside] = True
    if mask is not None:
        rows = ((np.arange(height) + 0.5) * mask.shape[0] / height).astype(np.int64)
        columns = ((np.arange(width) + 0.5) * mask.shape[1] / width).astype(np.int64)
        allowed &= mask[rows[:, None], columns] != 0
    return allowed


def _placed(photo: PhotoFeatures) -> npt.NDArray[np.float32]:
    """(M, 2) points from -1 to 1 along the longer side of the photo, 0 in its middle."""
    size = np.array(photo.size, np.float32)
    placed: npt.NDArray[np.float32] = (photo.points - size / 2) / (size.max() / 2)
    return placed
