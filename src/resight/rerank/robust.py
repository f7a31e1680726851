"""One model of two photos at a time, by OpenCV's MAGSAC, and the refusal of those that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from resight.rerank.consensus import LARGEST_SCALE

__all__ = ["fitted_model"]

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

_FEWEST = {"affine": 3, "homography": 4, "fundamental": 7}
_N_TRIALS = 1000
_SURE = 0.999


def fitted_model(
    model: Literal["affine", "homography", "fundamental"], places: Floats, tolerance_px: float
) -> tuple[Numbers, Mask]:
    """The model of one pair of photos, and which matches follow it.

    Args:
        model: its kind.
        places: (M, 2, 2) float32, x and y in px of each match on both photos.
        tolerance_px: how far a match may lie from the model.

    Returns:
        (3, 3) float64, and (M,) bool. The matrix holds NaN, and no match follows, where nothing is
        found or it is refused.
    """
    nothing = np.full((3, 3), np.nan), np.zeros(len(places), np.bool_)
    if len(places) <= _FEWEST[model]:
        return nothing
    matrix = _estimated(model, places, tolerance_px)
    if matrix is None:
        return nothing
    distances = _sampson if model == "fundamental" else _both_ways
    inliers = distances(matrix, places.astype(np.float64)) < tolerance_px**2
    if inliers.sum() <= _FEWEST[model] or (model != "fundamental" and _is_degenerate(matrix, places[inliers, 0])):
        return nothing
    return matrix, inliers


def _estimated(model: str, places: Floats, tolerance_px: float) -> Numbers | None:
    """What OpenCV finds; its threads, seeds and order are fixed, so that it finds the same again."""
    cv2 = import_module("cv2")
    find: dict[str, Callable[..., Any]] = {
        "affine": lambda one, other: cv2.estimateAffine2D(
            one, other, None, cv2.USAC_MAGSAC, tolerance_px, _N_TRIALS, _SURE
        ),
        "homography": lambda one, other: cv2.findHomography(
            one, other, cv2.USAC_MAGSAC, tolerance_px, None, _N_TRIALS, _SURE
        ),
        "fundamental": lambda one, other: cv2.findFundamentalMat(
            one, other, cv2.USAC_MAGSAC, tolerance_px, _SURE, _N_TRIALS
        ),
    }
    one, other = (np.ascontiguousarray(places[:, side]) for side in (0, 1))
    try:
        found = find[model](one, other)[0]
    except cv2.error:  # it says so of points that lie in one place
        return None
    if found is None or found.shape not in ((2, 3), (3, 3)) or not np.isfinite(found).all():
        return None
    return found if len(found) == 3 else np.vstack([found, [0, 0, 1]])


def _both_ways(matrix: Numbers, places: Numbers) -> Numbers:
    """(M,) the product of the distances on both photos, in px²; infinite where there is none."""
    try:
        back = np.linalg.inv(matrix)
    except np.linalg.LinAlgError:
        return np.full(len(places), np.inf)
    there = np.linalg.norm(_mapped(matrix, places[:, 0]) - places[:, 1], axis=1)
    here = np.linalg.norm(_mapped(back, places[:, 1]) - places[:, 0], axis=1)
    product: Numbers = there * here
    return product


def _mapped(matrix: Numbers, points: Numbers) -> Numbers:
    """(M, 2) where a model puts points; infinite where it puts them nowhere."""
    x, y, w = matrix @ np.column_stack([points, np.ones(len(points))]).T
    somewhere = np.abs(w) > 1e-12
    scale = np.where(somewhere, w, 1)
    return np.where(somewhere, np.stack([x / scale, y / scale]), 1e12).T


def _sampson(matrix: Numbers, places: Numbers) -> Numbers:
    """(M,) about the squared distance in px² to the nearest places that a fundamental matrix allows."""
    ones = np.ones((len(places), 1))
    first, second = np.hstack([places[:, 0], ones]), np.hstack([places[:, 1], ones])
    there, here = first @ matrix.T, second @ matrix
    slope = np.square(there[:, :2]).sum(axis=1) + np.square(here[:, :2]).sum(axis=1)
    off: Numbers = np.square((second * there).sum(axis=1)) / np.maximum(slope, 1e-12)
    return off


def _is_degenerate(matrix: Numbers, points: Floats) -> bool:
    """Whether a plane's model mirrors, turns inside out, or scales beyond belief at one of the points."""
    x, y, w = matrix @ np.column_stack([points, np.ones(len(points))]).T
    if not ((w > 0).all() or (w < 0).all()):
        return True
    rows = np.stack(
        [matrix[0, :2] - (x / w)[:, None] * matrix[2, :2], matrix[1, :2] - (y / w)[:, None] * matrix[2, :2]]
    )
    local = rows.transpose(1, 0, 2) / w[:, None, None]
    scales = np.linalg.svd(local, compute_uv=False)
    mirrors = np.linalg.det(local) <= 0
    return bool((mirrors | (scales[:, 0] > LARGEST_SCALE) | (scales[:, 1] < 1 / LARGEST_SCALE)).any())
