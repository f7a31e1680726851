"""Photos inside a page: small JPEGs, written into it as data."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from resight.errors import ImageError
from resight.images import as_jpeg, scaled, thumbnail

__all__ = ["Picture", "data_uri_of", "data_uris"]

_N_THREADS = 4


@dataclass(frozen=True)
class Picture:
    """A photo to show, and how large.

    Args:
        path: the photo.
        box: the part to show: x, y, width, height in pixels of the upright photo; None shows all.
        side_px: length of the longer side; a smaller photo is not enlarged.
    """

    path: Path
    box: tuple[float, ...] | None
    side_px: int

    @classmethod
    def of(cls, path: Path, box: Sequence[float] | None, side_px: int) -> Picture:
        """The picture of a photo, or of the part in a box of whatever sequence."""
        return cls(path, None if box is None else tuple(box), side_px)

    def data_uri(self) -> str | None:
        """The picture as a data: address, or None when the photo cannot be read."""
        try:
            jpeg = thumbnail(self.path, self.side_px, self.box)
        except (ImageError, OSError):
            return None
        return _as_uri(jpeg)


def data_uris(pictures: Iterable[Picture]) -> dict[Picture, str | None]:
    """The data: address of each picture, each made once; None for those that cannot be read."""
    wanted = list(dict.fromkeys(pictures))
    with ThreadPoolExecutor(_N_THREADS) as pool:
        return dict(zip(wanted, pool.map(Picture.data_uri, wanted), strict=True))


def data_uri_of(pixels: npt.NDArray[np.uint8], side_px: int) -> str:
    """The data: address of a picture that is in memory.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        side_px: length of the longer side; smaller pixels are not enlarged.

    Raises:
        InputError: when the array is not of that kind.
    """
    scale = min(1.0, side_px / max(1, *pixels.shape[:2]))
    height, width = (max(1, round(n * scale)) for n in pixels.shape[:2])
    return _as_uri(as_jpeg(scaled(pixels, width, height) if scale < 1 else pixels, quality=85))


def _as_uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
