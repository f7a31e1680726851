"""The calibrated stack of pairs: curves, what adds them up, and fits without a pair's own persons."""

import math

import numpy as np
import pytest

from resight.errors import InputError, NotFittedError
from resight.rerank.pair_stack import cross_fitted_stack, fit_pair_stack


def drawn(n_pairs=1500, n_persons=120, seed=0):
    """Genuine, impostor and forged pairs: the cosine tells the first two apart, the evidence the last."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(["genuine", "impostor", "forged"], n_pairs, p=[0.4, 0.4, 0.2])
    persons = rng.integers(0, n_persons, (n_pairs, 2))
    one = kind != "impostor"
    persons[one, 1] = persons[one, 0]
    persons[~one, 1] = (persons[~one, 0] + rng.integers(1, n_persons, (~one).sum())) % n_persons
    cosine = rng.normal(size=n_pairs) + 2 * one
    evidence = rng.normal(size=n_pairs) - 3 * (kind == "forged")
    return {"cosine": cosine, "evidence": evidence}, kind == "genuine", persons, kind


def log_loss(log_odds, same):
    return np.logaddexp(0, np.where(same, -log_odds, log_odds)).mean()


def test_one_column_is_a_curve_and_several_are_added_up():
    columns, same, persons, _ = drawn()
    alone = fit_pair_stack({"cosine": columns["cosine"]}, same, persons)
    assert alone.stack is None
    both = fit_pair_stack(columns, same, persons)
    said = np.column_stack([curve.log_odds(columns[name]) for name, curve in both.curves.items()])
    by_hand = both.stack.intercept + (said - both.stack.priors) @ np.array(both.stack.weights)
    assert both.log_odds(columns) == pytest.approx(by_hand)
    assert log_loss(both.log_odds(columns), same) < log_loss(alone.log_odds(columns), same) - 0.05


def test_a_forgery_of_the_right_person_is_refused():
    columns, same, persons, kind = drawn()
    log_odds = cross_fitted_stack(columns, same, persons)
    assert (log_odds[kind == "forged"] < 0).mean() > 0.85
    assert (cross_fitted_stack({"cosine": columns["cosine"]}, same, persons)[kind == "forged"] < 0).mean() < 0.5


def test_probabilities_come_true():
    columns, same, persons, _ = drawn(4000, 400, seed=3)
    p = 1 / (1 + np.exp(-cross_fitted_stack(columns, same, persons)))
    place = (p * 10).astype(int)
    gaps = [abs(p[place == one].sum() - same[place == one].sum()) for one in range(10)]
    assert sum(gaps) / len(p) < 0.04


def test_a_pair_is_judged_without_either_of_its_persons():
    """What persons say of themselves changes nothing of how their own pairs are judged."""
    columns, same, persons, _ = drawn(600, 40)
    before = cross_fitted_stack(columns, same, persons)
    of = np.flatnonzero((persons == persons[0, 0]).any(axis=1))
    changed = {name: values.copy() for name, values in columns.items()}
    changed["cosine"][of[1:]] += 5  # all but the first pair of that person
    after = cross_fitted_stack(changed, same, persons)
    assert after[0] == before[0]
    assert not np.array_equal(after, before)


def test_neither_order_nor_numbers_of_persons_matter():
    columns, same, persons, _ = drawn(400)
    rows = np.random.default_rng(1).permutation(400)
    first = fit_pair_stack(columns, same, persons).log_odds(columns)
    second = fit_pair_stack({name: one[rows] for name, one in columns.items()}, same[rows], persons[rows])
    assert second.log_odds(columns) == pytest.approx(first, abs=0.05)  # equal persons are dealt by their number


def test_what_says_nothing_is_silent_and_never_low():
    columns, same, persons, _ = drawn()
    columns["evidence"] = np.where(np.arange(len(same)) % 2, columns["evidence"], np.nan)
    stack = fit_pair_stack(columns, same, persons)
    said = stack.log_odds(
        {"cosine": np.array([2.0, 2.0, 2.0, np.nan]), "evidence": np.array([np.nan, 1.0, -4.0, np.nan])}
    )
    assert said[2] < said[0] < said[1]
    assert math.isnan(said[3])


def test_more_alike_never_lowers():
    columns, same, persons, _ = drawn()
    columns["evidence"] = np.where(same, -1.0, 1.0) + np.random.default_rng(0).normal(size=len(same))  # upside down
    stack = fit_pair_stack(columns, same, persons)
    rising = stack.log_odds({"cosine": np.zeros(50), "evidence": np.linspace(-4, 4, 50)})
    assert (np.diff(rising) >= 0).all()


def test_another_share_shifts_the_log_odds():
    columns, same, persons, _ = drawn(400)
    stack = fit_pair_stack(columns, same, persons)
    assert stack.shift_to(stack.share_same) == pytest.approx(0)
    assert stack.shift_to(0.01) == pytest.approx(math.log(0.01 / 0.99) - math.log(same.mean() / (1 - same.mean())))
    with pytest.raises(InputError, match="above 0 and below 1, found 1"):
        stack.shift_to(1)


class TestFaults:
    def test_too_few_persons(self):
        cosine, same = {"cosine": np.array([0.9, 0.1, 0.8])}, np.array([True, False, True])
        for persons in ([[0, 0], [0, 1], [1, 1]], [[0, 0], [0, 1], [2, 2]]):
            for fit in (fit_pair_stack, cross_fitted_stack):
                with pytest.raises(NotFittedError, match="label"):
                    fit(cosine, same, np.array(persons))

    def test_one_kind_of_pair(self):
        persons = np.repeat(np.arange(20), 2).reshape(20, 2)
        with pytest.raises(NotFittedError, match="found 20 and 0 of 20 persons"):
            fit_pair_stack({"cosine": np.linspace(0, 1, 20)}, np.ones(20, bool), persons)

    def test_columns(self):
        columns, same, persons, _ = drawn(100)
        with pytest.raises(InputError, match="found evidence"):
            fit_pair_stack({**columns, "evidence": np.full(100, np.inf)}, same, persons)
        with pytest.raises(InputError, match="found no column"):
            fit_pair_stack({}, same, persons)
        with pytest.raises(InputError, match="found none called 'evidence'"):
            fit_pair_stack(columns, same, persons).log_odds({"cosine": columns["cosine"]})


def test_a_constant_column_says_how_rare_mates_are():
    _, same, persons, _ = drawn()
    stack = fit_pair_stack({"cosine": np.zeros(len(same))}, same, persons)
    said = stack.log_odds({"cosine": np.zeros(1)})[0]
    assert 1 / (1 + math.exp(-said)) == pytest.approx(same.mean(), abs=0.02)
