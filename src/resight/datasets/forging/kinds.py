"""The kinds of forgery by name: each makes one photo of a face, and of a head to put it in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from resight.datasets.forging.faces import Photo, Points
from resight.datasets.forging.swapping import swap_face
from resight.datasets.forging.upsampling import upsample_face
from resight.datasets.forging.warping import warp_face

__all__ = ["KINDS", "Forgery", "TwoFaces"]


@dataclass(frozen=True, eq=False)
class TwoFaces:
    """What a forgery is made from.

    Args:
        photo: (H, W, 3) uint8 of the person whom the forgery is to show.
        points: (5, 2) of the face on it.
        head: (h, w, 3) uint8 of another person.
        head_points: (5, 2) of that face.
    """

    photo: Photo
    points: Points
    head: Photo
    head_points: Points


Forgery = Callable[[TwoFaces, np.random.Generator], Photo]

KINDS: dict[str, Forgery] = {
    "swap": lambda faces, _: swap_face(faces.photo, faces.points, faces.head, faces.head_points),
    "warp": lambda faces, rng: warp_face(faces.photo, faces.points, rng),
    "upsample": lambda faces, rng: upsample_face(faces.photo, faces.points, rng),
}
"""Name to what makes a photo; `head` counts for "swap" alone."""
