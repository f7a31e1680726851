"""Batches: who is in them, how often, and from which encounters."""

from __future__ import annotations

import numpy as np
import pytest

from resight.train.heads.batches import balanced_batches, class_batches

CLASSES = np.repeat(np.arange(12), [1, 1, 2, 3, 5, 8, 13, 21, 34, 1, 55, 2])


def drawn(balance: float, n_epochs: int = 200) -> np.ndarray:
    rng = np.random.default_rng(0)
    rows = [row for _ in range(n_epochs) for batch in balanced_batches(CLASSES, 16, balance, rng) for row in batch]
    return np.bincount(CLASSES[rows], minlength=12) / n_epochs


def test_without_balance_every_photo_comes_once():
    batches = list(balanced_batches(CLASSES, 16, 0.0, np.random.default_rng(3)))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(CLASSES)))
    assert {len(batch) for batch in batches} <= {16, 17}


@pytest.mark.parametrize(("balance", "power"), [(1.0, 0.0), (0.5, 0.5)])
def test_balance_draws_by_a_power_of_the_size(balance, power):
    sizes = np.bincount(CLASSES).astype(float)
    expected = sizes**power / (sizes**power).sum() * len(CLASSES)
    assert drawn(balance) == pytest.approx(expected, rel=0.1)


def test_a_batch_is_never_one_photo_alone():
    for n in range(2, 40):
        sizes = [len(batch) for batch in balanced_batches(np.zeros(n, int), 8, 0.0, np.random.default_rng(0))]
        assert sum(sizes) == n
        assert min(sizes) >= 2


def test_classes_come_whole_and_once_in_a_round():
    encounters = np.arange(len(CLASSES))
    batches = list(class_batches(CLASSES, encounters, 16, 4, np.random.default_rng(0)))
    times = np.zeros(12, int)
    for batch in batches:
        assert len(set(batch.tolist())) == len(batch)
        for one in np.unique(CLASSES[batch]):
            assert (CLASSES[batch] == one).sum() == min(4, (one == CLASSES).sum())
            times[one] += 1
    assert len(set(times.tolist())) == 1
    assert len(np.concatenate(batches)) == pytest.approx(len(CLASSES), rel=0.35)


def test_photos_of_different_encounters_come_first():
    encounters = np.array([0] * 20 + [1] + [2])
    for seed in range(20):
        batch = next(class_batches(np.zeros(22, int), encounters, 3, 3, np.random.default_rng(seed)))
        assert sorted(encounters[batch].tolist()) == [0, 1, 2]


def test_the_same_seed_draws_the_same():
    def rows(seed: int) -> list[list[int]]:
        rng = np.random.default_rng(seed)
        return [batch.tolist() for batch in class_batches(CLASSES, CLASSES, 16, 4, rng)]

    assert rows(1) == rows(1) != rows(2)
