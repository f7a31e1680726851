"""Face swap: the inner face of one photo in the head of another, the seam hidden by Poisson blending."""

from __future__ import annotations

import cv2
import numpy as np

from resight.datasets.forging.faces import Photo, Points, inner_face, move_between
from resight.errors import InputError

__all__ = ["swap_face"]


def swap_face(photo: Photo, points: Points, head: Photo, head_points: Points) -> Photo:
    """The inner face of a photo, moved into another head and blended in.

    The face is turned, scaled and shifted so that its five points lie on those of the head, and what lies
    within the inner face is blended by solving Poisson's equation for its gradients with the head's pixels as
    the rim (P. Pérez, M. Gangnet & A. Blake, 2003; OpenCV's `seamlessClone`).

    Limits: a flat cut without a model of the head's pose, of light or of what hides the face. Where the poses
    differ it shows. A learned swap does what this does not: it draws the face anew, in the other's pose and light.

    Args:
        photo: (H, W, 3) uint8, whose face it is to be.
        points: (5, 2) of that face.
        head: (h, w, 3) uint8, where it is put.
        head_points: (5, 2) of the face that was there.

    Returns:
        (h, w, 3) uint8; outside the inner face the pixels of `head`.

    Raises:
        InputError: when less than a few pixels of the inner face lie on the head's photo.
    """
    height, width = head.shape[:2]
    move = move_between(points, head_points)
    face = cv2.warpAffine(photo, move, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    mask = inner_face(head_points, head.shape)
    x, y, wide, high = cv2.boundingRect(mask.astype(np.uint8))
    if wide < 3 or high < 3:
        raise InputError(f"expected a face of some pixels to swap on a photo of {width} x {height}, found hardly one")
    centre = (x + wide // 2, y + high // 2)
    blended = cv2.seamlessClone(face, head, mask.astype(np.uint8) * 255, centre, cv2.NORMAL_CLONE)
    return np.where(mask[..., None], blended, head).astype(np.uint8)
