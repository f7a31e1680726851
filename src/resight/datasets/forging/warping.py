"""Warping: the inner face bent as if it looked otherwise, and softer than the rest."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from resight.datasets.forging.faces import Mask, Photo, Points, inner_face

__all__ = ["warp_face"]

_BEND = 0.06  # how far pixels move at most, as a share of the way between the eyes
_N_KNOTS = 4
_SMALLER = (0.35, 0.7)  # the resolution that the face goes through
_RIM = 0.15  # width of the soft rim, as a share of the way between the eyes


def warp_face(photo: Photo, points: Points, rng: np.random.Generator) -> Photo:
    """The inner face bent by a smooth random field, through a lower resolution, put back with a soft rim.

    What a generator of limited resolution leaves when its face is fitted into a photo: less detail
    within than without (Y. Li & S. Lyu, "Exposing DeepFake Videos By Detecting Face Warping Artifacts", 2019).

    Limits: the person stays, only the expression changes a little; nothing is drawn anew.

    Args:
        photo: (H, W, 3) uint8.
        points: (5, 2) of the face.
        rng: draws how it is bent, and how much detail is lost.

    Returns:
        (H, W, 3) uint8; far from the inner face the same pixels.
    """
    apart = float(np.linalg.norm(points[1] - points[0]))
    bent = _softened(_bent(photo, _BEND * apart, rng), rng.uniform(*_SMALLER))
    share = _soft_rim(inner_face(points, photo.shape), _RIM * apart)[..., None]
    return np.rint(photo * (1 - share) + bent * share).astype(np.uint8)


def _bent(photo: Photo, reach_px: float, rng: np.random.Generator) -> Photo:
    """Each pixel from a place nearby, by a field that is drawn on a coarse grid and smooth between."""
    height, width = photo.shape[:2]
    knots = rng.uniform(-reach_px, reach_px, (_N_KNOTS, _N_KNOTS, 2)).astype(np.float32)
    field = cv2.resize(knots, (width, height), interpolation=cv2.INTER_CUBIC)
    down, across = np.mgrid[:height, :width].astype(np.float32)
    bent = cv2.remap(
        photo, across + field[..., 0], down + field[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    return np.asarray(bent, np.uint8)


def _softened(photo: Photo, share: float) -> Photo:
    """The photo at a share of its size, and back."""
    height, width = photo.shape[:2]
    size = max(1, round(width * share)), max(1, round(height * share))
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def _soft_rim(mask: Mask, width_px: float) -> npt.NDArray[np.float64]:
    """(H, W) 1 deep inside, 0 outside, rising from the rim inwards."""
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    return np.asarray(np.clip(depth / max(width_px, 1.0), 0, 1), np.float64)
