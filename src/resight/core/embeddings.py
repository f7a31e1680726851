"""Embeddings: one unit vector per photo, and the model that made them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from resight.core.ids import as_text, check_ids, chosen_rows
from resight.errors import InputError, MismatchError

_UNIT_TOLERANCE = 1e-3
_BLOCK_ROWS = 65_536
_T = TypeVar("_T", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Embeddings:
    """One unit vector per photo.

    Args:
        image_ids: (N,) text, unique.
        vectors: (N, D) float32, finite, each of length 1 (to 0.001); may be memory-mapped.
        model: the fingerprint of weights and preprocessing, as `Bundle.model_id` gives it.

    The arrays are frozen: a write to them raises. Vectors that the caller could still write to are
    copied; read-only and memory-mapped ones are taken as they are, so a large file stays on disk.

    Raises:
        InputError: when a shape, a value or an id is wrong.

    Example:
        >>> Embeddings(np.array(["a"]), np.ones((1, 1), np.float32), "toy").dimension
        1
    """

    image_ids: npt.NDArray[np.str_]
    vectors: npt.NDArray[np.float32]
    model: str

    def __post_init__(self) -> None:
        """Check shapes, ids and values; freeze the arrays."""
        ids = as_text(self.image_ids, "image ids")
        check_ids(ids, "image ids")
        vectors = _frozen_matrix(self.vectors)
        if len(ids) != len(vectors):
            raise InputError(f"expected one vector per photo, found {len(ids)} ids and {len(vectors)} vectors")
        if not isinstance(self.model, str) or not self.model.strip():
            raise InputError(f"expected the fingerprint of a model as text, found {self.model!r}")
        object.__setattr__(self, "image_ids", _read_only(ids))
        object.__setattr__(self, "vectors", vectors)

    def __len__(self) -> int:
        """The number of photos."""
        return len(self.image_ids)

    @property
    def dimension(self) -> int:
        """The length D of a vector."""
        return int(self.vectors.shape[1])

    def select(self, which: Sequence[str] | np.ndarray) -> Embeddings:
        """The photos chosen by a boolean mask, row numbers or image ids, in the order asked for.

        Vectors that lie side by side are not copied, so that those of a mapped file stay on disk.

        Raises:
            UnknownNameError: when an image id has no vector.
            InputError: when a mask has another length, a row number does not exist, or a photo
                is asked for twice.
        """
        rows = chosen_rows(which, pl.Series(self.image_ids, dtype=pl.String), "photo with a vector")
        return Embeddings(self.image_ids[rows], _read_only(_taken(self.vectors, rows)), self.model)

    def merge(self, other: Embeddings) -> Embeddings:
        """These photos and then the other ones.

        Raises:
            MismatchError: when the other vectors come from another model, or have another length.
            InputError: when a photo is in both.
        """
        self.require_same_model(other.model)
        if other.dimension != self.dimension:
            raise MismatchError(f"expected vectors of {self.dimension} numbers, found {other.dimension}")
        ids = np.concatenate([self.image_ids, other.image_ids])
        return Embeddings(ids, _read_only(np.concatenate([self.vectors, other.vectors])), self.model)

    def require_same_model(self, model: str) -> None:
        """Refuse to meet vectors of another model or preprocessing.

        Raises:
            MismatchError: when `model` is not the one that made these vectors.
        """
        if model != self.model:
            raise MismatchError(
                f"expected vectors of model {self.model}, found {model}: vectors of two models "
                "cannot be compared; index both sets with the same one"
            )


def _frozen_matrix(vectors: npt.ArrayLike) -> npt.NDArray[np.float32]:
    matrix = np.asarray(vectors)
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise InputError(f"expected vectors of shape (N, D) with D > 0, found {matrix.shape}")
    if matrix.dtype.kind != "f":
        raise InputError(f"expected vectors of float32, found {matrix.dtype}")
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite and is refused below
        single = matrix.astype(np.float32, copy=False)
    if single.flags.writeable and np.may_share_memory(single, matrix) and not isinstance(vectors, np.memmap):
        single = single.copy()  # the caller could still write to it
    _check_lengths(single)
    return _read_only(single)


def _taken(vectors: npt.NDArray[np.float32], rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    side_by_side = len(rows) > 0 and bool((np.diff(rows) == 1).all())
    return vectors[rows[0] : rows[-1] + 1] if side_by_side else vectors[rows]


def _check_lengths(matrix: npt.NDArray[np.float32]) -> None:
    for start in range(0, len(matrix), _BLOCK_ROWS):
        block = matrix[start : start + _BLOCK_ROWS]
        length = np.sqrt(np.einsum("nd,nd->n", block, block, dtype=np.float64))
        wrong = ~(np.abs(length - 1) <= _UNIT_TOLERANCE)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise InputError(f"expected vectors of length 1, found length {length[row]:.4g} in row {start + row}")


def _read_only(array: npt.NDArray[_T]) -> npt.NDArray[_T]:
    view = array.view()
    view.setflags(write=False)
    return view
