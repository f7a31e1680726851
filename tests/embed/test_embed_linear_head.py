"""Linear heads: by numpy and as part of a graph."""

from __future__ import annotations

import numpy as np
import pytest

from resight.bundle_files import read_graph
from resight.embed import LinearHead, bundle_path, describe, with_head
from resight.errors import InputError, MismatchError


def drawn(n_old: int, n_new: int, seed: int = 0) -> LinearHead:
    rng = np.random.default_rng(seed)
    return LinearHead(rng.normal(size=(n_old, n_new)), rng.normal(size=n_new))


@pytest.fixture(scope="module")
def graph() -> bytes:
    return read_graph(bundle_path(), describe().weights)


@pytest.fixture(scope="module")
def photos() -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (2, 3, 224, 224)).astype(np.float32)


def run(graph: bytes, photos: np.ndarray) -> np.ndarray:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    (output,) = session.get_outputs()
    found = session.run(None, {session.get_inputs()[0].name: photos})[0]
    assert output.shape == ["B", found.shape[1]]
    return found


class TestByNumpy:
    def test_it_is_a_product_a_sum_and_a_division(self):
        head, vectors = drawn(5, 3), np.random.default_rng(1).normal(size=(7, 5))
        for vector, found in zip(vectors, head(vectors), strict=True):
            moved = [sum(vector[n] * head.weight[n, m] for n in range(5)) + head.bias[m] for m in range(3)]
            assert found == pytest.approx(np.array(moved) / np.sqrt(sum(one**2 for one in moved)), abs=1e-5)

    def test_many_rows_go_in_blocks(self):
        head, vectors = drawn(4, 2), np.random.default_rng(1).normal(size=(40_000, 4))
        assert np.array_equal(head(vectors)[[0, 20_000, 39_999]].round(5), head(vectors[[0, 20_000, 39_999]]).round(5))
        assert head(vectors[:0]).shape == (0, 2)

    def test_what_has_no_direction_becomes_zeros(self):
        assert LinearHead(np.eye(2), [-1.0, 0.0])(np.array([[1.0, 0.0]])).tolist() == [[0.0, 0.0]]

    def test_its_numbers_are_its_own(self):
        weight = np.eye(2, dtype=np.float32)
        head = LinearHead(weight, np.zeros(2))
        weight[:] = 9
        assert head.weight.tolist() == [[1, 0], [0, 1]]
        with pytest.raises(ValueError, match="read-only"):
            head.weight[0, 0] = 3

    @pytest.mark.parametrize(
        ("weight", "bias"), [(np.eye(2), np.zeros(3)), (np.zeros(3), np.zeros(3)), (np.zeros((3, 0)), np.zeros(0))]
    )
    def test_other_shapes_are_refused(self, weight, bias):
        with pytest.raises(InputError, match="expected a weight"):
            LinearHead(weight, bias)

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_numbers_that_are_none_are_refused(self, bad):
        with pytest.raises(InputError, match="finite numbers"):
            LinearHead(np.eye(2), [0.0, bad])

    def test_other_vectors_are_refused(self):
        with pytest.raises(MismatchError, match="expected vectors of 5 numbers"):
            drawn(5, 3)(np.zeros((2, 4)))


class TestAsPartOfAGraph:
    def test_the_graph_gives_what_the_head_gives(self, graph, photos):
        head = drawn(1280, 40)
        assert np.abs(run(with_head(graph, head), photos) - head(run(graph, photos))).max() < 1e-5

    def test_a_head_may_stand_on_a_head(self, graph, photos):
        first, second = drawn(1280, 40), drawn(40, 8, seed=1)
        found = run(with_head(with_head(graph, first), second), photos)
        assert np.abs(found - second(first(run(graph, photos)))).max() < 1e-5
        assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)

    def test_it_is_a_graph_by_the_books(self, graph):
        onnx = pytest.importorskip("onnx")
        onnx.checker.check_model(onnx.load_from_string(with_head(graph, drawn(1280, 300))), full_check=True)

    def test_openvino_gives_the_same(self, graph, photos):
        openvino = pytest.importorskip("openvino")
        core, head = openvino.Core(), drawn(1280, 40)
        model = core.compile_model(core.read_model(with_head(graph, head)), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        assert np.abs(model(photos)[0] - head(run(graph, photos))).max() < 1e-4

    def test_the_same_head_gives_the_same_bytes(self, graph):
        assert with_head(graph, drawn(1280, 4)) == with_head(graph, drawn(1280, 4))

    @pytest.mark.parametrize("other", [b"", b"no graph at all", b"\x3a\x00"])
    def test_what_is_no_graph_is_refused(self, other):
        with pytest.raises(InputError, match="expected an ONNX graph with one output"):
            with_head(other, drawn(4, 2))

    def test_a_graph_of_two_outputs_is_refused(self, graph):
        onnx = pytest.importorskip("onnx")
        model = onnx.load_from_string(graph)
        model.graph.output.append(onnx.helper.make_tensor_value_info("more", onnx.TensorProto.FLOAT, ["B", 2]))
        with pytest.raises(InputError, match="one output"):
            with_head(model.SerializeToString(), drawn(1280, 2))

    @pytest.mark.parametrize("at", [10, 1000, 100_000])
    def test_a_graph_that_is_cut_off_is_refused(self, graph, at):
        with pytest.raises(InputError, match="expected an ONNX graph"):
            with_head(graph[:-at], drawn(1280, 2))
