"""k-reciprocal scores equal plain loops over sets, and they order only."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.reranking import Reciprocal
from oracles.search import may_answer
from resight.core import Eligibility, Embeddings
from resight.decide import Goal, calibrate
from resight.errors import ConfigError, InputError, MismatchError
from resight.protocols import Searcher
from resight.rerank.reciprocal import KReciprocal


def unit(vectors):
    vectors = np.asarray(vectors, np.float64)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def some(n, seed=0, prefix="p", dimension=4):
    vectors = np.random.default_rng(seed).standard_normal((n, dimension)) + 0.5
    return Embeddings(np.array([f"{prefix}{row:03d}" for row in range(n)], np.str_), unit(vectors), "toy")


def names(n, n_names=4, seed=0):
    return np.random.default_rng(seed).integers(0, n_names, n).astype(str)


def shuffled(gallery, identities, seed):
    order = np.random.default_rng(seed).permutation(len(gallery))
    return gallery.select(order), identities[order]


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 18),
    st.sampled_from([(1, 1), (2, 2), (4, 1), (5, 3), (30, 6)]),
    st.sampled_from([0.0, 0.3, 1.0]),
)
def test_equals_plain_loops(seed, n, ks, weight):
    rng = np.random.default_rng(seed)
    gallery, identities = shuffled(some(n, seed), names(n), seed)
    queries = some(3, seed + 1, "q")
    rule = Eligibility(((rng.integers(-1, 3, 3), rng.integers(-1, 3, n)),))
    found = KReciprocal(gallery, identities, k1=ks[0], k2=ks[1], weight=weight).search(queries, n, rule, distinct=False)
    plain = Reciprocal(gallery, *ks, weight)
    for query in range(3):
        expected = {str(gallery.image_ids[p]): s for p, s in plain.scores(queries, rule, query).items()}
        n_found = int(found.present[query].sum())
        assert dict(zip(found.gallery_ids[query][:n_found].tolist(), found.scores[query], strict=False)) == {
            photo: pytest.approx(score, abs=2e-6) for photo, score in expected.items()
        }


def test_each_individual_stands_with_its_best_photo():
    gallery, identities = shuffled(some(30), names(30), 3)
    searcher = KReciprocal(gallery, identities, k1=6, k2=3)
    queries = some(5, 9, "q")
    photos, distinct = searcher.search(queries, 30, distinct=False), searcher.search(queries, 3)
    for query in range(5):
        _, first = np.unique(photos.identities[query], return_index=True)
        best = np.sort(first)[:3]
        assert distinct.gallery_ids[query].tolist() == photos.gallery_ids[query][best].tolist()
        assert distinct.scores[query].tolist() == photos.scores[query][best].tolist()
    assert distinct.n_gallery == 4


def test_neither_the_order_of_the_gallery_nor_other_queries_matter():
    gallery, identities, queries = some(40), names(40), some(6, 2, "q")
    whole = KReciprocal(gallery, identities).search(queries, 5)
    for seed in range(3):
        other = KReciprocal(*shuffled(gallery, identities, seed)).search(queries.select([4]), 5)
        assert other.gallery_ids.tolist() == whole.gallery_ids[[4]].tolist()
        assert np.allclose(other.scores, whole.scores[[4]], atol=1e-6, equal_nan=True)


def test_small_blocks_give_what_one_gives(monkeypatch):
    gallery, identities, queries = some(40), names(40), some(6, 2, "q")
    whole = KReciprocal(gallery, identities, k1=5).search(queries, 5)
    monkeypatch.setattr("resight.rerank.reciprocal._ROWS_AT_ONCE", 7)
    monkeypatch.setattr("resight.rerank.reciprocal._MOST_QUERIES", 2)
    parts = KReciprocal(gallery, identities, k1=5).search(queries, 5)
    assert parts.gallery_ids.tolist() == whole.gallery_ids.tolist()
    assert np.allclose(parts.scores, whole.scores, atol=1e-6, equal_nan=True)


def test_who_may_not_answer_neither_answers_nor_counts():
    gallery, identities = some(24), names(24)
    encounter = np.arange(24) // 4
    rule = Eligibility(((encounter, encounter),))
    found = KReciprocal(gallery, identities, k1=5, k2=3).search(gallery, 24, rule, distinct=False)
    row_of = {str(photo): row for row, photo in enumerate(gallery.image_ids)}
    for query in range(24):
        answered = {row_of[str(photo)] for photo in found.gallery_ids[query] if photo}
        assert answered == {photo for photo in range(24) if may_answer(rule, query, photo)}
    alone = KReciprocal(gallery, identities, k1=5).search(gallery, 24, distinct=False)
    assert all(query not in row for query, row in zip(gallery.image_ids, alone.gallery_ids.tolist(), strict=True))


def test_a_constant_embedder_ties_all():
    gallery = Embeddings(np.array(["b", "a", "c"]), np.tile(np.float32([[1, 0]]), (3, 1)), "toy")
    query = Embeddings(np.array(["q"]), gallery.vectors[:1], "toy")
    found = KReciprocal(gallery, ["Bo", "Al", "Cy"], k1=5).search(query, 5)
    assert found.identities.tolist() == [["Al", "Bo", "Cy", "", ""]]
    assert len(set(found.scores[0, :3].tolist())) == 1


def test_nothing_to_search_in_and_nothing_to_ask():
    nobody = KReciprocal(some(0), [])
    assert not nobody.search(some(2, 1, "q"), 3).present.any()
    assert len(KReciprocal(some(3), names(3)).search(some(0), 2)) == 0
    forbidden = Eligibility(((np.zeros(1, int), np.zeros(3, int)),))
    assert not KReciprocal(some(3), names(3)).search(some(1, 1, "q"), 2, forbidden).present.any()


def test_a_crowd_of_mutual_neighbours_beats_a_lone_photo_as_near():
    """What the method is for: of two photos equally near, the one whose neighbours are the query's comes first."""
    angles = np.radians([0, 8, 9, 10, 11, -10])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    gallery = Embeddings(np.array(["x1", "x2", "x3", "x4", "z"]), unit(vectors[1:]), "toy")
    query = Embeddings(np.array(["q"]), unit(vectors[:1]), "toy")
    found = KReciprocal(gallery, ["Ann", "Ann", "Bea", "Ann", "Zoe"], k1=4, k2=1, weight=0.0).search(query, 3)
    assert found.identities[0, -1] == "Zoe"


class TestOrderingOnly:
    def matches(self):
        return KReciprocal(some(20), names(20), k1=3).search(some(4, 1, "q"), 3)

    def test_the_mark_and_the_names(self):
        found = self.matches()
        assert (found.scale, found.ordering_only) == ("k-reciprocal", True)
        assert found.model == "toy+k-reciprocal(k1=3,k2=6,weight=0.3)"
        assert found.top(1).ordering_only
        assert found.select([0]).ordering_only

    def test_no_threshold_rests_on_it(self):
        sentence = "expected scores that can be compared between queries, found scale 'k-reciprocal', which only"
        with pytest.raises(MismatchError, match=sentence):
            calibrate(self.matches(), ["x"] * 4, self.matches(), ["y"] * 4, Goal.parse("fpir=0.1"), n_photos=20)
        with pytest.raises(MismatchError, match=sentence):
            self.matches().require_same_scale("k-reciprocal", self.matches().model)

    def test_it_is_a_searcher(self):
        assert isinstance(KReciprocal(some(3), names(3)), Searcher)


@pytest.mark.parametrize("wrong", [{"k1": 0}, {"k2": 0}, {"memory_mb": 0}, {"weight": 1.1}, {"weight": float("nan")}])
def test_odd_settings_are_refused(wrong):
    with pytest.raises(ConfigError, match=f"expected {next(iter(wrong))} "):
        KReciprocal(some(3), names(3), **wrong)


def test_odd_questions_are_refused():
    with pytest.raises(InputError, match="one identity per photo"):
        KReciprocal(some(3), ["a"])
    with pytest.raises(InputError, match="found None in row 1"):
        KReciprocal(some(2), ["a", None])
    searcher = KReciprocal(some(3), names(3))
    with pytest.raises(InputError, match="k of at least 1"):
        searcher.search(some(1, 1, "q"), 0)
    with pytest.raises(InputError, match="a rule for 1 queries and 3 photos"):
        searcher.search(some(1, 1, "q"), 1, Eligibility(((np.zeros(1, int), np.zeros(2, int)),)))
    with pytest.raises(MismatchError):
        searcher.search(Embeddings(np.array(["q"]), np.ones((1, 1), np.float32), "other"), 1)
