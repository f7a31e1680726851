"""Intervals over individuals: recomputed by plain loops, and kept in simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from oracles.deciding import drawn_gallery, self_searches
from resight.core.rates import n_allowed, unseen
from resight.decide import Goal, calibrate, intervals, thresholds


def plain_fresh_rates(best, individuals, rate, n_draws, seed):
    rng = np.random.default_rng(seed)
    n = max(individuals) + 1
    rates = []
    for _ in range(n_draws):
        drawn = rng.integers(0, n, n).tolist()
        inside = [s for who in drawn for s, i in zip(best, individuals, strict=True) if i == who]
        outside = [s for s, i in zip(best, individuals, strict=True) if i not in drawn]
        if not outside:
            continue
        falling = sorted(inside, reverse=True)
        allowed = math.floor(rate * len(inside) + 1e-9)
        blocked = falling[allowed] if allowed < len(falling) else -math.inf
        accepted = [s for s in outside if s > (blocked if allowed < len(falling) else -math.inf)]
        rates.append(len(accepted) / len(outside))
    return rates


def keeping(best, individuals, rate):
    """How the line for a rate is set anew on individuals that were drawn."""

    def refit(times):
        weights = times[individuals]
        return thresholds.accepting_at_most(best, weights, n_allowed(rate, int(weights.sum())))

    return refit


@pytest.mark.parametrize("rate", [0.02, 0.2, 0.7, 1.0])
@pytest.mark.parametrize("decimals", [1, 6])
def test_fresh_rates_equal_plain_loops(rate, decimals):
    rng = np.random.default_rng(3)
    individuals = rng.integers(0, 7, 40)
    best = rng.normal(size=40).round(decimals).astype(np.float32)
    best[::9] = -np.inf
    estimate = intervals.fresh_fpir(best, individuals, 0.5, keeping(best, individuals, rate), 50, seed=4)
    rates = plain_fresh_rates(best.tolist(), individuals.tolist(), rate, 50, 4)
    low, high = np.quantile(rates, [0.025, 0.975])
    value = np.mean(best >= 0.5)
    assert estimate.value == pytest.approx(value)
    assert estimate.low == pytest.approx(min(low, value, 1 - unseen(7)))
    assert estimate.high == pytest.approx(max(high, value, unseen(7)))
    assert estimate.n == 7


def test_a_share_equals_a_plain_bootstrap_over_individuals():
    individuals = np.array([0, 0, 0, 1, 2, 2, 3, 3, 3, 3])
    hits = np.array([1, 1, 0, 1, 0, 0, 1, 0, 1, 0], dtype=bool)
    rng = np.random.default_rng(9)
    rates = []
    for _ in range(200):
        drawn = [hit for who in rng.integers(0, 4, 4) for hit, i in zip(hits, individuals, strict=True) if i == who]
        rates.append(np.mean(drawn))
    estimate = intervals.share_of(hits, individuals, 200, seed=9)
    low, high = np.quantile(rates, [0.025, 0.975])
    assert estimate.value == 0.5
    assert estimate.low == pytest.approx(min(low, 1 - unseen(4)))
    assert estimate.high == pytest.approx(max(high, unseen(4)))


def test_no_interval_is_narrower_than_its_individuals_allow():
    never = intervals.share_of(np.zeros(60, bool), np.repeat(np.arange(12), 5), 100, 0)
    always = intervals.share_of(np.ones(60, bool), np.repeat(np.arange(12), 5), 100, 0)
    assert (never.value, never.low) == (0.0, 0.0)
    assert never.high == pytest.approx(1 - 0.025 ** (1 / 12))
    assert (always.value, always.high) == (1.0, 1.0)
    assert always.low == pytest.approx(0.025 ** (1 / 12))


def test_one_individual_says_nothing():
    best, who = np.array([0.5], np.float32), np.array([0])
    estimate = intervals.fresh_fpir(best, who, 0.6, keeping(best, who, 0.1), 20, 0)
    assert (estimate.low, estimate.high) == (0.0, 1.0)


@pytest.mark.parametrize(("rate", "n"), [(0.05, 20), (0.1, 40)])
def test_the_promise_is_kept_by_fresh_strangers(rate, n):
    """A known distribution: strangers are drawn as the gallery was; nothing of theirs was seen before."""
    rng = np.random.default_rng(11)
    inside, observed = 0, []
    for _ in range(40):
        vectors, names, _ = drawn_gallery(rng, 2 * n, n_encounters=2)
        known = np.isin(names, np.unique(names)[:n])
        gallery, strangers = vectors[known], vectors[~known]
        scores = gallery @ gallery.T
        scores[names[known][:, None] == names[known]] = -1
        best = scores.max(axis=1).astype(np.float32)
        who = np.unique(names[known], return_inverse=True)[1]
        threshold = thresholds.keeping_fpir(best, rate)
        stated = intervals.fresh_fpir(best, who, threshold, keeping(best, who, rate), 200, 0)
        seen = float(((strangers @ gallery.T).max(axis=1).astype(np.float32) >= threshold).mean())
        inside += stated.low <= seen <= stated.high
        observed.append(seen)
    assert inside >= 36
    assert np.mean(observed) == pytest.approx(rate, abs=0.03)


def test_more_individuals_promise_more():
    rng = np.random.default_rng(2)
    widths = []
    for n in (8, 40):
        vectors, names, encounters = drawn_gallery(rng, n)
        point = calibrate(
            *self_searches(vectors @ vectors.T, names, encounters), Goal("fpir", 0.05), n_photos=len(names),
            n_resamples=200,
        )  # fmt: skip
        assert point.fpir.low <= point.fpir.value <= point.fpir.high
        widths.append(point.fpir.high - point.fpir.low)
    assert widths[0] > 2 * widths[1]
