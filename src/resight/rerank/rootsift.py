"""RootSIFT: keypoints and descriptors that need no weights.

Lowe, Distinctive Image Features from Scale-Invariant Keypoints, IJCV 2004, as OpenCV has it; then each
descriptor is divided by its sum and the root taken of each number, after Arandjelović and Zisserman,
Three things everyone should know to improve object retrieval, CVPR 2012. We differ in how a
descriptor is kept: as bytes, the largest of each being 255.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from resight.errors import ConfigError, InputError
from resight.images import READING, scaled
from resight.rerank.features import PhotoFeatures
from resight.rerank.masks import nearest_pixels

__all__ = ["Rootsift"]

_VERSION = 1
"""Raised by one whenever the same pixels give other features than before; part of the model id."""

_DIMENSION = 128
_SHORTEST_SIDE_PX = 8  # OpenCV looks at no smaller photo, and some of its versions stumble over one
_WHITE = 255


class Rootsift:
    """Finds the keypoints of a photo by SIFT and describes them by RootSIFT.

    Safe to use from many threads at once: the same photo gives the same bits in each.

    Args:
        max_side_px: the photo's longer side is brought to this length first.
        n_keypoints: keypoints of a photo at most, those of the strongest response.
        contrast_threshold: how faint a blob may be; lower finds more. Coats and skins need a low one.
        enlarge: enlarge a photo whose longer side is shorter; else it stays as it is.

    Raises:
        ConfigError: when a number is out of range.

    Example:
        >>> photo = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)
        >>> Rootsift(max_side_px=96, n_keypoints=10).extract(photo).descriptors.shape
        (10, 128)
    """

    def __init__(
        self,
        max_side_px: int = 448,
        n_keypoints: int = 800,
        contrast_threshold: float = 0.01,
        *,
        enlarge: bool = True,
    ) -> None:
        for key, number, least in (("max_side_px", max_side_px, _SHORTEST_SIDE_PX), ("n_keypoints", n_keypoints, 1)):
            if isinstance(number, bool) or not isinstance(number, int) or number < least:
                raise ConfigError(f"expected {key} as a whole number of at least {least}, found {number!r}", key=key)
        if not 0 <= contrast_threshold < 1:
            found = f"found {contrast_threshold!r}"
            raise ConfigError(f"expected a contrast_threshold from 0 to below 1, {found}", key="contrast_threshold")
        self.max_side_px = max_side_px
        self.n_keypoints = n_keypoints
        self.contrast_threshold = float(contrast_threshold)
        self.enlarge = enlarge

    @property
    def model_id(self) -> str:
        """The fingerprint of method and settings.

        Example:
            >>> Rootsift().model_id
            'rootsift-v1.1-448px-800-0.01'
        """
        fit = "" if self.enlarge else "-small-as-is"
        settings = f"{self.max_side_px}px-{self.n_keypoints}-{self.contrast_threshold!r}{fit}"
        return f"rootsift-v{_VERSION}.{READING}-{settings}"

    def extract(self, pixels: npt.NDArray[np.uint8], mask: npt.NDArray[Any] | None = None) -> PhotoFeatures:
        """The keypoints of a photo; none when it is blank or tiny.

        Args:
            pixels: (H, W, 3) uint8 RGB.
            mask: (H, W); only what is not zero is looked at.

        Raises:
            InputError: when an array is of another kind.
        """
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or 0 in pixels.shape:
            raise InputError(f"expected (H, W, 3) uint8 with pixels, found {pixels.shape} {pixels.dtype}")
        if mask is not None and mask.shape != pixels.shape[:2]:
            raise InputError(f"expected a mask of {pixels.shape[:2]}, like the photo, found {mask.shape}")
        photo = self._at_working_size(pixels)
        height, width = photo.shape[:2]
        where = None if mask is None else nearest_pixels(mask != 0, width, height).astype(np.uint8) * _WHITE
        points, frames, codes = _found(photo, where, self.n_keypoints, self.contrast_threshold)
        return PhotoFeatures(points, frames, codes, (width, height))

    def _at_working_size(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        height, width = pixels.shape[:2]
        scale = self.max_side_px / max(width, height)
        if scale > 1 and not self.enlarge:
            return pixels
        return scaled(pixels, max(1, round(width * scale)), max(1, round(height * scale)))


def _found(
    photo: npt.NDArray[np.uint8], where: npt.NDArray[np.uint8] | None, n_keypoints: int, contrast_threshold: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Points, frames and codes, the strongest response first."""
    import cv2

    if min(photo.shape[:2]) < _SHORTEST_SIDE_PX:
        return _nothing()
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    n_wanted = n_keypoints if where is None else 0  # OpenCV would count those outside the mask too: take all, then cut
    sift = cv2.SIFT.create(nfeatures=n_wanted, contrastThreshold=contrast_threshold)  # own: threads share nothing
    keypoints, histograms = sift.detectAndCompute(grey, where)
    if not keypoints:
        return _nothing()
    table = np.array([(*one.pt, one.size, one.angle, one.response) for one in keypoints], np.float64)
    x, y, size, angle, response = table.T
    strongest = np.lexsort((angle, size, y, x, -response))[:n_keypoints]  # of equal ones OpenCV gives more than asked
    frames = np.column_stack([size, np.deg2rad(angle)])[strongest]
    return table[strongest, :2].astype(np.float32), frames.astype(np.float32), _root(histograms[strongest])


def _root(histograms: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """RootSIFT as bytes.

    The root of a descriptor that was divided by its sum points where the root of the bare one points.
    Only the direction counts, so each row is stretched to the whole range of a byte: on pelts that
    turns 2 in 100 decisions of a ratio test, where the usual factor of 512 turns 4.
    """
    largest = np.maximum(histograms.max(axis=1, keepdims=True), 1)
    codes: npt.NDArray[np.uint8] = np.rint(np.sqrt(histograms / largest) * _WHITE).astype(np.uint8)
    return codes


def _nothing() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    pairs = np.zeros((0, 2), np.float32)
    return pairs, pairs, np.zeros((0, _DIMENSION), np.uint8)
