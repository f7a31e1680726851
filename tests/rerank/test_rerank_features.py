"""Local features: what is always true of them, and how they are chosen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resight.errors import InputError, MismatchError, UnknownNameError
from resight.rerank.features import LocalFeatures, PhotoFeatures, unit_rows


def photo(n: int, seed: int = 0, d: int = 4, dtype: type = np.uint8) -> PhotoFeatures:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 100, (n, d)).astype(dtype)
    return PhotoFeatures(rng.uniform(0, 20, (n, 2)), rng.uniform(0, 6, (n, 2)), codes, (20 + seed, 30))


def three() -> LocalFeatures:
    return LocalFeatures.of(["a", "b", "c"], [photo(3, 1), photo(0, 2), photo(5, 3)], "toy")


def same(one: PhotoFeatures, other: PhotoFeatures) -> bool:
    names = ("points", "frames", "codes", "size")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


@given(st.lists(st.integers(0, 6), max_size=5), st.sampled_from([np.uint8, np.int8, np.float16, np.float32]))
@settings(deadline=None, max_examples=50)
def test_each_photo_comes_back_as_it_was_given(counts, dtype):
    photos = [photo(n, seed, dtype=dtype) for seed, n in enumerate(counts)]
    features = LocalFeatures.of([f"i{row}" for row in range(len(counts))], photos, "toy")
    assert len(features) == len(counts)
    for row, one in enumerate(photos):
        assert same(features.photo(row), one)
        assert len(features.photo(row)) == len(one)


@given(st.permutations(range(3)), st.integers(0, 3))
@settings(deadline=None, max_examples=20)
def test_chosen_photos_stand_in_the_order_asked_for_and_share_the_pool(order, n):
    features = three()
    rows = np.array(order[:n], np.int64)
    chosen = features.select(rows)
    assert chosen.image_ids.tolist() == features.image_ids[rows].tolist()
    assert all(same(chosen.photo(place), features.photo(row)) for place, row in enumerate(rows))
    assert np.shares_memory(chosen.codes, features.codes)


def test_photos_are_chosen_by_id_and_mask():
    assert three().select(["c", "a"]).sizes.tolist() == [[23, 30], [21, 30]]
    assert three().select(np.array([False, True, False])).image_ids.tolist() == ["b"]
    with pytest.raises(UnknownNameError, match="no photo with local features is called 'd'"):
        three().select(["d"])


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.float16, np.float32])
def test_descriptors_have_length_1_whatever_factor_the_codes_have(dtype):
    codes = np.array([[3, 4, 0], [0, 0, 0], [12, 0, 5]], dtype)
    plain = [[3 / 5, 4 / 5, 0], [0, 0, 0], [12 / 13, 0, 5 / 13]]
    np.testing.assert_allclose(unit_rows(codes), plain, rtol=1e-6)
    np.testing.assert_allclose(unit_rows(codes * dtype(2)), plain, rtol=1e-6)
    one = PhotoFeatures(np.zeros((3, 2)), np.full((3, 2), np.nan), codes, (1, 1))
    assert one.descriptors.dtype == np.float32
    assert one.descriptors is one.descriptors


def test_nothing_can_be_written_to():
    points = np.zeros((2, 2), np.float32)
    one = PhotoFeatures(points, points, np.ones((2, 3), np.uint8), (5, 5))
    points[:] = 7
    assert not one.points.any()
    features = LocalFeatures.of(["a"], [one], "toy")
    for array in (one.points, one.codes, one.descriptors, features.spans, features.codes, features.sizes):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": np.zeros((3, 2))}, "expected frames of shape"),
        ({"points": np.zeros((2, 3))}, "expected points of shape"),
        ({"points": np.full((2, 2), np.nan)}, "expected points with finite"),
        ({"frames": np.zeros((2, 1))}, "expected frames of shape"),
        ({"codes": np.zeros((1, 4), np.uint8)}, "expected codes of shape"),
        ({"codes": np.zeros((2, 0), np.uint8)}, "expected codes of shape"),
        ({"codes": np.zeros((2, 4), np.int64)}, "expected codes of uint8, int8, float16 or float32"),
        ({"codes": np.full((2, 4), np.inf, np.float16)}, "expected codes of finite"),
        ({"size": (0, 4)}, "at least 1 x 1 px"),
    ],
)
def test_a_wrong_photo_is_refused(change, message):
    right = {"points": np.zeros((2, 2)), "frames": np.zeros((2, 2)), "codes": np.zeros((2, 4), np.uint8)}
    with pytest.raises(InputError, match=message):
        PhotoFeatures(**{**right, "size": (4, 4), **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_ids": ["a", "a", "b"]}, "to differ"),
        ({"image_ids": ["a", "b"]}, "expected spans of shape"),
        ({"spans": [[0, 3], [3, 3], [3, 9]]}, "expected spans inside a pool of 8"),
        ({"spans": [[-1, 3], [3, 3], [3, 8]]}, "expected spans inside"),
        ({"spans": [[0, 3], [4, 3], [3, 8]]}, "expected spans inside"),
        ({"spans": [[0.0, 3], [3, 3], [3, 8]]}, "as whole numbers"),
        ({"sizes": [[1, 1], [1, 1], [0, 1]]}, "at least 1 x 1 px"),
        ({"sizes": [[1, 1], [1, 1]]}, "expected sizes of shape"),
        ({"model": " "}, "fingerprint of a model"),
    ],
)
def test_a_wrong_set_is_refused(change, message):
    names = ("image_ids", "spans", "points", "frames", "codes", "sizes", "model")
    right = {name: getattr(three(), name) for name in names}
    with pytest.raises(InputError, match=message):
        LocalFeatures(**{**right, **change})


def test_spans_may_overlap_and_stand_in_any_order():
    whole = three()
    spans = [[3, 8], [0, 3], [3, 8]]
    features = LocalFeatures(["x", "y", "z"], spans, whole.points, whole.frames, whole.codes, whole.sizes, "toy")
    assert np.array_equal(features.photo(0).codes, whole.codes[3:8])
    assert np.array_equal(features.photo(2).codes, whole.codes[3:8])
    assert len(features.photo(1)) == 3


def test_codes_of_two_kinds_are_not_mixed():
    with pytest.raises(InputError, match="codes of one length and type"):
        LocalFeatures.of(["a", "b"], [photo(1), photo(1, d=5)], "toy")
    with pytest.raises(InputError, match="codes of one length and type"):
        LocalFeatures.of(["a", "b"], [photo(1), photo(1, dtype=np.float32)], "toy")


def test_features_of_another_method_are_refused():
    three().require_same_model("toy")
    with pytest.raises(MismatchError, match="expected local features of toy, found those of other"):
        three().require_same_model("other")


def test_no_photos_are_features_too():
    nothing = LocalFeatures.of([], [], "toy")
    assert len(nothing) == len(nothing.select([])) == 0
