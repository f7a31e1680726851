"""RootSIFT: against a plain reading of the papers, the same bits in every thread, no stumble over odd photos."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from resight import registry
from resight.errors import ConfigError, InputError
from resight.images import scaled
from resight.rerank.rootsift import Rootsift

SIDE = 160


def blobs(seed: int = 0, width: int = SIDE, height: int = 120) -> np.ndarray:
    """A photo with structure of every size."""
    rng = np.random.default_rng(seed)
    photo = np.zeros((height, width, 3))
    for side in (4, 12, 40):
        coarse = rng.integers(0, 256, (side, side, 3)).astype(np.uint8)
        photo += scaled(coarse, width, height)
    return (photo / 3).astype(np.uint8)


def bits(features) -> tuple[bytes, ...]:
    return tuple(getattr(features, name).tobytes() for name in ("points", "frames", "codes"))


def test_it_is_the_root_of_sift_divided_by_its_sum():
    photo = blobs()
    found = Rootsift(SIDE, n_keypoints=10_000).extract(photo)
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    keypoints, histograms = cv2.SIFT.create(contrastThreshold=0.01).detectAndCompute(grey, None)
    assert len(found) == len(keypoints) > 100
    plain = {}
    for one, histogram in zip(keypoints, histograms, strict=True):
        total = sum(histogram.tolist())
        plain[(*one.pt, np.float32(np.deg2rad(one.angle)))] = [(value / total) ** 0.5 for value in histogram.tolist()]
    for point, frame, descriptor in zip(found.points, found.frames, found.descriptors, strict=True):
        wanted = plain[(float(point[0]), float(point[1]), frame[1])]
        np.testing.assert_allclose(descriptor, wanted, atol=0.004)
        assert abs(np.linalg.norm(descriptor) - 1) < 1e-5


def test_the_strongest_are_kept_and_stand_first():
    photo = blobs(1)
    every = Rootsift(SIDE, n_keypoints=10_000).extract(photo)
    for n_keypoints in (1, 7, 50):
        some = Rootsift(SIDE, n_keypoints=n_keypoints).extract(photo)
        assert bits(some) == tuple(
            getattr(every, name)[:n_keypoints].tobytes() for name in ("points", "frames", "codes")
        )


def test_many_threads_give_the_same_bits_and_leave_opencv_as_it_was():
    photos, n_threads = [blobs(seed) for seed in range(6)] * 3, cv2.getNumThreads()
    alone = [bits(Rootsift(SIDE).extract(photo)) for photo in photos]
    shared = Rootsift(SIDE)
    with ThreadPoolExecutor(8) as pool:
        assert [bits(one) for one in pool.map(shared.extract, photos)] == alone
    cv2.setNumThreads(1)
    try:
        assert [bits(shared.extract(photo)) for photo in photos] == alone
    finally:
        cv2.setNumThreads(n_threads)
    assert cv2.getNumThreads() == n_threads


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 2), (3, 50), (7, 7), (8, 8), (120, 160)])
@pytest.mark.parametrize("enlarge", [True, False])
def test_a_blank_or_tiny_photo_has_no_keypoints(shape, enlarge):
    for grey in (0, 127, 255):
        found = Rootsift(SIDE, enlarge=enlarge).extract(np.full((*shape, 3), grey, np.uint8))
        assert len(found) == 0
        assert found.codes.shape == found.descriptors.shape == (0, 128)


def test_odd_photos_of_noise_are_no_stumbling_block():
    for shape in ((1, 1), (1, 300), (300, 2), (5, 5), (9, 400)):
        noise = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
        Rootsift(SIDE).extract(noise)
        Rootsift(SIDE, enlarge=False).extract(noise)


@pytest.mark.parametrize(("width", "height"), [(160, 120), (640, 480), (40, 30), (300, 400)])
def test_the_longer_side_is_brought_to_the_working_size(width, height):
    longer = max(width, height)
    found = Rootsift(SIDE).extract(blobs(2, width, height))
    assert found.size == (round(width * SIDE / longer), round(height * SIDE / longer))
    assert (found.points >= 0).all()
    assert (found.points < found.size).all()
    as_is = Rootsift(SIDE, enlarge=False).extract(blobs(2, width, height))
    assert as_is.size == (found.size if longer >= SIDE else (width, height))


def test_a_mask_keeps_the_budget_for_what_it_shows():
    photo = blobs(3)
    mask = np.zeros(photo.shape[:2], np.uint8)
    mask[:, :50] = 1
    every = Rootsift(SIDE, n_keypoints=10_000).extract(photo)
    inside = every.points[:, 0] < 49.5
    found = Rootsift(SIDE, n_keypoints=20).extract(photo, mask)
    assert len(found) == 20
    assert np.array_equal(found.points, every.points[inside][:20])
    assert np.array_equal(found.codes, every.codes[inside][:20])


def test_a_mask_of_everything_changes_nothing_and_one_of_nothing_leaves_nothing():
    photo = blobs(4)
    extractor = Rootsift(SIDE, n_keypoints=40)
    assert bits(extractor.extract(photo, np.ones(photo.shape[:2], bool))) == bits(extractor.extract(photo))
    assert len(extractor.extract(photo, np.zeros(photo.shape[:2], bool))) == 0


def test_a_mask_is_scaled_with_the_photo():
    photo = blobs(5, 80, 60)
    mask = np.zeros((60, 80), bool)
    mask[20:40, 30:60] = True
    points = Rootsift(SIDE, n_keypoints=500).extract(photo, mask).points
    assert len(points) > 5
    assert (points >= [59.5, 39.5]).all()
    assert (points <= [119.5, 79.5]).all()


def test_the_model_id_names_every_setting():
    kinds = [Rootsift(), Rootsift(449), Rootsift(n_keypoints=801), Rootsift(contrast_threshold=0.02)]
    ids = [one.model_id for one in [*kinds, Rootsift(contrast_threshold=0.010001), Rootsift(enlarge=False)]]
    assert len(set(ids)) == len(ids)
    assert Rootsift().model_id == "rootsift-v1.1-448px-800-0.01"


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_side_px": 7}, {"max_side_px": 100.0}, {"n_keypoints": 0}, {"n_keypoints": True},
        {"contrast_threshold": -0.1}, {"contrast_threshold": 1.0}, {"contrast_threshold": float("nan")},
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))) as caught:
        Rootsift(**wrong)
    assert caught.value.key == next(iter(wrong))


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
)
def test_what_is_no_photo_is_refused(pixels):
    with pytest.raises(InputError, match="expected \\(H, W, 3\\) uint8"):
        Rootsift().extract(pixels)
    with pytest.raises(InputError, match="expected a mask of"):
        Rootsift().extract(blobs(), np.ones((3, 3)))


def test_it_is_in_the_registry():
    assert registry.get("local_features", "rootsift") is Rootsift
