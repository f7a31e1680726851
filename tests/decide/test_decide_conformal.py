"""Conformal lines: plain loops agree, and fresh strangers are accepted no more often than was promised."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.deciding import drawn_gallery, self_searches
from resight.core import Verdict
from resight.decide import Goal, calibrate, decide
from resight.decide.conformal import conformal_line
from resight.errors import ConfigError, NotFittedError

scores = st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5])), min_size=1, max_size=30)


def accepted_mass(best, individuals, line):
    """What share of the strangers, each of weight 1 and one of them unseen, lies at or above a line; exactly."""
    who = sorted(set(individuals))
    total = Fraction(1)
    for one in who:
        own = [s for s, i in zip(best, individuals, strict=True) if i == one]
        total += Fraction(sum(s >= line for s in own), len(own))
    return total / (len(who) + 1)


@settings(deadline=None, max_examples=100)
@given(scores, st.integers(1, 19))
def test_it_is_the_lowest_line_that_keeps_the_promise(rows, twentieths):
    names = [who for who, _ in rows]
    individuals = np.unique(names, return_inverse=True)[1]
    best = np.array([score for _, score in rows], np.float32)
    alpha = Fraction(twentieths, 20)
    if Fraction(1, int(individuals.max()) + 2) > alpha:
        with pytest.raises(NotFittedError, match="can promise at best FPIR 1/"):
            conformal_line(best, individuals, float(alpha))
        return
    line = conformal_line(best, individuals, float(alpha))
    assert accepted_mass(best.tolist(), individuals.tolist(), line) <= alpha
    lower = [s for s in best.tolist() if s < line]
    if lower:
        assert accepted_mass(best.tolist(), individuals.tolist(), max(lower)) > alpha


@pytest.mark.parametrize("n", [1, 19, 38, 99])
def test_as_few_as_can_promise_it_do_so_just_above_all(n):
    best = np.linspace(0, 1, 3 * n).astype(np.float32)
    line = conformal_line(best, np.repeat(np.arange(n), 3), 1 / (n + 1))
    assert line == np.nextafter(np.float32(1), np.float32(2))


def test_an_individual_with_many_photos_weighs_no_more():
    best = np.array([0.9] * 50 + [0.1, 0.2, 0.3], np.float32)
    line = conformal_line(best, np.array([0] * 50 + [1, 2, 3]), 0.4)
    assert line == np.nextafter(np.float32(0.3), np.float32(1))


def test_too_few_individuals_word_for_word():
    with pytest.raises(NotFittedError) as caught:
        conformal_line(np.zeros(18, np.float32), np.arange(18), 0.05)
    assert str(caught.value) == (
        "18 individuals can promise at best FPIR 1/19, found conformal=0.05: label more individuals or ask for "
        "conformal=0.053 or more"
    )


def test_strangers_that_find_nothing_are_never_accepted():
    best = np.array([0.4, -np.inf, 0.5, -np.inf], np.float32)
    assert conformal_line(best, np.array([0, 0, 1, 1]), 0.9) == np.float32(0.4)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, float("nan")])
def test_what_is_no_rate(alpha):
    with pytest.raises(ConfigError, match="expected a conformal rate between 0 and 1"):
        conformal_line(np.zeros(3, np.float32), np.arange(3), alpha)


@pytest.mark.parametrize(("alpha", "n", "dependence"), [(0.05, 19, 0.9), (0.1, 30, 0.9), (0.1, 30, 0.1), (0.3, 5, 0.6)])
def test_fresh_strangers_are_accepted_no_more_often_than_promised(alpha, n, dependence):
    """Individuals of one to nine photos that resemble each other; the mean over 3,000 galleries, ±4 deviations."""
    rng = np.random.default_rng(8)
    rates = []
    for _ in range(3000):
        n_photos = rng.integers(1, 10, n)
        who = np.repeat(np.arange(n), n_photos)
        own = rng.standard_t(3, n) * dependence
        best = (own[who] + (1 - dependence) * rng.normal(size=len(who))).astype(np.float32)
        fresh = rng.standard_t(3, 40) * dependence + (1 - dependence) * rng.normal(size=40)
        rates.append(np.mean(fresh.astype(np.float32) >= conformal_line(best, who, alpha)))
    error = np.std(rates) / np.sqrt(len(rates))
    assert np.mean(rates) <= alpha + 4 * error
    assert np.mean(rates) >= alpha - 1 / (n + 1) - 4 * error  # and it gives away less than one individual


def test_a_point_for_the_goal():
    vectors, names, encounters = drawn_gallery(np.random.default_rng(0), 25)
    found = self_searches(vectors @ vectors.T, names, encounters)
    point = calibrate(*found, Goal.parse("conformal=0.1"), n_photos=99, n_resamples=50)
    best, who = found[2].best_scores, np.unique(found[3], return_inverse=True)[1]
    assert point.threshold == conformal_line(best, who, 0.1)
    assert accepted_mass(best.tolist(), who.tolist(), point.threshold) <= Fraction(1, 10)
    assert point.fpir.value == pytest.approx(np.mean(best >= point.threshold))
    assert point.fpir.low <= point.fpir.value <= point.fpir.high
    assert point.new_below <= point.threshold
    assert point.goal == "conformal=0.1"
    assert Verdict.KNOWN in {decision.verdict for decision in decide(found[0], point)}
    with pytest.raises(NotFittedError, match="25 individuals can promise at best FPIR 1/26"):
        calibrate(*found, Goal.parse("conformal=0.01"), n_photos=99)
