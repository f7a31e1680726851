"""Cohort offsets equal plain loops; a photo that is like everybody loses its lead."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.reranking import offset
from oracles.search import may_answer, score
from resight.core import Eligibility, Embeddings
from resight.errors import ConfigError, InputError, MismatchError
from resight.protocols import Scorer
from resight.rerank.cohort import Cohort, CohortScorer, Offsets, offsets_of, offsets_of_scorer

NAN = float("nan")


def some(n, seed=0, prefix="p", dimension=4, model="toy"):
    vectors = np.random.default_rng(seed).standard_normal((n, dimension)) + 0.5
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return Embeddings(np.array([f"{prefix}{row:03d}" for row in range(n)], np.str_), vectors, model)


class Table:
    """A scorer that looks its scores up, and counts how often it was asked."""

    name = "table"

    def __init__(self, scores):
        self.scores = np.asarray(scores, np.float32)
        self.asked = []

    def score(self, queries, photos):
        self.asked.append(len(queries))
        return self.scores[queries, photos]


SCORE = st.sampled_from([-1.0, 0.0, 0.25, 0.5, 0.5000001, 1.0, 300.0, NAN, float("-inf")])


class TestOffsets:
    @settings(deadline=None, max_examples=60)
    @given(st.integers(0, 5), st.integers(0, 6), st.integers(1, 7), st.data())
    def test_equal_plain_loops_in_any_blocks(self, n, m, n_top, data):
        rows = [data.draw(st.lists(SCORE, min_size=m, max_size=m)) for _ in range(n)]
        table = np.array(rows, np.float32).reshape(n, m)
        cut = data.draw(st.integers(0, n))
        found = offsets_of([table[:cut], table[cut:]], n_top)
        expected = np.array([offset(row, n_top) for row in table.tolist()]).reshape(n, 2)
        assert np.allclose(found.mean, expected[:, 0], rtol=1e-6, equal_nan=True)
        assert np.allclose(found.std, expected[:, 1], rtol=1e-5, atol=1e-6, equal_nan=True)

    def test_no_block_gives_no_offset(self):
        assert len(offsets_of([], 3)) == 0

    def test_they_refuse_what_is_none(self):
        with pytest.raises(InputError, match="a finite mean per photo"):
            Offsets([np.inf], [0.0])
        with pytest.raises(InputError, match="one deviation of at least 0"):
            Offsets([0.1], [-0.1])
        with pytest.raises(InputError, match="one deviation of at least 0"):
            Offsets([0.1, 0.2], [0.1])
        with pytest.raises(InputError, match="shape \\(B, M\\)"):
            offsets_of([[0.1, 0.2]], 1)
        with pytest.raises(ConfigError, match="n_top of at least 1"):
            offsets_of([], 0)
        with pytest.raises(ValueError, match="read-only"):
            Offsets([0.1], [0.1]).mean[0] = 1


class TestCohort:
    @settings(deadline=None, max_examples=40)
    @given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.integers(1, 9), st.integers(1, 12))
    def test_equals_plain_loops(self, seed, n, m, n_top):
        rng = np.random.default_rng(seed)
        photos, strangers = some(n, seed), some(m, seed + 1, "s")
        rule = Eligibility(((rng.integers(-1, 3, n), rng.integers(-1, 3, m)),))
        found = Cohort(strangers).offsets(photos, n_top=n_top, eligibility=rule)
        for row in range(n):
            scores = [
                float(score(photos.vectors[row], strangers.vectors[other])) if may_answer(rule, row, other) else NAN
                for other in range(m)
            ]
            expected = offset(scores, n_top)
            assert (found.mean[row], found.std[row]) == pytest.approx(expected, abs=1e-6, nan_ok=True)

    def test_a_photo_of_the_cohort_never_counts_for_itself(self):
        strangers = some(5)
        alone = Cohort(strangers.select([0])).offsets(strangers, n_top=1)
        assert np.isnan(alone.mean[0])
        assert not np.isnan(alone.mean[1:]).any()

    def test_its_fingerprint_knows_its_photos_and_not_their_order(self):
        strangers = some(5)
        model = Cohort(strangers).model
        assert model.startswith("toy+cohort(5,")
        assert Cohort(strangers.select([3, 1, 0, 2, 4])).model == model
        assert Cohort(strangers.select([3, 1, 0, 2])).model != model
        assert Cohort(some(5, seed=1)).model != model

    def test_an_empty_one_and_another_model_are_refused(self):
        with pytest.raises(InputError, match="photos of nobody in the catalogue as a cohort, found none"):
            Cohort(some(0))
        with pytest.raises(MismatchError):
            Cohort(some(2)).offsets(some(1, model="other"), n_top=1)
        with pytest.raises(ConfigError, match="of at least 1"):
            Cohort(some(2)).offsets(some(1), n_top=0)


class TestOffsetsOfADearScorer:
    def test_every_photo_meets_the_same_sample_in_bounded_blocks(self):
        scores = np.random.default_rng(0).random((700, 50)).astype(np.float32)
        scores[3] = NAN
        table = Table(scores)
        found = offsets_of_scorer(table, 700, 50, n_top=4, n_sampled=20, seed=1)
        drawn = np.sort(np.random.default_rng(1).permutation(50)[:20])
        expected = offsets_of([scores[:, drawn]], 4)
        assert np.array_equal(found.mean, expected.mean, equal_nan=True)
        assert np.isnan(found.mean[3])
        assert sum(table.asked) == 700 * 20
        assert max(table.asked) <= 4096

    def test_a_small_cohort_is_taken_whole(self):
        found = offsets_of_scorer(Table([[1.0, 3.0]]), 1, 2, n_top=5)
        assert (found.mean.tolist(), found.std.tolist()) == ([2.0], [1.0])

    @pytest.mark.parametrize("wrong", [{"n_cohort": 0}, {"n_sampled": 0}, {"n_top": 0}])
    def test_odd_numbers_are_refused(self, wrong):
        with pytest.raises(ConfigError, match=f"expected {next(iter(wrong))} of at least 1"):
            offsets_of_scorer(Table([[1.0]]), 1, **{"n_cohort": 1, "n_top": 1, **wrong})


class TestCohortScorer:
    rows = np.array([0, 0, 1]), np.array([0, 1, 1])
    queries, photos = Offsets([0.4, NAN], [0.2, NAN]), Offsets([0.1, 0.3], [0.5, 0.0])

    def test_the_means_are_taken_off(self):
        scorer = CohortScorer(
            Table([[0.9, 0.8], [0.7, 0.6]]), self.queries, self.photos, query_weight=1, photo_weight=2
        )
        assert scorer.score(*self.rows)[:2] == pytest.approx([0.9 - 0.4 - 0.2, 0.8 - 0.4 - 0.6], abs=1e-6)
        assert np.isnan(scorer.score(*self.rows)[2])
        assert scorer.name == "table-cohort"
        assert isinstance(scorer, Scorer)

    def test_by_spread_it_is_the_mean_of_two_z_scores(self):
        scorer = CohortScorer(
            Table([[0.9, 0.8], [0.7, 0.6]]),
            self.queries,
            self.photos,
            query_weight=0.5,
            photo_weight=0.5,
            by_spread=True,
        )
        found = scorer.score(*self.rows)
        assert found[0] == pytest.approx(0.5 * (0.9 - 0.4) / 0.2 + 0.5 * (0.9 - 0.1) / 0.5, rel=1e-5)
        assert np.isnan(found[1:]).all()  # no spread, and no offset: nothing can be said

    def test_what_was_not_compared_stays_absent(self):
        usual = Offsets([0.4], [0.1])
        assert np.isnan(CohortScorer(Table([[NAN]]), usual, usual).score(np.array([0]), np.array([0]))).all()

    def test_a_side_without_weight_still_must_be_known(self):
        scorer = CohortScorer(Table([[0.9], [0.8]]), self.queries, Offsets([0.0], [0.1]), query_weight=0)
        assert np.isnan(scorer.score(np.array([0, 1]), np.array([0, 0]))).tolist() == [False, True]

    def test_a_photo_that_is_like_everybody_loses_its_lead(self):
        """The blurred photo b scores highest with the query, but no higher than with any stranger."""
        vectors = np.array([[1, 0, 0], [0.8, 0.6, 0], [0.9, 0, 0.435889894]], np.float32)
        gallery = Embeddings(np.array(["a", "b"]), vectors[1:], "toy")
        query = Embeddings(np.array(["q"]), vectors[:1], "toy")
        strangers = Embeddings(np.array(["s"]), np.array([[0, 0, 1]], np.float32), "toy")
        plain = Table(query.vectors @ gallery.vectors.T)
        cohort = Cohort(strangers)
        sides = cohort.offsets(query, n_top=1), cohort.offsets(gallery, n_top=1)
        rows = np.array([0, 0]), np.array([0, 1])
        assert plain.score(*rows).argmax() == 1
        assert CohortScorer(plain, *sides, photo_weight=1).score(*rows).argmax() == 0

    @pytest.mark.parametrize("weight", [-0.1, NAN, float("inf")])
    def test_odd_weights_are_refused(self, weight):
        usual = Offsets([0.4], [0.1])
        with pytest.raises(ConfigError, match="photo_weight of at least 0"):
            CohortScorer(Table([[0.9]]), usual, usual, photo_weight=weight)
