"""Masks: which pixels of a photo show the animal, as a grey picture beside it says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import numpy.typing as npt

from resight.errors import ImageError
from resight.images import DEFAULT_LIMITS, ImageLimits, photo_size, read_bytes, read_photo

__all__ = ["MASK", "cut_mask", "nearest_pixels", "read_mask"]

MASK = "mask"
"""The catalogue's column of masks: the path of each inside the root, null for none."""


def read_mask(root: Path, path: str, limits: ImageLimits = DEFAULT_LIMITS) -> bytes:
    """The content of a mask's file.

    Raises:
        ImageError: when there is no such file, it is empty or too large, or lies outside the root.
    """
    for kind in (PurePosixPath(path), PureWindowsPath(path)):
        if kind.is_absolute() or kind.drive or kind.root or ".." in kind.parts:
            raise ImageError(path, f"its mask '{path}' lies outside the folder of the catalogue")
    try:
        return read_bytes(root / path, limits)
    except ImageError as error:
        raise ImageError(path, f"its mask '{path}' cannot be read: {error.reason}") from error


def cut_mask(
    mask: bytes,
    size: tuple[int, int],
    shape: tuple[int, ...],
    *,
    box: Sequence[float] | None = None,
    limits: ImageLimits = DEFAULT_LIMITS,
) -> npt.NDArray[np.bool_]:
    """(H, W) true where the animal is, for the pixels that `read_photo` gave.

    Args:
        mask: the file of a picture of the whole photo with 8 bits per pixel; what is not black is animal.
        size: width and height in px of the whole upright photo.
        shape: of the pixels, (H, W, 3).
        box: that was cut out of the photo.
        limits: what is refused unread.

    Raises:
        ImageError: when the mask cannot be read, has another size than the photo, or shows no animal.
    """
    try:
        its = photo_size(mask, limits)
        seen = read_photo(mask, box=box, limits=limits)
    except ImageError as error:
        raise ImageError(error.path, f"its mask cannot be read: {error.reason}") from error
    if its != size:
        raise ImageError(
            "(bytes)", f"its mask has {its[0]} x {its[1]} pixels, expected {size[0]} x {size[1]} like the photo"
        )
    shown: npt.NDArray[np.bool_] = seen.max(axis=2) > 0
    if not shown.any():
        raise ImageError("(bytes)", "its mask shows no animal: every pixel in the box is black")
    return nearest_pixels(shown, shape[1], shape[0])


def nearest_pixels(mask: npt.NDArray[np.bool_], width: int, height: int) -> npt.NDArray[np.bool_]:
    """The mask at (height, width): of each pixel there, the one that lies under its middle.

    Example:
        >>> nearest_pixels(np.array([[True, False]]), 4, 1).tolist()
        [[True, True, False, False]]
    """
    rows = ((np.arange(height) + 0.5) * mask.shape[0] / height).astype(np.int64)
    columns = ((np.arange(width) + 0.5) * mask.shape[1] / width).astype(np.int64)
    near: npt.NDArray[np.bool_] = mask[rows[:, None], columns]
    return near
