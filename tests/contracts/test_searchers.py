"""What every searcher promises, held for each one in the registry."""

from __future__ import annotations

import numpy as np
import pytest

from oracles.search import candidates, may_answer, score
from resight import registry
from resight.core import Eligibility, Embeddings
from resight.errors import InputError, MismatchError
from resight.protocols import Searcher

N_PHOTOS, N_QUERIES, N_IDENTITIES, DIMENSION = 400, 25, 60, 24


@pytest.fixture(scope="module")
def made():
    """Searchers by what they were made of; a searcher never changes, and some take a second to make."""
    return {}


@pytest.fixture(params=registry.names("searchers"))
def factory(request, made):
    def make(gallery, identities):
        key = request.param, gallery.image_ids.tobytes(), gallery.vectors.tobytes(), repr(list(identities))
        if key not in made:
            made[key] = registry.get("searchers", request.param)(gallery, identities)
        return made[key]

    return make


def some(n, prefix, seed, model="toy"):
    vectors = np.random.default_rng(seed).standard_normal((n, DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Embeddings(np.array([f"{prefix}{row}" for row in range(n)], np.str_), vectors, model)


@pytest.fixture
def gallery():
    return some(N_PHOTOS, "g", 0)


@pytest.fixture
def identities():
    return np.array([f"individual {n}" for n in np.random.default_rng(1).integers(0, N_IDENTITIES, N_PHOTOS)])


@pytest.fixture
def queries():
    return some(N_QUERIES, "q", 2)


@pytest.fixture
def rule():
    """Two encounters per ten photos, two sides, and some of each unknown."""
    rng = np.random.default_rng(3)
    encounter = rng.integers(-1, 80, N_QUERIES), rng.integers(-1, 80, N_PHOTOS)
    side = rng.integers(-1, 2, N_QUERIES), rng.integers(-1, 2, N_PHOTOS)
    return Eligibility((encounter,), (side,))


NO_RULE = Eligibility()


def row_of(gallery, image_id):
    return int(np.flatnonzero(gallery.image_ids == image_id)[0])


def test_is_a_searcher(factory, gallery, identities):
    assert isinstance(factory(gallery, identities), Searcher)


@pytest.mark.parametrize("distinct", [True, False])
def test_every_candidate_is_what_it_says(factory, gallery, identities, queries, rule, distinct):
    matches = factory(gallery, identities).search(queries, 6, rule, distinct=distinct)
    assert (matches.scale, matches.model, matches.distinct) == ("cosine", "toy", distinct)
    assert matches.n_gallery == len(np.unique(identities))
    assert matches.scores.shape == (N_QUERIES, 6)
    assert matches.present.all()
    assert matches.query_ids.tolist() == queries.image_ids.tolist()
    for query in range(N_QUERIES):
        for place in range(6):
            photo = row_of(gallery, matches.gallery_ids[query, place])
            assert may_answer(rule, query, photo)
            assert matches.identities[query, place] == identities[photo]
            assert matches.scores[query, place] == score(queries.vectors[query], gallery.vectors[photo])


@pytest.mark.parametrize("distinct", [True, False])
def test_finds_nearly_all_of_the_best(factory, gallery, identities, queries, rule, distinct):
    matches = factory(gallery, identities).search(queries, 6, rule, distinct=distinct)
    n_found = 0
    for query in range(N_QUERIES):
        best = candidates(queries, gallery, identities, rule, query)
        wanted = list(dict.fromkeys(one[1] if distinct else one[2] for one in best))[:6]
        n_found += len(set(wanted) & set((matches.identities if distinct else matches.gallery_ids)[query].tolist()))
    assert n_found >= 0.95 * N_QUERIES * 6


@pytest.mark.parametrize("distinct", [True, False])
def test_a_row_is_short_only_where_the_gallery_has_no_more(factory, gallery, identities, queries, rule, distinct):
    k = N_PHOTOS + 3
    matches = factory(gallery, identities).search(queries, k, rule, distinct=distinct)
    assert matches.k == k
    for query in range(N_QUERIES):
        best = candidates(queries, gallery, identities, rule, query)
        expected = len({one[1] for one in best}) if distinct else len(best)
        assert matches.present[query].sum() == expected


def test_a_batch_answers_like_its_queries_one_by_one(factory, gallery, identities, queries, rule):
    searcher = factory(gallery, identities)
    together = searcher.search(queries, 5, rule)
    for row in range(0, N_QUERIES, 6):
        which = np.array([row])
        alone = searcher.search(queries.select(which), 5, rule.select(which))
        assert alone.gallery_ids.tolist() == together.gallery_ids[which].tolist()
        assert alone.scores.tolist() == together.scores[which].tolist()


def test_equal_scores_stand_in_order_of_individual_and_photo(factory, gallery, queries):
    copies = gallery.vectors[np.arange(N_PHOTOS) % 80]
    thrice = Embeddings(gallery.image_ids, copies, "toy")
    identities = np.random.default_rng(4).permutation(np.repeat(np.arange(200), 2)).astype(str)
    for distinct in (True, False):
        matches = factory(thrice, identities).search(queries, 8, distinct=distinct)
        assert (np.diff(matches.scores, axis=1) == 0).sum() > N_QUERIES
        for row in zip(-matches.scores, matches.identities, matches.gallery_ids, strict=True):
            found = list(zip(*(part.tolist() for part in row), strict=True))
            assert found == sorted(found)


def test_asking_twice_gives_the_same(factory, gallery, identities, queries):
    searcher = factory(gallery, identities)
    first, second = searcher.search(queries, 5), searcher.search(queries, 5)
    assert first.gallery_ids.tolist() == second.gallery_ids.tolist()


def test_a_query_in_the_gallery_finds_itself_unless_the_rule_forbids(factory, gallery, identities):
    searcher, rows = factory(gallery, identities), np.arange(N_PHOTOS)
    assert searcher.search(gallery, 1).gallery_ids[:, 0].tolist() == gallery.image_ids.tolist()
    masked = searcher.search(gallery, 3, Eligibility(differ=((rows, rows),)))
    assert (masked.gallery_ids != gallery.image_ids[:, None]).all()


def test_a_search_without_the_own_individual_never_names_it(factory, gallery, identities):
    codes = np.unique(identities, return_inverse=True)[1].astype(np.int64)
    matches = factory(gallery, identities).search(gallery, 5, Eligibility(differ=((codes, codes),)))
    assert (matches.identities != identities[:, None]).all()
    assert matches.present.all()


def test_a_query_that_nobody_may_answer_gets_an_empty_row(factory, gallery, identities, queries):
    side = np.full(N_QUERIES, 1)
    side[0] = 7
    matches = factory(gallery, identities).search(queries, 3, Eligibility(agree=((side, np.ones(N_PHOTOS, int)),)))
    assert matches.present.sum(axis=1).tolist() == [0] + [3] * (N_QUERIES - 1)
    assert matches.identities[0].tolist() == ["", "", ""]


def test_an_unknown_code_forbids_nothing(factory, gallery, identities, queries):
    searcher, unknown = factory(gallery, identities), (np.full(N_QUERIES, -1), np.full(N_PHOTOS, -1))
    ruled = searcher.search(queries, 4, Eligibility((unknown,), (unknown,)))
    assert ruled.gallery_ids.tolist() == searcher.search(queries, 4).gallery_ids.tolist()


def test_an_empty_gallery_answers_nobody(factory, queries):
    matches = factory(some(0, "g", 0), []).search(queries, 2)
    assert matches.scores.shape == (N_QUERIES, 2)
    assert not matches.present.any()
    assert matches.n_gallery == 0


def test_no_queries_get_no_rows(factory, gallery, identities):
    searcher, nobody = factory(gallery, identities), some(0, "q", 0)
    rule = Eligibility(agree=((np.zeros(0, int), np.zeros(N_PHOTOS, int)),))
    assert searcher.search(nobody, 2).scores.shape == searcher.search(nobody, 2, rule).scores.shape == (0, 2)


def test_a_gallery_of_one_photo(factory, queries):
    matches = factory(some(1, "g", 0), ["Ann"]).search(queries, 2)
    assert matches.identities.tolist() == [["Ann", ""]] * N_QUERIES


@pytest.mark.parametrize("k", [0, -1, True])
def test_k_below_one_is_refused(factory, gallery, identities, queries, k):
    with pytest.raises(InputError, match=f"expected k of at least 1, found {k}"):
        factory(gallery, identities).search(queries, k)


def test_queries_of_another_model_are_refused(factory, gallery, identities):
    with pytest.raises(MismatchError, match="expected queries of model toy, which made the gallery, found other"):
        factory(gallery, identities).search(some(2, "q", 0, "other"), 1)


def test_queries_of_another_dimension_are_refused(factory, gallery, identities):
    flat = Embeddings(np.array(["q"]), np.array([[1, 0]], np.float32), "toy")
    with pytest.raises(MismatchError, match="expected queries of 24 dimensions, like the gallery, found 2"):
        factory(gallery, identities).search(flat, 1)


def test_a_rule_for_others_is_refused(factory, gallery, identities, queries):
    rule = Eligibility(differ=((np.zeros(3, int), np.zeros(N_PHOTOS, int)),))
    with pytest.raises(InputError, match="expected a rule for 25 queries and a gallery of 400 photos, found one for 3"):
        factory(gallery, identities).search(queries, 1, rule)


@pytest.mark.parametrize("nameless", [None, "", float("nan")])
def test_a_photo_without_an_individual_is_refused(factory, gallery, identities, nameless):
    labels = [*identities[:-1], nameless]
    with pytest.raises(InputError, match=r"expected the name of an individual for every photo .* in row 399"):
        factory(gallery, labels)


def test_labels_for_another_number_of_photos_are_refused(factory, gallery, identities):
    with pytest.raises(InputError, match="expected one identity per photo of the gallery, found 399 for 400"):
        factory(gallery, identities[:-1])
