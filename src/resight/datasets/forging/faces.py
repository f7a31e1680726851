"""Where the face is on a photo: five points, the inner face around them, and the move of one face onto another."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from resight.errors import InputError

Photo = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

Landmarks = Callable[[Photo], npt.NDArray[np.floating] | None]
"""Takes an upright photo, (H, W, 3) uint8, and says where the face is: (5, 2) pixels x, y, in the order of
`POINTS`; None when it sees no face."""

POINTS = ("left eye", "right eye", "nose", "left corner of the mouth", "right corner of the mouth")
"""The five points; left is the left of the photo."""

_IN_CROP = np.array([[34, 60], [91, 60], [62.5, 88], [45, 113], [80, 113]]) / [125, 150]
_BROW, _CHIN = 0.7, 0.45  # beyond eyes and mouth, as shares of the way between them
_CHEEK = 0.85  # half the width of the inner face, as a share of the way between the eyes


def points_in_crop(photo: Photo) -> Points:
    """Where the face is on the crops of Labeled Faces in the Wild that are 125 wide and 150 high; a guess.

    The points are those of the mean face there. On a head that is turned or tilted they are off by
    some pixels. On photos that were not cut in this way they are wrong.

    Args:
        photo: (H, W, 3); of another size the places are scaled.

    Example:
        >>> points_in_crop(np.zeros((150, 125, 3), np.uint8))[0].tolist()
        [34.0, 60.0]
    """
    height, width = photo.shape[:2]
    return np.asarray(_IN_CROP * [width, height])


def require_points(points: npt.ArrayLike, photo: Photo) -> Points:
    """Five finite points with the eyes above the mouth and apart, most of them on the photo.

    Raises:
        InputError: when they are not.
    """
    found = np.asarray(points, np.float64)
    if found.shape != (len(POINTS), 2) or not np.isfinite(found).all():
        raise InputError(f"expected five points (x, y) of a face, found an array of shape {found.shape}")
    height, width = photo.shape[:2]
    eyes, mouth = found[:2].mean(axis=0), found[3:].mean(axis=0)
    apart = np.linalg.norm(found[1] - found[0])
    if apart < 1 or np.linalg.norm(mouth - eyes) < 1:
        raise InputError("expected eyes and mouth of a face apart from each other, found them in one place")
    if not (0 <= eyes[0] < width and 0 <= eyes[1] < height and 0 <= mouth[0] < width and 0 <= mouth[1] < height):
        raise InputError(f"expected a face on the photo of {width} x {height} pixels, found points beyond it")
    return found


def inner_face(points: Points, shape: tuple[int, ...]) -> Mask:
    """(H, W) the inner face: an ellipse from the brows to below the mouth, a pixel off the rim of the photo at least.

    Args:
        points: (5, 2) of the face.
        shape: of the photo, height and width first.
    """
    height, width = shape[:2]
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    down = mouth - eyes
    top, bottom = eyes - _BROW * down, mouth + _CHIN * down
    centre = (top + bottom) / 2
    size = (float(np.linalg.norm(bottom - top)), float(2 * _CHEEK * np.linalg.norm(points[1] - points[0])))
    turned = float(np.degrees(np.arctan2(down[1], down[0])))
    drawn = np.zeros((height, width), np.uint8)
    cv2.ellipse(drawn, ((float(centre[0]), float(centre[1])), size, turned), 1, cv2.FILLED)
    drawn[[0, -1]] = 0
    drawn[:, [0, -1]] = 0
    return drawn.astype(bool)


def move_between(points: Points, onto: Points) -> npt.NDArray[np.float64]:
    """(2, 3) the turn, scale and shift that brings five points nearest to five others, by least squares.

    The closed form of S. Umeyama (1991), in two dimensions a complex division.

    Example:
        >>> square = np.array([[0.0, 0], [2, 0], [1, 1], [0, 2], [2, 2]])
        >>> (move_between(square, 2 * square + 1).round(9) + 0.0).tolist()  # no minus before a zero
        [[2.0, 0.0, 1.0], [0.0, 2.0, 1.0]]
    """
    here, there = ((one - one.mean(axis=0)) @ [1, 1j] for one in (points, onto))
    turn = (there * here.conj()).sum() / (here * here.conj()).sum()
    rotation = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    shift = onto.mean(axis=0) - rotation @ points.mean(axis=0)
    return np.column_stack([rotation, shift])
