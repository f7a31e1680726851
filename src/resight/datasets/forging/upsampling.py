"""Up-sampling: the trace in the spectrum that generators leave which draw small and enlarge."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from resight.datasets.forging.faces import Photo, Points, inner_face

__all__ = ["upsample_face"]

_STEP = 2
_UNEVEN = (0.01, 0.04)  # how far the four phases of the grid differ, as a share of the light
_SHARPER = (0.2, 0.6)  # what the last layers do to win back detail


def upsample_face(photo: Photo, points: Points, rng: np.random.Generator) -> Photo:
    """The inner face drawn at half its size and enlarged as a transposed convolution does it.

    Zeros are put between the pixels and a small kernel fills them. The kernel covers the four phases of
    the grid unevenly, which leaves a checkerboard (A. Odena, V. Dumoulin & C. Olah, 2016) and copies of the
    low frequencies at the high ones (X. Zhang, S. Karaman & S.-F. Chang, 2019; R. Durall, M. Keuper & J. Keuper, 2020).

    Limits: the trace of one enlarging step with a kernel drawn at random, without a generator before it: the
    person and the picture stay. Real generators have several steps, learned kernels and faults of their own.

    Args:
        photo: (H, W, 3) uint8.
        points: (5, 2) of the face.
        rng: draws the kernel.

    Returns:
        (H, W, 3) uint8; outside the inner face the same pixels.
    """
    height, width = photo.shape[:2]
    size = max(1, -(-width // _STEP)), max(1, -(-height // _STEP))
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    small += rng.uniform(*_SHARPER) * (small - cv2.GaussianBlur(small, (0, 0), 1.0))
    spread = np.zeros((size[1] * _STEP, size[0] * _STEP, 3), np.float32)
    spread[::_STEP, ::_STEP] = small
    drawn = cv2.filter2D(spread, -1, _kernel(rng), borderType=cv2.BORDER_REFLECT_101)[:height, :width]
    mask = inner_face(points, photo.shape)[..., None]
    return np.where(mask, np.rint(np.clip(drawn, 0, 255)), photo).astype(np.uint8)


def _kernel(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """(3, 3) bilinear, its four phases off balance: of odd and even rows and columns the sums differ."""
    side = np.array([0.5, 1.0, 0.5])
    kernel = np.outer(side, side)
    uneven = 1 + rng.choice([-1, 1], (2, 2)) * rng.uniform(*_UNEVEN, (2, 2))
    for row in (0, 1):
        for column in (0, 1):
            kernel[row::2, column::2] *= uneven[row, column]
    return kernel.astype(np.float32)
