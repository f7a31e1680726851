"""Matching of keypoints: against plain loops, in whole numbers, and at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles import local_matching as plain
from resight.errors import ConfigError, MismatchError
from resight.rerank.features import PhotoFeatures
from resight.rerank.matching import KeypointMatches, match
from resight.rerank.products import Levels, inner_products


def photo(codes: np.ndarray) -> PhotoFeatures:
    n = len(codes)
    return PhotoFeatures(np.zeros((n, 2)), np.full((n, 2), np.nan), codes, (10, 10))


def drawn(n: int, d: int, seed: int, *, signed: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, d)) if signed else rng.gamma(0.5, 1, (n, d)) + 1e-3).astype(np.float32)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3, 64, 128]), st.booleans(), st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_the_products_are_those_of_whole_numbers_and_near_the_cosines(m, n, d, signed, seed):
    one, other = drawn(m, d, seed, signed=signed), drawn(n, d, seed + 1000, signed=signed)
    first, second = Levels.of(one), Levels.of(other)
    asking, zero, _ = first.asking
    products, step = inner_products(first, second)
    assert np.array_equal(products, (asking.astype(np.int64) - zero) @ second.values.astype(np.int64))
    assert asking.max() <= 127, "older processors add two products in 16 bits"
    cosines = photo(one).descriptors @ photo(other).descriptors.T
    assert np.abs(products * step - cosines).max() < 0.03


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.float16, np.float32])
def test_levels_are_those_of_the_oracle_for_each_type(dtype):
    codes = (drawn(30, 16, 5, signed=dtype != np.uint8) * 20).clip(-127, 127).astype(dtype)
    codes[3] = 0
    values, step = plain.levels(codes)
    found = Levels.of(codes)
    assert found.step == pytest.approx(step, rel=1e-5)
    assert np.abs(found.values.T - values).max() <= 1, "a half may be rounded otherwise in 32 bits"
    assert (values != found.values.T).mean() < 0.01
    assert not found.values[:, 3].any()


@given(st.integers(1, 30), st.integers(1, 30), st.sampled_from([None, 0.8, 1.0]), st.booleans(), st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_matches_are_those_of_plain_loops_but_for_close_calls(m, n, ratio, mutual, seed):
    rng = np.random.default_rng(seed)
    one = drawn(m, 32, seed, signed=bool(seed % 2))
    other = drawn(n, 32, seed + 1000, signed=bool(seed % 2))
    shared = min(m, n) // 2
    other[:shared] = np.abs(one[:shared] + 0.05 * rng.standard_normal((shared, 32))) if seed % 2 == 0 else one[:shared]
    found = match(photo(one), [photo(other)], ratio=ratio, mutual=mutual)
    ours = set(zip(found.firsts.tolist(), found.seconds.tolist(), strict=True))
    sure = {(i, j) for i, j, confidence in plain.matches(one, other, ratio, mutual)}
    assert {pair for pair in sure if pair[0] == pair[1] < shared} <= ours
    assert len(ours ^ sure) <= 0.15 * (len(ours) + len(sure)) + 2


def test_confidences_are_the_ratio_of_distances():
    one, other = drawn(40, 64, 1), drawn(50, 64, 2)
    other[:20] = one[:20] + 0.1 * drawn(20, 64, 3)
    theirs = {(i, j): sure for i, j, sure in plain.matches(one, other, 0.8, False)}
    found = match(photo(one), [photo(other)])
    assert len(found) >= 15
    for i, j, sure in zip(found.firsts.tolist(), found.seconds.tolist(), found.confidences.tolist(), strict=True):
        assert sure == pytest.approx(theirs[i, j], abs=0.06)
        assert sure > 0.2


def test_each_photo_is_matched_for_itself_and_the_empty_ones_match_nothing():
    query = drawn(20, 8, 0)
    photos = [query[5:15], query[:0], drawn(10, 8, 9), query[::-1]]
    together = match(photo(query), [photo(codes) for codes in photos])
    assert together.n_photos == 4
    assert (np.diff(together.photos) >= 0).all()
    for number, codes in enumerate(photos):
        alone, here = match(photo(query), [photo(codes)]), together.photos == number
        assert np.array_equal(alone.firsts, together.firsts[here])
        assert np.array_equal(alone.confidences, together.confidences[here])
    assert len(match(photo(query[:0]), [photo(query)])) == 0
    assert len(match(photo(query), [])) == 0
    assert match(photo(query), []).n_photos == 0


def test_a_tie_with_the_second_is_no_match():
    query = np.array([[10, 0, 0], [0, 10, 0]], np.uint8)
    doubled = np.array([[10, 0, 0], [10, 0, 0], [0, 10, 0]], np.uint8)
    assert match(photo(query), [photo(doubled)], ratio=1.0).firsts.tolist() == [1]


def test_one_keypoint_alone_has_no_second_to_be_clearer_than():
    one = np.array([[3, 4]], np.uint8)
    assert len(match(photo(one), [photo(one)])) == 0
    assert match(photo(one), [photo(one)], ratio=None).confidences[0] == pytest.approx(1, abs=0.01)


def test_descriptors_of_nothing_match_nothing():
    codes = np.array([[0, 0], [9, 1]], np.uint8)
    assert match(photo(codes), [photo(codes)]).firsts.tolist() == [1]
    assert match(photo(codes), [photo(codes)], ratio=None).firsts.tolist() == [1]


def test_mutual_leaves_each_keypoint_of_the_photo_once():
    rng = np.random.default_rng(3)
    other = drawn(10, 16, 4)
    query = np.repeat(other, 3, axis=0) + 0.02 * rng.random((30, 16)).astype(np.float32)
    assert np.bincount(match(photo(query), [photo(other)]).seconds).max() == 3
    mutual = match(photo(query), [photo(other)], mutual=True)
    assert sorted(mutual.seconds.tolist()) == list(range(10))


@pytest.mark.parametrize("ratio", [0, -1, 1.01, float("nan")])
def test_a_ratio_that_means_nothing_is_refused(ratio):
    one = photo(drawn(3, 4, 0))
    with pytest.raises(ConfigError, match="expected ratio from above 0 to 1"):
        match(one, [one], ratio=ratio)


def test_descriptors_of_two_lengths_are_refused():
    with pytest.raises(MismatchError, match="found 4 and 8"):
        match(photo(drawn(3, 4, 0)), [photo(drawn(3, 8, 0))])


def test_a_selection_keeps_the_number_of_photos():
    query = photo(drawn(9, 8, 0))
    found = match(query, [query, query])
    assert found.select(found.photos == 1).n_photos == 2
    assert KeypointMatches.of([]).n_photos == 0
