"""Fusion: curves, stack and mean against plain loops and scikit-learn; what a fit must never do."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from resight.core import Catalogue, Pairs
from resight.errors import ConfigError, InputError, MismatchError, NotFittedError, UnknownNameError
from resight.evaluate.reliability import expected_calibration_error
from resight.rerank import choosing, fusion_fit
from resight.rerank import fusion as fusion_module
from resight.rerank.choosing import oscr
from resight.rerank.combining import MeanProbability, Stack, fit_mean, fit_stack
from resight.rerank.fusion import Fusion
from resight.rerank.fusion_fit import cross_fitted, fit_fusion
from resight.rerank.labelled_pairs import LabelledPairs
from resight.rerank.logistic import Ridge, fit_logistic, log_loss
from resight.rerank.pair_curve import CURVES, PairCurve, ScoreBins, fit_curve


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def drawn(n: int = 400, n_individuals: int = 40, per_query: int = 20, seed: int = 0, gains=(1.0, 2.0)) -> LabelledPairs:
    """Pairs of a gallery with itself; each scorer is noise, plus its gain where both show one individual."""
    rng = np.random.default_rng(seed)
    who = rng.integers(0, n_individuals, n)
    q = np.repeat(np.arange(n), per_query)
    g = rng.integers(0, n, len(q))
    mated = rng.random(len(q)) < 0.15
    g[mated] = [rng.choice(np.flatnonzero(who == who[a])) for a in q[mated]]
    apart = q != g
    pairs = Pairs.of(q[apart], g[apart], n, n)
    same = who[pairs.queries] == who[pairs.photos]
    for place, gain in enumerate(gains):
        pairs = pairs.with_scores(f"s{place}", rng.normal(size=len(pairs)) + gain * same)
    return LabelledPairs(pairs, who[pairs.queries], who[pairs.photos])


def with_scores(labelled: LabelledPairs, name: str, values) -> LabelledPairs:
    pairs = labelled.pairs.with_scores(name, values)
    return LabelledPairs(pairs, labelled.query_individuals, labelled.photo_individuals)


@pytest.fixture(scope="module")
def labelled() -> LabelledPairs:
    return drawn()


@pytest.fixture(scope="module")
def fused(labelled) -> Fusion:
    return fit_fusion(labelled)


# The regression beneath.


def test_logistic_coefficients_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 3))
    truth = rng.random(500) < 1 / (1 + np.exp(-(x @ [1.0, -2.0, 0.5] - 1)))
    weights = rng.random(500) + 0.5
    free = np.full(4, -np.inf)
    ridge = Ridge(np.zeros(4), np.array([1.0, 1.0, 1.0, 1e-9]), free)
    found = fit_logistic(np.column_stack([x, np.ones(500)]), truth, weights, ridge)
    peer = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(x, truth, sample_weight=weights)
    np.testing.assert_allclose(found, [*peer.coef_[0], *peer.intercept_], atol=1e-5)


def test_a_floor_holds_and_the_rest_is_the_best_beside_it():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 2))
    truth = rng.random(400) < 1 / (1 + np.exp(-(x @ [1.5, -1.0])))
    strength, zero = np.array([1.0, 1.0]), np.zeros(2)
    found = fit_logistic(x, truth, np.ones(400), Ridge(zero, strength, zero))
    alone = fit_logistic(x[:, :1], truth, np.ones(400), Ridge(zero[:1], strength[:1], zero[:1]))
    assert found[1] == 0
    assert found[0] == pytest.approx(alone[0], abs=1e-7)


def test_perfect_separation_stays_finite():
    x = np.column_stack([np.linspace(-1, 1, 40), np.ones(40)])
    ridge = Ridge(np.zeros(2), np.ones(2), np.full(2, -np.inf))
    assert np.isfinite(fit_logistic(x, x[:, 0] > 0, np.ones(40), ridge)).all()


def test_the_start_changes_nothing():
    rng = np.random.default_rng(2)
    x = np.column_stack([rng.normal(size=300), np.ones(300)])
    truth = rng.random(300) < 0.3
    ridge = Ridge(np.zeros(2), np.ones(2), np.array([0.0, -np.inf]))
    one = fit_logistic(x, truth, np.ones(300), ridge)
    other = fit_logistic(x, truth, np.ones(300), ridge, np.array([9.0, -9.0]))
    np.testing.assert_allclose(one, other, atol=1e-7)


def test_log_loss_is_the_plain_mean():
    log_odds, truth, weights = np.array([0.0, 2.0, -1.0]), np.array([True, False, True]), np.array([1.0, 2.0, 1.0])
    expected = -(math.log(0.5) + 2 * math.log(1 - sigmoid(2)) + math.log(sigmoid(-1))) / 4
    assert log_loss(log_odds, truth, weights) == pytest.approx(expected)
    assert log_loss(np.array([1e4, -1e4]), np.array([True, False]), np.ones(2)) == 0


# Curves.


def curve_of(form: str, scores, same, weights=None) -> PairCurve:
    scores, same = np.asarray(scores, np.float64), np.asarray(same, bool)
    return fit_curve(form, ScoreBins(scores, same), np.ones(len(scores)) if weights is None else weights)


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(st.tuples(st.sampled_from([-3.0, -1, 0, 0.5, 2, 50, math.nan]), st.booleans()), max_size=30),
    form=st.sampled_from(CURVES),
)
def test_a_curve_rises_whatever_it_learnt_from_and_is_never_certain(rows, form):
    curve = curve_of(form, [score for score, _ in rows], [same for _, same in rows])
    values = curve.log_odds(np.array([-1e6, -5.0, -1, 0, 0.25, 1, 30, 1e6, np.nan]))
    assert np.isfinite(values[:-1]).all()
    assert (np.diff(values[:-1]) >= 0).all()
    assert math.isnan(values[-1])
    assert PairCurve.from_dict(json.loads(json.dumps(curve.as_dict()))) == curve


def test_the_steps_are_those_of_scikit_learn_with_a_mate_and_a_stranger_added():
    rng = np.random.default_rng(5)
    scores = rng.integers(0, 12, 300).astype(float)
    same = rng.random(300) < scores / 14
    curve = curve_of("isotonic", scores, same)
    x, y = np.concatenate([scores, [0.0, 11.0]]), np.concatenate([same, [True, False]])
    steps = IsotonicRegression().fit(x, y).predict(np.arange(12.0))
    for share in np.unique(steps):
        inside = (x >= np.flatnonzero(steps == share).min()) & (x <= np.flatnonzero(steps == share).max())
        middle = np.log1p(x[inside]).mean()
        assert np.interp(middle, curve.knots, curve.values) == pytest.approx(math.log(share / (1 - share)), abs=1e-6)


def test_bins_change_a_curve_by_almost_nothing(monkeypatch):
    rng = np.random.default_rng(6)
    same = rng.random(20_000) < 0.03
    scores = rng.normal(size=20_000) + 2 * same
    for form in CURVES:
        coarse = curve_of(form, scores, same)
        monkeypatch.setattr("resight.rerank.pair_curve._N_CUTS", 10**6)
        fine = curve_of(form, scores, same)
        monkeypatch.undo()
        at = np.linspace(-2, 4, 50)
        assert np.abs(coarse.log_odds(at) - fine.log_odds(at)).max() < (0.15 if form == "isotonic" else 0.03)


def test_absent_and_weightless_pairs_teach_nothing():
    scores, same = np.array([0.0, 1.0, 2.0, np.nan, 7.0]), np.array([False, True, True, True, False])
    weights = np.array([1.0, 2.0, 1.0, 5.0, 0.0])
    for form in CURVES:
        left = curve_of(form, scores[:3], same[:3], weights[:3])
        np.testing.assert_allclose(curve_of(form, scores, same, weights).values, left.values)


def test_a_scorer_that_is_wrong_way_round_is_unheard():
    rng = np.random.default_rng(7)
    same = rng.random(2000) < 0.2
    scores = rng.normal(size=2000) - 2 * same
    for form in CURVES:
        curve = curve_of(form, scores, same)
        spread = np.ptp(curve.log_odds(np.quantile(scores, [0.1, 0.9])))
        assert spread < 0.1


@pytest.mark.parametrize(
    "fields",
    [
        {"values": (1.0, 0.0)},
        {"knots": (1.0, 0.0)},
        {"knots": (1.0,)},
        {"slope": -1.0},
        {"prior": math.nan},
        {"knots": (), "values": ()},
        {"slope": "1"},
    ],
)
def test_a_curve_that_falls_or_lacks_is_refused(fields):
    whole = {"form": "isotonic", "scale": "log", "knots": (0.0, 1.0), "values": (0.0, 1.0), "slope": 1.0, "prior": -1.0}
    PairCurve(**whole)
    with pytest.raises(InputError):
        PairCurve(**{**whole, **fields})


def test_no_curve_or_scale_of_that_name():
    with pytest.raises(UnknownNameError):
        curve_of("linear", [0.0], [True])
    with pytest.raises(UnknownNameError):
        PairCurve("logistic", "root", (0.0,), (0.0,), 1.0, 0.0)


# Combinations.


def test_the_stack_is_a_sum_with_a_word_for_silence():
    stack = Stack((0.5, 2.0), (-1.0, 0.25), (-3.0, -1.0), -2.5)
    rows = [[-2.0, 0.5], [np.nan, 0.5], [-2.0, np.nan], [np.nan, np.nan]]
    expected = [-2.5 + 0.5 * 1 + 2 * 1.5, -2.5 - 1 + 2 * 1.5, -2.5 + 0.5 * 1 + 0.25, math.nan]
    np.testing.assert_allclose(stack.combined(np.array(rows)), expected)


def test_the_mean_leaves_the_silent_out():
    mean = MeanProbability(1.0, 0.0)
    rows = np.array([[0.0, 2.0], [np.nan, 2.0], [np.nan, np.nan], [-500.0, 500.0]])
    found = mean.combined(rows)
    assert sigmoid(found[0]) == pytest.approx((0.5 + sigmoid(2)) / 2)
    assert found[1] == pytest.approx(2)
    assert math.isnan(found[2])
    assert found[3] == pytest.approx(0)


def test_a_scorer_that_speaks_of_mates_only_is_heard_by_its_silence():
    rng = np.random.default_rng(8)
    same = rng.random(4000) < 0.1
    silent = rng.random(4000) < np.where(same, 0.2, 0.9)
    log_odds = np.column_stack([rng.normal(size=4000), np.where(silent, np.nan, 0.0)])
    stack = fit_stack(log_odds, np.array([-2.0, 0.0]), same, np.ones(4000))
    assert stack.absences[0] == 0
    assert stack.absences[1] == pytest.approx(math.log(0.2 / 0.8) - math.log(0.9 / 0.1), abs=0.4)


def test_twice_the_same_scorer_counts_once():
    rng = np.random.default_rng(9)
    same = rng.random(5000) < 0.2
    evidence = 2 * rng.normal(size=5000) + 4 * same - 2 + math.log(0.25)
    twice = fit_stack(np.column_stack([evidence, evidence]), np.full(2, math.log(0.25)), same, np.ones(5000))
    once = fit_stack(evidence[:, None], np.array([math.log(0.25)]), same, np.ones(5000))
    assert sum(twice.weights) == pytest.approx(once.weights[0], abs=0.02)
    assert twice.weights[0] == pytest.approx(twice.weights[1])


def test_the_mean_of_one_reliable_scorer_stays_as_it_is():
    rng = np.random.default_rng(10)
    log_odds = rng.normal(size=20_000)
    same = rng.random(20_000) < 1 / (1 + np.exp(-log_odds))
    mean = fit_mean(log_odds[:, None], same, np.ones(20_000))
    assert (mean.slope, mean.intercept) == (pytest.approx(1, abs=0.06), pytest.approx(0, abs=0.06))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Stack((-1.0,), (0.0,), (0.0,), 0.0),
        lambda: Stack((1.0,), (0.0, 0.0), (0.0,), 0.0),
        lambda: Stack((1.0,), (0.0,), (math.inf,), 0.0),
        lambda: MeanProbability(-1.0, 0.0),
        lambda: MeanProbability(1.0, math.nan),
    ],
)
def test_odd_numbers_make_no_combination(make):
    with pytest.raises(InputError):
        make()


# Labelled pairs.


def catalogue(**columns) -> Catalogue:
    n = len(columns["identity"])
    names = [f"i{row}" for row in range(n)]
    return Catalogue(pl.DataFrame({"image_id": names, "path": [f"{name}.jpg" for name in names], **columns}), ".")


def test_pairs_of_one_photo_encounter_or_file_are_refused():
    photos = catalogue(identity=["a", "a", "b"], encounter=["1", "1", "2"], content=["x", "y", "y"])
    LabelledPairs.of(Pairs([0], [2], 3, 3), photos)
    for query, photo, column in ((0, 0, "image_id"), (0, 1, "encounter"), (1, 2, "content")):
        with pytest.raises(InputError, match=f"no pair of one {column}"):
            LabelledPairs.of(Pairs([query], [photo], 3, 3), photos)


def test_an_unknown_encounter_forbids_nothing_and_unlabelled_photos_are_left_out():
    photos = catalogue(identity=["a", "a", None, "b"], encounter=[None, None, "1", "2"])
    labelled = LabelledPairs.of(Pairs([0, 0, 0, 2], [1, 2, 3, 3], 4, 4).with_scores("s", [1.0, 2, 3, 4]), photos)
    assert labelled.same.tolist() == [True, False]
    assert labelled.pairs.scores["s"].tolist() == [1, 3]


def test_two_catalogues_share_the_names():
    queries, gallery = catalogue(identity=["b", "c"]), catalogue(identity=["a", "b", "c"])
    gallery = Catalogue(gallery.frame.with_columns(image_id=pl.col("image_id") + "g"), ".")
    labelled = LabelledPairs.of(Pairs([0, 0, 1, 1], [0, 1, 1, 2], 2, 3), queries, gallery)
    assert labelled.same.tolist() == [False, True, False, True]


def test_rows_of_other_catalogues_are_refused():
    with pytest.raises(InputError, match="2 queries"):
        LabelledPairs.of(Pairs([0], [1], 3, 2), catalogue(identity=["a", "b"]))
    with pytest.raises(InputError):
        LabelledPairs(Pairs([0], [1], 3, 2), np.array([-1]), np.array([0]))
    with pytest.raises(InputError):
        LabelledPairs(Pairs([0], [1], 3, 2), np.array([1, 2]), np.array([0]))


# The fit.


def test_folds_hold_out_whole_individuals_and_learn_from_neither_side(labelled):
    weights = np.random.default_rng(0).random(len(labelled)) + 0.5
    folds = fusion_fit._folds(labelled, weights, 5)
    asked, answering, same = labelled.query_individuals, labelled.photo_individuals, labelled.same
    assert np.sum([fold.held for fold in folds], axis=0).tolist() == [1] * len(labelled)
    for fold in folds:
        out, taught = set(asked[fold.held]), fold.weights > 0
        assert not out & (set(asked[taught]) | set(answering[taught]))
        elsewhere = ~fold.held
        mates = weights[elsewhere & same].sum()
        assert fold.weights[same].sum() == pytest.approx(mates)
        strangers = weights[elsewhere & ~same].sum()
        assert fold.weights[~same].sum() == pytest.approx(strangers)


def test_it_finds_the_odds_that_were_drawn(labelled, fused):
    """Two unit normals apart by g give log-odds g·x − g²/2 more than the prior, and independent ones add up."""
    same = labelled.same
    prior = math.log(same.mean() / (1 - same.mean()))
    s0, s1 = (labelled.pairs.scores[name].astype(float) for name in ("s0", "s1"))
    expected = prior + s0 - 0.5 + 2 * s1 - 2
    found = fused.log_odds(labelled.pairs)
    assert fused.summary.chosen == "stack: s0, s1"
    usual = (s1 > -1) & (s1 < 3) & (s0 > -2) & (s0 < 3)
    assert np.abs(found - expected)[usual].max() < 1.0
    assert np.abs(found - expected)[usual].mean() < 0.25


def test_the_summary_holds_both_figures(labelled, fused):
    losses = fused.summary.log_loss
    assert losses["stack: s0, s1"] < losses["mean: s0, s1"] < losses["prior"]
    assert losses["stack: s0, s1"] < losses["alone: s1"] < losses["alone: s0"] < losses["prior"]
    assert set(fused.summary.oscr) == set(losses) - {"prior"}
    assert str(fused.summary).count(f"{losses['mean: s0, s1']:.4f}") == 1
    assert fused.summary.n_pairs == len(labelled)
    assert fused.summary.n_same == int(labelled.same.sum())
    for scorer in fused.summary.scorers:
        assert scorer.form == min(CURVES, key=lambda form: scorer.log_loss[form])
        assert scorer.log_loss[scorer.form] < scorer.prior_log_loss


@pytest.mark.parametrize("asked", ["stack", "mean"])
def test_what_is_asked_for_is_made(labelled, fused, asked):
    made = fit_fusion(labelled, combine=asked)
    assert isinstance(made.combination, Stack if asked == "stack" else MeanProbability)
    assert (made.summary.chosen, made.summary.asked) == (f"{asked}: s0, s1", asked)
    assert made.summary.log_loss.items() <= fused.summary.log_loss.items()


def test_probabilities_of_unseen_individuals_come_true(labelled):
    probability = 1 / (1 + np.exp(-cross_fitted(labelled)))
    assert expected_calibration_error(probability, labelled.same) < 0.02
    fresh = drawn(seed=77)
    assert expected_calibration_error(fit_fusion(labelled).probability(fresh.pairs), fresh.same) < 0.02


def test_noise_is_no_better_than_the_prior():
    noise = drawn(gains=(0.0, 0.0), n=200)
    losses = fit_fusion(noise).summary.log_loss
    log_odds = cross_fitted(noise)
    assert min(losses.values()) >= losses["prior"] * 0.98
    assert fit_fusion(noise, combine="stack").summary.log_loss["stack: s0, s1"] == pytest.approx(
        losses["prior"], rel=0.02
    )
    assert log_loss(log_odds, noise.same, np.ones(len(noise))) >= losses["prior"] * 0.995


def test_what_tells_queries_apart_but_not_their_photos_is_left_out():
    """It lowers the log loss, since some queries have many mates, and puts nobody's mate before a stranger."""
    rng = np.random.default_rng(5)
    n, each = 200, 40
    queries, photos = np.repeat(np.arange(n), each), np.tile(np.arange(each), n)
    easy = np.repeat(rng.random(n) < 0.5, each)
    same = rng.random(n * each) < np.where(easy, 0.2, 0.01)
    signal = rng.normal(size=n * each) + 1.5 * same
    pairs = Pairs(queries, photos, n, each).with_scores("signal", signal)
    pairs = pairs.with_scores("query", 2 * easy + rng.normal(size=n * each))
    individuals = np.where(same, queries, n + photos)
    found = fit_fusion(LabelledPairs(pairs, queries, individuals))
    losses, ranks = found.summary.log_loss, found.summary.oscr
    assert losses["stack: signal, query"] < losses["alone: signal"] * 0.98
    assert ranks["stack: signal, query"] < ranks["alone: signal"]
    assert found.scorers == ("signal",)
    assert found.log_odds(pairs.select(np.arange(9))).shape == (9,)


@pytest.mark.parametrize("seed", range(5))
def test_oscr_is_that_of_a_plain_loop(seed):
    rng = np.random.default_rng(seed)
    queries, same = np.sort(rng.integers(0, 12, 200)), rng.random(200) < 0.1
    values = np.where(rng.random(200) < 0.2, np.nan, rng.integers(0, 6, 200) / 2)

    def best(query, mated):
        rows = [v for v, q, s in zip(values, queries, same, strict=True) if q == query and s == mated]
        return max((v for v in rows if not math.isnan(v)), default=-math.inf)

    strangers = [best(query, mated=False) for query in np.unique(queries[~same])]
    expected = []
    for query in np.unique(queries[same]):
        mate = best(query, mated=True)
        first = mate > best(query, mated=False)
        expected.append(first * np.mean([mate > other for other in strangers]))
    assert oscr(values, queries, same) == pytest.approx(np.mean(expected))


def test_no_mate_or_no_stranger_is_no_rate():
    for same in (False, True):
        assert oscr(np.zeros(3), np.zeros(3, np.int64), np.full(3, same)) == 0


def test_every_nth_stranger_gives_nearly_the_same_combination(labelled, fused, monkeypatch):
    monkeypatch.setattr(choosing, "_MOST_STRANGERS", 1_500)
    thinned = fit_fusion(labelled)
    assert thinned.model_id != fused.model_id
    mean = fused.summary.n_same / fused.summary.n_pairs
    assert thinned.probability(labelled.pairs).mean() == pytest.approx(mean, rel=0.05)
    np.testing.assert_allclose(thinned.log_odds(labelled.pairs), fused.log_odds(labelled.pairs), atol=0.6)


def test_the_same_pairs_give_the_same_fusion(labelled, fused):
    assert fit_fusion(labelled).model_id == fused.model_id


def test_names_of_individuals_do_not_matter_to_the_truth(labelled, fused):
    renamed = LabelledPairs(labelled.pairs, labelled.query_individuals + 3, labelled.photo_individuals + 3)
    np.testing.assert_allclose(
        fit_fusion(renamed).log_odds(labelled.pairs), fused.log_odds(labelled.pairs), atol=0.3, rtol=0.1
    )


def test_a_silent_scorer_is_neither_low_nor_zero(labelled):
    silent = np.random.default_rng(1).random(len(labelled)) < 0.5
    gone = with_scores(labelled, "s1", np.where(silent, np.nan, labelled.pairs.scores["s1"]))
    fusion = fit_fusion(gone)
    probability = fusion.probability(gone.pairs)
    assert np.isfinite(probability).all()
    assert expected_calibration_error(probability[silent], gone.same[silent]) < 0.02
    alone = fit_fusion(labelled, ["s0"]).probability(labelled.pairs)
    assert np.abs(probability[silent] - alone[silent]).mean() < 0.03


def test_pairs_that_nobody_compared_have_no_probability(labelled):
    nobody = np.arange(len(labelled)) % 7 == 0
    gone = labelled
    for name in ("s0", "s1"):
        gone = with_scores(gone, name, np.where(nobody, np.nan, labelled.pairs.scores[name]))
    fusion = fit_fusion(gone)
    assert (np.isnan(fusion.probability(gone.pairs)) == nobody).all()
    assert (np.isnan(cross_fitted(gone)) == nobody).all()
    assert fusion.summary.n_pairs == int((~nobody).sum())


def test_a_scorer_that_never_spoke_changes_nothing(labelled, fused):
    never = with_scores(labelled, "never", np.full(len(labelled), np.nan))
    np.testing.assert_allclose(fit_fusion(never).log_odds(never.pairs), fused.log_odds(labelled.pairs), atol=0.05)


def test_more_alike_never_lowers(fused):
    for name in fused.scorers:
        other = next(one for one in fused.scorers if one != name)
        pairs = Pairs(np.zeros(50, int), np.arange(50), 1, 50).with_scores(name, np.linspace(-9, 9, 50))
        assert (np.diff(fused.log_odds(pairs.with_scores(other, np.zeros(50)))) >= 0).all()
        assert (np.diff(fused.log_odds(pairs.with_scores(other, np.full(50, np.nan)))) >= 0).all()


def test_an_individual_with_many_photos_does_not_speak_for_all():
    one = np.repeat([0, *range(1, 41)], [400, *[10] * 40])
    other = np.where(np.arange(800) % 2, one, (one + 1) % 41)
    lone = one == 0
    pairs = Pairs(np.arange(800), np.arange(800), 800, 800)
    same = one == other
    score = np.where(lone, -1.0, 1.0) * np.where(same, 1, -1) + np.random.default_rng(0).normal(size=800) / 2
    labelled = LabelledPairs(pairs.with_scores("s", score), one, other)
    of_pairs = fit_fusion(labelled).curves["s"]
    of_individuals = fit_fusion(labelled, weigh="individuals").curves["s"]
    assert of_individuals.slope > of_pairs.slope + 0.5


def test_blocks_change_nothing(labelled, fused, monkeypatch):
    whole = fused.log_odds(labelled.pairs)
    monkeypatch.setattr(fusion_module, "_BLOCK_PAIRS", 17)
    np.testing.assert_allclose(fused.log_odds(labelled.pairs), whole, rtol=1e-12)
    assert fused.probability(labelled.pairs.select(np.zeros(0, np.int64))).shape == (0,)


def test_a_scorer_that_did_not_run_is_named(labelled, fused):
    bare = Pairs([0], [1], 2, 2).with_scores("s0", [1.0])
    with pytest.raises(UnknownNameError, match="s1"):
        fused.probability(bare)
    with pytest.raises(UnknownNameError, match="s9"):
        fit_fusion(labelled, ["s9"])


@pytest.mark.parametrize("options", [{"combine": "sum"}, {"weigh": "photos"}, {"n_folds": 1}])
def test_odd_options_are_refused(labelled, options):
    with pytest.raises(ConfigError):
        fit_fusion(labelled, **options)
    with pytest.raises(ConfigError):
        cross_fitted(labelled, **options)


@pytest.mark.parametrize("names", [[], ["s0", "s0"]])
def test_scorers_are_named_once(labelled, names):
    with pytest.raises(InputError):
        fit_fusion(labelled, names)


@pytest.mark.parametrize(
    ("one", "other"),
    [([], []), ([0, 0, 1], [1, 2, 2]), ([0, 0, 1], [0, 1, 0]), ([0, 1], [0, 1]), ([0, 1, 0], [0, 1, 1])],
)
def test_too_few_individuals_are_a_sentence(one, other):
    pairs = Pairs(np.arange(len(one)), np.arange(len(one)), 5, 5).with_scores("s", np.zeros(len(one)))
    with pytest.raises(NotFittedError, match="label"):
        fit_fusion(LabelledPairs(pairs, np.array(one, int), np.array(other, int)))


# On disk.


def test_json_gives_back_the_same_to_the_last_bit(labelled):
    for combine in ("stack", "mean"):
        fusion = fit_fusion(labelled, combine=combine, models={"s0": "bundle-1"})
        again = Fusion.from_json(fusion.to_json())
        assert again == fusion
        assert again.model_id == fusion.model_id
        assert again.log_odds(labelled.pairs).tobytes() == fusion.log_odds(labelled.pairs).tobytes()


def test_the_fingerprint_knows_all_that_counts(labelled, fused):
    others = [
        fit_fusion(labelled, models={"s0": "bundle-1"}),
        fit_fusion(labelled, models={"s0": "bundle-2"}),
        fit_fusion(labelled, combine="mean"),
        fit_fusion(labelled, ["s1", "s0"]),
        fit_fusion(drawn(seed=1)),
    ]
    assert len({fused.model_id, *(other.model_id for other in others)}) == 6


def test_scorers_of_another_model_are_refused(labelled):
    fusion = fit_fusion(labelled, models={"s0": "bundle-1"})
    fusion.require_models({"s0": "bundle-1", "s1": "anything"})
    for models in ({"s0": "bundle-2"}, {}):
        with pytest.raises(MismatchError, match="bundle-1"):
            fusion.require_models(models)
    with pytest.raises(UnknownNameError):
        Fusion(fusion.curves, fusion.combination, fusion.summary, {"s9": "bundle-1"})


def test_a_newer_version_is_refused(fused):
    fields = json.loads(fused.to_json())
    with pytest.raises(MismatchError, match="version 2"):
        Fusion.from_json(json.dumps({**fields, "version": 3}))


@pytest.mark.parametrize(
    "change", ["curves", "combination", "summary", "models", "version", "slope", "weights", "order"]
)
def test_a_broken_text_is_refused(fused, change):
    fields = json.loads(fused.to_json())
    if change in fields:
        del fields[change]
    elif change == "slope":
        fields["curves"][0][1]["slope"] = "steep"
    elif change == "weights":
        fields["combination"]["weights"] = [1.0]
    else:
        fields["curves"][0][1]["knots"] = [1.0, 0.0]
    with pytest.raises(InputError):
        Fusion.from_json(json.dumps(fields))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"version": "1"}', '{"version": 2}', '{"version": 2, "curves": 3}']
)
def test_another_text_is_refused(text):
    with pytest.raises(InputError):
        Fusion.from_json(text)


def test_numbers_that_are_none_are_refused(fused):
    text = fused.to_json()
    intercept = json.dumps(fused.combination.intercept)
    with pytest.raises(InputError):
        Fusion.from_json(text.replace(f'"intercept": {intercept}', '"intercept": NaN'))


def test_applying_needs_neither_scipy_nor_scikit_learn():
    code = (
        "import sys, resight.rerank.fusion, resight.rerank.fusion_fit, resight.rerank.identity, resight.rerank.scorers;"
        "print([name for name in ('scipy', 'sklearn', 'cv2', 'onnxruntime', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
