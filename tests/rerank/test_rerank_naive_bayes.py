"""Naive Bayes over keypoints, against plain loops in double precision."""

from __future__ import annotations

import numpy as np
import pytest

from resight.core import Eligibility
from resight.errors import ConfigError, InputError, MismatchError
from resight.rerank.features import LocalFeatures, PhotoFeatures
from resight.rerank.naive_bayes import FRAMED_ALIKE, Framing, NaiveBayesScorer

NEAREST = 0.01


def photo(rng, n, size=(100, 80), frames=True):
    codes = rng.integers(0, 256, (n, 16)).astype(np.uint8)
    shown = np.column_stack([rng.uniform(2, 9, n), rng.uniform(-3, 3, n)]) if frames else np.full((n, 2), np.nan)
    return PhotoFeatures(rng.uniform(0, 80, (n, 2)).astype(np.float32), shown.astype(np.float32), codes, size)


def features(photos, model="toy"):
    return LocalFeatures.of([f"p{number}" for number in range(len(photos))], photos, model)


@pytest.fixture
def photos():
    rng = np.random.default_rng(4)
    return [photo(rng, n) for n in (12, 9, 15, 1, 11)]


@pytest.fixture
def background():
    rng = np.random.default_rng(5)
    return [photo(rng, 10) for _ in range(6)]


def unit(one):
    codes = one.codes.astype(float)
    return codes / np.linalg.norm(codes, axis=1, keepdims=True)


def nearest(query, other):
    found, distances = [], []
    for vector in unit(query):
        squared = [2 - 2 * float(vector @ candidate) for candidate in unit(other)]
        found.append(int(np.argmin(squared)))
        distances.append(max(min(squared), NEAREST))
    return found, distances


def plain(query, other, background, n_ahead, framing):
    expected = [
        sorted(column)[n_ahead - 1] for column in zip(*(nearest(query, one)[1] for one in background), strict=True)
    ]
    found, distances = nearest(query, other)
    total = 0.0
    for keypoint, (there, distance) in enumerate(zip(found, distances, strict=True)):
        if distance >= expected[keypoint]:
            continue
        word = np.log(expected[keypoint] / distance)
        if framing is not None:
            across = query.points[keypoint] / max(query.size) - other.points[there] / max(other.size)
            off = float(across @ across) / framing.place**2
            sizes = np.log(query.frames[keypoint, 0] / max(query.size)) - np.log(
                other.frames[there, 0] / max(other.size)
            )
            turn = np.angle(np.exp(1j * float(query.frames[keypoint, 1] - other.frames[there, 1])))
            if np.isfinite(sizes):
                off += (sizes / framing.size) ** 2 + (turn / framing.angle_rad) ** 2
            word *= np.exp(-off / 2)
        total += word
    return np.log1p(total)


@pytest.mark.parametrize("framing", [None, FRAMED_ALIKE, Framing(place=2, size=2, angle_rad=2)])
@pytest.mark.parametrize("n_ahead", [1, 2])
def test_it_equals_plain_loops(photos, background, framing, n_ahead):
    scorer = NaiveBayesScorer(
        features(photos), features(photos), features(background), framing=framing, n_ahead=n_ahead, n_threads=1
    )
    queries, others = np.repeat(np.arange(5), 5), np.tile(np.arange(5), 5)
    expected = [plain(photos[q], photos[g], background, n_ahead, framing) for q, g in zip(queries, others, strict=True)]
    assert scorer.score(queries, others) == pytest.approx(expected, abs=0.06)  # descriptors have eight bits


def test_a_copy_scores_highest_and_threads_change_nothing(photos, background):
    some = features(photos)
    one, two = (NaiveBayesScorer(some, some, features(background), n_threads=n) for n in (1, 3))
    queries, others = np.repeat(np.arange(5), 5), np.tile(np.arange(5), 5)
    scores = one.score(queries, others)
    np.testing.assert_array_equal(scores, two.score(queries, others))
    assert (scores.reshape(5, 5).argmax(axis=1) == np.arange(5)).all()


def test_a_pair_scores_the_same_in_any_company(photos, background):
    scorer = NaiveBayesScorer(features(photos), features(photos), features(background))
    alone = scorer.score(np.array([2]), np.array([4]))[0]
    assert scorer.score(np.array([4, 2, 2, 0]), np.array([0, 1, 4, 4]))[2] == alone


def test_without_frames_place_alone_counts(background):
    rng = np.random.default_rng(6)
    bare = [photo(rng, 8, frames=False) for _ in range(3)]
    scorer = NaiveBayesScorer(features(bare), features(bare), features(background))
    scores = scorer.score(np.array([0, 1]), np.array([0, 1]))
    assert np.isfinite(scores).all()
    assert (scores > 1).all()


def test_a_photo_without_keypoints_says_nothing(photos, background):
    empty = photo(np.random.default_rng(7), 0)
    some = features([*photos, empty])
    scores = NaiveBayesScorer(some, some, features(background)).score(np.array([0, 5, 0]), np.array([5, 0, 1]))
    assert np.isnan(scores).tolist() == [True, True, False]


def test_forbidden_background_is_not_looked_at(photos, background):
    """With the query itself in the background it finds nothing special any more, unless a rule forbids that."""
    some, crowd = features(photos), features([photos[0], *background[:3]])
    itself = np.array([0, 1, 2, 3, 4])
    rule = Eligibility(((itself, np.array([0, 7, 8, 9])),))
    free = NaiveBayesScorer(some, some, crowd, n_ahead=1).score(np.array([0]), np.array([0]))
    ruled = NaiveBayesScorer(some, some, crowd, rule=rule, n_ahead=1).score(np.array([0]), np.array([0]))
    without = NaiveBayesScorer(some, some, features(background[:3]), n_ahead=1).score(np.array([0]), np.array([0]))
    assert free[0] == 0
    assert ruled[0] == without[0] > 1


def test_what_is_wrong_gets_a_sentence(photos, background):
    some, crowd = features(photos), features(background)
    with pytest.raises(ConfigError, match="n_ahead of at least 1"):
        NaiveBayesScorer(some, some, crowd, n_ahead=0)
    with pytest.raises(InputError, match="background of at least 9 photos"):
        NaiveBayesScorer(some, some, crowd, n_ahead=9)
    with pytest.raises(MismatchError):
        NaiveBayesScorer(some, some, features(background, "another"))
    with pytest.raises(ConfigError, match="place above 0"):
        Framing(place=0)
    scorer = NaiveBayesScorer(some, some, crowd)
    with pytest.raises(InputError, match="photos from 0 to below 5"):
        scorer.score(np.array([0]), np.array([5]))
    with pytest.raises(InputError, match="a photo per query"):
        scorer.score(np.array([0]), np.array([0, 1]))


def test_no_pairs(photos, background):
    scorer = NaiveBayesScorer(features(photos), features(photos), features(background))
    assert scorer.score(np.zeros(0, np.int64), np.zeros(0, np.int64)).shape == (0,)
