"""The geometry of matches: models found among strays, degenerate ones refused, the company indifferent."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles import local_matching as plain
from resight.errors import ConfigError
from resight.rerank.features import PhotoFeatures
from resight.rerank.geometry import Verified, verify
from resight.rerank.matching import KeypointMatches

SIDE = 256
PLANES = ("similarity", "affine", "homography")


def photo(points: np.ndarray, frames: np.ndarray | None = None) -> PhotoFeatures:
    n = len(points)
    frames = np.full((n, 2), np.nan) if frames is None else frames
    return PhotoFeatures(points, frames, np.ones((n, 2), np.uint8), (SIDE, SIDE))


def all_matched(n: int, confidence: float = 0.5) -> KeypointMatches:
    return KeypointMatches.of([(np.arange(n), np.arange(n), np.full(n, confidence, np.float32))])


def similarity(scale: float, angle: float, x: float, y: float) -> np.ndarray:
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[c, -s, x], [s, c, y], [0, 0, 1]])


def mapped(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    there = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return there[:, :2] / there[:, 2:]


def pair(matrix: np.ndarray, n_true: int, n_strays: int, seed: int = 0, *, framed: bool = False):
    """Two photos with so many matches that follow a plane's model and so many that follow nothing."""
    rng = np.random.default_rng(seed)
    first = rng.uniform(20, SIDE - 20, (n_true + n_strays, 2))
    second = mapped(matrix, first) + rng.normal(0, 0.5, first.shape)
    second[n_true:] = rng.uniform(0, SIDE, (n_strays, 2))
    frames: tuple[np.ndarray | None, np.ndarray | None] = (None, None)
    if framed:
        one = np.column_stack([rng.uniform(3, 20, len(first)), rng.uniform(0, 6.28, len(first))])
        turn = complex(matrix[0, 0], matrix[1, 0])
        other = one * (abs(turn), 1) + (0, np.angle(turn)) + rng.normal(0, (0.2, 0.1), one.shape)
        other[n_true:, 1] = rng.uniform(0, 6.28, n_strays)
        frames = one, other
    return photo(first, frames[0]), photo(second, frames[1]), all_matched(len(first))


@given(st.floats(0.4, 2.5), st.floats(-3, 3), st.integers(6, 40), st.integers(0, 40), st.booleans())
@settings(deadline=None, max_examples=60)
def test_a_similarity_is_found_among_strays(scale, angle, n_true, n_strays, framed):
    matrix = similarity(scale, angle, 30, -12)
    strays = min(n_strays, 3 * n_true) if framed else min(n_strays, n_true // 2)
    one, other, matches = pair(matrix, n_true, strays, framed=framed)
    found = verify(one, [other], matches, tolerance_px=6)
    true = found.matches.firsts < n_true
    assert found.inliers[true].mean() >= 0.8
    assert found.inliers[~true].sum() <= 0.25 * strays + 1
    corners = np.array([[40.0, 40], [200, 60], [120, 220]])
    assert np.abs(mapped(found.models[0], corners) - mapped(matrix, corners)).max() < 12


@pytest.mark.parametrize("model", PLANES)
def test_inliers_are_those_that_plain_loops_count_with_the_model(model):
    one, other, matches = pair(similarity(1.3, 0.4, 5, 9), 30, 15)
    found = verify(one, [other], matches, model=model, tolerance_px=4)
    counted = plain.n_following(found.places[:, 0], found.places[:, 1], found.models[0], 4)
    assert found.n_inliers.tolist() == [counted]
    assert counted >= 28


def test_affine_and_homography_follow_what_a_similarity_cannot():
    sheared = np.array([[1.2, 0.5, 3], [0.1, 0.8, -4], [0, 0, 1]])
    tilted = np.array([[1.1, 0.1, 3], [0.0, 0.9, 6], [0.0012, 0.0008, 1]])
    for matrix, model in ((sheared, "affine"), (tilted, "homography")):
        one, other, matches = pair(matrix, 40, 10)
        simple = verify(one, [other], matches, tolerance_px=4).n_inliers[0]
        assert verify(one, [other], matches, model=model, tolerance_px=4).n_inliers[0] >= max(38, simple + 8)


def test_a_fundamental_matrix_follows_a_scene_with_depth():
    rng = np.random.default_rng(5)
    scene = np.column_stack([rng.uniform(-1, 1, (60, 2)), rng.uniform(2, 6, 60)])
    angle = 0.1
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    views = [scene, scene @ turn.T + (0.6, 0.1, 0)]
    first, second = (200 * view[:, :2] / view[:, 2:] + 128 for view in views)
    second[45:] = rng.uniform(0, SIDE, (15, 2))
    found = verify(photo(first), [photo(second)], all_matched(60), model="fundamental", tolerance_px=1.5)
    assert found.inliers[found.matches.firsts < 45].mean() > 0.95
    assert found.inliers[found.matches.firsts >= 45].mean() < 0.5
    matrix = found.models[0]
    one = np.append(found.places[found.inliers][0, 0], 1)
    other = np.append(found.places[found.inliers][0, 1], 1)
    assert abs(other @ matrix @ one) < 5 * np.linalg.norm(matrix @ one)


@pytest.mark.parametrize("model", PLANES)
def test_models_that_mirror_or_collapse_are_refused(model):
    mirror = np.array([[-1.0, 0, 250], [0, 1, 0], [0, 0, 1]])
    tiny, huge = similarity(0.1, 0, 100, 100), similarity(8, 0, 0, 0)
    for matrix in (mirror, tiny, huge):
        one, other, matches = pair(matrix, 30, 0)
        found = verify(one, [other], matches, model=model, tolerance_px=1)
        if np.isfinite(found.models[0]).all():  # a few may agree by chance, on a model that can be
            scale = np.sqrt(abs(np.linalg.det(found.models[0][:2, :2])))
            assert 0.2 <= scale <= 5
            assert np.linalg.det(found.models[0][:2, :2]) > 0
        assert found.n_inliers[0] <= 8


def test_many_keypoints_on_one_count_once():
    rng = np.random.default_rng(0)
    first = rng.uniform(0, SIDE, (20, 2))
    second = np.tile([[50.0, 60.0]], (20, 1))
    sure = np.linspace(0.3, 0.6, 20).astype(np.float32)
    matches = KeypointMatches.of([(np.arange(20), np.zeros(20, np.int64), sure)])
    found = verify(photo(first), [photo(second[:1])], matches)
    assert found.matches.firsts.tolist() == [19]
    same_place = verify(photo(first), [photo(second)], KeypointMatches.of([(np.arange(20), np.arange(20), sure)]))
    assert same_place.matches.firsts.tolist() == [19]
    turned_round = verify(photo(second), [photo(first)], KeypointMatches.of([(np.arange(20), np.arange(20), sure)]))
    assert turned_round.matches.seconds.tolist() == [19]


@pytest.mark.parametrize("framed", [False, True])
def test_few_matches(framed):
    for n in (0, 1, 2, 3):
        one, other, matches = pair(similarity(1.1, 0.2, 3, 4), n, 0, framed=framed)
        found = verify(one, [other], matches)
        assert found.n_inliers.tolist() == [n if framed or n > 1 else 0]
        assert np.isfinite(found.models[0]).all() == (n > 1 or (framed and n == 1))
        for model in ("affine", "homography", "fundamental"):
            assert verify(one, [other], matches, model=model).n_inliers.tolist() == [0]


@pytest.mark.parametrize("model", ["similarity", "affine", "homography", "fundamental"])
def test_points_in_one_place_or_on_one_line_end_nothing(model):
    line = np.column_stack([np.arange(12.0), np.arange(12.0)])
    for points in (np.zeros((12, 2)), line):
        found = verify(photo(points), [photo(points)], all_matched(12), model=model)
        assert isinstance(found, Verified)
        assert np.isfinite(found.scores).all()


def test_frames_must_turn_with_the_model():
    one, other, matches = pair(similarity(1, 0, 5, 5), 20, 0, framed=True)
    against = photo(other.points, other.frames + (0, np.pi) * (np.arange(20) >= 10)[:, None])
    assert verify(one, [other], matches).n_inliers.tolist() == [20]
    assert verify(one, [against], matches).n_inliers.tolist() == [10]


def test_a_frame_without_size_proposes_nothing():
    one, other, matches = pair(similarity(1, 0, 5, 5), 20, 0, framed=True)
    frames = other.frames.copy()
    frames[:] = (0, 1)
    assert verify(one, [photo(other.points, frames)], matches).n_inliers.tolist() == [20]


def test_pairs_with_and_without_frames_may_come_together():
    one, other, matches = pair(similarity(1, 0.3, 5, 5), 12, 0, framed=True)
    frames = other.frames.copy()
    frames[0] = np.nan
    found = verify(
        one,
        [other, photo(other.points, frames), photo(other.points)],
        KeypointMatches.of([(matches.firsts, matches.seconds, matches.confidences)] * 3),
    )
    assert found.n_inliers.tolist() == [12, 12, 12]


@pytest.mark.parametrize("model", ["similarity", "affine"])
def test_a_pair_gets_the_same_alone_in_company_and_again(model):
    pairs = [pair(similarity(1 + 0.1 * k, k, k, 3), 2 + 3 * k, 5 * (k % 3), k, framed=True) for k in range(12)]
    query = photo(
        np.concatenate([one.points for one, _, _ in pairs]), np.concatenate([one.frames for one, _, _ in pairs])
    )
    starts = np.cumsum([0, *(len(one) for one, _, _ in pairs)])
    lists = [
        (np.arange(len(o)) + s, np.arange(len(o)), m.confidences)
        for (_, o, m), s in zip(pairs, starts[:-1], strict=True)
    ]
    others = [other for _, other, _ in pairs]
    together = verify(query, others, KeypointMatches.of(lists), model=model)
    again = verify(query, others, KeypointMatches.of(lists), model=model)
    assert np.array_equal(together.inliers, again.inliers)
    for number, (other, one) in enumerate(zip(others, lists, strict=True)):
        alone = verify(query, [other], KeypointMatches.of([one]), model=model)
        assert np.array_equal(alone.models[0], together.models[number], equal_nan=True)
        assert np.array_equal(alone.inliers, together.inliers[together.matches.photos == number])


def test_scores_are_the_logarithm_of_the_inliers_confidences():
    one, other, matches = pair(similarity(1, 0.1, 5, 5), 12, 4, framed=True)
    found = verify(one, [other, other], KeypointMatches(*_twice(matches)))
    for number in (0, 1):
        sums = sum(
            float(sure)
            for sure, kept, photo in zip(found.matches.confidences, found.inliers, found.matches.photos, strict=True)
            if kept and photo == number
        )
        assert found.scores[number] == pytest.approx(np.log(1 + sums))


def _twice(matches: KeypointMatches):
    confidences = np.concatenate([matches.confidences, matches.confidences / 2])
    return np.repeat([0, 1], len(matches)), np.tile(matches.firsts, 2), np.tile(matches.seconds, 2), confidences, 2


def test_settings_that_mean_nothing_are_refused():
    one, other, matches = pair(similarity(1, 0, 5, 5), 5, 0)
    with pytest.raises(ConfigError, match="Did you mean 'homography'"):
        verify(one, [other], matches, model="homografy")
    for tolerance in (0, -1, float("nan")):
        with pytest.raises(ConfigError, match="expected tolerance_px above 0"):
            verify(one, [other], matches, tolerance_px=tolerance)
