"""A linear head: what turns the vectors of a bundle into better ones, by itself or as part of the bundle's graph.

The graph is a protocol buffer message, and what a head adds to it is a few fields: so neither onnx
nor torch is needed to append one. The operations are among those that every version of ONNX has.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resight.bundle_files import fields
from resight.errors import InputError, MismatchError

_BLOCK_ROWS = 16_384
_SMALLEST_LENGTH = np.float32(1e-12)
_GRAPH = 7  # the field of a model that holds its graph
_NODE, _TENSOR, _OUTPUT = 1, 5, 12  # fields of a graph
_FLOAT = 1  # the number of the type float32


@dataclass(frozen=True, eq=False)
class LinearHead:
    """`vector @ weight + bias`, brought to unit length.

    Args:
        weight: (D, E) float32, finite.
        bias: (E,) float32, finite.

    Raises:
        InputError: when a shape is wrong or a number is not finite.

    Example:
        >>> turn = LinearHead(np.array([[0.0, 1.0], [1.0, 0.0]]), np.zeros(2))
        >>> turn(np.array([[1.0, 0.0]])).tolist()
        [[0.0, 1.0]]
    """

    weight: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        """Check and freeze the numbers."""
        weight = np.array(self.weight, np.float32, order="C")
        bias = np.array(self.bias, np.float32)
        if weight.ndim != 2 or 0 in weight.shape or bias.shape != weight.shape[1:]:
            raise InputError(f"expected a weight (D, E) and a bias (E,), found {weight.shape} and {bias.shape}")
        if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
            raise InputError("expected a head of finite numbers, found others")
        for name, array in (("weight", weight), ("bias", bias)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    def __call__(self, vectors: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """(N, D) vectors → (N, E) float32 of unit length; one that the head leaves without a direction is zeros.

        Raises:
            MismatchError: when the vectors have another length than D.
        """
        given = np.asarray(vectors)
        if given.ndim != 2 or given.shape[1] != len(self.weight):
            raise MismatchError(f"expected vectors of {len(self.weight)} numbers, found the shape {given.shape}")
        made = np.empty((len(given), self.weight.shape[1]), np.float32)
        for start in range(0, len(given), _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            block = np.asarray(given[rows], np.float32) @ self.weight + self.bias
            made[rows] = block / np.maximum(np.linalg.norm(block, axis=1, keepdims=True), _SMALLEST_LENGTH)
        return made

    @property
    def dimension(self) -> int:
        """The length E of the new vectors."""
        return len(self.bias)


def with_head(graph: bytes, head: LinearHead) -> bytes:
    """An ONNX graph of one output (B, D), with a head behind it: its output is (B, E) of unit length.

    Raises:
        InputError: when the bytes are no such graph.
    """
    tensors = {"weight": head.weight, "bias": head.bias}
    nodes = [("MatMul", ["", "weight"], "turned"), ("Add", ["turned", "bias"], "moved")]
    return _extended(graph, nodes, tensors, head.dimension)


def with_unit_length(graph: bytes, dimension: int) -> bytes:
    """An ONNX graph of one output (B, D), with its vectors brought to unit length; zeros stay zeros.

    Args:
        graph: the content of the file.
        dimension: the length D of its vectors.

    Raises:
        InputError: when the bytes are no such graph.
    """
    return _extended(graph, [], {}, dimension)


_Nodes = list[tuple[str, list[str], str]]


def _extended(graph: bytes, nodes: _Nodes, tensors: dict[str, npt.NDArray[np.float32]], dimension: int) -> bytes:
    """The graph with nodes behind its output, which the name "" stands for, and a normalisation behind them."""
    try:
        parts = list(_cut(graph))
        inner = next(payload for number, _, payload in parts if number == _GRAPH)
        kept = list(_cut(inner))
        outputs = [payload for number, _, payload in kept if number == _OUTPUT]
        (old,) = [payload.decode() for output in outputs for number, _, payload in _cut(output) if number == 1]
    except (ValueError, StopIteration) as error:
        raise InputError("expected an ONNX graph with one output to put a head behind, found something else") from error
    prefix = next(name for n in range(1, 1000) if (name := f"head{n}/").encode() not in inner)
    addition = _addition(old, prefix, nodes, tensors, dimension)
    body = b"".join(raw for number, raw, _ in kept if number != _OUTPUT) + addition
    others = b"".join(raw for number, raw, _ in parts if number != _GRAPH)
    return others + _bytes(_GRAPH, body)


def _addition(
    old: str, prefix: str, nodes: _Nodes, tensors: dict[str, npt.NDArray[np.float32]], dimension: int
) -> bytes:
    """The fields of a graph for nodes and weights, the normalisation behind them, and the output."""
    last = nodes[-1][2] if nodes else ""
    nodes = [
        *nodes,
        ("Mul", [last, last], "squares"),
        ("MatMul", ["squares", "ones"], "sum"),
        ("Sqrt", ["sum"], "length"),
        ("Max", ["length", "smallest_length"], "divisor"),
        ("Div", [last, "divisor"], "embedding"),
    ]
    tensors = {
        **tensors,
        "ones": np.ones((dimension, 1), np.float32),
        "smallest_length": np.full((1, 1), _SMALLEST_LENGTH, np.float32),
    }

    def name(of: str) -> str:
        return prefix + of if of else old

    dimensions = _bytes(1, _bytes(2, b"B")) + _bytes(1, _number(1, dimension))
    shape = _bytes(1, _number(1, _FLOAT) + _bytes(2, dimensions))
    return b"".join(
        [
            *(_bytes(_NODE, _node(kind, map(name, ends), name(out))) for kind, ends, out in nodes),
            *(_bytes(_TENSOR, _tensor(name(key), value)) for key, value in tensors.items()),
            _bytes(_OUTPUT, _bytes(1, name("embedding").encode()) + _bytes(2, shape)),
        ]
    )


def _node(kind: str, inputs: Iterable[str], output: str) -> bytes:
    ends = b"".join(_bytes(1, one.encode()) for one in inputs) + _bytes(2, output.encode())
    return ends + _bytes(3, output.encode()) + _bytes(4, kind.encode())


def _tensor(name: str, values: npt.NDArray[np.float32]) -> bytes:
    shape = b"".join(_number(1, size) for size in values.shape)
    return shape + _number(2, _FLOAT) + _bytes(8, name.encode()) + _bytes(9, values.astype("<f4").tobytes())


def _cut(message: bytes) -> list[tuple[int, bytes, bytes]]:
    """Number, whole bytes and content of each field of a message; of a field of a number the content is empty."""
    found = list(fields(message, 0, len(message)))
    ends = [*(begin for _, begin, _, _ in found[1:]), len(message)]
    return [
        (number, message[begin:end], message[first:last] if first >= 0 else b"")
        for (number, begin, first, last), end in zip(found, ends, strict=True)
    ]


def _bytes(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
