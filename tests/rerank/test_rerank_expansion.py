"""Neighbours and expansion equal plain loops; nobody who may not answer lends a query its looks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles import reranking as oracle
from resight.core import Eligibility, Embeddings
from resight.errors import ConfigError, InputError, MismatchError
from resight.rerank.expansion import alongside, augment_gallery, expand_queries
from resight.rerank.neighbours import first_best, nearest


def unit(vectors):
    vectors = np.asarray(vectors, np.float64)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def embeddings(vectors, ids=None, model="toy"):
    vectors = np.asarray(vectors, np.float32)
    ids = [f"p{row:03d}" for row in range(len(vectors))] if ids is None else ids
    return Embeddings(np.array(ids, np.str_), vectors, model)


def some(n, dimension=5, seed=0, prefix="p"):
    vectors = unit(np.random.default_rng(seed).standard_normal((n, dimension)))
    return embeddings(vectors.reshape(n, dimension), [f"{prefix}{row:03d}" for row in range(n)])


@st.composite
def questions(draw):
    """Vectors on a grid, so that equal photos and equal cosines come up; ids in any order, some on both sides."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_queries, n_photos = draw(st.integers(0, 5)), draw(st.integers(0, 14))
    pool = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.6, 0.8, 0], [0, 0.6, 0.8], [-1, 0, 0]], np.float32)

    def side(n):
        ids = [f"p{number:02d}" for number in rng.permutation(20)[:n]]
        return embeddings(pool[rng.integers(0, len(pool), n)].reshape(n, 3), ids)

    def codes(n_codes):
        return rng.integers(-1, n_codes, n_queries), rng.integers(-1, n_codes, n_photos)

    rule = Eligibility(
        tuple(codes(3) for _ in range(draw(st.integers(0, 2)))), tuple(codes(2) for _ in range(draw(st.integers(0, 1))))
    )
    return side(n_queries), side(n_photos), rule, draw(st.integers(1, 6))


class TestNearest:
    @settings(deadline=None, max_examples=50)
    @given(questions())
    def test_equals_plain_loops(self, question):
        queries, gallery, rule, k = question
        near = nearest(queries, gallery, k, rule)
        for query in range(len(queries)):
            expected = oracle.neighbours(queries, gallery, rule, query, k)
            found = near.rows[query][near.rows[query] >= 0]
            assert found.tolist() == [photo for _, photo in expected]
            assert near.scores[query][: len(found)].tolist() == [score for score, _ in expected]
            assert (near.scores[query][len(found) :] == -np.inf).all()

    @settings(deadline=None, max_examples=25)
    @given(questions(), st.integers(0, 2**32 - 1))
    def test_the_order_of_the_gallery_does_not_matter(self, question, seed):
        queries, gallery, rule, k = question
        order = np.random.default_rng(seed).permutation(len(gallery))
        differ, agree = (tuple((q, g[order]) for q, g in pairs) for pairs in (rule.differ, rule.agree))
        shuffled = nearest(queries, gallery.select(order), k, Eligibility(differ, agree))
        back = np.append(order, -1)[shuffled.rows]
        assert np.array_equal(back, nearest(queries, gallery, k, rule).rows)

    def test_many_blocks_give_what_one_gives(self, monkeypatch):
        queries, gallery = some(70, seed=1, prefix="q"), some(90, seed=2)
        whole = nearest(queries, gallery, 7)
        monkeypatch.setattr("resight.rerank.neighbours._block", lambda *_: (8, 5))
        parts = nearest(queries, gallery, 7)
        assert np.array_equal(whole.rows, parts.rows)
        assert np.array_equal(whole.scores, parts.scores)

    def test_a_constant_embedder_gives_the_first_ids(self):
        gallery = embeddings(np.tile([[1.0, 0.0]], (4, 1)), ["d", "b", "c", "a"])
        assert nearest(gallery.select([0]), gallery, 2).rows.tolist() == [[3, 1]]

    def test_the_first_of_equal_columns_stay(self):
        scores = np.array([[1, 2, 2, 2], [3, 1, 1, 0], [-np.inf] * 4], np.float32)
        assert first_best(scores, 2).tolist() == [[1, 2], [0, 1], [0, 1]]

    def test_memory_is_bounded(self):
        import tracemalloc

        queries, gallery = some(1000, 8, seed=1, prefix="q"), some(8000, 8, seed=2)
        tracemalloc.start()
        nearest(queries, gallery, 5, memory_mb=2)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 6 * 2**20  # the matrix of all scores would take 32 MB

    @pytest.mark.parametrize("wrong", [{"k": 0}, {"k": True}, {"k": 1, "memory_mb": 0}])
    def test_a_number_below_one_is_refused(self, wrong):
        with pytest.raises(ConfigError, match="of at least 1, found"):
            nearest(some(1), some(2), **wrong)

    def test_other_models_lengths_and_rules_are_refused(self):
        with pytest.raises(MismatchError, match="vectors of model other"):
            nearest(some(1), embeddings([[1.0, 0, 0, 0, 0]], model="other"), 1)
        with pytest.raises(MismatchError, match="vectors of 4 numbers, found 5"):
            nearest(some(1), some(2, 4), 1)
        with pytest.raises(InputError, match="a rule for 1 queries and 2 photos, found one for 1 and 3"):
            nearest(some(1), some(2), 1, Eligibility(((np.zeros(1, int), np.zeros(3, int)),)))


class TestExpandQueries:
    @settings(deadline=None, max_examples=50)
    @given(questions(), st.sampled_from([0.0, 1.0, 3.0]))
    def test_equals_plain_loops(self, question, alpha):
        queries, gallery, rule, k = question
        expanded = expand_queries(queries, gallery, k=k, alpha=alpha, eligibility=rule)
        assert np.allclose(expanded.vectors, oracle.expanded(queries, gallery, rule, k, alpha), atol=1e-6)
        assert expanded.image_ids.tolist() == queries.image_ids.tolist()

    def test_one_who_may_not_answer_changes_nothing(self):
        gallery, encounter = some(12), np.arange(12) // 3
        rule = Eligibility(((encounter, encounter),))
        changed = gallery.vectors.copy()
        changed[1:3] = unit([[9, 1, 1, 1, 1], [1, 9, 1, 1, 1]])  # the rest of the first photo's encounter
        other = embeddings(changed, gallery.image_ids)
        first = np.array([0])
        before = expand_queries(gallery.select(first), gallery, k=3, eligibility=rule.select(first))
        after = expand_queries(gallery.select(first), other, k=3, eligibility=rule.select(first))
        assert np.array_equal(before.vectors, after.vectors)

    def test_a_photo_never_expands_itself(self):
        gallery = some(1)
        assert np.array_equal(expand_queries(gallery, gallery).vectors, gallery.vectors)

    def test_a_query_without_neighbours_stays(self):
        query = embeddings([[1.0, 0.0]])
        for gallery in ([[0.0, 1.0]], [[-1.0, 0.0]], np.zeros((0, 2))):
            found = expand_queries(query, embeddings(gallery, [f"g{n}" for n in range(len(gallery))]), alpha=0)
            assert found.vectors.tolist() == [[1.0, 0.0]]

    def test_other_queries_do_not_matter(self):
        queries, gallery = some(9, seed=4, prefix="q"), some(30)
        alone = expand_queries(queries.select([5]), gallery)
        assert np.array_equal(expand_queries(queries, gallery).vectors[5], alone.vectors[0])

    def test_they_are_not_mixed_with_plain_vectors(self):
        queries, gallery = some(2, seed=3, prefix="q"), some(4)
        expanded = expand_queries(queries, gallery, k=2, alpha=1.5)
        assert expanded.model == "toy+aqe(k=2,alpha=1.5)"
        with pytest.raises(MismatchError):
            gallery.require_same_model(expanded.model)
        assert alongside(gallery, expanded).model == expanded.model
        with pytest.raises(MismatchError, match="expected changed vectors of model toyish"):
            alongside(embeddings([[1.0]], model="toyish"), expanded)

    @pytest.mark.parametrize("alpha", [-1, float("nan"), float("inf")])
    def test_an_odd_alpha_is_refused(self, alpha):
        with pytest.raises(ConfigError, match="alpha of at least 0"):
            expand_queries(some(1), some(2), alpha=alpha)


class TestAugmentGallery:
    @settings(deadline=None, max_examples=50)
    @given(st.integers(0, 12), st.integers(1, 5), st.integers(0, 2**32 - 1))
    def test_equals_plain_loops_within_names(self, n, k, seed):
        rng = np.random.default_rng(seed)
        gallery = some(n, seed=seed)
        names = rng.choice([None, "Ann", "Bob"], n)
        codes = np.array([{None: -1, "Ann": 0, "Bob": 1}[name] for name in names], np.int64)
        rule = Eligibility((), ((codes, codes),))
        found = augment_gallery(gallery, k=k, alpha=2, identities=names)
        assert np.allclose(found.vectors, oracle.expanded(gallery, gallery, rule, k, 2), atol=1e-6)
        assert found.model == f"toy+dba(k={k},alpha=2,named)"

    def test_no_name_bleeds_into_another(self):
        gallery = embeddings([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8]])
        bled = augment_gallery(gallery, alpha=0)
        kept = augment_gallery(gallery, alpha=0, identities=["Ann", "Bob", "Cid"])
        lent = augment_gallery(gallery, alpha=0, identities=["Ann", "Bob", ""])
        assert not np.allclose(bled.vectors, gallery.vectors)
        assert np.array_equal(kept.vectors, gallery.vectors)
        assert np.allclose(lent.vectors[0], unit([[1.6, 0.8]]))

    def test_a_rule_keeps_other_encounters_out(self):
        gallery, encounter = some(6), np.array([0, 0, 1, 1, 2, 2])
        rule = Eligibility((), ((encounter, encounter),))
        found = augment_gallery(gallery, k=5, alpha=0, eligibility=rule)
        assert np.allclose(found.vectors, oracle.expanded(gallery, gallery, rule, 5, 0), atol=1e-6)
        others = embeddings(np.concatenate([gallery.vectors[:2], some(4, seed=9).vectors]))
        again = augment_gallery(others, k=5, alpha=0, eligibility=rule)
        assert np.array_equal(again.vectors[:2], found.vectors[:2])

    def test_opposite_photos_stay_as_they_are(self):
        gallery = embeddings([[1.0, 0.0], [-1.0, 0.0]])
        assert np.array_equal(augment_gallery(gallery, alpha=0).vectors, gallery.vectors)

    def test_an_identity_per_photo_is_needed(self):
        with pytest.raises(InputError, match="one identity per photo of the gallery, found"):
            augment_gallery(some(2), identities=["Ann"])
