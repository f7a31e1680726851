"""Bundles that run and yet are not to be trusted: weights from elsewhere, vectors that are none."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from resight.bundle_files import asks_for_other_files
from resight.embed import DEFAULT_BUNDLE, Bundle, hash_of, shipped_folder
from resight.errors import ConfigError, InputError

ENGINES = ["onnxruntime", *(["openvino"] if importlib.util.find_spec("openvino") else [])]
SHIPPED = shipped_folder() / DEFAULT_BUNDLE


def graph(scale: float = 1.0, *, elsewhere: str | None = None) -> bytes:
    """From (B, 3, 8, 8) to the mean colour, of unit length times `scale`, plus a weight of zeros."""
    weight = numpy_helper.from_array(np.zeros((1, 3), np.float32), "weight")
    if elsewhere is not None:
        weight = TensorProto(name="weight", data_type=TensorProto.FLOAT, dims=[1, 3])
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(key="location", value=elsewhere)
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("LpNormalization", ["mean"], ["unit"], axis=1, p=2),
        helper.make_node("Mul", ["unit", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "weight"], ["y"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", ["B", 3, 8, 8]), ("y", ["B", 3]))
    ]
    constants = [weight, numpy_helper.from_array(np.array([scale], np.float32), "scale")]
    made = helper.make_graph(nodes, "toy", ends[:1], ends[1:], constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def bundle_of(folder, content: bytes, **changes):
    folder.mkdir(exist_ok=True)
    info = json.loads((SHIPPED / "model.json").read_text(encoding="utf-8"))
    info |= {"name": "toy", "input_side_px": 8, "dimension": 3, "weights": hash_of(content), **changes}
    (folder / "model.onnx").write_bytes(content)
    (folder / "model.json").write_text(json.dumps(info), encoding="utf-8")
    return folder


@pytest.mark.parametrize("engine", ENGINES)
def test_weights_beside_the_graph_are_refused(tmp_path, monkeypatch, engine):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.bin").write_bytes(np.zeros(3, np.float32).tobytes())
    with pytest.raises(InputError, match=r"bundle: expected a model.onnx with all its weights inside"):
        Bundle.load(bundle_of(tmp_path / "bundle", graph(elsewhere="weights.bin")), engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_plain_graph_is_taken(tmp_path, engine):
    vector = Bundle.load(bundle_of(tmp_path / "bundle", graph()), engine=engine).embed(
        np.full((1, 8, 8, 3), 9, np.uint8)
    )
    assert abs(np.linalg.norm(vector) - 1) < 1e-5


@pytest.mark.parametrize("scale", [2.0, 0.0, float("nan"), float("inf")])
def test_a_model_of_no_unit_vectors_is_refused_once(tmp_path, scale):
    with pytest.raises(InputError, match=r"bundle: expected vectors of unit length .* found one of length"):
        Bundle.load(bundle_of(tmp_path / "bundle", graph(scale)))


@pytest.mark.parametrize("key", ["mean", "std"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_preprocessing_without_end_is_refused(tmp_path, key, value):
    with pytest.raises(ConfigError, match=rf"key '{key}\.1'"):
        Bundle.load(bundle_of(tmp_path / "bundle", graph(), **{key: [1.0, value, 1.0]}))


def test_weights_elsewhere_are_found_wherever_they_are_named():
    outside = TensorProto(name="w", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    inside = helper.make_graph([helper.make_node("Constant", [], ["c"], value=outside)], "inner", [], [])
    branch = helper.make_node("If", ["x"], ["y"], then_branch=inside, else_branch=inside)
    deep = helper.make_model(helper.make_graph([branch], "outer", [], []))
    function = helper.make_function("d", "f", [], ["c"], [inside.node[0]], [helper.make_opsetid("", 17)])
    in_function = helper.make_model(helper.make_graph([], "outer", [], []), functions=[function])
    assert asks_for_other_files(deep.SerializeToString())
    assert asks_for_other_files(in_function.SerializeToString())
    assert not asks_for_other_files(helper.make_model(helper.make_graph([], "location", [], [])).SerializeToString())
    assert not asks_for_other_files((SHIPPED / "model.onnx").read_bytes())


@pytest.mark.parametrize("content", [b"no graph", b"\x3a\x05\x01", b"\x80" * 20, graph()[:-3]])
def test_what_is_no_graph_is_refused(tmp_path, content):
    with pytest.raises(InputError, match=r"expected an ONNX graph|cannot run this"):
        Bundle.load(bundle_of(tmp_path / "bundle", content))
