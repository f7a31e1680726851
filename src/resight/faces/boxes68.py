"""Two small networks: one finds boxes of faces on 320 x 240 px, the other 68 points in a box of 64 x 64 px.

The first is of the kind "Ultra-Light-Fast-Generic-Face-Detector" (slim or RFB, 320 px): (1, 3, 240, 320) →
scores (1, N, 2) and boxes (1, N, 4), left, top, right and bottom as shares of the picture. The second takes
(1, 1, 64, 64) grey, the box made square around its middle with the side of 1.1 times its height, and gives (1, 136):
x and y of the 68 points of iBUG 300-W as shares of that square. Both are what the npm package
`faceplugin-face-recognition-js` carries (MIT).

The photo keeps its proportions and is filled up with grey: stretched to 4:3 instead, as that package does
it, a portrait is found less often and its points lie worse. A photo on which nothing is found is looked at
once more with a border, as a face that fills its photo looks like none.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from resight.core import Faces
from resight.errors import InputError
from resight.faces.graphs import start_graph
from resight.images import scaled
from resight.images.decode import Photo

__all__ = ["Boxes68"]

_WIDTH_PX, _HEIGHT_PX = 320, 240
_CROP_PX = 64
_FILL = 127
_BORDER = 0.25
_GROWTH = 1.1  # of 1.0 to 1.4, the fewest errors on persons of whom no reported pair is
_LARGEST_OVERLAP = 0.4
_FARTHEST = 2.0  # of a corner, as a share of the picture
_SMALLEST_SIDE_PX = 4.0  # on the small picture: there is nothing to see in less

# Of the 68 points: the outline of each eye, the tip of the nose, the two corners of the mouth, outer and inner.
_FIVE = (range(36, 42), range(42, 48), (30,), (48, 60), (54, 64))

Floats = npt.NDArray[np.float32]


class Boxes68:
    """Finds faces by a detector of boxes, and their points by a network for 68 landmarks.

    Args:
        detector: content of the first network's ONNX file.
        landmarks: content of the second's.
        min_score: faces below do not count, 0 to 1.

    Raises:
        InputError: when a file is not such a network.
    """

    files = ("detector.onnx", "landmarks.onnx")

    def __init__(self, detector: bytes, landmarks: bytes, *, min_score: float = 0.65) -> None:
        self._detect = start_graph(detector, "face detector", (1, 3, _HEIGHT_PX, _WIDTH_PX))
        self._locate = start_graph(landmarks, "landmark network", (1, 1, _CROP_PX, _CROP_PX))
        self._min_score = min_score
        self.find(np.zeros((64, 64, 3), np.uint8))
        self.points(np.zeros((64, 64, 3), np.uint8), np.array([0, 0, 64, 64]))

    def find(self, photo: Photo) -> Faces:
        """The faces of a photo, (H, W, 3) uint8 RGB, the surest first; boxes that overlap are one face."""
        corners, scores = self._boxes(photo)
        if not len(scores):
            corners, scores = self._boxes(photo, _BORDER)
        if not len(scores):
            return Faces.none()
        points = np.stack([self.points(photo, one) for one in corners])
        return Faces(np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]]), points, scores)

    def points(self, photo: Photo, corners: npt.ArrayLike) -> Floats:
        """(5, 2) px: the points of the face in a box of left, top, right and bottom."""
        left, top, right, bottom = (float(number) for number in np.asarray(corners))
        side = max(1, round((bottom - top) * _GROWTH))
        corner = np.array([round((left + right - side) / 2), round((top + bottom - side) / 2)])
        crop = _grey_square(photo, int(corner[0]), int(corner[1]), side)
        (found,) = self._locate((crop[None, None] / 256).astype(np.float32))
        if found.size != 136:
            raise InputError(f"expected 68 points from the landmark network, found the shape {found.shape}")
        places = found.reshape(68, 2) * side + corner
        return np.stack([places[list(rows)].mean(axis=0) for rows in _FIVE]).astype(np.float32)

    def _boxes(self, photo: Photo, border: float = 0.0) -> tuple[Floats, Floats]:
        """(F, 4) left, top, right, bottom and (F,) scores, falling; what overlaps a surer box is left out.

        Args:
            photo: (H, W, 3).
            border: around it, as a share of its longer side.
        """
        height, width = photo.shape[:2]
        edge = border * max(height, width)
        size = min(_WIDTH_PX / (width + 2 * edge), _HEIGHT_PX / (height + 2 * edge))
        start = int(edge * size)
        across, down = max(1, round(width * size)), max(1, round(height * size))
        picture = np.full((_HEIGHT_PX, _WIDTH_PX, 3), _FILL, np.uint8)
        picture[start : start + down, start : start + across] = scaled(photo, across, down)
        batch = np.ascontiguousarray(((picture - np.float32(127)) / np.float32(128)).transpose(2, 0, 1)[None])
        scores, boxes = _outputs(self._detect(batch))
        # Rows that are no box, far outside, or too small to show a face are nothing.
        corners = boxes * np.array([_WIDTH_PX, _HEIGHT_PX] * 2, np.float32)
        near = (np.abs(boxes) <= _FARTHEST).all(axis=1)
        large = (corners[:, 2:] - corners[:, :2] >= _SMALLEST_SIDE_PX).all(axis=1)
        rows = np.flatnonzero(near & large & (scores >= self._min_score))
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        kept = rows[_apart(corners[rows])]
        back = np.array([width / across, height / down] * 2, np.float32)
        return (corners[kept] - np.float32(start)) * back, scores[kept]


def _outputs(found: list[npt.NDArray[np.float32]]) -> tuple[Floats, Floats]:
    """(N,) scores and (N, 4) boxes, told apart by their shapes."""
    by_width = {array.shape[-1]: array for array in found if array.ndim == 3 and len(array) == 1}
    if len(found) != 2 or set(by_width) != {2, 4} or by_width[2].shape[1] != by_width[4].shape[1]:
        shapes = [array.shape for array in found]
        raise InputError(f"expected scores (1, N, 2) and boxes (1, N, 4) from the face detector, found {shapes}")
    return by_width[2][0, :, 1], by_width[4][0]


def _apart(corners: Floats) -> list[int]:
    """The rows of boxes that overlap no earlier one that stays, as a share of the smaller of the two."""
    kept: list[int] = []
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    for row in range(len(corners)):
        first = np.maximum(corners[row, :2], corners[kept, :2])
        last = np.minimum(corners[row, 2:], corners[kept, 2:])
        shared = np.clip(last - first, 0, None).prod(axis=1)
        if not (shared > _LARGEST_OVERLAP * np.minimum(areas[row], areas[kept])).any():
            kept.append(row)
    return kept


def _grey_square(photo: Photo, left: int, top: int, side: int) -> npt.NDArray[np.uint8]:
    """(64, 64) of a square that may reach beyond the photo, where it is black."""
    import cv2

    height, width = photo.shape[:2]
    inside = photo[max(top, 0) : min(top + side, height), max(left, 0) : min(left + side, width)]
    square = np.zeros((side, side), np.uint8)
    if inside.size:
        at = max(-top, 0), max(-left, 0)
        grey = cv2.cvtColor(np.ascontiguousarray(inside), cv2.COLOR_RGB2GRAY)
        square[at[0] : at[0] + grey.shape[0], at[1] : at[1] + grey.shape[1]] = grey
    how = cv2.INTER_AREA if side > _CROP_PX else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(square, (_CROP_PX, _CROP_PX), interpolation=how), np.uint8)
