"""Face networks that are small enough to be read, and photos that they understand; built where onnx is installed.

A toy face is `FACE_PX` wide and high, with a white spot of 8 x 8 px in its middle: the toy detectors find nothing
else, and say that the box and the five points lie around it as `POINTS` states.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

FACE_PX = 48
POINTS = np.array([[16, 18], [32, 17], [24, 26], [18, 34], [31, 35]], float)
"""(5, 2) px from the corner of a toy face."""

# Patches of 8 x 8 px whose mean is white are faces; the box is 48 px around, as a share of 320 x 240.
BOXES = """
<ir_version: 8, opset_import: ["" : 17]>
boxes (float[1, 3, 240, 320] input) => (float[1, 1200, 2] scores, float[1, 1200, 4] boxes)
<float[1] white = {0.8}, float[1] steep = {40.0}, float[1] one = {1.0}>
{
  grey = ReduceMean <axes = [1], keepdims = 1> (input)
  patches = AveragePool <kernel_shape = [8, 8], strides = [8, 8]> (grey)
  shape = Constant <value_ints = [1, 1200, 1]> ()
  flat = Reshape (patches, shape)
  over = Sub (flat, white)
  sure = Mul (over, steep)
  face = Sigmoid (sure)
  other = Sub (one, face)
  scores = Concat <axis = 2> (other, face)
  nothing = Mul (flat, zero)
  boxes = Add (nothing, grid)
}
"""

# The points of a box, whatever is in it, and a little of the grey so that the input counts.
POINTS_68 = """
<ir_version: 8, opset_import: ["" : 17]>
points (float[1, 1, 64, 64] input) => (float[1, 136] output)
{
  mean = ReduceMean <axes = [1, 2, 3], keepdims = 0> (input)
  shape = Constant <value_ints = [1, 1]> ()
  one = Reshape (mean, shape)
  nothing = Mul (one, zero)
  output = Add (nothing, places)
}
"""

# What YuNet gives at each of three strides; only the finest one finds anything.
YUNET = """
<ir_version: 8, opset_import: ["" : 11]>
yunet (float[1, 3, H, W] input) => (OUTPUTS)
<float[1] zero = {0.0}, float[1] low = {240.0}, float[1] steep = {1.0}>
{
  grey = ReduceMean <axes = [1], keepdims = 1> (input)
PARTS
}
"""

_YUNET_PART = """
  pool_@ = AveragePool <kernel_shape = [@, @], strides = [@, @]> (grey)
  over_@ = Sub (pool_@, low)
  sure_@ = Mul (over_@, steep)
  heat_@ = Sigmoid (sure_@)
  seen_@ = Mul (heat_@, on_@)
  rows_@ = Transpose <perm = [0, 2, 3, 1]> (seen_@)
  shape1_@ = Constant <value_ints = [1, -1, 1]> ()
  cls_@ = Reshape (rows_@, shape1_@)
  obj_@ = Reshape (rows_@, shape1_@)
  none_@ = Mul (cls_@, zero)
  bbox_@ = Add (none_@, box)
  kps_@ = Add (none_@, points)
"""

# Six by six mean colours of a face of S x S px, of whatever length.
COLOURS = """
<ir_version: 8, opset_import: ["" : 17]>
colours (float[B, 3, SIDE, SIDE] pixels) => (float[B, 108] embedding)
{
  patches = AveragePool <kernel_shape = [STEP, STEP], strides = [STEP, STEP]> (pixels)
  embedding = Flatten <axis = 1> (patches)
}
"""


def boxes_68() -> tuple[bytes, bytes]:
    """The two files of a finder of the kind "boxes-68"."""
    down, across = np.mgrid[0:30, 0:40]
    middle = np.stack([across, down], axis=-1).reshape(-1, 2) * 8 + 4
    half = FACE_PX / 2
    grid = np.hstack([middle - half, middle + half]) / [320, 240, 320, 240]
    places = np.zeros((68, 2))
    for rows, point in zip((range(36, 42), range(42, 48), (30,), (48, 60), (54, 64)), POINTS, strict=True):
        places[list(rows)] = 0.5 + (point / FACE_PX - 0.5) / 1.1  # of the box, which is made larger by a tenth
    detector = _built(BOXES, zero=np.zeros(1), grid=grid[None])
    return detector, _built(POINTS_68, zero=np.zeros(1), places=places.reshape(1, 136))


def yunet() -> bytes:
    """A file that OpenCV runs as YuNet."""
    parts = "".join(_YUNET_PART.replace("@", str(stride)) for stride in (8, 16, 32))
    # OpenCV reads the outputs by name: class, object, box and points of each stride.
    outputs = [f"float[1, N{s}, {n}] {kind}_{s}" for kind, n in _KINDS for s in (8, 16, 32)]
    text = YUNET.replace("OUTPUTS", ", ".join(outputs)).replace("PARTS", parts)
    # Of a cell at its left upper corner: middle of the box and logarithm of its size, in cells of 8 px.
    box = np.array([0.5, 0.5, np.log(FACE_PX / 8), np.log(FACE_PX / 8)])
    points = (POINTS - FACE_PX / 2 + 4) / 8
    switches = {f"on_{stride}": np.array([float(stride == 8)]) for stride in (8, 16, 32)}
    return _built(text, box=box[None, None], points=points.reshape(1, 1, 10), **switches)


_KINDS = (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))


def colours(side_px: int = 48) -> bytes:
    """A model of 108 numbers, not of unit length."""
    return _built(COLOURS.replace("SIDE", str(side_px)).replace("STEP", str(side_px // 6)))


def photo_of(faces: Sequence[tuple[int, int, int]], width: int = 320, height: int = 240) -> np.ndarray:
    """A dark photo with toy faces: x and y of their corner, both multiples of 8 less 4, and who it is."""
    photo = np.full((height, width, 3), 20, np.uint8)
    for x, y, who in faces:
        face = np.random.default_rng(who).integers(30, 170, (6, 6, 3), dtype=np.uint8)
        photo[y : y + FACE_PX, x : x + FACE_PX] = np.kron(face, np.ones((8, 8, 1), np.uint8))
        photo[y + 20 : y + 28, x + 20 : x + 28] = 255
    return photo


def written(folder: Path) -> dict[str, Path]:
    """The toy files on disk, by the name that they have in a bundle; `yunet.onnx` beside them."""
    detector, landmarks = boxes_68()
    contents = {"model.onnx": colours(), "detector.onnx": detector, "landmarks.onnx": landmarks, "yunet.onnx": yunet()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in contents}


def _built(text: str, **weights: np.ndarray) -> bytes:
    parser = pytest.importorskip("onnx.parser", reason="onnx is not installed: pip install 'resight[train]'")
    from onnx import numpy_helper

    model = parser.parse_model(text)
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in weights.items()
    )
    return model.SerializeToString()
