"""Bundles: what is accepted, what is refused, and that a vector depends on its photo alone."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from resight.embed import (
    DEFAULT_BUNDLE,
    Bundle,
    bundle_path,
    describe,
    hash_of,
    shipped_bundles,
    shipped_folder,
)
from resight.errors import ConfigError, InputError, MismatchError, MissingExtraError, UnknownNameError
from resight.machine import usable_cores
from resight.protocols import Embedder

SHIPPED = shipped_folder() / DEFAULT_BUNDLE


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.load(DEFAULT_BUNDLE)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 256, (9, 7, 7, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((1, 32, 32, 1), np.uint8))


def copied(folder: Path, **changes) -> Path:
    """The shipped bundle in another folder, with some keys of its model.json changed; None removes one."""
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes((SHIPPED / "model.onnx").read_bytes())
    info = json.loads((SHIPPED / "model.json").read_text(encoding="utf-8")) | changes
    kept = {key: value for key, value in info.items() if value is not None}
    (folder / "model.json").write_text(json.dumps(kept), encoding="utf-8")
    return folder


def zipped(path: Path, names: dict[str, Path | bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in names.items():
            archive.writestr(name, content if isinstance(content, bytes) else content.read_bytes())
    return path


def both(prefix: str = "") -> dict[str, Path | bytes]:
    return {f"{prefix}{name}": SHIPPED / name for name in ("model.onnx", "model.json")}


def test_vectors_have_unit_length_and_the_stated_dimension(bundle, pixels):
    vectors = bundle.embed(pixels)
    assert vectors.shape == (9, bundle.info.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert isinstance(bundle, Embedder)


def test_a_vector_is_the_same_to_the_last_bit_in_any_company(bundle, pixels):
    together = bundle.embed(pixels)
    alone = np.concatenate([bundle.embed(one[None]) for one in pixels])
    order = np.random.default_rng(0).permutation(len(pixels))
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together[order], bundle.embed(pixels[order]))
    np.testing.assert_array_equal(together, Bundle.load(DEFAULT_BUNDLE, threads=1).embed(pixels))
    np.testing.assert_array_equal(together, Bundle.load(DEFAULT_BUNDLE, threads=5).embed(pixels))


def test_no_photo_gives_no_vector(bundle):
    assert bundle.embed(np.zeros((0, 224, 224, 3), np.uint8)).shape == (0, 1280)


@pytest.mark.parametrize("value", [0, 255])
def test_a_photo_of_one_colour_has_a_vector_too(bundle, value):
    vector = bundle.embed(np.full((1, 224, 224, 3), value, np.uint8))
    assert abs(np.linalg.norm(vector) - 1) < 1e-6


@pytest.mark.parametrize("shape", [(224, 224, 3), (1, 224, 224, 4), (1, 3, 224, 224), (1, 225, 224, 3)])
def test_pixels_of_another_shape_are_refused(bundle, shape):
    with pytest.raises(InputError, match=r"expected \(B, 224, 224, 3\) uint8, found"):
        bundle.embed(np.zeros(shape, np.uint8))


def test_pixels_of_another_kind_are_refused(bundle):
    with pytest.raises(InputError, match=r"found .* float32"):
        bundle.embed(np.zeros((1, 224, 224, 3), np.float32))


@pytest.mark.parametrize("mode", ["squash", "crop", "pad"])
def test_a_photo_is_prepared_as_the_bundle_says(tmp_path, mode):
    prepared = Bundle.load(copied(tmp_path / "b", resize=mode)).prepare(np.full((50, 200, 3), 9, np.uint8))
    assert prepared.shape == (224, 224, 3)
    assert (prepared == 9).all() == (mode != "pad")


def test_colour_order_and_normalisation_are_the_ones_of_the_bundle(bundle, pixels, tmp_path):
    expected = bundle.embed(pixels)
    swapped = Bundle.load(copied(tmp_path / "bgr", colour="BGR"))
    np.testing.assert_array_equal(swapped.embed(pixels[..., ::-1]), expected)
    even = pixels // 2 * 2
    halved = Bundle.load(copied(tmp_path / "half", mean=[63.5] * 3, std=[64] * 3))
    np.testing.assert_array_equal(halved.embed(even // 2), bundle.embed(even))
    per_channel = Bundle.load(copied(tmp_path / "three", mean=[127, 128, 129]))
    shifted = np.clip(pixels.astype(int), 10, 200) + np.arange(3)
    np.testing.assert_array_equal(
        per_channel.embed(shifted.astype(np.uint8)), bundle.embed(np.clip(pixels, 10, 200).astype(np.uint8))
    )


def test_the_fingerprint_names_weights_and_preprocessing_and_nothing_else(bundle, tmp_path):
    name, _, digest = bundle.model_id.partition("@")
    assert name == DEFAULT_BUNDLE
    assert len(digest) == 16
    same = copied(tmp_path / "same", licence="MIT", summary="other words", version="2")
    assert Bundle.load(same).model_id == bundle.model_id
    others = [{"resize": "pad"}, {"colour": "BGR"}, {"mean": [1, 2, 3]}, {"std": [1, 2, 3]}]
    found = {describe(copied(tmp_path / str(n), **change)).model_id for n, change in enumerate(others)}
    assert len({*found, bundle.model_id}) == 5


@pytest.mark.parametrize("prefix", ["", "anything/"])
def test_a_zip_is_a_bundle_too(bundle, pixels, tmp_path, prefix):
    loaded = Bundle.load(zipped(tmp_path / "bundle.zip", both(prefix)))
    assert loaded.model_id == bundle.model_id
    np.testing.assert_array_equal(loaded.embed(pixels[:1]), bundle.embed(pixels[:1]))


@pytest.mark.parametrize(
    "names",
    [
        both("../"),
        both("/"),
        both("a/b/"),
        both("a\\..\\..\\"),
        {**both(), "run.py": b"1"},
        {**both("a/"), **both("b/")},
        {"model.json": SHIPPED / "model.json"},
        {"a/model.json": SHIPPED / "model.json", "b/model.onnx": SHIPPED / "model.onnx"},
        {},
    ],
)
def test_a_zip_with_anything_else_is_refused(tmp_path, names):
    with pytest.raises(InputError, match=r"expected a zip of model.onnx and model.json and nothing else, found"):
        Bundle.load(zipped(tmp_path / "bundle.zip", names))


@pytest.mark.parametrize("content", [b"", b"no zip", "cut"])
def test_what_is_no_zip_is_refused(tmp_path, content):
    path = zipped(tmp_path / "bundle.zip", both())
    path.write_bytes(path.read_bytes()[:100_000] if content == "cut" else content)
    with pytest.raises(InputError, match=r"expected a folder or a zip with model.onnx and model.json, found neither"):
        Bundle.load(path)


def test_a_zip_with_a_damaged_file_is_refused(tmp_path):
    path = zipped(tmp_path / "bundle.zip", both())
    content = bytearray(path.read_bytes())
    content[1_000_000] ^= 255
    path.write_bytes(content)
    with pytest.raises(InputError, match="found neither"):
        Bundle.load(path)


def test_a_zip_that_swells_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("resight.bundle_files.MAX_GRAPH_BYTES", 10_000)
    with pytest.raises(InputError, match=r"expected a model.onnx of at most 10,000 bytes, found 7,\d+,\d+"):
        Bundle.load(zipped(tmp_path / "bundle.zip", both()))
    with pytest.raises(InputError, match="at most 10,000 bytes"):
        Bundle.load(SHIPPED)


@pytest.mark.parametrize("missing", ["model.onnx", "model.json"])
def test_a_folder_without_a_file_is_refused(tmp_path, missing):
    (copied(tmp_path / "b") / missing).unlink()
    with pytest.raises(InputError, match=f"expected a bundle with .* found no readable {missing}"):
        Bundle.load(tmp_path / "b")


def test_a_changed_graph_is_refused(tmp_path):
    path = copied(tmp_path / "b") / "model.onnx"
    content = bytearray(path.read_bytes())
    content[-50] ^= 1
    path.write_bytes(content)
    with pytest.raises(MismatchError, match="one of the two was changed; fetch or make the bundle again"):
        Bundle.load(tmp_path / "b")


def test_a_graph_that_is_none_is_refused(tmp_path):
    folder = copied(tmp_path / "b", weights=hash_of(b"\x08\x09"))
    (folder / "model.onnx").write_bytes(b"\x08\x09")
    with pytest.raises(InputError, match=r"onnxruntime cannot run this model.onnx"):
        Bundle.load(folder)


@pytest.mark.parametrize("change", [{"dimension": 64}, {"input_side_px": 128}])
def test_a_graph_of_another_shape_is_refused(tmp_path, change):
    with pytest.raises(MismatchError, match=r"expected a graph from \(B, 3, .* as model.json states, found one from"):
        Bundle.load(copied(tmp_path / "b", **change))


def test_an_unknown_key_names_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match=r"key 'licens'.* Did you mean 'licence'\?"):
        describe(copied(tmp_path / "b", licens="MIT"))


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"licence": None}, "licence"),
        ({"licence": ""}, "licence"),
        ({"resize": "bend"}, "resize"),
        ({"colour": "GREY"}, "colour"),
        ({"std": [1, 0, 1]}, "std.1"),
        ({"mean": [1, 2]}, "mean"),
        ({"dimension": 0}, "dimension"),
        ({"format": 2}, "format"),
        ({"name": "../up"}, "name"),
        ({"weights": "123"}, "weights"),
    ],
)
def test_a_wrong_value_names_its_key(tmp_path, change, key):
    with pytest.raises(ConfigError, match=f"model.json: key '{key}"):
        describe(copied(tmp_path / "b", **change))


def test_text_that_is_no_json_is_refused(tmp_path):
    (copied(tmp_path / "b") / "model.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"model.json: key '\(file\)'"):
        describe(tmp_path / "b")


def test_an_unknown_name_lists_the_shipped_ones():
    with pytest.raises(
        UnknownNameError, match=r"no bundle is called 'eficientnet-lite0'. Did you mean 'efficientnet-lite0'"
    ):
        Bundle.load("eficientnet-lite0")


def test_a_shipped_name_wins_over_a_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    copied(tmp_path / DEFAULT_BUNDLE, resize="pad")
    assert bundle_path(DEFAULT_BUNDLE) == SHIPPED
    assert describe(f"./{DEFAULT_BUNDLE}").resize == "pad"


@pytest.mark.parametrize(
    ("options", "message"), [({"engine": "tensorrt"}, "an engine of"), ({"threads": 0}, "1 thread")]
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=f"expected .*{message}"):
        Bundle.load(DEFAULT_BUNDLE, **options)


def test_it_runs_on_all_usable_cores_unless_told(bundle):
    assert bundle.threads == usable_cores() >= 1
    assert Bundle.load(DEFAULT_BUNDLE, threads=3).threads == 3
    assert DEFAULT_BUNDLE in repr(bundle)


def test_every_shipped_bundle_may_ship():
    assert DEFAULT_BUNDLE in shipped_bundles()
    for name in shipped_bundles():
        info = describe(name)
        assert info.name == name
        assert info.commercial_use
        assert sum(path.stat().st_size for path in (shipped_folder() / name).iterdir()) < 8_000_000
    assert describe(DEFAULT_BUNDLE).licence == "Apache-2.0"


def test_openvino_agrees(bundle, pixels):
    pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install 'resight[openvino]'")
    other = Bundle.load(DEFAULT_BUNDLE, engine="openvino")
    ours, theirs = bundle.embed(pixels), other.embed(pixels)
    assert np.einsum("nd,nd->n", ours, theirs).min() >= 0.9999
    np.testing.assert_array_equal(theirs, np.concatenate([other.embed(one[None]) for one in pixels]))
    assert other.model_id == bundle.model_id


def test_openvino_refuses_what_it_cannot_run(tmp_path):
    pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install 'resight[openvino]'")
    folder = copied(tmp_path / "b", weights=hash_of(b"\x08\x09"))
    (folder / "model.onnx").write_bytes(b"\x08\x09")
    with pytest.raises(InputError, match=r"OpenVINO cannot run this model.onnx"):
        Bundle.load(folder, engine="openvino")
    with pytest.raises(MismatchError, match="expected a graph from"):
        Bundle.load(copied(tmp_path / "c", dimension=64), engine="openvino")


def test_a_gpu_that_is_not_there_is_told():
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("there may be a GPU")
    with pytest.raises(InputError, match=r"an onnxruntime with CUDA .* found one for the processor only: .*-gpu"):
        Bundle.load(DEFAULT_BUNDLE, engine="cuda")


def test_a_gpu_that_does_not_start_is_told(monkeypatch):
    import onnxruntime

    there = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: there)
    started = onnxruntime.InferenceSession

    def on_the_processor(graph, options, providers):
        assert providers == ["CUDAExecutionProvider"]
        return started(graph, options, providers=["CPUExecutionProvider"])  # as onnxruntime falls back

    monkeypatch.setattr(onnxruntime, "InferenceSession", on_the_processor)
    with pytest.raises(InputError, match=r"found one that does not start it \(it runs by CPUExecutionProvider\)"):
        Bundle.load(DEFAULT_BUNDLE, engine="cuda")


def test_an_absent_engine_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(
        MissingExtraError, match=r"the engine 'openvino' needs openvino: run  pip install 'resight\[openvino\]'"
    ):
        Bundle.load(DEFAULT_BUNDLE, engine="openvino")
