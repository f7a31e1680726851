"""The cheap scorers, against plain loops over pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from resight.core import Embeddings
from resight.errors import InputError, MismatchError
from resight.protocols import Scorer
from resight.rerank import scorers
from resight.rerank.scorers import (
    AgreementScorer,
    CosineScorer,
    DateScorer,
    HashScorer,
    LogitScorer,
    PrototypeScorer,
)


def embeddings(n: int, prefix: str, model: str = "toy", seed: int = 0, dimension: int = 6) -> Embeddings:
    vectors = np.random.default_rng(seed).normal(size=(n, dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Embeddings(np.array([f"{prefix}{row}" for row in range(n)]), vectors, model)


def grid(n_queries: int, n_photos: int) -> tuple[np.ndarray, np.ndarray]:
    rows = np.indices((n_queries, n_photos)).reshape(2, -1)
    return rows[0], rows[1]


@pytest.mark.parametrize("numbers_at_once", [4_000_000, 13, 1])
def test_cosines_equal_a_loop_whatever_the_block(numbers_at_once, monkeypatch):
    monkeypatch.setattr(scorers, "_BLOCK_NUMBERS", numbers_at_once)
    queries, gallery = embeddings(4, "q"), embeddings(7, "g", seed=1)
    q, g = grid(4, 7)
    found = CosineScorer(queries, gallery).score(q, g)
    expected = [float(queries.vectors[a] @ gallery.vectors[b]) for a, b in zip(q, g, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.dtype == np.float32


def test_cosine_and_prototype_refuse_another_model():
    queries, gallery = embeddings(2, "q"), embeddings(2, "g", model="other")
    with pytest.raises(MismatchError):
        CosineScorer(queries, gallery)
    with pytest.raises(MismatchError):
        PrototypeScorer(queries, gallery, [0, 1], [0, 1], [0, 1])


def test_a_prototype_never_holds_the_querys_own_encounter():
    rng = np.random.default_rng(3)
    queries, gallery = embeddings(9, "q"), embeddings(30, "g", seed=1)
    who, seen = rng.integers(-1, 5, 30), rng.integers(-1, 6, 30)
    asked = rng.integers(-1, 6, 9)
    q, g = grid(9, 30)
    found = PrototypeScorer(queries, gallery, who, asked, seen).score(q, g)
    for score, a, b in zip(found, q, g, strict=True):
        rows = [r for r in range(30) if who[r] == who[b] and (asked[a] < 0 or seen[r] != asked[a])]
        if who[b] < 0 or not rows:
            assert math.isnan(score)
            continue
        mean = gallery.vectors[rows].astype(np.float64).sum(axis=0)
        assert score == pytest.approx(float(queries.vectors[a] @ mean / np.linalg.norm(mean)), abs=1e-5)
    assert np.isnan(found).any()
    assert not np.isnan(found).all()


def test_a_prototype_without_known_encounters_is_the_plain_mean():
    queries, gallery = embeddings(2, "q"), embeddings(3, "g", seed=1)
    found = PrototypeScorer(queries, gallery, [0, 0, 0], [-1, -1], [-1, -1, -1]).score(np.array([0]), np.array([2]))
    mean = gallery.vectors.sum(axis=0)
    assert found[0] == pytest.approx(float(queries.vectors[0] @ mean / np.linalg.norm(mean)), abs=1e-5)


def test_hashes_count_bits_and_take_the_best_orientation():
    rng = np.random.default_rng(0)
    queries = rng.integers(0, 2**63, (5, 3), dtype=np.uint64)
    gallery = rng.integers(0, 2**63, 4, dtype=np.uint64)
    q, g = grid(5, 4)
    found = HashScorer(queries, gallery).score(q, g)
    expected = [
        max(1 - (int(turned) ^ int(gallery[b])).bit_count() / 64 for turned in queries[a])
        for a, b in zip(q, g, strict=True)
    ]
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_agreement_is_one_zero_or_unknown():
    q, g = grid(3, 3)
    found = AgreementScorer([0, 1, -1], [1, -1, 0], "side").score(q, g)
    nan = math.nan
    np.testing.assert_array_equal(found, np.array([0, nan, 1, 1, nan, 0, nan, nan, nan], np.float32))


@pytest.mark.parametrize("kind", ["datetime64[D]", "datetime64[ns]", "days"])
def test_nearer_dates_score_higher(kind):
    dates = np.array(["1969-12-30", "1970-01-01", "1970-01-04", "NaT"], "datetime64[D]")
    values = np.array([-2.0, 0.0, 3.0, math.nan]) if kind == "days" else dates.astype(kind)
    q, g = grid(4, 4)
    found = DateScorer(values, values).score(q, g)
    days = [-2, 0, 3, math.nan]
    expected = [-math.log1p(abs(days[a] - days[b])) for a, b in zip(q, g, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_logits_are_those_of_the_photos_individual():
    logits = np.array([[0.5, np.nan, -2.0], [1.5, 3.0, 0.0]])
    identities = ["b", "zz", "a", "", "c"]
    q, g = grid(2, 5)
    found = LogitScorer(logits, ["c", "a", "b"], identities).score(q, g)
    place = {"c": 0, "a": 1, "b": 2}
    expected = [
        logits[a, place[identities[b]]] if identities[b] in place else math.nan for a, b in zip(q, g, strict=True)
    ]
    np.testing.assert_array_equal(found, np.array(expected, np.float32))


def test_a_classifier_without_classes_says_nothing():
    scorer = LogitScorer(np.zeros((2, 0)), np.array([], np.str_), ["a"])
    assert np.isnan(scorer.score(np.array([1]), np.array([0]))).all()


def every_scorer() -> list:
    vectors, hashes = embeddings(3, "g"), np.arange(3, dtype=np.uint64)
    return [
        CosineScorer(vectors, vectors),
        PrototypeScorer(vectors, vectors, [0, 1, 1], [0, 1, 2], [0, 1, 2]),
        HashScorer(hashes, hashes),
        AgreementScorer([0, 1, 2], [0, 1, 2], "side"),
        DateScorer([0.0, 1, 2], [0.0, 1, 2]),
        LogitScorer(np.zeros((3, 1)), ["a"], ["a", "a", "b"]),
    ]


@pytest.mark.parametrize("scorer", every_scorer(), ids=lambda scorer: type(scorer).__name__)
def test_every_scorer_keeps_the_contract(scorer):
    none = np.zeros(0, np.int64)
    assert isinstance(scorer, Scorer)
    assert scorer.score(none, none).shape == (0,)
    assert scorer.score(none, none).dtype == np.float32
    for queries, photos in (([0, 3], [0, 0]), ([0], [-1]), ([0, 1], [0])):
        with pytest.raises(InputError):
            scorer.score(np.array(queries), np.array(photos))


@pytest.mark.parametrize(
    "make",
    [
        lambda: HashScorer(np.zeros(2, np.int64), np.zeros(2, np.uint64)),
        lambda: AgreementScorer([0, -2], [0], "side"),
        lambda: AgreementScorer([0.5], [0], "side"),
        lambda: DateScorer(["yesterday"], [0.0]),
        lambda: DateScorer([math.inf], [0.0]),
        lambda: LogitScorer([[math.inf]], ["a"], ["a"]),
        lambda: LogitScorer([[1.0, 2.0]], ["a"], ["a"]),
        lambda: LogitScorer([[1.0, 2.0]], ["a", "a"], ["a"]),
        lambda: PrototypeScorer(embeddings(1, "q"), embeddings(2, "g"), [0], [0], [0, 1]),
    ],
)
def test_odd_material_is_refused(make):
    with pytest.raises(InputError):
        make()
