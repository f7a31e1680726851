"""Which of several faces counts: by a rule that the bundle states."""

from __future__ import annotations

from typing import Literal

import numpy as np

from resight.core import Faces

__all__ = ["Several", "chosen_face"]

Several = Literal["middle", "largest", "surest", "refuse"]


def chosen_face(faces: Faces, width_px: int, height_px: int, rule: Several) -> int | None:
    """The row of the face that counts, or None when the rule lets none count.

    Of faces that are alike by the rule the surer one counts.

    Args:
        faces: of one photo.
        width_px: of the photo.
        height_px: of the photo.
        rule: "middle" takes the largest of those whose box holds the middle of the photo, and the largest
            of all when none does; "largest" the largest; "surest" the one with the best score; "refuse" the
            only one, or none.

    Example:
        >>> boxes = [[0, 0, 45, 45], [40, 40, 20, 20]]
        >>> chosen_face(Faces(boxes, np.zeros((2, 5, 2)), [0.9, 0.8]), 100, 100, "middle")
        1
    """
    if not len(faces) or (rule == "refuse" and len(faces) > 1):
        return None
    if rule in ("surest", "refuse"):
        return 0
    left, top, width, height = faces.boxes.astype(np.float64).T
    areas = width * height
    across, down = (width_px - 1) / 2, (height_px - 1) / 2
    in_middle = (left <= across) & (across <= left + width) & (top <= down) & (down <= top + height)
    if rule == "middle" and in_middle.any():
        areas = np.where(in_middle, areas, -1.0)
    return int(areas.argmax())
