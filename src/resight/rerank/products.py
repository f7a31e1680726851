"""Inner products of the descriptors of two photos, in whole numbers of 8 bits.

Each descriptor becomes levels from -127 to 127, one step for a whole photo, and the products are
summed without rounding: the same numbers on every machine, whatever its instructions, the number
of threads or what else is asked at the time. It is also what today's processors do fastest. The
levels of the first side lie in 7 bits, since older processors add pairs of products in 16 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Levels", "inner_products"]

_HIGHEST = 127
_MIDDLE = 64
"""What stands for zero on the first side, where levels have no sign."""


@dataclass(frozen=True, eq=False)
class Levels:
    """The descriptors of one photo as whole numbers.

    Args:
        values: (D, M) int8, a column per keypoint.
        step: what one level is worth; descriptors are about `step * values`.
    """

    values: npt.NDArray[np.int8]
    step: float

    @classmethod
    def of(cls, codes: npt.NDArray[Any]) -> Levels:
        """The levels of (M, D) descriptors of any type, of which only the directions count."""
        rows = codes.astype(np.float32)
        lengths = np.sqrt(np.einsum("md,md->m", rows, rows))
        factors = 1 / np.where(lengths > 0, lengths, 1)
        highest = rows.max(axis=1, initial=0)
        if codes.dtype.kind != "u":
            highest = np.maximum(highest, -rows.min(axis=1, initial=0))
        step = float((highest * factors).max(initial=0)) / _HIGHEST or 1.0
        rows *= (factors / np.float32(step))[:, None]
        return cls(_turned(np.rint(rows, out=rows).astype(np.int8)), step)

    def __len__(self) -> int:
        """The number M of keypoints."""
        return int(self.values.shape[1])

    @property
    def nbytes(self) -> int:
        """The memory that the levels take."""
        return self.values.nbytes

    @cached_property
    def asking(self) -> tuple[npt.NDArray[np.uint8], int, float]:
        """The first side of a product: (M, D) levels without sign, the one that means zero, and the step."""
        rows = _turned(self.values)
        if rows.min(initial=0) >= 0:
            return rows.view(np.uint8), 0, self.step
        halves = np.clip((rows.astype(np.int16) + 2 * _MIDDLE + 1) >> 1, 1, _HIGHEST)
        return halves.astype(np.uint8), _MIDDLE, 2 * self.step


def inner_products(first: Levels, second: Levels) -> tuple[npt.NDArray[np.int32], float]:
    """(M, N) whole numbers and the factor that makes them the cosines of two photos' descriptors.

    Both photos have keypoints, and descriptors of one length.

    Example:
        >>> one = Levels.of(np.array([[0.6, 0.8], [1, 0]], np.float32))
        >>> products, step = inner_products(one, one)
        >>> (products * step).round(1).tolist()
        [[1.0, 0.6], [0.6, 1.0]]
    """
    rows, zero, step = first.asking
    inputs = {"first": rows, "second": second.values, "zero": np.array(zero, np.uint8)}
    products: npt.NDArray[np.int32] = _session().run(None, inputs)[0]
    return products, step * second.step


def _turned(values: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Rows as columns, copied by OpenCV: numpy takes nine times as long for single bytes."""
    if not values.size:
        return values.T.copy()
    return import_module("cv2").transpose(values)  # type: ignore[no-any-return]


@cache
def _session() -> Any:
    """One product of matrices on the thread that asks for it; threads may ask at the same time."""
    onnxruntime = import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(_graph(), options, providers=["CPUExecutionProvider"])


def _graph() -> bytes:
    """An ONNX model of one node, `MatMulInteger`, written as a protocol buffer message."""
    uint8, int8, int32 = 2, 3, 6
    names = ("first", "second", "zero")
    node = b"".join(_field(1, name) for name in names) + _field(2, "products") + _field(4, "MatMulInteger")
    takes = (_value("first", uint8, 2), _value("second", int8, 2), _value("zero", uint8, 0))
    gives = _field(12, _value("products", int32, 2))
    graph = _field(1, node) + _field(2, "products") + b"".join(_field(11, value) for value in takes) + gives
    return _field(1, 8) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 13))


def _value(name: str, kind: int, n_axes: int) -> bytes:
    axes = b"".join(_field(1, _field(2, f"{name} {axis}")) for axis in range(n_axes))
    return _field(1, name) + _field(2, _field(1, _field(1, kind) + _field(2, axes)))


def _field(number: int, content: int | str | bytes) -> bytes:
    """One field of a message: its number, and a whole number or a length and so many bytes."""
    if isinstance(content, int):
        return _varint(number << 3) + _varint(content)
    value = content.encode() if isinstance(content, str) else content
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(number: int) -> bytes:
    last = bytes([number & 127 | (128 if number > 127 else 0)])
    return last + _varint(number >> 7) if number > 127 else last
