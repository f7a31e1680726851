"""Smaller bundles: how small, how near, and kept only when they lose little."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from resight.core import Catalogue
from resight.embed import DEFAULT_BUNDLE, Bundle, LinearHead, bundle_path, describe, hash_of, with_head
from resight.errors import InputError, MissingExtraError

onnx = pytest.importorskip("onnx")

from resight.train.bundles import pixels_of, write_files  # noqa: E402  needs onnx
from resight.train.networks import variants as made_by  # noqa: E402
from resight.train.networks.variants import halved, variants  # noqa: E402


@pytest.fixture(scope="module")
def full(network_of, facts_of, photos, tmp_path_factory):
    from resight.train.networks.export import write_bundle

    folder = tmp_path_factory.mktemp("full") / "mine"
    folder.mkdir()
    write_bundle(network_of("test_resnet", 64, 64), facts_of(64), photos, folder)
    return folder


def looks(bundle: Bundle, n_photos: int = 12) -> np.ndarray:
    """Photos of blobs, the same each time."""
    side, rng = bundle.info.input_side_px, np.random.default_rng(3)
    y, x = np.mgrid[0:side, 0:side][..., None] / side
    centres, widths = rng.uniform(0, 1, (n_photos, 2, 3)), rng.uniform(0.1, 0.5, (n_photos, 3))
    blobs = [np.exp(-((x - c[0]) ** 2 + (y - c[1]) ** 2) / w**2) for c, w in zip(centres, widths, strict=True)]
    return (255 * np.stack(blobs)).astype(np.uint8)


def cosines(one: Bundle, other: Bundle) -> np.ndarray:
    return np.einsum("nd,nd->n", one.embed(looks(one)), other.embed(looks(one)))


@pytest.fixture(scope="module")
def small(full, photos, tmp_path_factory):
    asked = []

    def judge(path):
        asked.append(path.name)
        return 0.8 if path == full else 0.79

    return variants(full, ["fp16", "int8"], photos, judge, 0.02, beside=tmp_path_factory.mktemp("small")), asked


class TestBoth:
    def test_each_is_a_bundle_of_its_own(self, small, full):
        found, asked = small
        assert asked == ["mine", "mine-fp16", "mine-int8"]
        for one in found:
            said, base = describe(one.path), describe(full)
            assert said.name == f"mine-{one.kind}"
            assert said.model_id != base.model_id
            assert said.changes.startswith("trained; ")
            assert said.changes.endswith(f"; loses 0.0100 of 0.8000 against {base.model_id}")
            assert one.loss == pytest.approx(0.01)
            assert one.n_bytes == (one.path / "model.onnx").stat().st_size
            assert one.note.startswith(f"{one.kind}: ")

    def test_they_are_small_and_near(self, small, full):
        halved_one, eighth = small[0]
        size = (full / "model.onnx").stat().st_size
        assert halved_one.n_bytes < 0.6 * size
        assert eighth.n_bytes < 0.45 * size
        base = Bundle.load(full)
        assert cosines(base, Bundle.load(halved_one.path)).min() > 0.99999
        near = cosines(base, Bundle.load(eighth.path))
        assert near.min() > 0.9
        assert near.max() < 0.999999  # something was done

    def test_layers_work_in_8_bits_but_for_the_last(self, small):
        graph = onnx.load(small[0][1].path / "model.onnx").graph
        kinds = [node.op_type for node in graph.node]
        assert kinds.count("DequantizeLinear") > kinds.count("Conv") > 5
        last = next(node for node in reversed(graph.node) if node.op_type in ("MatMul", "Gemm"))
        before = {name: node.op_type for node in graph.node for name in node.output}
        assert before[last.input[1]] == "Cast"
        assert before[last.input[0]] != "DequantizeLinear"


class TestWhatIsNotKept:
    @pytest.mark.parametrize(("loss", "is_kept"), [(0.01, True), (0.011, False), (-0.2, True), (float("nan"), False)])
    def test_what_loses_more_than_is_tolerated(self, full, photos, tmp_path, loss, is_kept):
        values = iter([0.0, -loss])
        (one,) = variants(full, ["fp16"], photos, lambda _: next(values), 0.01, beside=tmp_path)
        assert (one.path is not None) == is_kept == any(tmp_path.iterdir())
        if loss == 0.011:
            assert one.note == "no fp16: it loses 0.0110, more than 0.01"

    def test_what_cannot_be_judged_leaves_nothing(self, full, photos, tmp_path):
        def judge(path):
            if path != full:
                raise KeyboardInterrupt
            return 0.0

        with pytest.raises(KeyboardInterrupt):
            variants(full, ["fp16"], photos, judge, 0.01, beside=tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_8_bits_without_photos(self, full, photos, tmp_path):
        gone = Catalogue(photos.frame, tmp_path / "nowhere")
        (one,) = variants(full, ["int8"], gone, lambda _: 0.0, 0.01, beside=tmp_path)
        assert (one.path, one.loss) == (None, None)
        assert one.note == "no int8: expected photos to set the ranges of 8 bits by, found none that can be read"

    def test_a_graph_that_cannot_be_done(self, full, photos, tmp_path, monkeypatch):
        monkeypatch.setattr(made_by, "_chosen", lambda _: [])
        (one,) = variants(full, ["int8"], photos, lambda _: 0.0, 0.01, beside=tmp_path)
        assert one.note == "no int8: expected layers that can work in 8 bits, found none"
        monkeypatch.setattr(made_by, "_chosen", lambda _: 1 / 0)
        (one,) = variants(full, ["int8"], photos, lambda _: 0.0, 0.01, beside=tmp_path)
        assert one.note.endswith("onnxruntime can bring to 8 bits, found: division by zero")

    def test_a_place_that_is_taken(self, full, photos, tmp_path):
        (tmp_path / "mine-fp16").mkdir()
        with pytest.raises(InputError, match="expected a new folder for the bundle"):
            variants(full, ["fp16"], photos, lambda _: 0.0, 0.01, beside=tmp_path)

    def test_onnx_that_is_absent(self, full, photos, monkeypatch):
        monkeypatch.setitem(sys.modules, "onnx", None)
        with pytest.raises(MissingExtraError, match="a smaller variant of a bundle needs onnx"):
            variants(full, ["fp16"], photos, lambda _: 0.0, 0.01)

    def test_nothing_is_asked_of_nobody(self, full, photos):
        assert variants(full, [], photos, lambda _: 1 / 0, 0.01) == []


class TestTheBundleThatShips:
    def test_8_bits_halve_it_and_16_are_there_already(self, photos, tmp_path, monkeypatch):
        monkeypatch.setattr(made_by, "N_CALIBRATED", 8)
        place = bundle_path(DEFAULT_BUNDLE)
        half, eighth = variants(place, ["fp16", "int8"], photos, lambda _: 0.0, 0.01, beside=tmp_path)
        assert half.note == "no fp16: it would not be smaller (7.1 MB instead of 7.1 MB)"
        assert eighth.path == tmp_path / "efficientnet-lite0-int8"
        assert eighth.n_bytes < 4e6
        base, made = Bundle.load(place), Bundle.load(eighth.path)
        pixels = np.stack([*pixels_of(photos.select(np.arange(8, 12)), base.info)])
        assert np.einsum("nd,nd->n", base.embed(pixels), made.embed(pixels)).min() > 0.9

    def test_a_head_behind_it_stays_exact(self, photos, tmp_path, monkeypatch):
        monkeypatch.setattr(made_by, "N_CALIBRATED", 8)
        base = Bundle.load(DEFAULT_BUNDLE)
        head = LinearHead(np.random.default_rng(0).normal(size=(1280, 256)), np.zeros(256))
        graph = with_head((bundle_path() / "model.onnx").read_bytes(), head)
        info = base.info.model_copy(update={"name": "headed", "dimension": 256, "weights": hash_of(graph)})
        folder = tmp_path / "headed"
        folder.mkdir()
        write_files(folder, graph, info)
        found = variants(folder, ["fp16", "int8"], photos, lambda _: 0.0, 0.01)
        assert [one.path for one in found] == [tmp_path / "headed-fp16", tmp_path / "headed-int8"]
        kinds = {node.name: node.op_type for node in onnx.load(found[1].path / "model.onnx").graph.node}
        assert "QuantizeLinear" in kinds.values()
        pixels, whole = np.stack([*pixels_of(photos.select(np.arange(8, 12)), base.info)]), Bundle.load(folder)
        for one, least in zip(found, (0.99999, 0.9), strict=True):
            near = np.einsum("nd,nd->n", whole.embed(pixels), Bundle.load(one.path).embed(pixels))
            assert near.min() > least


class TestHalving:
    def halve(self, values: np.ndarray, kind: str = "MatMul"):
        from onnx import TensorProto, helper, numpy_helper

        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["B", len(values)])
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
        node = helper.make_node(kind, ["x", "w"], ["y"])
        graph = helper.make_graph([node], "g", [x], [y], [numpy_helper.from_array(values, "w")])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        halved(model)
        return [one.data_type for one in model.graph.initializer], [one.op_type for one in model.graph.node]

    def test_large_weights_are(self):
        assert self.halve(np.ones((40, 40), np.float32)) == ([onnx.TensorProto.FLOAT16], ["Cast", "MatMul"])

    @pytest.mark.parametrize(
        ("values", "kind"),
        [
            (np.ones((8, 40), np.float32), "MatMul"),  # few
            (np.full((40, 40), 7e4, np.float32), "MatMul"),  # too large for 16 bits
            (np.full((40, 40), np.nan, np.float32), "MatMul"),
            (np.ones((40, 40), np.float64), "MatMul"),
            (np.ones((400, 9), np.float32), "MatMul"),  # sums of few
            (np.ones((40, 40), np.float32), "Pow"),  # no weights
        ],
    )
    def test_others_are_not(self, values, kind):
        found, nodes = self.halve(values, kind)
        assert found == [onnx.helper.np_dtype_to_tensor_dtype(values.dtype)]
        assert nodes == [kind]
