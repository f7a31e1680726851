"""Plain loops for the matching of keypoints and for the similarity that most of them follow."""

from __future__ import annotations

import math

import numpy as np


def levels(codes: np.ndarray) -> tuple[np.ndarray, float]:
    """Descriptors in whole numbers from -127 to 127, one step for the photo."""
    unit = codes.astype(np.float64)
    unit /= np.where((length := np.linalg.norm(unit, axis=1, keepdims=True)) > 0, length, 1)
    step = np.abs(unit).max() / 127
    return np.rint(unit / step).astype(np.int64), step


def matches(first: np.ndarray, second: np.ndarray, ratio: float | None, mutual: bool) -> list[tuple[int, int, float]]:
    """(keypoint, keypoint, confidence) by full distances of unit descriptors in 64 bits."""
    one = first / np.linalg.norm(first, axis=1, keepdims=True)
    other = second / np.linalg.norm(second, axis=1, keepdims=True)
    found = []
    for i, a in enumerate(one):
        distances = [float(np.linalg.norm(a - b)) for b in other]
        order = sorted(range(len(distances)), key=distances.__getitem__)
        near = distances[order[0]]
        if ratio is not None and (len(order) < 2 or not near < ratio * distances[order[1]]):
            continue
        sure = float(a @ other[order[0]]) if ratio is None else 1 - near / distances[order[1]]
        back = min(range(len(one)), key=lambda k: float(np.linalg.norm(one[k] - other[order[0]])))
        if sure > 0 and (not mutual or back == i):
            found.append((i, order[0], sure))
    return found


def n_following(first: np.ndarray, second: np.ndarray, matrix: np.ndarray, tolerance_px: float) -> int:
    """How many matches a plane's model explains, by the geometric mean of both photos' distances."""
    n = 0
    back = np.linalg.inv(matrix)
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        x, y, w = matrix @ [*a, 1]
        u, v, t = back @ [*b, 1]
        there, here = math.dist((x / w, y / w), b), math.dist((u / t, v / t), a)
        n += math.sqrt(there * here) < tolerance_px
    return n
