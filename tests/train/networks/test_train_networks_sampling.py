"""Sampling: exact batches, who comes how often, and what a class counts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resight.config.train_recipe import SamplingOptions
from resight.errors import InputError
from resight.train.networks.sampling import class_weights, epoch_batches, looks_per_class, merge_rare

CLASSES = np.repeat(np.arange(12), [1, 1, 2, 3, 5, 8, 13, 21, 34, 1, 55, 2])
ALONE = np.arange(len(CLASSES))


def batches_of(classes: np.ndarray, encounters: np.ndarray | None = None, *, seed: int = 0, epoch: int = 0, **options):
    met = np.arange(len(classes)) if encounters is None else encounters
    return epoch_batches(classes, met, SamplingOptions(**options), seed=seed, epoch=epoch)


def listed(batches: list[np.ndarray]) -> list[list[int]]:
    return [batch.tolist() for batch in batches]


@st.composite
def epochs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, SamplingOptions, int, int]:
    """Photos of some classes, with gaps in the codes, and options."""
    classes = np.array(draw(st.lists(st.integers(0, 9), min_size=1, max_size=60)))
    encounters = np.array(draw(st.lists(st.integers(0, 5), min_size=len(classes), max_size=len(classes))))
    options = SamplingOptions(
        how=draw(st.sampled_from(["balanced", "classes"])),
        balance=draw(st.sampled_from([0.0, 0.5, 1.0])),
        n_photos_each=draw(st.integers(2, 9)),
        n_photos_per_batch=draw(st.integers(2, 40)),
        at_least=draw(st.integers(0, 7)),
    )
    return classes, encounters, options, draw(st.integers(0, 3)), draw(st.integers(0, 3))


@settings(max_examples=100, deadline=None)
@given(epochs())
def test_every_epoch_keeps_what_it_promises(epoch):
    classes, encounters, options, seed, number = epoch
    batches = epoch_batches(classes, encounters, options, seed=seed, epoch=number)
    again = epoch_batches(classes, encounters, options, seed=seed, epoch=number)
    assert listed(batches) == listed(again)
    assert {len(batch) for batch in batches} == {options.n_photos_per_batch}
    rows = [int(row) for batch in batches for row in batch]
    assert set(rows) <= set(range(len(classes)))
    looks = Counter(int(classes[row]) for row in rows)
    assert all(looks[one] >= options.at_least for one in set(classes.tolist()))
    if options.how == "classes":
        assert set(looks) == set(classes.tolist())
        n_in_batch = min(len(set(classes.tolist())), max(2, options.n_photos_per_batch // options.n_photos_each))
        assert {len(set(classes[batch].tolist())) for batch in batches} == {n_in_batch}
    elif options.balance == 0:
        assert set(rows) == set(range(len(classes)))


def test_without_balance_every_photo_comes_once_and_none_twice_in_a_batch():
    for epoch in range(20):
        batches = batches_of(CLASSES, n_photos_per_batch=16, epoch=epoch)
        assert len(batches) == -(-len(CLASSES) // 16)
        assert all(len(set(batch.tolist())) == 16 for batch in batches)
        counts = np.bincount(np.concatenate(batches))
        assert counts.min() == 1
        assert counts.max() <= 2
        assert counts.sum() - len(counts) == 16 * len(batches) - len(CLASSES)


@pytest.mark.parametrize(("balance", "power"), [(1.0, 0.0), (0.5, 0.5)])
def test_balance_draws_by_a_power_of_the_size(balance, power):
    sizes = np.bincount(CLASSES).astype(float)
    looks = sum(
        looks_per_class(CLASSES, batches_of(CLASSES, balance=balance, n_photos_per_batch=146, epoch=epoch))[1]
        for epoch in range(200)
    )
    assert looks / 200 == pytest.approx(sizes**power / (sizes**power).sum() * len(CLASSES), rel=0.12)


def test_at_least_looks_again_at_who_is_rare_and_at_nobody_else():
    batches = batches_of(CLASSES, at_least=6, n_photos_per_batch=2)
    photos, looks = looks_per_class(CLASSES, batches)
    wanted = np.maximum(photos, 6)
    assert (looks >= wanted).all()
    assert looks.sum() - wanted.sum() <= 1  # what fills the last batch
    of_three = [int(row) for batch in batches for row in batch if CLASSES[row] == 3]
    assert set(Counter(of_three).values()) <= {2, 3}  # its photos come equally often


def test_fewer_photos_than_a_batch_come_again():
    for how in ("balanced", "classes"):
        (batch,) = batches_of(np.array([0, 0, 1]), how=how, n_photos_per_batch=8)
        assert len(batch) == 8
        assert set(batch.tolist()) == {0, 1, 2}


def test_a_single_photo_and_a_single_class_are_enough():
    assert listed(batches_of(np.array([5]), n_photos_per_batch=3)) == [[0, 0, 0]]
    assert listed(batches_of(np.array([5]), how="classes", n_photos_per_batch=3)) == [[0, 0, 0]]
    for batch in batches_of(np.zeros(20, int), how="classes", n_photos_per_batch=8):
        assert len(set(batch.tolist())) == 8


def test_classes_come_in_turn_and_give_k_photos():
    batches = batches_of(CLASSES, how="classes", n_photos_per_batch=16, n_photos_each=4)
    for batch in batches:
        for one in np.unique(CLASSES[batch]):
            rows = batch[CLASSES[batch] == one].tolist()
            assert len(rows) == 4
            assert len(set(rows)) == min(4, (one == CLASSES).sum())
    times = np.bincount(np.concatenate([np.unique(CLASSES[batch]) for batch in batches]))
    assert set(times.tolist()) == {3}  # 146 photos, 12 classes by 4
    for start in range(0, len(batches), 3):
        assert set(CLASSES[np.concatenate(batches[start : start + 3])].tolist()) == set(range(12))


def test_a_batch_that_k_does_not_divide_is_full_and_has_two_classes():
    for batch in batches_of(CLASSES, how="classes", n_photos_per_batch=14, n_photos_each=4):
        assert sorted(Counter(CLASSES[batch].tolist()).values()) == [4, 5, 5]
    for batch in batches_of(CLASSES, how="classes", n_photos_per_batch=6, n_photos_each=20):
        assert sorted(Counter(CLASSES[batch].tolist()).values()) == [3, 3]


def test_photos_of_different_encounters_come_first():
    classes = np.repeat([0, 1], 22)
    encounters = np.tile(np.array([0] * 20 + [1] + [2]), 2)
    for seed in range(20):
        for batch in batches_of(classes, encounters, how="classes", n_photos_per_batch=6, n_photos_each=3, seed=seed):
            for one in (0, 1):
                assert sorted(encounters[batch[classes[batch] == one]].tolist()) == [0, 1, 2]


def test_seed_and_epoch_change_what_is_drawn():
    for how in ("balanced", "classes"):
        drawn = [listed(batches_of(CLASSES, how=how, seed=seed, epoch=epoch)) for seed in (0, 1) for epoch in (0, 1)]
        assert all(one != other for place, one in enumerate(drawn) for other in drawn[:place])


def test_arrays_that_do_not_agree_are_refused():
    for classes, encounters in ((np.zeros(0, int), np.zeros(0, int)), (np.zeros(3, int), np.zeros(2, int))):
        with pytest.raises(InputError, match="a class and an encounter for each photo"):
            batches_of(classes, encounters)


@pytest.mark.parametrize(
    ("rare", "expected", "rows"),
    [
        ("keep", [0, 1, 1, 2, 3, 3], [0, 1, 2, 3, 4, 5]),
        ("drop", [0, 0, 1, 1], [1, 2, 4, 5]),
        ("together", [2, 0, 0, 2, 1, 1], [0, 1, 2, 3, 4, 5]),
    ],
)
def test_rare_classes_are_kept_dropped_or_made_one(rare, expected, rows):
    classes, kept = merge_rare(np.array([0, 2, 2, 3, 7, 7]), SamplingOptions(rare_below=2, rare=rare))
    assert classes.tolist() == expected
    assert kept.tolist() == rows


@pytest.mark.parametrize("rare", ["keep", "drop", "together"])
def test_nobody_is_rare_without_a_limit(rare):
    classes, kept = merge_rare(CLASSES, SamplingOptions(rare=rare))
    assert classes.tolist() == CLASSES.tolist()
    assert kept.tolist() == list(range(len(CLASSES)))


def test_all_may_be_together_but_not_all_dropped():
    assert merge_rare(CLASSES, SamplingOptions(rare_below=99, rare="together"))[0].tolist() == [0] * len(CLASSES)
    for classes in (CLASSES, np.zeros(0, int)):
        with pytest.raises(InputError, match="at least 99 photos, found none"):
            merge_rare(classes, SamplingOptions(rare_below=99, rare="drop"))


def plain_weights(counts: list[int], how: str) -> list[float]:
    """Class by class, with the effective number as the sum of a series."""
    mean = sum(counts) / len(counts)
    each = []
    for n in counts:
        effective = sum(((mean - 1) / mean) ** power for power in range(n))
        each.append({"none": 1.0, "balanced": 1 / n, "root": 1 / n**0.5, "effective": 1 / effective}[how])
    scale = sum(counts) / sum(n * one for n, one in zip(counts, each, strict=True))
    return [one * scale for one in each]


@pytest.mark.parametrize("how", ["none", "balanced", "root", "effective"])
@pytest.mark.parametrize("counts", [[1], [1, 1, 1], [1, 2, 3, 50], [400, 3, 3, 7, 1]])
def test_class_weights_are_those_of_a_plain_loop(how, counts):
    found = class_weights(counts, how)
    assert found.dtype == np.float32
    assert found.tolist() == pytest.approx(plain_weights(counts, how), rel=1e-5)
    assert float(found @ np.array(counts) / sum(counts)) == pytest.approx(1, rel=1e-5)


def test_a_class_without_photos_has_a_weight_all_the_same():
    for how in ("none", "balanced", "root", "effective"):
        absent, one, _ = class_weights([0, 1, 4], how)
        assert absent == one
        assert class_weights([0, 1, 4], how)[1:].tolist() == class_weights([1, 4], how).tolist()
    with pytest.raises(InputError, match="photos of classes to weigh"):
        class_weights([0, 0], "balanced")


def test_looks_are_counted_for_classes_that_never_come_too():
    photos, looks = looks_per_class(np.array([0, 0, 2]), [np.array([0, 0]), np.array([1, 0])])
    assert photos.tolist() == [2, 0, 1]
    assert looks.tolist() == [4, 0, 0]
