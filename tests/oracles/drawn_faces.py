"""Photos with something like a face where the crops of Labeled Faces in the Wild have it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from resight.images import as_jpeg


def drawn_face(person: int, shot: int, width: int = 125, height: int = 150) -> np.ndarray:
    """(H, W, 3) uint8: the person rules colours and the shape of the mouth, the shot light and noise."""
    own, light = np.random.default_rng([7, person]), np.random.default_rng([8, person, shot])
    photo = np.full((height, width, 3), own.integers(20, 120, 3), np.uint8)
    x, y = width / 125, height / 150
    cv2.ellipse(photo, ((62 * x, 80 * y), (96 * x, 130 * y), 0), own.integers(130, 230, 3).tolist(), cv2.FILLED)
    for eye in (34, 91):
        cv2.circle(
            photo,
            (round(eye * x), round(60 * y)),
            round(own.integers(5, 10) * x),
            own.integers(0, 90, 3).tolist(),
            cv2.FILLED,
        )
    mouth = ((65 * x, 113 * y), (float(own.integers(25, 50)) * x, float(own.integers(6, 16)) * y), 0)
    cv2.ellipse(photo, mouth, own.integers(0, 120, 3).tolist(), cv2.FILLED)
    noisy = photo + light.normal(light.uniform(-8, 8), 6, photo.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def write_faces(folder: Path, n_persons: int, n_shots: int) -> Path:
    """A folder per person, `p00/photo0.jpg` and on."""
    for person in range(n_persons):
        for shot in range(n_shots):
            file = folder / f"p{person:02d}" / f"photo{shot}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(as_jpeg(drawn_face(person, shot), 98))
    return folder
