"""A network as a bundle: the same vectors, without torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

from resight.core import Catalogue
from resight.embed import Bundle, Learned, LinearHead, describe, hash_of, with_head
from resight.errors import ConfigError, InputError, MismatchError, MissingExtraError

pytest.importorskip("timm")
pytest.importorskip("onnxscript")
torch = pytest.importorskip("torch")

from resight.train.bundles import write_files  # noqa: E402  needs torch
from resight.train.networks import export  # noqa: E402
from resight.train.networks.export import onnx_graph, write_bundle  # noqa: E402

WITHOUT_TORCH = """
import json, sys
for name in ("torch", "timm", "onnx", "onnxscript", "safetensors"):
    sys.modules[name] = None
import numpy as np
from resight.embed import Bundle
bundle = Bundle.load(sys.argv[1])
pixels = np.load(sys.argv[2])
print(json.dumps((bundle.embed(pixels) @ bundle.embed(pixels).T).tolist()))
"""


class Flat(torch.nn.Module):
    """Quick to export: the mean of each channel, and a projection."""

    def __init__(self, n_dimensions=8):
        super().__init__()
        torch.manual_seed(0)
        self.of = torch.nn.Linear(3, n_dimensions, bias=False)

    def forward(self, pixels):
        return self.of(pixels.mean((2, 3)))


@pytest.fixture(scope="module", params=["test_resnet", "test_vit"])
def exported(request, network_of, facts_of, photos, tmp_path_factory):
    network = network_of(request.param, 64)
    folder = tmp_path_factory.mktemp(request.param)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return network, write_bundle(network, facts_of(64), photos, folder)


def torch_scores(network, bundle, pixels):
    values = (pixels - np.array(bundle.info.mean, np.float32)) / np.array(bundle.info.std, np.float32)
    network.eval()
    with torch.no_grad():
        vectors = network(torch.from_numpy(values.transpose(0, 3, 1, 2).astype(np.float32))).double().numpy()
    network.train()
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors @ vectors.T


class TestAnArchitecture:
    def test_it_agrees_on_real_photos(self, exported):
        network, found = exported
        assert found.n_checked == 16
        assert found.least_cosine > 0.99999
        assert found.largest_difference < 1e-5
        assert network.training  # and is left as it was
        assert all(one.requires_grad for one in network.parameters())
        assert found.notes == ()

    def test_it_gives_the_scores_of_torch_where_there_is_no_torch(self, exported, tmp_path):
        network, found = exported
        pixels = np.random.default_rng(1).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
        pixels[1:3, 20:40] = 255
        np.save(tmp_path / "pixels.npy", pixels)
        words = [sys.executable, "-c", WITHOUT_TORCH, str(found.bundle), str(tmp_path / "pixels.npy")]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, env={**os.environ})
        assert done.returncode == 0, done.stderr
        wanted = torch_scores(network, Bundle.load(found.bundle), pixels)
        np.testing.assert_allclose(np.array(json.loads(done.stdout)), wanted, atol=1e-4)

    def test_its_graph_takes_any_number_of_photos(self, exported):
        import onnxruntime

        session = onnxruntime.InferenceSession((exported[1].bundle / "model.onnx").read_bytes())
        batch = np.random.default_rng(0).normal(size=(5, 3, 64, 64)).astype(np.float32)
        together = session.run(None, {"pixels": batch})[0]
        alone = np.concatenate([session.run(None, {"pixels": batch[row : row + 1]})[0] for row in range(5)])
        np.testing.assert_allclose(together, alone, atol=1e-5)
        assert [one.name for one in session.get_outputs()] == ["embedding"]

    def test_its_graph_names_no_files_of_this_machine(self, exported):
        graph = (exported[1].bundle / "model.onnx").read_bytes()
        assert len(graph) == exported[1].n_bytes
        assert b".py" not in graph
        assert b"site-packages" not in graph

    def test_a_head_can_be_put_behind_it(self, exported, tmp_path):
        found = exported[1]
        head = LinearHead(np.random.default_rng(0).normal(size=(32, 6)), np.zeros(6))
        graph = with_head((found.bundle / "model.onnx").read_bytes(), head)
        write_files(tmp_path, graph, found.info.model_copy(update={"dimension": 6, "weights": hash_of(graph)}))
        pixels = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
        wanted = head(Bundle.load(found.bundle).embed(pixels))
        np.testing.assert_allclose(Bundle.load(tmp_path).embed(pixels), wanted, atol=1e-5)


class TestWhatIsSaid:
    def test_facts_stand_in_the_file(self, facts_of, photos, tmp_path):
        learned = Learned(
            base="x", method="network", setting="", photos="p", n_photos=1, n_individuals=1, seed=0, recipe={},
            versions={}, figures={}, baseline={}, gains={},
        )  # fmt: skip
        found = write_bundle(Flat(), facts_of(32, name="flat", learned=learned), photos, tmp_path)
        said = describe(tmp_path)
        assert said == found.info
        assert (said.name, said.dimension, said.input_side_px, said.resize) == ("flat", 8, 32, "pad")
        assert (said.colour, said.licence, said.commercial_use) == ("RGB", "MIT", True)
        assert said.learned == learned

    def test_a_name_that_is_none(self, facts_of, photos, tmp_path):
        with pytest.raises(ConfigError, match="expected a fitting 'name' for the bundle"):
            write_bundle(Flat(), facts_of(32, name="Mine!"), photos, tmp_path)

    def test_without_readable_photos_drawn_pixels_stand_in(self, facts_of, photos, tmp_path):
        gone = Catalogue(photos.frame, tmp_path / "nowhere")
        for some in (gone, gone.select(np.zeros(0, np.int64))):
            found = write_bundle(Flat(), facts_of(32), some, tmp_path)
            assert found.n_checked == 0
            assert found.notes == ("no photo could be read: the bundle was checked on drawn pixels",)


def test_zeros_stay_zeros():
    import onnxruntime

    graph, n_dimensions, _ = onnx_graph(export._UnitLength(Flat()).eval(), 16)
    batch = np.zeros((2, 3, 16, 16), np.float32)
    batch[1] = 3.0
    found = onnxruntime.InferenceSession(graph).run(None, {"pixels": batch})[0]
    assert found[0].tolist() == [0.0] * n_dimensions
    assert np.linalg.norm(found[1]) == pytest.approx(1)


class TestWhatIsRefused:
    def test_a_bundle_that_gives_other_vectors(self, facts_of, photos, tmp_path, monkeypatch):
        real = export._vectors_of
        monkeypatch.setattr(export, "_vectors_of", lambda unit, facts: lambda pixels: -real(unit, facts)(pixels))
        with pytest.raises(MismatchError, match=r"expected the bundle to give the vectors of the network to 0.0001"):
            write_bundle(Flat(), facts_of(32), photos, tmp_path)

    @pytest.mark.parametrize(
        ("module", "said"),
        [
            (torch.nn.Conv2d(3, 4, 3), r"gives \(B, D\), found the shape \(2, 4, 30, 30\)"),
            (torch.nn.Linear(7, 7), r"takes \(2, 3, 32, 32\) float32, found: .*mat1 and mat2"),
        ],
    )
    def test_a_network_of_another_shape(self, module, said, facts_of, photos, tmp_path):
        with pytest.raises(InputError, match=said):
            write_bundle(module, facts_of(32), photos, tmp_path)

    def test_a_network_without_numbers(self, facts_of, photos, tmp_path):
        network = Flat()
        torch.nn.init.constant_(network.of.weight, float("nan"))
        with pytest.raises(InputError, match="unit length"):
            write_bundle(network, facts_of(32), photos, tmp_path)

    def test_onnx_that_is_absent(self, facts_of, photos, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "onnxscript", None)
        with pytest.raises(MissingExtraError, match=r"needs onnxscript: run  pip install 'resight\[train\]'"):
            write_bundle(Flat(), facts_of(32), photos, tmp_path)


class TestTheExporterBefore:
    def test_it_is_used_where_the_new_one_fails(self, facts_of, photos, tmp_path, monkeypatch):
        def fails(*_):
            raise RuntimeError("no such thing\nand more")

        monkeypatch.setattr(export, "_exported", fails)
        found = write_bundle(Flat(), facts_of(32), photos, tmp_path)
        assert found.least_cosine > 0.99999
        assert "torch's exporter cannot do this network (no such thing): the one before it was used" in found.notes

    def test_where_both_fail_the_first_reason_is_told(self, facts_of, photos, tmp_path, monkeypatch):
        def fails(*_, **__):
            raise RuntimeError("no such thing")

        monkeypatch.setattr("torch.onnx.export", fails)
        with pytest.raises(InputError, match=r"write as an ONNX graph, .*: no such thing; take another backbone"):
            write_bundle(Flat(), facts_of(32), photos, tmp_path)
