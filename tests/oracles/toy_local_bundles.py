"""Bundles of local features that are small enough to be read: graphs in words, built where onnx is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from resight.bundle_files import hash_of
from resight.rerank.local_bundle import LocalBundleInfo

# A keypoint is a pixel, its score the red of it, its descriptor its colour.
FINDS = """
<ir_version: 8, opset_import: ["" : 17]>
finds (float[1, 3, H, W] photo, float[1, 1, H, W] mask, float[M] slots)
  => (float[M, 2] points, float[M] scores, float[M, 3] descriptors)
{
  red = Constant <value_ints = [0]> ()
  one = Constant <value_ints = [1]> ()
  flat = Constant <value_ints = [-1]> ()
  colours = Constant <value_ints = [3, -1]> ()
  last = Constant <value_ints = [3]> ()
  beyond = Constant <value_ints = [4]> ()
  n = Shape (slots)
  shape = Shape (photo)
  width = Slice (shape, last, beyond)
  reds = Slice (photo, red, one, one)
  allowed = Mul (reds, mask)
  heat = Reshape (allowed, flat)
  scores, place = TopK (heat, n)
  x = Mod (place, width)
  y = Div (place, width)
  pair_x = Unsqueeze (x, one)
  pair_y = Unsqueeze (y, one)
  whole = Concat <axis = 1> (pair_x, pair_y)
  points = Cast <to = 1> (whole)
  pixels = Reshape (photo, colours)
  chosen = Gather <axis = 1> (pixels, place)
  rows = Transpose (chosen)
  descriptors = LpNormalization <axis = 1> (rows)
}
"""

# The match is the most alike descriptor, and mutual; the points are asked for and not looked at.
MATCHES = """
<ir_version: 8, opset_import: ["" : 17]>
matches (float[M, 2] points0, float[N, 2] points1, float[M, D] codes0, float[N, D] codes1)
  => (int64[M] there, float[M] sure)
{
  turned = Transpose (codes1)
  alike = MatMul (codes0, turned)
  there = ArgMax <axis = 1, keepdims = 0> (alike)
  best = ReduceMax <axes = [1], keepdims = 0> (alike)
  back = ArgMax <axis = 0, keepdims = 0> (alike)
  returned = Gather (back, there)
  n = Shape (there)
  zero = Constant <value_int = 0> ()
  step = Constant <value_int = 1> ()
  count = Squeeze (n)
  own = Range (zero, count, step)
  mutual = Equal (returned, own)
  nothing = Sub (best, best)
  sure = Where (mutual, best, nothing)
}
"""


def write_bundle(folder: Path, words: str = FINDS, **says: object) -> Path:
    """A folder with a toy graph and what it says of itself; skips the test where onnx is not installed."""
    onnx = pytest.importorskip("onnx", reason="toy graphs are built by onnx: make test installs it")
    graph = onnx.parser.parse_model(words).SerializeToString()
    kind = "local_matcher" if "codes0" in words else "local_features"
    facts = {
        "format": 1, "kind": kind, "name": "toy", "version": "1", "summary": "a toy", "dimension": 3,
        "side_unit_px": 8 if kind == "local_features" else 1, "licence": "CC0-1.0", "commercial_use": True,
        "authors": "nobody", "source": "a test", "changes": "none", "weights": hash_of(graph),
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(graph)
    info = LocalBundleInfo(**{**facts, **says})
    (folder / "model.json").write_text(info.model_dump_json(), encoding="utf-8")
    return folder
