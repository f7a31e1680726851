"""Grouping against the best of all partitions, and the constraints that no likeness may break."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resight.core import Pairs
from resight.decide.constraints import Blocks, Constraints
from resight.decide.grouping import Groups, group_photos
from resight.decide.head_count import Tally, counted_by_noise, counted_by_trials
from resight.errors import InputError


def partitions(n, labels=()):
    """Every way to put n photos into groups, as labels from 0."""
    if len(labels) == n:
        yield list(labels)
        return
    for label in range(max(labels, default=-1) + 2):
        yield from partitions(n, (*labels, label))


def worth(labels, odds, absent):
    """The log-odds inside the groups, by plain loops; NaN is a pair that was not compared."""
    total = 0.0
    for a in range(len(labels)):
        for b in range(a + 1, len(labels)):
            if labels[a] == labels[b]:
                total += absent if math.isnan(odds[a, b]) else odds[a, b]
    return total


def grouped(odds, constraints=None, anchors=None, **options):
    n = len(odds)
    a, b = np.triu_indices(n, 1)
    pairs = Pairs.of(a, b, n, n)
    told = constraints or Constraints([f"p{row}" for row in range(n)])
    return group_photos(pairs, odds[pairs.queries, pairs.photos], told, anchors, **options)


def drawn(rng, n, share_absent=0.3):
    odds = rng.normal(-0.3, 1.5, (n, n))
    odds[rng.random((n, n)) < share_absent] = np.nan
    return odds


def names(n):
    return [f"p{row}" for row in range(n)]


class TestAgainstTheBestPartition:
    def test_the_sum_is_nearly_always_the_best_and_never_better(self):
        rng = np.random.default_rng(0)
        short = []
        for turn in range(150):
            odds, absent = drawn(rng, int(rng.integers(1, 8))), -0.3 * (turn % 3)
            found = worth(grouped(odds, linkage="sum", absent=absent).clusters, odds, absent)
            best = max(worth(labels, odds, absent) for labels in partitions(len(odds)))
            assert found <= best + 1e-9
            short.append((best - found) / max(best, 1e-9))
        assert np.mean(np.array(short) < 1e-9) >= 0.95
        assert max(short) < 0.2

    @settings(deadline=None, max_examples=40)
    @given(st.integers(0, 10_000), st.integers(2, 7), st.sampled_from(["sum", "average"]))
    def test_constraints_hold_and_the_best_that_keeps_them_is_not_beaten(self, seed, n, linkage):
        rng = np.random.default_rng(seed)
        odds = drawn(rng, n, 0.1) + 1
        anchors = rng.choice(np.array(["Ann", "Bob", None], dtype=object), n, p=[0.2, 0.2, 0.6])
        sides = rng.choice(np.array(["left", "right", None], dtype=object), n)
        files = rng.choice(np.array(["f", None], dtype=object), n, p=[0.3, 0.7])
        files[[anchor is not None for anchor in anchors]] = None
        told = Constraints(names(n), differ={"file": files}, sides={"side": sides})
        labels = grouped(odds, told, anchors, linkage=linkage).clusters
        for a in range(n):
            for b in range(a):
                if anchors[a] is not None and anchors[b] is not None:
                    assert (labels[a] == labels[b]) == (anchors[a] == anchors[b])
                if files[a] is not None and files[a] == files[b]:
                    assert labels[a] != labels[b]
        for label in set(labels.tolist()):
            inside = np.flatnonzero(labels == label)
            if {"left", "right"} <= set(sides[inside]):  # somebody said so: one name on both sides
                named = [row for row in inside if anchors[row] is not None]
                assert {"left", "right"} & {sides[row] for row in named} or any(sides[row] is None for row in named)

    @settings(deadline=None, max_examples=40)
    @given(st.integers(0, 10_000), st.integers(2, 8))
    def test_the_average_joins_only_what_is_likely_on_average(self, seed, n):
        odds = drawn(np.random.default_rng(seed), n, 0)
        groups = grouped(odds, linkage="average")
        for cluster in range(len(groups)):
            rows = groups.rows(cluster)
            if len(rows) > 1:
                assert worth(np.where(groups.clusters == cluster, 0, np.arange(1, n + 1)), odds, 0.0) > 0

    def test_a_mean_below_the_line_is_not_joined(self):
        odds = np.array([[0, 3.0, -1.0], [0, 0, -1.5], [0, 0, 0]])
        assert grouped(odds, linkage="average").clusters.tolist() == [0, 0, 1]
        assert grouped(np.where(odds < 0, 0.1, odds)).clusters.tolist() == [0, 0, 0]

    def test_exactly_on_the_line_counts_against_joining(self):
        assert len(grouped(np.zeros((4, 4)))) == 4

    def test_photos_that_were_never_compared_are_not_pushed_apart_nor_drawn_together(self):
        odds = np.full((3, 3), np.nan)
        odds[0, 1] = odds[1, 2] = 2.0
        assert len(grouped(odds)) == 1
        assert len(grouped(odds, absent=-9.0)) == 2
        assert len(grouped(np.full((3, 3), np.nan))) == 3

    @pytest.mark.parametrize("linkage", ["sum", "average"])
    def test_the_order_of_the_photos_does_not_matter(self, linkage):
        rng = np.random.default_rng(3)
        odds = rng.normal(-0.5, 2, (30, 30))
        odds = np.triu(odds, 1) + np.triu(odds, 1).T
        labels = grouped(odds, linkage=linkage).clusters
        order = rng.permutation(30)
        shuffled = grouped(odds[np.ix_(order, order)], linkage=linkage).clusters
        assert ((labels[order][:, None] == labels[order]) == (shuffled[:, None] == shuffled)).all()


class TestConstraints:
    likely = np.full((4, 4), 5.0)

    def test_what_must_be_one_is_one_however_unlike(self):
        told = Constraints(names(4), one={"encounter": np.array(["e", None, None, "e"], dtype=object)})
        assert grouped(-self.likely, told).clusters.tolist() == [0, 1, 2, 0]

    def test_two_species_are_two(self):
        told = Constraints(names(4), agree={"species": np.array(["a", "a", "b", "b"], dtype=object)})
        assert grouped(self.likely, told).clusters.tolist() == [0, 0, 1, 1]

    @pytest.mark.parametrize("linkage", ["sum", "average"])
    def test_left_never_meets_right_through_a_photo_of_unknown_side(self, linkage):
        told = Constraints(names(4), sides={"side": np.array(["left", None, "right", None], dtype=object)})
        labels = grouped(self.likely, told, linkage=linkage).clusters
        assert labels[0] != labels[2]

    def test_left_meets_right_where_a_name_says_so(self):
        sides = np.array(["left", "right", "left", "right"], dtype=object)
        told = Constraints(names(4), sides={"side": sides})
        groups = grouped(self.likely, told, np.array(["Ann", "Ann", None, None], dtype=object))
        assert groups.clusters.tolist() == [0, 0, 0, 0]
        assert groups.names == ("Ann",)

    def test_what_was_told_apart_stays_apart(self):
        groups = grouped(self.likely, Constraints(names(4), apart=[(3, 0)]))
        assert groups.clusters[0] != groups.clusters[3]
        assert len(groups) == 2

    @pytest.mark.parametrize(
        ("told", "anchors", "words"),
        [
            ({}, ["Ann", "Bob", None], ["'p0'", "'p1'", "Ann", "Bob", "encounter"]),
            ({"differ": {"file": ["f", "f", None]}}, None, ["'p0'", "'p1'", "file 'f'"]),
            ({"agree": {"species": ["lynx", "wolf", None]}}, None, ["'p0'", "'p1'", "lynx", "wolf"]),
            ({"apart": [(1, 0)]}, None, ["'p0'", "'p1'", "told apart"]),
        ],
    )
    def test_a_contradiction_is_a_sentence_that_names_the_photos(self, told, anchors, words):
        one = {"encounter": np.array(["e", "e", None], dtype=object)}
        with pytest.raises(InputError, match="expected labels that can all be true") as error:
            grouped(self.likely[:3, :3], Constraints(names(3), one=one, **told), anchors and np.array(anchors, object))
        assert all(word in str(error.value) for word in words), str(error.value)
        assert str(error.value).count(".") == 0

    def test_blocks_hold_what_is_known_of_their_photos(self):
        told = Constraints(
            names(4),
            one={"encounter": ["e", None, "e", None]},
            agree={"species": [None, "b", "a", None]},
            sides={"side": ["left", "left", "right", None]},
        )
        blocks = Blocks.of(told)
        assert blocks.of_photo.tolist() == [0, 1, 0, 2]
        assert [codes.tolist() for codes in blocks.agree] == [[1, 0, -1]]
        assert [dict(tally) for tally in blocks.sides[0]] == [{0: 1, 1: 1}, {0: 1}, {-1: 1}]


class TestGroups:
    def test_known_come_first_by_name_and_proposed_ones_by_size(self):
        odds = np.full((6, 6), -5.0)
        odds[1, 2] = odds[4, 5] = odds[0, 3] = 5.0
        anchors = np.array([None, None, None, "Bob", None, None], dtype=object)
        groups = grouped(odds, None, anchors, taken=["new-0001"])
        assert groups.names == ("Bob", "new-0002", "new-0003")
        assert groups.identities.tolist() == ["Bob", "new-0002", "new-0002", "Bob", "new-0003", "new-0003"]
        assert (groups.n_known, groups.n_new) == (1, 2)
        assert groups.is_known.tolist() == [True, False, False, True, False, False]
        assert groups.confidence[3] == 1.0

    def test_a_sure_photo_is_surer_than_one_that_fits_two_groups(self):
        odds = np.full((5, 5), -6.0)
        odds[0, 1], odds[2, 3], odds[1, 4], odds[3, 4], odds[0, 4] = 6.0, 6.0, 1.0, 0.9, 1.0
        groups = grouped(odds)
        assert groups.confidence[4] < 0.75 < 0.9 < groups.confidence[0]
        assert ((groups.confidence >= 0) & (groups.confidence <= 1)).all()

    @pytest.mark.parametrize("n", [0, 1])
    def test_none_and_one(self, n):
        groups = grouped(np.zeros((n, n)))
        assert len(groups) == n
        assert groups.table().height == n

    def test_equal_photos_with_ties_everywhere_are_grouped_the_same_way_twice(self):
        odds = np.full((9, 9), 1.0)
        odds[:5, 5:] = -1.0
        assert grouped(odds).clusters.tolist() == grouped(odds).clusters.tolist() == [0] * 5 + [1] * 4

    def test_wrong_input_is_refused(self):
        pairs, told = Pairs.of([0], [1], 2, 2), Constraints(["a", "b"])
        for odds, absent in (([np.inf], 0.0), ([1.0, 2.0], 0.0), ([1.0], 0.5)):
            with pytest.raises(InputError):
                group_photos(pairs, odds, told, absent=absent)
        with pytest.raises(InputError, match="2 photos"):
            group_photos(Pairs.of([0], [2], 3, 3), [1.0], told)
        with pytest.raises(InputError):
            Constraints(["a"], one={"encounter": ["e", "f"]})
        with pytest.raises(InputError):
            Constraints(["a"], apart=[(0, 1)])
        with pytest.raises(InputError):
            Groups(np.array(["a"]), np.array([1]), ("x",), 0, np.array([1.0]))


def tally(n_strangers, n_groups):
    """Strangers on a thousand photos, put into so many groups, and nobody known."""
    return Tally(n_strangers, 1_000, n_groups, 0, 0, 0, 0)


class TestTheNumberOfIndividuals:
    def test_trials_set_it_right(self):
        counted = counted_by_trials(30, 200, 0, [tally(10, 20), tally(20, 40), tally(12, 24)])
        assert (counted.value, counted.low, counted.high) == (15, 15, 15)

    def test_groups_of_known_individuals_are_not_counted(self):
        trial = Tally(
            10, 60, 10, 0, 60, 12, 30
        )  # half of the known are recognised; of the known, a group in five photos
        assert counted_by_trials(22, 120, 30, [trial] * 3).value == 10

    def test_where_nobody_is_recognised_the_share_of_known_ones_is_that_of_the_trials(self):
        trial = Tally(47, 360, 360, 0, 90, 90, 0)  # every photo stands alone
        assert counted_by_trials(450, 450, 0, [trial] * 3).value == pytest.approx(47)

    def test_a_wider_spread_gives_a_wider_interval_and_no_more_than_there_are_photos(self):
        narrow = counted_by_trials(30, 40, 0, [tally(n, 10) for n in (10, 11, 10)])
        wide = counted_by_trials(30, 40, 0, [tally(n, 10) for n in (5, 11, 20)])
        assert wide.high - wide.low > narrow.high - narrow.low
        assert 0 < wide.low < wide.high == 40

    def test_it_holds_for_trials_of_one_kind(self):
        rng = np.random.default_rng(0)
        held = []
        for _ in range(300):
            found = rng.integers(20, 60, 13)
            truths = np.maximum(1, np.round(found * np.exp(rng.normal(-0.4, 0.15, 13)))).astype(int)
            others = [tally(n, n_groups) for n, n_groups in zip(truths[1:].tolist(), found[1:].tolist(), strict=True)]
            counted = counted_by_trials(int(found[0]), 1_000, 0, others)
            held.append(counted.low <= truths[0] <= counted.high)
        assert 0.91 <= np.mean(held) <= 0.99

    def test_too_few_trials_are_refused(self):
        with pytest.raises(InputError):
            counted_by_trials(3, 5, 0, [tally(1, 1)])

    def test_nothing_proposed_is_nobody_new(self):
        assert counted_by_trials(0, 5, 5, [tally(4, 5), tally(5, 4)]).value == 0

    def test_noise_moves_what_stands_loosely(self):
        pairs = Pairs.of([0, 2, 4], [1, 3, 5], 6, 6)
        firm = counted_by_noise(pairs, np.full(3, 20.0), Constraints(names(6)), seed=1)
        loose = counted_by_noise(pairs, np.full(3, 0.3), Constraints(names(6)), seed=1)
        assert (firm.low, firm.value, firm.high) == (3, 3, 3)
        assert loose.low < loose.high
        assert str(loose) == str(counted_by_noise(pairs, np.full(3, 0.3), Constraints(names(6)), seed=1))
