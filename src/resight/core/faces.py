"""Faces: where on a photo they are, and where the eyes, the nose and the mouth of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resight.errors import InputError

__all__ = ["N_POINTS", "Faces"]

N_POINTS = 5
"""Points of a face, as on the picture: left eye, right eye, tip of the nose, left and right corner of the mouth."""


@dataclass(frozen=True, eq=False)
class Faces:
    """The F faces of one photo, the surest first.

    Args:
        boxes: (F, 4) float32, x, y, width, height in pixels of the photo; may reach beyond it.
        points: (F, 5, 2) float32, x and y in pixels; left and right are those of the picture.
        scores: (F,) float32, how sure it is that this is a face; falling.

    The arrays are copies, and frozen.

    Raises:
        InputError: when a shape differs, a number is not finite, a box has no extent, or the scores rise.

    Example:
        >>> len(Faces.none())
        0
    """

    boxes: npt.NDArray[np.float32]
    points: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        """Check shapes and values; freeze the arrays."""
        n_faces = len(np.atleast_1d(self.scores))
        for name, shape in (("boxes", (n_faces, 4)), ("points", (n_faces, N_POINTS, 2)), ("scores", (n_faces,))):
            array = np.array(getattr(self, name), np.float32)
            if array.shape != shape or not np.isfinite(array).all():
                raise InputError(f"expected {name} {shape} of finite numbers, found the shape {array.shape}")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if (self.boxes[:, 2:] <= 0).any():
            raise InputError("expected boxes with a width and a height above 0, found others")
        if (np.diff(self.scores) > 0).any():
            raise InputError("expected the surest face first, found scores that rise")

    def __len__(self) -> int:
        """The number of faces."""
        return len(self.scores)

    @classmethod
    def none(cls) -> Faces:
        """What is found on a photo without a face."""
        empty = np.zeros(0, np.float32)
        return cls(empty.reshape(0, 4), empty.reshape(0, N_POINTS, 2), empty)

    def moved(self, scale: float, x: float = 0.0, y: float = 0.0) -> Faces:
        """The same faces on a picture that is `scale` times as large, then shifted by x and y pixels.

        Args:
            scale: above 0.
            x: pixels to the right.
            y: pixels down.
        """
        boxes = self.boxes * np.float32(scale) + np.array([x, y, 0, 0], np.float32)
        return Faces(boxes, self.points * np.float32(scale) + np.array([x, y], np.float32), self.scores)
