"""Individuals that come first too often: counted as by a plain loop, shrunk, bounded, not learned from who asks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resight.errors import InputError
from resight.rerank.false_labels import FalseLabels

N_INDIVIDUALS, N_STRANGERS = 4, 3
searches = st.lists(
    st.tuples(st.integers(-1, N_INDIVIDUALS - 1), st.integers(0, N_INDIVIDUALS + N_STRANGERS - 1)).filter(
        lambda one: one[0] != one[1]
    ),
    max_size=30,
)


def by_loop(found, individual, n_photos, most, shrinkage, without=None):
    """ln((w + k) / (n·s + k)) over the searches that neither `individual` nor `without` asked."""
    counted = [winner for winner, asker in found if asker not in (individual, without)]
    expected = len(counted) * n_photos[individual] / sum(n_photos)
    ratio = math.log((counted.count(individual) + shrinkage) / (expected + shrinkage))
    return min(max(ratio, 0.0), most)


@settings(deadline=None, max_examples=100)
@given(searches, st.lists(st.integers(1, 9), min_size=4, max_size=4), st.floats(0.1, 3), st.floats(0.1, 9))
def test_it_equals_a_plain_loop(found, n_photos, most, shrinkage):
    winners, askers = (np.array([one[side] for one in found], np.int64) for side in (0, 1))
    labels = FalseLabels(winners, askers, np.array(n_photos), most=most, shrinkage=shrinkage)
    expected = [by_loop(found, one, n_photos, most, shrinkage) for one in range(N_INDIVIDUALS)]
    assert labels.penalties == pytest.approx(expected)
    pairs = [(asker, one) for asker in range(N_INDIVIDUALS + N_STRANGERS) for one in range(N_INDIVIDUALS)]
    pairs = [(asker, one) for asker, one in pairs if asker < N_INDIVIDUALS or asker in askers]
    ask, named = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    expected = [by_loop(found, one, n_photos, most, shrinkage, asker) for asker, one in pairs]
    assert labels.without(ask, named) == pytest.approx(expected)


def test_who_came_first_for_itself_played_no_stranger():
    with pytest.raises(InputError, match="somebody else"):
        FalseLabels(np.array([1]), np.array([1]), np.array([1, 1]), most=1, shrinkage=1)
