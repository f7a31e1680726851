"""Measures of pairs: intervals by person, folds, kinds of forgery, groups, figures."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles import pairs as oracle
from resight.errors import InputError
from resight.evaluate import (
    EER_VARIANTS,
    JudgedPairs,
    bootstrap_pairs,
    eer,
    fold_accuracy,
    folds_in_order,
    measure_pairs,
    pair_weights,
)
from resight.evaluate.fold_accuracy import best_threshold
from resight.evaluate.pair_plots import det_curve, pair_histogram, roc_curves
from resight.evaluate.pair_rates import PairRates

SCORES = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5]), min_size=4, max_size=14)


def drawn(n_persons=30, n_pairs=400, gap=1.5, seed=0, kinds=("",)):
    """Pairs of persons: genuine ones higher by `gap`, impostor ones of some kinds."""
    rng = np.random.default_rng(seed)
    same = rng.random(n_pairs) < 0.4
    persons = rng.integers(0, n_persons, (n_pairs, 2))
    persons[same, 1] = persons[same, 0]
    persons[~same, 1] = (persons[~same, 0] + rng.integers(1, n_persons, (~same).sum())) % n_persons
    names = np.where(same, "", rng.choice(kinds, n_pairs))
    return JudgedPairs(rng.normal(size=n_pairs) + gap * same, same, persons, names)


class TestWeights:
    def test_as_the_oracle(self):
        persons = np.array([[3, 3], [3, 8], [8, 5], [5, 5]])
        rng = np.random.default_rng(4)
        for weights in pair_weights(persons, n_resamples=20, seed=4):
            times = dict(zip((3, 5, 8), np.bincount(rng.integers(0, 3, 3), minlength=3), strict=True))
            assert weights.tolist() == [oracle.weight(times, one, other) for one, other in persons.tolist()]

    def test_one_person_leaves_nothing_to_vary(self):
        assert list(pair_weights([[1, 1]], n_resamples=5, seed=0)) == []

    def test_faults(self):
        with pytest.raises(InputError, match="two persons per pair"):
            next(pair_weights([1, 2], n_resamples=1, seed=0))
        with pytest.raises(InputError, match="n_resamples of at least 0"):
            next(pair_weights([[1, 2]], n_resamples=-1, seed=0))

    def test_a_rate_of_none_reaches_as_far_as_so_many_persons_cannot_exclude(self):
        persons = np.arange(20).reshape(10, 2)
        low, high = bootstrap_pairs(lambda _: np.array([0.0, 1.0]), persons, [20, 20], n_resamples=50)
        assert (low.low, low.high) == (0, pytest.approx(0.168, abs=1e-3))
        assert (high.low, high.high) == (pytest.approx(0.832, abs=1e-3), 1)

    def test_the_interval_holds_what_it_promises_of_genuine_pairs(self):
        """Persons differ in how hard they are; of fresh draws of persons about 95 % of intervals hold the truth."""
        held = 0
        for seed in range(60):
            rng = np.random.default_rng(seed)
            wrong = (rng.random((40, 8)) < rng.choice([0.05, 0.45], 40)[:, None]).ravel()
            persons = np.repeat(np.arange(40), 8)
            found = bootstrap_pairs(
                lambda weights, hits=wrong: np.array([weights @ hits / weights.sum()]),
                np.stack([persons, persons], axis=1), [40], n_resamples=200, seed=seed,
            )[0]  # fmt: skip
            held += found.low <= 0.25 <= found.high
        assert 52 <= held <= 60


class TestRates:
    @settings(deadline=None, max_examples=40)
    @given(SCORES, st.integers(0, 10**6))
    def test_weights_count_as_repeats(self, scores, seed):
        rng = np.random.default_rng(seed)
        same = np.arange(len(scores)) % 2 == 0
        kinds = np.where(same, "", rng.choice(["real", "swap"], len(scores)))
        judged = JudgedPairs(scores, same, np.zeros((len(scores), 2)), kinds)
        rates = PairRates.of(judged, {}, (0.3,))
        weights = rng.integers(0, 3, len(scores))
        again = oracle.repeated(weights, scores, same.tolist(), kinds.tolist())
        own, *others = ([s for s, t, k in zip(*again, strict=True) if want(t, k)] for want in (
            lambda truth, _: truth, lambda truth, _: not truth,
            lambda truth, kind: not truth and kind == "real", lambda truth, kind: not truth and kind == "swap",
        ))  # fmt: skip
        found = dict(zip(rates.names, rates.row(weights).tolist(), strict=True))
        for name in EER_VARIANTS:
            assert found["eer", name] == pytest.approx(eer(own, others[0], name), nan_ok=True)
        for kind, impostor in (("real", others[1]), ("swap", others[2])):
            if ("kind", kind) in found:
                assert found["kind", kind] == pytest.approx(eer(own, impostor), nan_ok=True)
        if own and others[0]:
            assert found["tar", "0.3"] == pytest.approx(oracle.tar(own, others[0], 0.3))


class TestMeasures:
    def test_value_counts_and_intervals(self):
        judged = drawn()
        found = measure_pairs(judged, n_resamples=100)
        for name, one in found.eer.items():
            assert one.value == eer(judged.scores[judged.same], judged.scores[~judged.same], name)
            assert one.low < one.value < one.high
            assert one.n == found.n_persons == 30
        assert (found.n_genuine, found.n_impostor) == (int(judged.same.sum()), int((~judged.same).sum()))
        assert (found.eer_real, found.eer_fake, dict(found.kinds)) == (None, None, {})
        assert found.groups == ()

    def test_the_order_of_pairs_and_the_numbers_of_persons_change_nothing(self):
        judged = drawn()
        rows = np.random.default_rng(1).permutation(len(judged))
        other = JudgedPairs(judged.scores[rows], judged.same[rows], 7 * judged.persons[rows] + 3, judged.kinds[rows])
        first, second = (measure_pairs(one, n_resamples=30).to_json() for one in (judged, other))
        assert first == second

    def test_kinds_of_forgery(self):
        judged = drawn(kinds=("", "real", "swap", "warp"))
        found = measure_pairs(judged, n_resamples=20)
        own = judged.scores[judged.same]
        for one, kinds in ((found.eer_real, ("", "real")), (found.eer_fake, ("swap", "warp"))):
            assert one.value == eer(own, judged.scores[~judged.same & np.isin(judged.kinds, kinds)])
        assert set(found.kinds) == {"swap", "warp"}
        assert found.kinds["warp"].value == eer(own, judged.scores[judged.kinds == "warp"])

    def test_the_kind_of_a_genuine_pair_is_not_looked_at(self):
        judged = drawn(kinds=("real", "swap"))
        other = JudgedPairs(judged.scores, judged.same, judged.persons, np.where(judged.same, "odd", judged.kinds))
        assert measure_pairs(other, n_resamples=0).to_json() == measure_pairs(judged, n_resamples=0).to_json()

    def test_tar_at_far_and_what_the_data_cannot_say(self):
        persons = np.array([[n, n] for n in range(5)] + [[n, n + 1] for n in range(5)])
        scores = [0.9, 0.8, 0.7, 0.4, 0.3, 0.6, 0.5, 0.35, 0.2, 0.1]
        judged = JudgedPairs(scores, np.arange(10) < 5, persons, [""] * 10)
        enough, few = measure_pairs(judged, targets=(0.2, 0.1), n_resamples=50).tar
        assert (enough.estimate.value, enough.at.achieved) == (0.6, 0.2)
        assert math.isnan(few.estimate.value)
        assert few.at.note == "insufficient data: 5 scores cannot show a rate of 0.1"
        assert few.to_json()["interval"]["low"] is None

    def test_a_pair_that_was_not_compared_is_refused(self):
        judged = JudgedPairs(
            [0.9, math.nan, 0.5, math.nan], np.array([True, True, False, False]),
            np.array([[0, 0], [1, 1], [0, 1], [1, 2]]), [""] * 4,
        )  # fmt: skip
        found = measure_pairs(judged, n_resamples=20)
        assert found.n_not_compared == 2
        assert found.eer["full"].value == eer([0.9, -1], [0.5, -1], "full")
        assert found.tar[0].at.note

    def test_groups_at_one_threshold(self):
        judged = drawn()
        side = np.where(np.arange(len(judged)) % 3 == 0, "left", np.where(np.arange(len(judged)) % 3 == 1, "right", ""))
        found = measure_pairs(judged, groups={"side": side}, n_resamples=20)
        assert [(one.column, one.value) for one in found.groups] == [("side", "left"), ("side", "right")]
        left, own, other = found.groups[0], judged.select((side == "left") & judged.same), side == "left"
        assert left.fnmr.value == (own.scores < found.threshold).mean()
        assert left.fmr.value == (judged.scores[other & ~judged.same] >= found.threshold).mean()
        assert left.eer.value == eer(own.scores, judged.scores[other & ~judged.same])

    def test_a_group_of_one_kind_of_pair_has_no_eer(self):
        judged = drawn()
        found = measure_pairs(judged, groups={"g": np.where(judged.same, "own", "")}, n_resamples=5).groups[0]
        assert math.isnan(found.eer.value)
        assert math.isnan(found.fmr.value)
        assert found.to_json()["eer"]["value"] is None

    def test_a_constant_score_says_nothing(self):
        judged = drawn()
        tied = JudgedPairs(np.full(len(judged), 0.5), judged.same, judged.persons, judged.kinds)
        found = measure_pairs(tied, n_resamples=5)
        assert (found.eer["sklearn"].value, found.eer["interpolated"].value) == (1, 0.5)
        assert found.tar[0].estimate.value == 0

    def test_faults(self):
        judged = drawn()
        with pytest.raises(InputError, match="found 0 and"):
            measure_pairs(judged.select(~judged.same))
        with pytest.raises(InputError, match="expected a value of 'side' for each of 400 pairs, found 3"):
            measure_pairs(judged, groups={"side": np.array(["a"] * 3)})
        with pytest.raises(InputError, match="a kind and two persons"):
            JudgedPairs([0.1], np.array([True]), np.array([[0, 1, 2]]), [""])
        with pytest.raises(InputError, match="truth as booleans"):
            JudgedPairs([0.1], np.array([1]), np.array([[0, 1]]), [""])


class TestFolds:
    @settings(deadline=None, max_examples=60)
    @given(SCORES, st.integers(0, 10**6))
    def test_the_threshold_is_the_best_there_is(self, scores, seed):
        same = np.random.default_rng(seed).random(len(scores)) < 0.5
        threshold = best_threshold(np.array(scores), same)
        assert ((np.array(scores) >= threshold) == same).mean() == oracle.best_accuracy(scores, same)
        assert threshold not in scores or threshold == min(scores)

    def test_each_fold_by_the_others(self):
        judged = drawn(n_pairs=300)
        folds = folds_in_order(judged.same, 3)
        found = fold_accuracy(judged.scores, judged.same, folds, judged.persons)
        for fold, accuracy, threshold in zip(found.folds, found.accuracies, found.thresholds, strict=True):
            here = folds == fold
            assert threshold == best_threshold(judged.scores[~here], judged.same[~here])
            assert accuracy == ((judged.scores[here] >= threshold) == judged.same[here]).mean()
        assert found.estimate.value == pytest.approx(np.mean(found.accuracies))
        assert found.standard_error == pytest.approx(np.std(found.accuracies, ddof=1) / math.sqrt(3))
        assert found.n_shared == 30

    def test_folds_in_order_hold_both_kinds_alike(self):
        same = np.repeat([True, False], [30, 30])
        folds = folds_in_order(same)
        assert [(int(same[folds == f].sum()), int((folds == f).sum())) for f in np.unique(folds)] == [(3, 6)] * 10
        assert folds_in_order([]).tolist() == []

    def test_one_pair_that_was_not_compared_and_all_refused(self):
        found = fold_accuracy([-np.inf, -np.inf, -np.inf, -np.inf], [0, 0, 0, 1], ["a", "a", "b", "b"])
        assert found.accuracies == (1.0, 0.5)
        assert found.to_json()["thresholds"] == [None, None]

    def test_faults(self):
        for folds in (["a", "a"], ["", "a"]):
            with pytest.raises(InputError, match="at least two folds"):
                fold_accuracy([0.1, 0.2], [0, 1], folds)
        with pytest.raises(InputError, match="a truth and a fold per score"):
            fold_accuracy([0.1, 0.2], [0, 1], ["a"])


class TestFigures:
    @pytest.mark.parametrize("kinds", [("",), ("real", "swap")])
    def test_they_say_what_they_show(self, kinds):
        judged = drawn(kinds=kinds, n_pairs=3000)
        drawings = [pair_histogram(judged, "cosine", 0.5), roc_curves(judged), det_curve(judged)]
        for svg, name in zip(drawings, ("scores", "roc", "det"), strict=True):
            assert svg.startswith(f'<svg role="img" aria-labelledby="{name}-title')
            assert ("forged" in svg) is (len(kinds) > 1)
        assert "% falsely accepted" in drawings[1]

    def test_pairs_that_were_not_compared_or_all_tie(self):
        judged = JudgedPairs([0.5, math.nan], np.array([True, False]), np.array([[0, 0], [0, 1]]), ["", ""])
        assert all(
            "<svg" in one for one in (pair_histogram(judged, "", math.inf), roc_curves(judged), det_curve(judged))
        )
