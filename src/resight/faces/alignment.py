"""A face turned upright: eyes, nose and mouth are brought to the places that face models were trained with.

The places are those of ArcFace (Deng et al., CVPR 2019, and the code that its authors gave out); OpenCV's
SFace has the same. The similarity (one turn, one scale, one shift, no mirror) is the one with the least
squared distances: S. Umeyama, "Least-squares estimation of transformation parameters between two point
patterns", 1991. In two dimensions it has a closed form over complex numbers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from resight.core.faces import N_POINTS
from resight.errors import InputError
from resight.images import scaled
from resight.images.decode import Photo

__all__ = ["TEMPLATE", "TEMPLATE_SIDE_PX", "align", "similarity"]

TEMPLATE_SIDE_PX = 112
"""Side of the square that the template is stated for."""

TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""(5, 2) px: left eye, right eye, tip of the nose, left and right corner of the mouth on a square of 112 px."""

TEMPLATE.setflags(write=False)

_COARSEST = 0.5  # straight interpolation skips pixels when a picture shrinks to less than half


def similarity(points: npt.ArrayLike, target: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The similarity that brings points nearest to others, by least squares.

    Args:
        points: (M, 2), at least two of them apart.
        target: (M, 2), where they should come to lie.

    Returns:
        (2, 3): `matrix[:, :2] @ point + matrix[:, 2]`.

    Raises:
        InputError: when the shapes differ, or all points lie in one place.

    Example:
        >>> similarity([[0, 0], [1, 0]], [[5, 5], [5, 7]]).round(6).tolist()
        [[0.0, -2.0, 5.0], [2.0, 0.0, 5.0]]
    """
    source, goal = np.asarray(points, np.float64), np.asarray(target, np.float64)
    if source.ndim != 2 or source.shape[1] != 2 or source.shape != goal.shape or not len(source):
        raise InputError(f"expected two lists of as many points, (M, 2), found {source.shape} and {goal.shape}")
    one, other = source[:, 0] + 1j * source[:, 1], goal[:, 0] + 1j * goal[:, 1]
    spread = one - one.mean()
    extent = float((np.abs(spread) ** 2).sum())
    if not extent > 0:
        raise InputError("expected points that lie apart, found all in one place")
    turn = (np.conj(spread) * (other - other.mean())).sum() / extent
    shift = other.mean() - turn * one.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def align(photo: Photo, points: npt.ArrayLike, side_px: int = TEMPLATE_SIDE_PX) -> Photo:
    """A face cut out upright, (side_px, side_px, 3); what lies beyond the photo is black, as models know it.

    Args:
        photo: (H, W, 3) uint8.
        points: (5, 2) px on it, as `Faces` has them.
        side_px: side of the square; the template grows with it.

    Raises:
        InputError: when there are not five points, or they lie in one place.
    """
    import cv2

    places = np.asarray(points, np.float64)
    if places.shape != (N_POINTS, 2):
        raise InputError(f"expected five points of a face, (5, 2), found {places.shape}")
    goal = TEMPLATE * (side_px / TEMPLATE_SIDE_PX)
    matrix = similarity(places, goal)
    size = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if size < _COARSEST:  # a large face: made smaller first, with every pixel weighed in
        height, width = (max(1, round(side * size / _COARSEST)) for side in photo.shape[:2])
        shrink = np.array([width / photo.shape[1], height / photo.shape[0]])
        # Pixels count from their middles: the corner of the first one lies at -0.5.
        matrix = similarity((places + 0.5) * shrink - 0.5, goal)
        photo = scaled(photo, width, height)
    return np.asarray(cv2.warpAffine(photo, matrix, (side_px, side_px), flags=cv2.INTER_LINEAR), np.uint8)
