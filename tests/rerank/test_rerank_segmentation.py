"""What a photo shows: by a toy bundle that the test builds, by stubs of the hub, and by a tiny real network."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import polars as pl
import pytest
from PIL import Image

from oracles.toy_segmentation import WORDS, write_bundle
from resight.core import Catalogue
from resight.errors import ConfigError, InputError, MismatchError, MissingExtraError, UnknownNameError
from resight.rerank.segmentation import SegmentationScorer, segmenter_of
from resight.rerank.segmentation_hub import HubSegmenter


def half_red(red: int, height: int = 40, width: int = 64) -> np.ndarray:
    """A blue photo of which so many columns are red."""
    photo = np.zeros((height, width, 3), np.uint8)
    photo[:, :red, 0] = photo[:, red:, 2] = 250
    return photo


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return segmenter_of(write_bundle(tmp_path_factory.mktemp("toy")))


@pytest.fixture
def photos(tmp_path):
    for name, red in (("none", 0), ("half", 32), ("whole", 64)):
        Image.fromarray(half_red(red)).save(tmp_path / f"{name}.png")
    (tmp_path / "broken.png").write_bytes(b"no photo")
    names = ["none", "half", "whole", "broken"]
    return Catalogue(pl.DataFrame({"image_id": names, "path": [f"{name}.png" for name in names]}), tmp_path)


class TestScorer:
    def test_the_share_of_the_query_counts_for_each_photo(self, photos, toy):
        scorer = SegmentationScorer(photos, toy, ["Edifice"])
        found = scorer.score(np.array([2, 0, 1, 1, 3]), np.array([0, 7, 5, 6, 0]))
        assert found == pytest.approx([1, 0, 0.5, 0.5, np.nan], abs=0.03, nan_ok=True)

    def test_each_photo_is_looked_at_once(self, photos, toy):
        seen = []

        def shares(pixels):
            seen.append(pixels)
            return toy.shares(pixels)

        scorer = SegmentationScorer(photos, SimpleNamespace(classes=toy.classes, shares=shares), ["sky", "building"])
        for _ in range(2):
            assert scorer.score(np.array([0, 0, 1]), np.array([0, 1, 0])).tolist() == [1, 1, 1]
        assert len(seen) == 2

    def test_a_class_that_there_is_not_is_refused_with_the_nearest(self, photos, toy):
        with pytest.raises(UnknownNameError, match="building"):
            SegmentationScorer(photos, toy, ["bilding"])


class TestBundle:
    def test_another_kind_is_refused(self, tmp_path):
        with pytest.raises(ConfigError, match="kind"):
            segmenter_of(write_bundle(tmp_path, kind="local_features"))

    def test_a_graph_that_was_changed_is_refused(self, tmp_path):
        with pytest.raises(MismatchError, match="hash"):
            segmenter_of(write_bundle(tmp_path, weights="0" * 64))

    def test_a_graph_of_other_classes_is_refused(self, tmp_path):
        three = segmenter_of(write_bundle(tmp_path, classes=["a", "b", "c"]))
        with pytest.raises(InputError, match=r"expected finite scores of shape \(1, 3, h, w\)"):
            three.shares(half_red(3))

    def test_a_graph_of_another_size_is_refused(self, tmp_path):
        with pytest.raises(InputError, match="that takes"):
            segmenter_of(write_bundle(tmp_path, WORDS, input_side_px=48))


class TestHub:
    @pytest.mark.parametrize("absent", ["torch", "transformers"])
    def test_a_missing_package_names_the_command(self, monkeypatch, absent):
        for name in ("torch", "transformers"):
            monkeypatch.setitem(sys.modules, name, None if name == absent else ModuleType(name))
        with pytest.raises(MissingExtraError) as told:
            segmenter_of("somebody/network")
        assert str(told.value) == f"semantic segmentation needs {absent}: run  pip install 'resight[segmentation]'"

    def test_a_hub_that_is_not_reached_is_told_in_one_sentence(self, monkeypatch):
        def refused(*_, **__):
            raise OSError("We couldn't connect to the hub.\nMore lines.")

        transformers = ModuleType("transformers")
        transformers.AutoConfig = SimpleNamespace(from_pretrained=refused)
        monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
        monkeypatch.setitem(sys.modules, "transformers", transformers)
        with pytest.raises(InputError) as told:
            segmenter_of("somebody/network")
        assert str(told.value) == (
            "somebody/network: this network of segmentation cannot be had (We couldn't connect to the hub.): go online "
            "once, or give as model a folder where one was saved by save_pretrained, or a bundle of kind 'segmentation'"
        )

    @pytest.mark.parametrize("kind", ["Segformer", "Mask2Former"])
    def test_the_real_classes_take_what_is_handed_over(self, tmp_path, kind):
        """A tiny network with random weights, saved and loaded as a user's own folder would be."""
        if importlib.util.find_spec("transformers") is None:
            pytest.skip(
                "the real classes are not tried: transformers is not installed (pip install 'resight[segmentation]')"
            )
        transformers = importlib.import_module("transformers")
        labels = {"id2label": {0: "building", 1: "sky", 2: "tree"}, "label2id": {"building": 0, "sky": 1, "tree": 2}}
        if kind == "Segformer":
            config = transformers.SegformerConfig(
                hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], decoder_hidden_size=8, num_attention_heads=[1, 1, 1, 1],
                **labels,
            )  # fmt: skip
            network = transformers.SegformerForSemanticSegmentation(config)
            processor = transformers.SegformerImageProcessor(size={"height": 64, "width": 64})
        else:
            backbone = transformers.SwinConfig(
                embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], image_size=64,
                out_features=["stage1", "stage2", "stage3", "stage4"],
            )  # fmt: skip
            config = transformers.Mask2FormerConfig(
                backbone_config=backbone, hidden_dim=32, feature_size=32, mask_feature_size=32, num_queries=5,
                encoder_layers=1, decoder_layers=2, num_attention_heads=2, dim_feedforward=16,
                encoder_feedforward_dim=16, **labels,
            )  # fmt: skip
            network = transformers.Mask2FormerForUniversalSegmentation(config)
            processor = transformers.Mask2FormerImageProcessor(size={"height": 64, "width": 64})
        network.save_pretrained(tmp_path)
        processor.save_pretrained(tmp_path)
        segmenter = HubSegmenter(str(tmp_path), offline=True)
        assert segmenter.classes == ("building", "sky", "tree")
        shares = segmenter.shares(half_red(20))
        assert (shares >= 0).all()
        assert shares.sum() == pytest.approx(1)
