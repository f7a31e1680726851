"""YuNet: a small face detector that finds the five points too, run by OpenCV's own class.

Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20, 2023.
Its file is the user's: `face_detection_yunet_2023mar.onnx` of OpenCV's model zoo (MIT), or a later one.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from resight.core import Faces
from resight.errors import InputError
from resight.images import scaled
from resight.images.decode import Photo

__all__ = ["Yunet"]

_LARGEST_OVERLAP = 0.3
_MOST_FACES = 5000
_starting = threading.Lock()  # the level of OpenCV's log is one for all threads
_N_COLUMNS = 15  # box, five points, score


class Yunet:
    """Finds faces of about 10 to 300 px on a picture whose longer side is `side_px`.

    Args:
        detector: content of YuNet's ONNX file.
        min_score: faces below do not count, 0 to 1; OpenCV's own default is 0.9, its demo takes 0.6.
        side_px: a larger photo is made smaller first, so that a face that fills it is found, and time is bounded.

    Raises:
        InputError: when OpenCV cannot run the file.
    """

    files = ("detector.onnx",)

    def __init__(self, detector: bytes, *, min_score: float = 0.6, side_px: int = 640) -> None:
        self._graph = np.frombuffer(detector, np.uint8)
        self._min_score = min_score
        self._side_px = side_px
        self._own = threading.local()  # OpenCV's object remembers the size of the last picture
        self.find(np.zeros((64, 64, 3), np.uint8))

    def find(self, photo: Photo) -> Faces:
        """The faces of a photo, (H, W, 3) uint8 RGB, the surest first."""
        height, width = photo.shape[:2]
        size = min(1.0, self._side_px / max(height, width))
        across, down = max(1, round(width * size)), max(1, round(height * size))
        picture = np.ascontiguousarray(scaled(photo, across, down)[..., ::-1])
        rows = self._detected(picture)
        if rows is None or not len(rows):
            return Faces.none()
        rows = rows[np.isfinite(rows).all(axis=1) & (rows[:, 2:4] > 0).all(axis=1)]
        rows = rows[np.argsort(-rows[:, 14], kind="stable")]
        back = np.array([width / across, height / down], np.float32)
        boxes = rows[:, :4] * np.tile(back, 2)
        return Faces(boxes, rows[:, 4:14].reshape(-1, 5, 2) * back, rows[:, 14])

    def _detected(self, picture: Photo) -> Any:
        """(F, 15) of OpenCV, or None."""
        try:
            detector = self._detector()
            detector.setInputSize((picture.shape[1], picture.shape[0]))
            rows = detector.detect(picture)[1]
        except Exception as error:  # OpenCV has an error class of its own, and raises others too
            reason = str(error).strip().splitlines()[-1]
            raise InputError(f"OpenCV cannot run this file as YuNet ({reason})") from error
        if rows is not None and rows.shape[1:] != (_N_COLUMNS,):
            raise InputError(f"expected rows of {_N_COLUMNS} numbers from YuNet, found {rows.shape}")
        return rows

    def _detector(self) -> Any:
        if not hasattr(self._own, "detector"):
            import cv2

            nothing = np.zeros(0, np.uint8)
            with _starting:
                level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # it warns of itself
                try:
                    self._own.detector = cv2.FaceDetectorYN.create(
                        "onnx", self._graph, nothing, (64, 64), self._min_score, _LARGEST_OVERLAP, _MOST_FACES
                    )
                finally:
                    cv2.utils.logging.setLogLevel(level)
        return self._own.detector
