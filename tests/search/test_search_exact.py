"""Exact search equals plain loops, to the last bit, whatever the blocks and the threads."""

from __future__ import annotations

import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.search import top
from resight.core import Eligibility, Embeddings
from resight.errors import InputError
from resight.search import ExactSearch, threads
from resight.search.gallery import SortedGallery
from resight.search.scan import Budget
from resight.search.threads import one_blas_thread


def unit(vectors):
    vectors = np.asarray(vectors, np.float64)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def embeddings(vectors, prefix="g"):
    return Embeddings(np.array([f"{prefix}{n}" for n in range(len(vectors))], np.str_), vectors, "toy")


def random_embeddings(n, dimension, seed, prefix="g"):
    return embeddings(unit(np.random.default_rng(seed).standard_normal((n, dimension))), prefix)


def rows_of(matches):
    """Each row as a list of (score, identity, photo id), without the absent places."""
    rows = zip(matches.scores, matches.identities, matches.gallery_ids, strict=True)
    return [
        [(s, i, g) for s, i, g in zip(*row, strict=True) if not np.isnan(s)]
        for row in ((a.tolist(), b.tolist(), c.tolist()) for a, b, c in rows)
    ]


def same(one, other):
    return all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name == "scores")
        for name in ("query_ids", "gallery_ids", "identities", "scores")
    )


@st.composite
def questions(draw):
    """Few vectors, many copies and neighbours of them by one bit: ties and near-ties everywhere."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_queries, n_photos = draw(st.integers(0, 6)), draw(st.integers(0, 24))
    dimension = draw(st.sampled_from([1, 2, 3, 8, 17, 40]))
    pool = unit(rng.standard_normal((draw(st.integers(1, 5)), dimension)))
    pool = np.concatenate([pool, np.nextafter(pool, np.float32(0))])

    def some(n, prefix):
        order = rng.permutation(n)
        ids = np.array([f"{prefix}{row:03d}" for row in order], np.str_)
        return Embeddings(ids, pool[rng.integers(0, len(pool), n)].reshape(n, dimension), "toy")

    def codes(n_codes):
        return rng.integers(-1, n_codes, n_queries), rng.integers(-1, n_codes, n_photos)

    identities = rng.integers(0, draw(st.integers(1, 8)), n_photos).astype(str)
    rule = Eligibility(
        tuple(codes(draw(st.sampled_from([1, 3, 12]))) for _ in range(draw(st.integers(0, 2)))),
        tuple(codes(draw(st.sampled_from([1, 2, 4]))) for _ in range(draw(st.integers(0, 2)))),
    )
    return some(n_queries, "q"), some(n_photos, "g"), identities, rule, draw(st.integers(1, 10)), draw(st.booleans())


@settings(max_examples=100, deadline=None)
@given(questions(), st.sampled_from([1, 400, 4000, 2**24]), st.integers(1, 3))
def test_equals_plain_loops_in_blocks_of_any_size(question, n_bytes, n_threads):
    queries, gallery, identities, rule, k, distinct = question
    searcher = ExactSearch(gallery, identities, n_threads=n_threads)
    searcher._budget = Budget(n_bytes, gallery.dimension)
    matches = searcher.search(queries, k, rule, distinct=distinct)
    expected = [top(queries, gallery, identities, rule, row, k, distinct=distinct) for row in range(len(queries))]
    assert rows_of(matches) == expected
    assert matches.scores.shape == (len(queries), k)
    assert matches.n_gallery == len(set(identities))
    assert matches.query_ids.tolist() == queries.image_ids.tolist()


@pytest.mark.parametrize("distinct", [True, False])
def test_blocks_threads_batches_and_order_change_no_bit(distinct):
    gallery, queries = random_embeddings(3000, 512, 0), random_embeddings(300, 512, 1, "q")
    identities = (np.arange(3000) ** 2 % 700).astype(str)
    reference = ExactSearch(gallery, identities, n_threads=1).search(queries, 7, distinct=distinct)
    for n_bytes, n_threads in ((3_000_000, 1), (400_000, 2), (20_000_000, 3)):
        searcher = ExactSearch(gallery, identities, n_threads=n_threads)
        searcher._budget = Budget(n_bytes, 512)
        assert same(searcher.search(queries, 7, distinct=distinct), reference)
    one_by_one = ExactSearch(gallery, identities)
    for row in (0, 17, 299):
        alone = one_by_one.search(queries.select(np.array([row])), 7, distinct=distinct)
        assert same(alone, reference.select(np.array([row])))
    shuffle = np.random.default_rng(2).permutation(3000)
    shuffled = ExactSearch(gallery.select(shuffle), identities[shuffle])
    assert same(shuffled.search(queries, 7, distinct=distinct), reference)


@pytest.mark.parametrize("distinct", [True, False])
@pytest.mark.parametrize("n_bytes", [2**27, 2**21])
@pytest.mark.parametrize("kind", ["spread", "crowded"])
def test_finds_what_scoring_everything_exactly_finds(kind, n_bytes, distinct):
    """In a crowd the scores differ by less than float32 products are wrong."""
    queries, gallery = random_embeddings(20, 512, 10, "q"), random_embeddings(4000, 512, 11)
    if kind == "crowded":
        one = random_embeddings(1, 512, 12).vectors.astype(np.float64)
        gallery = embeddings(unit(one + 1e-6 * gallery.vectors))
        queries = embeddings(unit(one + 0.1 * queries.vectors), "q")
    identities = (np.arange(4000) % 900).astype(str)
    searcher = ExactSearch(gallery, identities)
    searcher._budget = Budget(n_bytes, 512)
    matches = searcher.search(queries, 6, distinct=distinct)
    everything = SortedGallery(gallery, identities)
    for query in range(20):
        scores = everything.exact_scores(queries.vectors, np.full(4000, query), np.arange(4000))
        ranked = np.argsort(-scores, kind="stable")
        if distinct:
            ranked = ranked[np.sort(np.unique(everything.identities[ranked], return_index=True)[1])]
        assert matches.gallery_ids[query].tolist() == everything.image_ids[ranked[:6]].tolist()
        assert matches.scores[query].tolist() == scores[ranked[:6]].tolist()


def test_a_score_does_not_depend_on_what_is_scored_beside_it():
    gallery = SortedGallery(random_embeddings(900, 512, 3), np.arange(900).astype(str))
    queries = random_embeddings(4, 512, 4).vectors
    rows, places = np.repeat(np.arange(4), 900), np.tile(np.arange(900), 4)
    together = gallery.exact_scores(queries, rows, places)
    alone = [gallery.exact_scores(queries, rows[[n]], places[[n]])[0] for n in range(3600)]
    assert together.tolist() == [float(score) for score in alone]


def test_copies_of_a_photo_tie_exactly_and_stand_in_order_of_name():
    vector = random_embeddings(1, 100, 5).vectors
    gallery = Embeddings(np.array(["p3", "p1", "p2", "p0"]), np.repeat(vector, 4, axis=0), "toy")
    matches = ExactSearch(gallery, ["Cleo", "Bob", "Ann", "Bob"]).search(embeddings(vector, "q"), 3)
    assert matches.identities.tolist() == [["Ann", "Bob", "Cleo"]]
    assert matches.gallery_ids.tolist() == [["p2", "p0", "p3"]]
    assert len(set(matches.scores[0].tolist())) == 1


def test_a_constant_embedder_scores_everybody_alike():
    gallery = embeddings(np.repeat(unit([[1, 2, 3]]), 500, axis=0))
    matches = ExactSearch(gallery, [f"{n:03d}" for n in np.arange(500)[::-1]]).search(gallery, 3)
    assert set(map(tuple, matches.identities.tolist())) == {("000", "001", "002")}
    assert np.ptp(matches.scores) == 0


def test_the_best_individual_may_lie_across_two_blocks():
    gallery = embeddings(unit([[1, 0.1 * n] for n in range(40)]))
    searcher = ExactSearch(gallery, ["Ann"] * 35 + ["Bob"] * 5)
    searcher._budget = Budget(1500, 2)
    matches = searcher.search(embeddings(unit([[1, 3.9]]), "q"), 2)
    assert matches.gallery_ids.tolist() == [["g39", "g34"]]


def test_a_photo_never_answers_for_its_encounter_in_a_large_one():
    gallery = random_embeddings(2000, 16, 6)
    identities = (np.arange(2000) % 50).astype(str)
    encounter = np.repeat([0, 1, -1, 2], 500)
    rule = Eligibility(differ=((np.arange(2000), np.arange(2000)), (encounter, encounter)))
    matches = ExactSearch(gallery, identities).search(gallery, 4, rule)
    found = np.char.lstrip(matches.gallery_ids, "g").astype(int)
    assert (found != np.arange(2000)[:, None]).all()
    known = encounter >= 0
    assert (encounter[found[known]] != encounter[known, None]).all()
    expected = [top(gallery, gallery, identities, rule, row, 4, distinct=True) for row in (0, 999, 1200, 1999)]
    assert rows_of(matches.select(np.array([0, 999, 1200, 1999]))) == expected


@pytest.mark.parametrize("collapsed", [False, True], ids=["spread", "collapsed"])
def test_working_memory_stays_within_what_was_promised(collapsed):
    n_photos, n_queries, memory_mb = 60_000, 1200, 32
    gallery, queries = random_embeddings(n_photos, 32, 7), random_embeddings(n_queries, 32, 8, "q")
    if collapsed:
        gallery = embeddings(np.repeat(gallery.vectors[:1], n_photos, axis=0))
        queries = queries.select(np.arange(20))
    searcher = ExactSearch(gallery, np.arange(n_photos).astype(str), memory_mb=memory_mb, n_threads=2)
    assert n_photos * n_queries * 4 > 8 * memory_mb * 2**20
    tracemalloc.start()
    try:
        searcher.search(queries, 5)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < memory_mb * 2**20 + 2 * 40 * n_photos
    assert peak > 2**20


def test_blocks_fit_into_their_budget_and_are_no_crumbs():
    for n_bytes in (16 * 2**20, 2**28):
        for dimension in (1, 512, 4096):
            budget = Budget(n_bytes, dimension)
            n_photos = budget.n_photos(budget.n_queries)
            used = 6 * n_photos * budget.n_queries + 4 * dimension * (n_photos + budget.n_queries)
            assert used + 120 * budget.n_hits <= n_bytes
            assert n_photos >= budget.n_queries >= 64


def test_photos_sorted_by_individual_are_not_copied():
    gallery = Embeddings(np.array(["a", "b", "c"]), np.eye(3, dtype=np.float32), "toy")
    assert np.shares_memory(SortedGallery(gallery, ["Ann", "Ann", "Bob"]).vectors, gallery.vectors)
    assert not np.shares_memory(SortedGallery(gallery, ["Bob", "Ann", "Ann"]).vectors, gallery.vectors)


def test_searches_at_the_same_time_give_the_blas_threads_back():
    import threadpoolctl

    def n_threads():
        return [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]

    def hold():
        with one_blas_thread():
            entered.set()
            leave.wait(10)

    threads._controller.cache_clear()  # other tests may have loaded a library since it was looked up
    entered, leave = threading.Event(), threading.Event()
    other = threading.Thread(target=hold)
    with threadpoolctl.threadpool_limits(3, user_api="blas"):
        before = n_threads()
        assert 3 in before
        with one_blas_thread():
            assert set(n_threads()) == {1}
            other.start()
            assert entered.wait(10)
        leave.set()
        other.join()
        assert n_threads() == before


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"memory_mb": 15}, "expected memory_mb of at least 16, found 15"),
        ({"n_threads": 0}, "expected n_threads of at least 1, found 0"),
    ],
)
def test_options_out_of_range_are_refused(options, sentence):
    with pytest.raises(InputError, match=sentence):
        ExactSearch(random_embeddings(2, 4, 0), ["Ann", "Bob"], **options)


def test_little_memory_means_fewer_threads():
    assert ExactSearch(random_embeddings(2, 4, 0), ["Ann", "Bob"], memory_mb=40, n_threads=8).n_threads == 2
