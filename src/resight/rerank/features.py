"""Local features: where the keypoints of each photo lie, and what the photo looks like around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from resight.core.ids import as_text, check_ids, chosen_rows
from resight.errors import InputError, MismatchError

__all__ = ["LocalExtractor", "LocalFeatures", "PhotoFeatures"]

Floats = npt.NDArray[np.float32]

_CODES = (np.uint8, np.int8, np.float16, np.float32)


@dataclass(frozen=True, eq=False)
class PhotoFeatures:
    """The keypoints of one photo, the strongest first.

    Args:
        points: (M, 2) float32, x to the right and y down, in px of the working photo.
        frames: (M, 2) float32, diameter in px and angle in rad of each keypoint; NaN where the
            method gives none.
        codes: (M, D) uint8, int8, float16 or float32, the descriptors as they are kept; only their
            directions count, so any factor may stand before them.
        size: width and height in px of the working photo: the part in the box, scaled.

    The arrays are frozen: a write to them raises.

    Raises:
        InputError: when a shape, a type or a value is wrong.

    Example:
        >>> one = PhotoFeatures(np.zeros((1, 2)), np.zeros((1, 2)), np.array([[3, 4]], np.uint8), (9, 9))
        >>> one.descriptors.tolist()
        [[0.6000000238418579, 0.800000011920929]]
    """

    points: Floats
    frames: Floats
    codes: npt.NDArray[Any]
    size: tuple[int, int]

    def __post_init__(self) -> None:
        """Check shapes, types and values; freeze the arrays."""
        _freeze(self)
        width, height = self.size
        if width < 1 or height < 1:
            raise InputError(f"expected a working photo of at least 1 x 1 px, found {width} x {height}")

    def __len__(self) -> int:
        """The number M of keypoints."""
        return len(self.points)

    @cached_property
    def descriptors(self) -> Floats:
        """(M, D) float32 of unit length; a code of nothing but zeros stays zero, and is like nothing."""
        return _read_only(unit_rows(self.codes))


class LocalExtractor(Protocol):
    """Finds the keypoints of a photo.

    `model_id` names method, settings and weights: features of two ids are never compared.
    `max_side_px` is the longer side of the working photo, so that no more is decoded than it needs.
    """

    @property
    def model_id(self) -> str:
        """The fingerprint of method, settings and weights."""

    @property
    def max_side_px(self) -> int:
        """The longer side of the working photo."""

    def extract(self, pixels: npt.NDArray[np.uint8], mask: npt.NDArray[Any] | None = None) -> PhotoFeatures:
        """The keypoints of (H, W, 3) uint8 RGB, those only where (H, W) `mask` is not zero."""
        ...


@dataclass(frozen=True, eq=False)
class LocalFeatures:
    """The keypoints of many photos, in one pool that may be memory-mapped.

    Args:
        image_ids: (N,) text, unique.
        spans: (N, 2) int64, the first row in the pool of each photo and the one behind its last.
            Spans may stand in any order, leave rows out and share them.
        points: (T, 2) float32, as in `PhotoFeatures`.
        frames: (T, 2) float32, likewise.
        codes: (T, D), likewise.
        sizes: (N, 2) int32, width and height in px of each working photo.
        model: the fingerprint of method, settings and weights, as `LocalExtractor.model_id` gives it.

    The arrays are frozen. Choosing photos copies nothing of the pool. The values of a memory-mapped
    pool are taken as they are: who wrote the file has checked them.

    Raises:
        InputError: when a shape, a type, a value or an id is wrong.
    """

    image_ids: npt.NDArray[np.str_]
    spans: npt.NDArray[np.int64]
    points: Floats
    frames: Floats
    codes: npt.NDArray[Any]
    sizes: npt.NDArray[np.int32]
    model: str

    def __post_init__(self) -> None:
        """Check shapes, ids and values; freeze the arrays."""
        ids = as_text(self.image_ids, "image ids")
        check_ids(ids, "image ids")
        object.__setattr__(self, "image_ids", _read_only(ids))
        _freeze(self)
        object.__setattr__(self, "spans", _whole_numbers(self.spans, len(ids), np.int64, "spans"))
        object.__setattr__(self, "sizes", _whole_numbers(self.sizes, len(ids), np.int32, "sizes"))
        start, stop = self.spans.T
        if len(ids) and not (start.min() >= 0 and (start <= stop).all() and stop.max() <= len(self.points)):
            raise InputError(f"expected spans inside a pool of {len(self.points)} keypoints, found otherwise")
        if len(ids) and self.sizes.min() < 1:
            raise InputError("expected working photos of at least 1 x 1 px, found a smaller one")
        if not isinstance(self.model, str) or not self.model.strip():
            raise InputError(f"expected the fingerprint of a model as text, found {self.model!r}")

    def __len__(self) -> int:
        """The number N of photos."""
        return len(self.image_ids)

    @classmethod
    def of(cls, image_ids: Sequence[str] | np.ndarray, photos: Sequence[PhotoFeatures], model: str) -> LocalFeatures:
        """The features of some photos, each given on its own.

        Raises:
            InputError: when ids and photos differ in number, or photos in the kind of their codes.

        Example:
            >>> one = PhotoFeatures(np.zeros((2, 2)), np.zeros((2, 2)), np.ones((2, 4), np.uint8), (9, 9))
            >>> LocalFeatures.of(["a", "b"], [one, one], "toy").spans.tolist()
            [[0, 2], [2, 4]]
        """
        kinds = {(photo.codes.shape[1], photo.codes.dtype) for photo in photos}
        if len(kinds) > 1:
            raise InputError(f"expected codes of one length and type, found {sorted(map(str, kinds))}")
        n_dimensions, dtype = kinds.pop() if kinds else (0, np.dtype(np.uint8))
        stops = np.cumsum([0, *map(len, photos)])
        pairs, codes = np.zeros((0, 2), np.float32), np.zeros((0, n_dimensions), dtype)
        return cls(
            np.asarray(image_ids, dtype=None if len(image_ids) else np.str_),
            np.column_stack([stops[:-1], stops[1:]]),
            np.concatenate([pairs, *(photo.points for photo in photos)]),
            np.concatenate([pairs, *(photo.frames for photo in photos)]),
            np.concatenate([codes, *(photo.codes for photo in photos)]),
            np.array([photo.size for photo in photos], np.int32).reshape(-1, 2),
            model,
        )

    def photo(self, row: int) -> PhotoFeatures:
        """The keypoints of the photo in a row."""
        start, stop = self.spans[row]
        width, height = self.sizes[row].tolist()
        return PhotoFeatures(
            self.points[start:stop], self.frames[start:stop], self.codes[start:stop], size=(width, height)
        )

    def select(self, which: Sequence[str] | np.ndarray) -> LocalFeatures:
        """The photos chosen by a boolean mask, row numbers or image ids, in the order asked for.

        Raises:
            UnknownNameError: when an image id has no features.
            InputError: when a mask has another length, a row number does not exist, or a photo
                is asked for twice.
        """
        rows = chosen_rows(which, pl.Series(self.image_ids, dtype=pl.String), "photo with local features")
        return replace(self, image_ids=self.image_ids[rows], spans=self.spans[rows], sizes=self.sizes[rows])

    def require_same_model(self, model: str) -> None:
        """Refuse to meet features of another method, setting or weights.

        Raises:
            MismatchError: when `model` is not the one that made these features.
        """
        if model != self.model:
            raise MismatchError(
                f"expected local features of {self.model}, found those of {model}: features of two methods cannot be "
                "compared; extract both sets with the same one"
            )


def unit_rows(codes: npt.NDArray[Any]) -> Floats:
    """(M, D) float32 rows of length 1 in the directions of the codes; rows of zeros stay zero.

    Example:
        >>> unit_rows(np.array([[3, 4], [0, 0]], np.uint8)).round(1).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    rows = np.array(codes, np.float32, order="C")
    lengths = np.sqrt(np.einsum("md,md->m", rows, rows))
    rows /= np.where(lengths > 0, lengths, 1)[:, None]
    return rows


def _freeze(features: PhotoFeatures | LocalFeatures) -> None:
    """Check and freeze the three arrays that have a row per keypoint."""
    n = len(features.points)
    for name in ("points", "frames"):
        array = _own(getattr(features, name), np.float32)
        if array.shape != (n, 2):
            raise InputError(f"expected {name} of shape ({n}, 2), found {array.shape}")
        if not isinstance(array, np.memmap) and not np.isfinite(array).all() and name == "points":
            raise InputError("expected points with finite x and y, found one without")
        object.__setattr__(features, name, array)
    codes = np.asanyarray(features.codes)
    if codes.dtype not in _CODES:
        raise InputError(f"expected codes of uint8, int8, float16 or float32, found {codes.dtype}")
    if codes.ndim != 2 or len(codes) != n or (n and not codes.shape[1]):
        raise InputError(f"expected codes of shape ({n}, D) with D > 0, found {codes.shape}")
    if codes.dtype.kind == "f" and not isinstance(codes, np.memmap) and not np.isfinite(codes).all():
        raise InputError("expected codes of finite numbers, found others")
    object.__setattr__(features, "codes", _own(codes, codes.dtype))


def _own(values: npt.ArrayLike, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """A read-only array that nobody else can write to; memory-mapped and read-only ones as they are."""
    array = np.asanyarray(values)
    own = array.astype(dtype, copy=False)
    if own.flags.writeable and np.may_share_memory(own, array) and not isinstance(own, np.memmap):
        own = own.copy()
    return _read_only(own)


def _whole_numbers(values: npt.ArrayLike, n: int, dtype: npt.DTypeLike, name: str) -> npt.NDArray[Any]:
    array = np.asarray(values)
    if array.shape != (n, 2) or (n and array.dtype.kind not in "iu"):
        raise InputError(f"expected {name} of shape ({n}, 2) as whole numbers, found {array.dtype} of {array.shape}")
    return _read_only(array.astype(dtype))


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    view = array.view()
    view.setflags(write=False)
    return view
