"""Who judges a head, what is measured, and when one is taken."""

from __future__ import annotations

import math

import numpy as np
import pytest

from oracles.people import examples_of, people
from resight.config import HeadRecipe, LdaOptions, ValidationOptions, WhiteningOptions
from resight.errors import InputError, NotFittedError
from resight.train.heads import trials as head_trials
from resight.train.heads.trials import answered, fitted, heads_of, n_tried, try_heads
from resight.train.judging import MEASURES, NONE, Fold, Judged, Verdicts, choose_head, deal, judge

CLOSED = (WhiteningOptions(shrinkage=(0.01,)), LdaOptions(shrinkage=(0.1,)))


def recipe(*heads, **validation) -> HeadRecipe:
    return HeadRecipe(heads=heads or CLOSED, validation=ValidationOptions(**{"n_repeats": 1, **validation}))


def chosen(examples, *heads, seed: int = 0, **validation):
    asked = recipe(*heads, **validation)
    verdicts, _, _ = try_heads(examples, asked, seed)
    return choose_head(verdicts, only_if_better=asked.validation.only_if_better, seed=seed)


def by_loops(examples, fold: Fold) -> dict[str, float]:
    """The three measures, query by query, from their definitions."""
    vectors = examples.vectors.astype(np.float64)
    names, met = examples.individuals, examples.encounters
    mated, strangers = [], []
    for query in np.flatnonzero(fold.known | fold.strangers):
        gallery = [row for row in np.flatnonzero(fold.learn) if met[row] != met[query]]
        own = [vectors[row] @ vectors[query] for row in gallery if names[row] == names[query]]
        others = [vectors[row] @ vectors[query] for row in gallery if names[row] != names[query]]
        if fold.strangers[query]:
            strangers.append(max(others))
        elif own:
            mated.append((max(own) > max(others), max(*own, *others)))
    rates = {"OSCR": 0.0, "top-1": 0.0, "AUROC": 0.0}
    for is_right, best in mated:
        below = sum(best > one for one in strangers) / len(strangers)
        tied = sum(best == one for one in strangers) / len(strangers)
        rates["OSCR"] += is_right * below / len(mated)
        rates["top-1"] += is_right / len(mated)
        rates["AUROC"] += (below + tied / 2) / len(mated)
    return rates


class TestJudging:
    def test_the_measures_are_their_definitions(self):
        examples = people(n_individuals=16, told_apart=1.0, by_encounter=1.0, noise=0.7)
        for fold in deal(examples, 4, 1, 0):
            found, expected = judge(examples, fold), by_loops(examples, fold)
            assert 0.1 < expected["top-1"] < 0.9
            for name in MEASURES:
                assert found.values[name].mean() == pytest.approx(expected[name], abs=1e-9)
            assert len(found.individuals) == 8

    def test_who_says_the_same_of_everyone_gets_nothing(self):
        examples = examples_of(np.ones((12, 4)), list("aabbccddeeff"))
        for fold in deal(examples, 3, 1, 0):
            found = judge(examples, fold)
            assert found.values["OSCR"].tolist() == found.values["top-1"].tolist() == [0.0, 0.0]
            assert found.values["AUROC"].mean() == 0.5

    def test_photos_must_agree_where_it_is_asked(self):
        vectors = np.array([[1, 0], [0, 1], [0, 1], [1, 0.0]])  # each looks like the other one on its other side
        names, sides = list("aabb"), ["left", "right", "left", "right"]
        learn = np.array([True, False, True, True])
        fold = Fold(learn, ~learn, np.zeros(4, bool))
        assert judge(examples_of(vectors, names), fold).values["top-1"].tolist() == [0.0]
        assert len(judge(examples_of(vectors, names, side=sides), fold).individuals) == 0

    def test_of_many_some_ask(self):
        examples = people(n_individuals=12, n_photos=4)
        fold = deal(examples, 3, 1, 0)[0]
        assert len(judge(examples, fold).individuals) == 16
        some = judge(examples, fold, n_searches=10, seed=1)
        assert len(some.individuals) == 10
        assert some.values["top-1"].tolist() == judge(examples, fold, n_searches=10, seed=1).values["top-1"].tolist()


class TestDealing:
    def test_every_individual_is_a_stranger_once_and_asks_once(self):
        examples = people(n_individuals=23)
        folds = deal(examples, 5, 3, seed=1)
        assert len(folds) == 15
        for repeat in (folds[:5], folds[5:10], folds[10:]):
            assert np.array_equal(np.sum([fold.strangers for fold in repeat], axis=0), np.ones(len(examples)))
            asked = np.concatenate([np.unique(examples.individuals[fold.known]) for fold in repeat])
            assert sorted(asked.tolist()) == list(range(23))
        assert not np.array_equal(folds[0].strangers, folds[5].strangers)

    def test_no_photo_both_learns_and_asks(self):
        examples = people(n_individuals=13)
        for fold in deal(examples, 5, 2, seed=2):
            assert np.array_equal(fold.learn.astype(int) + fold.known + fold.strangers, np.ones(len(examples)))
            who, met = examples.individuals, examples.encounters
            assert set(who[fold.strangers]).isdisjoint(who[~fold.strangers])
            assert set(met[fold.known]).isdisjoint(met[fold.learn])
            assert set(who[fold.known]) <= set(who[fold.learn])

    def test_every_fold_can_be_asked(self):
        names = [f"once{n}" for n in range(40)] + [name for n in range(10) for name in (f"twice{n}", f"twice{n}")]
        examples = examples_of(np.random.default_rng(0).normal(size=(60, 4)), names)
        for seed in range(10):
            for fold in deal(examples, 5, 1, seed):
                assert (fold.known.sum(), fold.strangers.sum()) == (2, 12)
                assert len(judge(examples, fold).individuals) == 2

    def test_few_individuals_make_fewer_folds(self):
        assert len(deal(people(n_individuals=5), 5, 1, 0)) == 2
        with pytest.raises(NotFittedError, match=r"at least 4 individuals that were met in two encounters.*found 3"):
            deal(people(n_individuals=3), 5, 1, 0)

    def test_to_be_met_twice_on_one_side_counts(self):
        examples = examples_of(np.random.default_rng(0).normal(size=(8, 4)), list("aabbccdd"), side=["l", "r"] * 4)
        with pytest.raises(NotFittedError, match="found 0"):
            deal(examples, 2, 1, 0)

    def test_one_encounter_of_many_photos_is_not_met_again(self):
        with pytest.raises(NotFittedError, match="found 0"):
            deal(people(n_encounters=1, n_photos=5), 5, 1, 0)


class TestNobodyJudgesWhatLearnedFromHim:
    def test_what_learns_never_sees_who_judges(self, monkeypatch):
        """Spies at both ends: whoever hands the judging individuals to a head is found out here."""
        learned, asked = [], []

        def spy_on_learning(options, examples, seed):
            learned.append(set(examples.catalogue.image_ids))
            return heads_of(options, examples, seed)

        def spy_on_judging(examples, fold, **rest):
            found = judge(examples, fold, **rest)
            asking = examples.catalogue.select(fold.known | fold.strangers)
            asked.append((set(asking.image_ids), set(asking.column("encounter")), set(
                examples.catalogue.select(fold.strangers).column("identity"))))  # fmt: skip
            return found

        monkeypatch.setattr(head_trials, "heads_of", spy_on_learning)
        monkeypatch.setattr(head_trials, "judge", spy_on_judging)
        examples = people(n_individuals=11)
        try_heads(examples, recipe(WhiteningOptions(shrinkage=(0.1,)), n_repeats=2), 0)
        assert len(learned) == 10
        assert len(asked) == 20  # no head, and the head
        for number, photos in enumerate(learned):
            assert asked[2 * number] == asked[2 * number + 1]
            image_ids, encounters, strangers = asked[2 * number]
            taught = examples.catalogue.select(sorted(photos))
            assert photos.isdisjoint(image_ids)
            assert encounters.isdisjoint(taught.column("encounter"))
            assert strangers.isdisjoint(taught.column("identity"))
            assert len(photos) + len(image_ids) == len(examples)

    def test_what_can_be_learnt_by_heart_only_is_worth_nothing(self):
        """In many directions LDA learns any names by heart. Judged by the same people it would look grand."""
        noise = np.random.default_rng(0).normal(size=(80, 200))
        examples = examples_of(noise, [f"i{row // 4}" for row in range(80)])
        by_heart = LdaOptions(shrinkage=(0.01,), weights=("odds",))
        (head,) = (head for _, head in heads_of(by_heart, examples, 0))
        verdicts, _, _ = try_heads(examples, recipe(by_heart), 0)
        none, learned = (verdicts.pooled(name).values["OSCR"].mean() for name in verdicts.by_head)
        folds = deal(examples, 5, 1, 0)
        leaked = Judged.pooled(judge(answered(examples, head), fold) for fold in folds).values["OSCR"].mean()
        assert leaked > 0.9
        assert learned < none + 0.15


class TestChoosing:
    def test_a_head_that_helps_is_taken(self):
        found = chosen(people(told_apart=1.0, by_encounter=3.0))
        assert found.name == found.best
        assert found.name.startswith("lda")
        assert found.gains["OSCR"].low > 0.2

    def test_where_there_is_no_signal_none_is_taken(self):
        taken = []
        for seed in range(10):
            noise = np.random.default_rng(seed).normal(size=(90, 24))
            found = chosen(examples_of(noise, [f"i{row // 3}" for row in range(90)]), seed=seed)
            assert found.best != NONE
            taken.append(found.name != NONE)
        assert sum(taken) <= 2  # with so few individuals intervals are a little too narrow

    def test_where_all_is_well_already_none_is_taken(self):
        assert chosen(people(told_apart=5.0, by_encounter=0.0, noise=0.01)).name == NONE

    def test_the_best_is_taken_in_any_case_when_asked(self):
        noise = np.random.default_rng(0).normal(size=(60, 12))
        examples = examples_of(noise, [f"i{row // 3}" for row in range(60)])
        assert chosen(examples, only_if_better=False).name != NONE

    def test_the_figure_of_the_choice_is_not_that_of_the_luckiest(self):
        """Many heads of pure chance: the best of them looks good, the choice does not."""
        rng, people_of_fold = np.random.default_rng(0), 40

        def drawn(fold: int) -> Judged:
            names = np.array([f"{fold}-{n}" for n in range(people_of_fold)])
            return Judged(names, {name: rng.integers(0, 2, people_of_fold).astype(float) for name in MEASURES})

        by_head = {
            NONE: [Judged(one.individuals, {n: np.full(40, 0.5) for n in MEASURES}) for one in map(drawn, range(5))]
        }
        by_head |= {f"h{n}": [drawn(fold) for fold in range(5)] for n in range(200)}
        verdicts = Verdicts(by_head)
        assert verdicts.mean(verdicts.best()) > 0.57
        assert verdicts.of_the_choice().values["OSCR"].mean() == pytest.approx(0.5, abs=0.06)
        assert choose_head(verdicts).name == NONE

    def test_the_choice_for_a_fold_is_made_by_everyone_else(self):
        """Also not by the same individuals when they ask again in another repeat."""

        def judged(name: str, value: float) -> Judged:
            return Judged(np.array([name]), {measure: np.full(1, value) for measure in MEASURES})

        names = ["ann", "bob", "bob", "ann"]  # two repeats of two folds
        for_ann = [judged(name, float(name == "ann")) for name in names]
        for_bob = [judged(name, float(name == "bob")) for name in names]
        verdicts = Verdicts({NONE: [judged(name, 0.5) for name in names], "ann's": for_ann, "bob's": for_bob})
        assert verdicts.of_the_choice().values["OSCR"].tolist() == [0.0] * 4
        assert verdicts.best(np.array(["ann"])) == "bob's"

    def test_of_equal_heads_the_first_is_taken(self):
        same = [Judged(np.array(["a"]), {name: np.ones(1) for name in MEASURES})]
        assert Verdicts({NONE: same, "simple": same, "dear": same}).best() == "simple"

    def test_one_individual_proves_nothing(self):
        def judged(value: float) -> list[Judged]:
            return [Judged(np.array(["a"] * 9), {name: np.full(9, value) for name in MEASURES})]

        found = choose_head(Verdicts({NONE: judged(0.0), "grand": judged(1.0)}))
        assert found.name == NONE
        assert math.isnan(found.gains["OSCR"].low)


class TestWhatCannotBeLearned:
    def test_it_is_left_out_with_the_reason(self):
        once = examples_of(np.ones((16, 4)), [f"i{row // 2}" for row in range(16)])
        verdicts, tried, faults = try_heads(once, recipe(), 0)
        assert tried == {}
        assert [one.partition(":")[0] for one in faults] == ["whitening was left out", "lda was left out"]
        found = choose_head(verdicts)
        assert (found.name, found.best) == (NONE, NONE)
        assert found.gains["OSCR"].value == 0

    def test_a_fold_that_fails_takes_the_head_away_from_all(self, monkeypatch):
        def failing(options, examples, seed):
            failing.n += 1
            if failing.n == 3:
                raise NotFittedError("no")
            return heads_of(options, examples, seed)

        failing.n = 0
        monkeypatch.setattr(head_trials, "heads_of", failing)
        verdicts, tried, faults = try_heads(people(n_individuals=8), recipe(WhiteningOptions(), n_folds=4), 0)
        assert (list(verdicts.by_head), tried, len(faults)) == ([NONE], {}, 1)
        assert failing.n == 3

    def test_vectors_with_holes_are_refused_at_the_door(self):
        vectors = np.ones((4, 3))
        vectors[2, 1] = math.nan
        with pytest.raises(InputError, match="length nan in row 2"):
            examples_of(vectors, list("aabb"))

    def test_unlabelled_photos_and_strange_vectors_are_refused(self):
        examples = people(n_individuals=4)
        with pytest.raises(InputError, match="expected the vectors of these photos in their order"):
            type(examples)(examples.catalogue, examples.embeddings.select(np.arange(len(examples))[::-1].copy()))
        with pytest.raises(InputError, match="found none"):
            examples.select(np.zeros(len(examples), bool))
        with pytest.raises(InputError, match="found unlabelled ones"):
            examples_of(np.eye(2), ["a", None])


def test_what_is_tried_is_counted_and_fitted_again():
    examples = people(n_individuals=8)
    _, tried, _ = try_heads(examples, recipe(), 0)
    assert len(tried) == sum(n_tried(options) for options in CLOSED) == 2
    for one in tried.values():
        head = fitted(one, examples, 0)
        assert np.array_equal(head.weight, dict(heads_of(one.options, examples, 0))[one.setting].weight)


def test_the_same_seed_judges_the_same():
    def rates(seed: int) -> list[float]:
        verdicts, _, _ = try_heads(people(n_individuals=10), recipe(), seed)
        return [verdicts.mean(name) for name in verdicts.by_head]

    assert rates(3) == rates(3) != rates(4)
