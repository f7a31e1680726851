"""Heads in closed form, held against slow formulas and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.linalg import subspace_angles
from scipy.stats import multivariate_normal
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from oracles.people import examples_of, people
from resight.config import LdaOptions, WhiteningOptions
from resight.errors import NotFittedError
from resight.train.heads.closed import lda, lda_heads, weighted, whitening, whitening_heads
from resight.train.spread import Spread


@pytest.fixture(scope="module")
def spread() -> Spread:
    return people(n_individuals=30, dimension=12).spread


def turned(spread: Spread, head) -> np.ndarray:
    """What the head makes of the photos before they are brought to unit length, the scale free."""
    vectors = spread.places @ spread.directions.T.astype(np.float32) + spread.mean.astype(np.float32)
    return (vectors @ head.weight + head.bias).astype(np.float64)


def within(places: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The covariance within classes, photo by photo."""
    total = np.zeros((places.shape[1], places.shape[1]))
    for one in np.unique(classes):
        own = places[classes == one]
        for row in own:
            total += np.outer(row - own.mean(0), row - own.mean(0))
    return total / (len(places) - len(np.unique(classes)))


class TestWhitening:
    def test_all_directions_count_alike_where_nothing_is_shrunk(self, spread):
        found = np.cov(turned(spread, whitening(spread, 1e-9, 99)).T)
        assert found / found[0, 0] == pytest.approx(np.eye(len(found)), abs=1e-3)

    def test_shrunk_wholly_it_leaves_angles_as_they_are(self, spread):
        made, places = turned(spread, whitening(spread, 1.0, 99)), spread.places.astype(np.float64)
        cosines = [rows @ rows.T / np.outer(*[np.linalg.norm(rows, axis=1)] * 2) for rows in (made, places)]
        assert cosines[0] == pytest.approx(cosines[1], abs=1e-4)

    def test_in_between_it_is_the_formula(self, spread):
        variances = np.sort(np.linalg.eigvalsh(np.cov(spread.places.T, bias=True)))[::-1]
        found = turned(spread, whitening(spread, 0.2, 5)).var(0)
        expected = (variances / (0.8 * variances + 0.2 * variances[0]))[:5]
        assert found / found[0] == pytest.approx(expected / expected[0], rel=1e-3)

    def test_what_it_makes_has_a_mean_square_of_one(self, spread):
        for head in (whitening(spread, 0.1, 7), lda(spread, 0.3, 7), lda(spread, 0.3, 7, "odds")):
            assert (turned(spread, head) ** 2).sum(1).mean() == pytest.approx(1, rel=1e-4)


class TestLda:
    def test_within_classes_all_directions_vary_alike(self, spread):
        found = within(turned(spread, lda(spread, 1e-9, 99)), spread.classes)
        assert found / found[0, 0] == pytest.approx(np.eye(len(found)), abs=1e-3)

    def test_directions_come_by_how_much_classes_differ(self, spread):
        made = turned(spread, lda(spread, 0.2, 99))
        means = np.array([made[spread.classes == one].mean(0) for one in range(30)])
        assert (np.diff(means.var(0)) < 1e-6 * means.var(0)[0]).all()

    def test_its_directions_are_those_of_scikit_learn(self):
        examples = people(n_individuals=20, n_encounters=4, n_photos=1, dimension=10)  # classes of one size
        spread = examples.spread
        # Shrunk, they differ: it shrinks what lies between classes too.
        theirs = LinearDiscriminantAnalysis(solver="eigen").fit(examples.vectors.astype(float), examples.classes)
        ours = lda(spread, 1e-6, 4)
        angles = subspace_angles(ours.weight.astype(np.float64), theirs.scalings_[:, :4])
        assert np.degrees(angles).max() < 1

    def test_odds_are_those_of_the_model_that_they_come_from(self):
        """The second derivative of the log odds of two places is the weight of their product."""
        for between in (0.2, 1.0, 7.0):
            both = multivariate_normal(cov=[[1 + between, between], [between, 1 + between]])
            alone = multivariate_normal(cov=1 + between)

            def odds(x: float, y: float, both=both, alone=alone) -> float:
                return both.logpdf([x, y]) - alone.logpdf(x) - alone.logpdf(y)

            step = 0.1
            mixed = (odds(step, step) - odds(step, -step) - odds(-step, step) + odds(-step, -step)) / (4 * step**2)
            assert mixed == pytest.approx(between / (1 + 2 * between), rel=1e-6)

    def test_odds_weigh_even_directions(self, spread):
        even, odds = turned(spread, lda(spread, 0.2, 4)), turned(spread, lda(spread, 0.2, 4, "odds"))
        scale = odds.std(0) / even.std(0)
        assert (np.diff(scale) < 0).all()
        assert np.abs(odds / scale - even).max() == pytest.approx(0, abs=1e-3)

    def test_it_undoes_what_an_encounter_adds(self):
        examples = people(told_apart=0.5, by_encounter=3.0)
        weight = lda(examples.spread, 0.1, 8).weight
        by_kind = np.linalg.norm(weight, axis=1).reshape(4, 8).mean(1)
        assert by_kind[0] > 5 * by_kind[1]


def test_the_place_of_a_photo_in_the_list_does_not_matter():
    examples = people(n_individuals=8)
    mixed = np.random.default_rng(0).permutation(len(examples))
    names = examples.catalogue.column("identity")
    other = examples_of(examples.vectors[mixed], names[mixed].tolist())
    one, two = (lda(x.spread, 0.3, 4)(examples.vectors) for x in (examples_of(examples.vectors, names.tolist()), other))
    assert np.abs(one @ one.T - two @ two.T).max() < 1e-3


@pytest.mark.parametrize("n_photos", [3, 5, 40])
def test_there_may_be_fewer_photos_than_directions(n_photos):
    rng = np.random.default_rng(0)
    examples = examples_of(rng.normal(size=(n_photos, 64)), [f"i{row // 2}" for row in range(n_photos)])
    for _, head in [*whitening_heads(WhiteningOptions(), examples), *(lda_heads(LdaOptions(), examples))]:
        assert head.dimension <= n_photos - 1
        assert np.linalg.norm(head(examples.vectors), axis=1) == pytest.approx(1, abs=1e-5)


def test_every_setting_gives_a_head_under_its_name():
    examples = people(n_individuals=6)
    asked = LdaOptions(shrinkage=(0.5, 0.1), n_dimensions=(3, 2), weights=("even", "odds"))
    named = dict(lda_heads(asked, examples))
    assert list(named) == [
        f"n_dimensions={n}, shrinkage={s}, weights={w}" for s in (0.5, 0.1) for n in (3, 2) for w in ("even", "odds")
    ]
    assert [head.dimension for head in named.values()] == [3, 3, 2, 2] * 2
    assert np.array_equal(
        named["n_dimensions=2, shrinkage=0.1, weights=odds"].weight, lda(examples.spread, 0.1, 2, "odds").weight
    )


class TestWhatCannotBeLearned:
    def test_vectors_that_are_all_the_same(self):
        with pytest.raises(NotFittedError, match="expected vectors that differ, found the same one for all photos"):
            examples_of(np.ones((6, 4)), list("aabbcc")).spread  # noqa: B018  the look-up itself is the test

    def test_one_photo_alone(self):
        with pytest.raises(NotFittedError, match="vectors that differ"):
            examples_of(np.ones((1, 4)), ["a"]).spread  # noqa: B018

    def test_one_photo_of_each(self):
        examples = examples_of(np.random.default_rng(0).normal(size=(6, 4)), list("abcdef"))
        with pytest.raises(NotFittedError, match="two photos or more to learn from, found one photo of each"):
            lda(examples.spread, 0.1, 4)
        assert whitening(examples.spread, 0.1, 4).dimension == 4

    def test_copies_only(self):
        once = np.random.default_rng(0).normal(size=(3, 4))
        with pytest.raises(NotFittedError, match="found copies only"):
            lda(examples_of(np.repeat(once, 2, axis=0), list("aabbcc")).spread, 0.1, 4)

    def test_one_individual_has_no_odds(self):
        examples = examples_of(np.random.default_rng(0).normal(size=(6, 4)), ["a"] * 6)
        assert lda(examples.spread, 0.1, 4).dimension == 4
        with pytest.raises(NotFittedError, match="expected individuals that differ, found one"):
            lda(examples.spread, 0.1, 4, "odds")


def test_a_large_set_is_summed_in_blocks():
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(20_000, 6)) + 3).astype(np.float32)
    spread = Spread.of(vectors, np.arange(20_000))
    assert spread.variances == pytest.approx(np.linalg.eigvalsh(np.cov(vectors.T, bias=True))[::-1], rel=1e-4)
    assert math.isclose(float(spread.places.mean()), 0, abs_tol=1e-5)
    assert weighted(spread, np.eye(6), np.ones(6), "even").dimension == 6
