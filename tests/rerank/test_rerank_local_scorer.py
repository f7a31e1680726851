"""The scorer of local matches: one pair as many, in any order, on any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resight.errors import ConfigError, InputError, MismatchError
from resight.protocols import Scorer
from resight.rerank import local_scorer
from resight.rerank.features import LocalFeatures, PhotoFeatures
from resight.rerank.geometry import verify
from resight.rerank.local_scorer import LocalScorer
from resight.rerank.matching import match

N_INDIVIDUALS = 6


def photos(seed: int, sizes: list[int]) -> LocalFeatures:
    """A photo of each individual: its marks turned and moved, some of them, and strays."""
    rng = np.random.default_rng(seed)
    found = []
    for individual, n in enumerate(sizes):
        own = np.random.default_rng(individual % N_INDIVIDUALS + 1000)
        places, frames, codes = own.uniform(20, 180, (30, 2)), own.uniform(3, 6, (30, 2)), own.gamma(0.4, 40, (30, 16))
        angle = rng.uniform(-0.5, 0.5)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        places = np.concatenate([places @ turn.T + 20, rng.uniform(0, 250, (20, 2))])
        frames = np.concatenate([frames + np.array([0, angle]), rng.uniform(3, 6, (20, 2))])
        codes = np.concatenate([codes * rng.uniform(0.95, 1.05, codes.shape), rng.gamma(0.4, 40, (20, 16))])
        some = rng.permutation(50)[:n]
        found.append(PhotoFeatures(places[some], frames[some], codes[some].clip(0, 255).astype(np.uint8), (250, 250)))
    return LocalFeatures.of([f"{seed}-{row}" for row in range(len(sizes))], found, "toy")


QUERIES, GALLERY = photos(1, [40, 40, 0, 40, 45, 1]), photos(2, [40, 45, 40, 0, 40, 50, 40, 45, 40, 40, 40, 1])


def pairs() -> tuple[np.ndarray, np.ndarray]:
    queries, gallery = np.mgrid[: len(QUERIES), : len(GALLERY)].reshape(2, -1)
    return queries, gallery


def test_it_is_a_scorer():
    assert isinstance(LocalScorer(QUERIES, GALLERY), Scorer)
    assert LocalScorer(QUERIES, GALLERY, name="sift").name == "sift"


def test_scores_are_those_of_matching_and_geometry_pair_by_pair():
    queries, gallery = pairs()
    found = LocalScorer(QUERIES, GALLERY, mutual=True, ratio=0.9, tolerance_px=5).score(queries, gallery)
    assert found.dtype == np.float32
    for query, photo, score in zip(queries, gallery, found, strict=True):
        one, other = QUERIES.photo(query), GALLERY.photo(photo)
        if not len(one) or not len(other):
            assert np.isnan(score)
            continue
        alone = verify(one, [other], match(one, [other], ratio=0.9, mutual=True), tolerance_px=5)
        assert score == alone.scores[0]


def test_the_same_individual_scores_highest():
    queries, gallery = pairs()
    scores = LocalScorer(QUERIES, GALLERY).score(queries, gallery).reshape(len(QUERIES), -1)
    for query in (0, 1, 4):
        assert np.nanargmax(scores[query]) % N_INDIVIDUALS == query
    assert np.isnan(scores[2]).all()
    assert np.isnan(scores[:, 3]).all()
    assert (scores[5][np.isfinite(scores[5])] >= 0).all()


@given(st.permutations(range(72)), st.integers(1, 72), st.integers(1, 3))
@settings(deadline=None, max_examples=15)
def test_neither_order_nor_company_nor_threads_change_a_score(order, n, n_threads):
    queries, gallery = pairs()
    expected = LocalScorer(QUERIES, GALLERY, n_threads=1).score(queries, gallery)
    some = np.array(order)[:n]
    found = LocalScorer(QUERIES, GALLERY, n_threads=n_threads).score(queries[some], gallery[some])
    assert np.array_equal(found, expected[some], equal_nan=True)


def test_the_same_pair_may_be_asked_twice_and_none_at_all():
    scorer = LocalScorer(QUERIES, GALLERY)
    one, again = scorer.score(np.array([0, 0]), np.array([6, 6]))
    assert one == again > 0
    assert scorer.score(np.zeros(0, np.int64), np.zeros(0, np.int64)).shape == (0,)


def test_a_small_memory_for_descriptors_changes_nothing(monkeypatch):
    queries, gallery = pairs()
    expected = LocalScorer(QUERIES, GALLERY).score(queries, gallery)
    monkeypatch.setattr(local_scorer, "_KEPT_BYTES", 1000)
    scorer = LocalScorer(QUERIES, GALLERY)
    assert np.array_equal(scorer.score(queries, gallery), expected, equal_nan=True)
    assert scorer._ready._n_bytes <= 1000


def test_a_long_list_of_photos_is_cut_into_parts(monkeypatch):
    queries, gallery = pairs()
    expected = LocalScorer(QUERIES, GALLERY).score(queries, gallery)
    monkeypatch.setattr(local_scorer, "_N_TOGETHER", 2)
    assert np.array_equal(LocalScorer(QUERIES, GALLERY).score(queries, gallery), expected, equal_nan=True)


@pytest.mark.parametrize("model", ["affine", "homography", "fundamental"])
def test_the_other_models_find_the_same_individual(model):
    scores = LocalScorer(QUERIES, GALLERY, model=model).score(np.zeros(12, np.int64), np.arange(12))
    assert np.nanargmax(scores) % N_INDIVIDUALS == 0
    assert np.nanmax(scores) > 0


def test_what_was_seen_of_a_pair():
    scorer = LocalScorer(QUERIES, GALLERY)
    seen = scorer.matches(0, 6)
    assert seen.score == scorer.score(np.array([0]), np.array([6]))[0]
    assert seen.places.shape == (len(seen.inliers), 2, 2)
    assert seen.inliers.sum() >= 8
    there = seen.places[seen.inliers][:, 0] @ seen.model[:2, :2].T + seen.model[:2, 2]
    assert np.abs(there - seen.places[seen.inliers][:, 1]).max() < 8
    nothing = scorer.matches(0, 3)
    assert nothing.score == 0
    assert not len(nothing.places)


class Crosswise:
    """A matcher of its own: keypoint i with keypoint i of photos that have as many."""

    def match(self, one: PhotoFeatures, other: PhotoFeatures, /):
        n = min(len(one), len(other))
        return np.column_stack([np.arange(n), np.arange(n)]), np.full(n, 0.25, np.float32)


def test_another_matcher_takes_the_place_of_ratio_and_mutual():
    scorer = LocalScorer(GALLERY, GALLERY, matcher=Crosswise())
    assert scorer.score(np.array([0, 1]), np.array([0, 3])) == pytest.approx([np.log1p(40 * 0.25), np.nan], nan_ok=True)


def test_what_does_not_fit_is_refused():
    other = LocalFeatures.of(["x"], [QUERIES.photo(0)], "another method")
    with pytest.raises(MismatchError, match="another method"):
        LocalScorer(QUERIES, other)
    with pytest.raises(ConfigError, match="ratio"):
        LocalScorer(QUERIES, GALLERY, ratio=2)
    with pytest.raises(ConfigError, match="expected a model"):
        LocalScorer(QUERIES, GALLERY, model="rigid")
    with pytest.raises(ConfigError, match="n_threads"):
        LocalScorer(QUERIES, GALLERY, n_threads=0)
    scorer = LocalScorer(QUERIES, GALLERY)
    with pytest.raises(InputError, match="expected rows from 0 to below 6"):
        scorer.score(np.array([6]), np.array([0]))
    with pytest.raises(InputError, match="expected rows from 0 to below 12"):
        scorer.matches(0, -1)
    with pytest.raises(InputError, match="expected a photo per query"):
        scorer.score(np.array([0, 1]), np.array([0]))
    with pytest.raises(InputError, match="flat list of whole numbers"):
        scorer.score(np.array([0.5]), np.array([0]))
