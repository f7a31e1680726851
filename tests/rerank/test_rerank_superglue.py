"""SuperGlue: named, with its licence accepted, and never by accident; the network itself is a stub or tiny."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import polars as pl
import pytest
from PIL import Image

from resight import registry
from resight.config import RerankRecipe
from resight.core import Catalogue
from resight.errors import ConfigError, InputError, MissingExtraError
from resight.pipeline.scorers import build_scorers
from resight.rerank.superglue import LICENCE, Superglue
from resight.rerank.superglue_scorer import SuperglueScorer


class Stub:
    """Finds each photo's white pixels, in their order, and says that the first is the first, and so on."""

    def __init__(self, asked: list[tuple[str, dict]]) -> None:
        self.asked = asked

    def from_pretrained(self, name: str, **options):
        self.asked.append((name, options))
        if name == "absent":
            raise OSError("We couldn't connect to the hub.\nMore lines.")
        return self

    def eval(self):
        return self

    def __call__(self, pixel_values):
        pair = pixel_values.numpy()[0, :, 0]
        self.shape = pixel_values.numpy().shape
        height, width = pair.shape[1:]
        found = [np.argwhere(grey > 0.99)[:, ::-1] for grey in pair]
        m = max(map(len, found))
        points = np.zeros((1, 2, m, 2), np.float32)
        for row, one in enumerate(found):
            points[0, row, : len(one)] = one / [width, height]
        there = np.full((1, 2, m), -1)
        there[0, :, : min(map(len, found))] = np.arange(min(map(len, found)))
        sure = np.linspace(1, 0.2, m, dtype=np.float32)[None, None].repeat(2, 1)
        return SimpleNamespace(keypoints=Array(points), matches=Array(there), matching_scores=Array(sure))


class Array(np.ndarray):
    """An array that answers as a tensor does."""

    def __new__(cls, values):
        return np.asarray(values).view(cls)

    def numpy(self):
        return np.asarray(self)


@pytest.fixture
def asked(monkeypatch) -> list[tuple[str, dict]]:
    """Stubs in the place of torch and transformers; gives what the latter was asked for."""
    asked: list[tuple[str, dict]] = []
    torch, transformers = ModuleType("torch"), ModuleType("transformers")
    torch.from_numpy = Array
    torch.inference_mode = lambda: importlib.import_module("contextlib").nullcontext()
    transformers.SuperGlueForKeypointMatching = Stub(asked)
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "transformers", transformers)
    return asked


def dots(points: list[tuple[int, int]], height: int = 40, width: int = 64) -> np.ndarray:
    photo = np.zeros((height, width, 3), np.uint8)
    for x, y in points:
        photo[y, x] = 255
    return photo


class TestLicence:
    @pytest.mark.parametrize("answer", [False, None, 1, "yes"])
    def test_nothing_is_loaded_before_it_is_accepted(self, asked, answer):
        with pytest.raises(ConfigError) as told:
            Superglue(accept_licence=answer)
        assert str(told.value) == (
            f"expected accept_licence=True, found {answer!r}: these weights are under the {LICENCE}. "
            "Accept it, or take other local features."
        )
        assert asked == []

    def test_it_is_not_accepted_unasked(self, asked):
        with pytest.raises(ConfigError, match="no commercial use"):
            registry.get("local_matchers", "superglue")()
        assert asked == []


class TestAbsence:
    @pytest.mark.usefixtures("asked")
    @pytest.mark.parametrize("absent", ["torch", "transformers"])
    def test_a_missing_package_names_the_command(self, monkeypatch, absent):
        monkeypatch.setitem(sys.modules, absent, None)
        with pytest.raises(MissingExtraError) as told:
            Superglue(accept_licence=True)
        assert str(told.value) == f"SuperGlue needs {absent}: run  pip install 'resight[superglue]'"

    def test_weights_that_cannot_be_had_are_told_in_one_sentence(self, asked):
        with pytest.raises(InputError) as told:
            Superglue(accept_licence=True, model="absent", offline=True)
        assert str(told.value) == (
            "absent: the weights cannot be had (We couldn't connect to the hub.): "
            "go online once, or give as model a folder where they were saved by save_pretrained"
        )
        assert asked == [("absent", {"local_files_only": True})]

    @pytest.mark.parametrize("wrong", [{"max_side_px": 7}, {"min_confidence": 1.0}, {"max_side_px": True}])
    def test_a_number_out_of_range_is_refused(self, asked, wrong):
        with pytest.raises(ConfigError, match=f"expected .*{next(iter(wrong))}"):
            Superglue(accept_licence=True, **wrong)
        assert asked == []


@pytest.mark.usefixtures("asked")
class TestMatch:
    def test_matches_come_back_in_px_of_the_photos_as_given(self):
        matcher = Superglue(accept_licence=True, max_side_px=64, min_confidence=0.1)
        found = matcher.match(dots([(5, 3), (50, 20)]), dots([(8, 9), (30, 31)], 64, 44))
        assert found.points == pytest.approx(np.array([[5, 3], [50, 20]]), abs=1e-4)
        assert found.other_points == pytest.approx(np.array([[8, 9], [30, 31]]), abs=1e-4)
        assert found.confidence == pytest.approx([1, 0.2])

    def test_the_other_photo_is_scaled_back_by_its_own_factor(self):
        large = np.zeros((80, 128, 3), np.uint8)
        large[40:48, 64:72] = 255
        matcher = Superglue(accept_licence=True, max_side_px=64, min_confidence=0.1)
        found = matcher.match(large, dots([(20, 30)]))
        assert found.points[0] == pytest.approx([64, 40], abs=4)
        assert found.other_points.tolist() == [[20, 30]]

    def test_what_is_not_surer_than_asked_is_left_out(self):
        photo = dots([(1, 1), (9, 9), (30, 30)])
        assert len(Superglue(accept_licence=True, max_side_px=64, min_confidence=0.6).match(photo, photo).points) == 1

    def test_nothing_is_found_in_what_was_filled_up(self):
        white_edge = dots([(x, 35) for x in range(64)], 36)
        found = Superglue(accept_licence=True, max_side_px=64, min_confidence=0).match(white_edge, dots([], 36))
        assert len(found.points) == 0
        found = Superglue(accept_licence=True, max_side_px=64, min_confidence=0).match(white_edge, white_edge)
        assert set(found.points[:, 1].tolist()) == {35.0}

    def test_other_pixels_are_refused(self):
        with pytest.raises(InputError, match=r"expected \(H, W, 3\) uint8 with pixels"):
            Superglue(accept_licence=True).match(dots([]), np.zeros((9, 9), np.uint8))

    def test_the_fingerprint_names_weights_and_settings(self):
        assert Superglue(accept_licence=True, model="mine", max_side_px=64).model_id == "mine-64px-0.2"


def test_the_real_classes_take_what_is_handed_over(tmp_path):
    """A tiny network with random weights, saved and loaded as a user's own folder would be."""
    if importlib.util.find_spec("transformers") is None:
        pytest.skip("the real classes are not tried: transformers is not installed (pip install 'resight[superglue]')")
    transformers = importlib.import_module("transformers")
    detector = transformers.SuperPointConfig(
        encoder_hidden_sizes=[8, 8, 8, 8], decoder_hidden_size=8, descriptor_decoder_dim=16, max_keypoints=20
    )
    config = transformers.SuperGlueConfig(
        keypoint_detector_config=detector, hidden_size=16, keypoint_encoder_sizes=[8, 16],
        gnn_layers_types=["self", "cross"], num_attention_heads=2,
    )  # fmt: skip
    transformers.SuperGlueForKeypointMatching(config).save_pretrained(tmp_path)
    matcher = Superglue(accept_licence=True, model=str(tmp_path), max_side_px=96, min_confidence=0, offline=True)
    rng = np.random.default_rng(0)
    found = matcher.match(*(rng.integers(0, 256, (60, 90, 3)).astype(np.uint8) for _ in range(2)))
    assert found.points.shape == found.other_points.shape == (len(found.confidence), 2)


@pytest.mark.usefixtures("asked")
def test_pairs_are_scored_by_the_matches_that_agree_on_one_geometry(tmp_path):
    spots = [(5, 3), (50, 20), (9, 30), (33, 12), (60, 6), (20, 22)]
    shifted = [(x, y + 4) for x, y in spots]
    for name, points in (("here", spots), ("moved", shifted), ("nothing", [])):
        Image.fromarray(dots(points)).save(tmp_path / f"{name}.png")
    (tmp_path / "broken.png").write_bytes(b"no photo")
    names = ["here", "moved", "nothing", "broken"]
    photos = Catalogue(pl.DataFrame({"image_id": names, "path": [f"{name}.png" for name in names]}), tmp_path)
    scorer = SuperglueScorer(photos, photos, Superglue(accept_licence=True, max_side_px=64, min_confidence=0.1))
    found = scorer.score(np.array([0, 0, 0, 0, 3]), np.array([0, 1, 2, 3, 0]))
    assert found[:2] == pytest.approx(np.log1p(np.linspace(1, 0.2, 6).sum()), abs=0.05)
    assert found[2] == 0
    assert np.isnan(found[3:]).all()


def test_a_recipe_that_names_it_must_accept_the_licence():
    options = RerankRecipe.parse("[[scorers]]\nkind = 'superglue'").scorers[0]
    with pytest.raises(ConfigError, match="no commercial use"):
        build_scorers(RerankRecipe(scorers=(options,)), None)
