"""A bundle of segmentation that is small enough to be read: a pixel is a building as far as it is red, else sky."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from resight.bundle_files import hash_of

WORDS = """
<ir_version: 8, opset_import: ["" : 17]>
shows (float[1, 3, 32, 32] photo) => (float[1, 2, 32, 32] scores)
{
  red = Constant <value_ints = [0]> ()
  blue = Constant <value_ints = [2]> ()
  last = Constant <value_ints = [3]> ()
  channel = Constant <value_ints = [1]> ()
  reds = Slice (photo, red, channel, channel)
  blues = Slice (photo, blue, last, channel)
  scores = Concat <axis = 1> (reds, blues)
}
"""


def write_bundle(folder: Path, words: str = WORDS, **says: object) -> Path:
    """A folder with the toy graph and what it says of itself; skips the test where onnx is not installed."""
    onnx = pytest.importorskip("onnx", reason="toy graphs are built by onnx: make test installs it")
    graph = onnx.parser.parse_model(words).SerializeToString()
    facts = {
        "format": 1, "kind": "segmentation", "name": "toy", "version": "1", "summary": "a toy",
        "classes": ["building, edifice", "sky "], "input_side_px": 32, "mean": [0, 0, 0], "std": [255, 255, 255],
        "licence": "CC0-1.0", "commercial_use": True, "authors": "nobody", "source": "a test", "changes": "none",
        "weights": hash_of(graph),
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(graph)
    (folder / "model.json").write_text(json.dumps({**facts, **says}), encoding="utf-8")
    return folder
