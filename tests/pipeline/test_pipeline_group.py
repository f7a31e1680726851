"""Grouping a catalogue: its constraints, its pairs, what it learns of them, and how it is judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from resight.core import Catalogue, Embeddings
from resight.decide.constraints import Blocks
from resight.pipeline.group_constraints import constraints_of
from resight.pipeline.group_trials import GroupRules, enough_to_try, trials
from resight.pipeline.pair_evidence import by_cosine, log_odds_curve, neighbour_pairs
from resight.store import Denials


def catalogue(**columns):
    n = len(next(iter(columns.values())))
    ids = [f"p{row}" for row in range(n)]
    return Catalogue(pl.DataFrame({"image_id": ids, "path": [f"{i}.jpg" for i in ids], **columns}), Path())


def crowd(n_individuals=12, n_encounters=3, n_photos=2, spread=0.35, seed=0, dimension=16):
    """Photos of individuals in encounters, and vectors round the individual's own direction."""
    rng = np.random.default_rng(seed)
    rows = [(i, e) for i in range(n_individuals) for e in range(n_encounters) for _ in range(n_photos)]
    centres = rng.normal(size=(n_individuals, dimension))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    vectors = np.array([centres[i] + spread * rng.normal(size=dimension) / 4 for i, _ in rows], np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    photos = catalogue(identity=[f"i{i}" for i, _ in rows], encounter=[f"{i}-{e}" for i, e in rows])
    return photos, Embeddings(photos.image_ids, vectors, "toy")


class TestConstraints:
    def test_copies_of_a_file_are_one_unless_they_have_two_names(self):
        one = catalogue(content=["x", "x", "y", "y", None], identity=["Ann", None, "Bob", "Cyd", None])
        blocks = Blocks.of(constraints_of(one))
        assert blocks.of_photo.tolist() == [0, 0, 1, 2, 3]

    def test_two_boxes_of_a_file_are_two_and_the_same_box_is_one(self):
        boxes = [[0, 0, 5, 5], [5, 0, 5, 5], [0, 0, 5, 5], None]
        photos = Catalogue(
            pl.DataFrame(
                {"image_id": ["a", "b", "c", "d"], "path": ["f.jpg"] * 4, "box": boxes},
                schema_overrides={"box": pl.Array(pl.Float64, 4)},
            ),
            Path(),
        )
        blocks = Blocks.of(constraints_of(photos))
        assert blocks.of_photo.tolist() == [0, 1, 0, 2]
        assert blocks.enemies == {0: frozenset({1}), 1: frozenset({0})}

    def test_encounters_count_only_when_the_user_says_so(self):
        photos = catalogue(encounter=["e", "e", None])
        assert Blocks.of(constraints_of(photos)).of_photo.tolist() == [0, 1, 2]
        assert Blocks.of(constraints_of(photos, one_per_encounter=True)).of_photo.tolist() == [0, 0, 1]

    def test_a_rejection_keeps_a_photo_from_a_name(self):
        photos = catalogue(identity=["Ann", None, "Ann"])
        told = constraints_of(photos, denials=Denials({"p1": ("Ann", "Gone"), "elsewhere": ("Ann",)}))
        assert told.apart == ((1, 0),)

    def test_photos_said_to_be_different_are_kept_apart_until_they_bear_one_name(self):
        photos = catalogue(identity=["Ann", None, "Ann", None])
        denials = Denials(pairs=(("p1", "p3"), ("p3", "p0"), ("p0", "p2"), ("p1", "elsewhere")))
        assert constraints_of(photos, denials=denials).apart == ((1, 3), (3, 0))


class TestPairs:
    def test_they_are_the_nearest_by_plain_loops(self):
        photos, vectors = crowd(5)
        cosines = vectors.vectors.astype(np.float64) @ vectors.vectors.T.astype(np.float64)
        np.fill_diagonal(cosines, -np.inf)
        wanted = {tuple(sorted((row, int(near)))) for row in range(30) for near in np.argsort(-cosines[row])[:4]}
        pairs = neighbour_pairs(photos, vectors, 4)
        assert set(zip(pairs.queries.tolist(), pairs.photos.tolist(), strict=True)) == wanted

    def test_more_neighbours_than_photos_and_a_single_photo(self):
        photos, vectors = crowd(1, 1, 3)
        assert len(neighbour_pairs(photos, vectors, 50)) == 3
        assert len(neighbour_pairs(photos.select([0]), vectors.select([0]), 50)) == 0

    def test_sides_are_not_matched_and_an_unknown_one_is(self):
        photos, vectors = crowd(1, 1, 3)
        photos = Catalogue(photos.frame.with_columns(pl.Series("side", ["left", "right", None])), Path())
        pairs = neighbour_pairs(photos, vectors, 5, ["side"])
        assert set(zip(pairs.queries.tolist(), pairs.photos.tolist(), strict=True)) == {(0, 2), (1, 2)}


class TestEvidence:
    def test_the_curve_is_near_the_truth_and_never_falls(self):
        rng = np.random.default_rng(0)
        values = rng.normal(size=5_000)
        truth = rng.random(5_000) < 1 / (1 + np.exp(-(2 * values - 1)))
        asked = np.array([-1.0, 0.0, 1.0])
        assert log_odds_curve(values, truth, asked) == pytest.approx(2 * asked - 1, abs=0.2)
        assert np.ptp(log_odds_curve(values, ~truth, asked)) == pytest.approx(0, abs=1e-6)
        assert np.isfinite(log_odds_curve(np.ones(5), np.ones(5, bool), asked)).all()

    def test_probabilities_are_reliable_on_pairs_that_were_not_learned_from(self):
        photos, vectors = crowd(60, spread=0.9)
        truth = photos.column("identity")
        hidden = np.arange(len(photos)) % 12 >= 6
        told = Catalogue(
            photos.frame.with_columns(pl.when(~pl.Series(hidden)).then("identity").alias("identity")), Path()
        )
        pairs = neighbour_pairs(told, vectors, 40)
        said = by_cosine(told, vectors, pairs)
        assert said.calibrated
        fresh = hidden[pairs.queries] & hidden[pairs.photos]
        fresh &= photos.column("encounter")[pairs.queries] != photos.column("encounter")[pairs.photos]
        probability = 1 / (1 + np.exp(-said.log_odds[fresh]))
        same = truth[pairs.queries[fresh]] == truth[pairs.photos[fresh]]
        assert probability.mean() == pytest.approx(same.mean(), abs=0.03)
        assert said.absent < 0

    def test_photos_of_one_encounter_without_examples_are_not_compared(self):
        photos, vectors = crowd(12, 2, 1)
        more = photos.frame.with_columns(
            pl.when(pl.int_range(pl.len()) < 2).then(pl.lit("both")).otherwise("encounter").alias("encounter")
        )
        photos = Catalogue(more, Path())
        pairs = neighbour_pairs(photos, vectors, 23)
        said = by_cosine(photos, vectors, pairs)
        assert np.isnan(said.log_odds).sum() == 1
        assert "not compared" in said.notes[0]

    @pytest.mark.parametrize(("spread", "is_clear"), [(0.2, True), (40.0, False)])
    def test_without_names_only_clear_kinds_are_told_apart(self, spread, is_clear):
        photos, vectors = crowd(30, spread=spread, dimension=64)
        photos = Catalogue(photos.frame.with_columns(pl.lit(None, pl.String).alias("identity")), Path())
        pairs = neighbour_pairs(photos, vectors, 40)
        said = by_cosine(photos, vectors, pairs)
        assert not said.calibrated
        assert np.isfinite(said.log_odds).any() == is_clear
        assert len(said.notes) == 1

    def test_equal_vectors_everywhere_say_nothing(self):
        photos, _ = crowd(4)
        vectors = Embeddings(photos.image_ids, np.ones((len(photos), 1), np.float32), "constant")
        pairs = neighbour_pairs(photos, vectors, 50)
        said = by_cosine(photos, vectors, pairs)
        across = photos.column("encounter")[pairs.queries] != photos.column("encounter")[pairs.photos]
        assert np.ptp(said.log_odds[across]) < 1e-9


class TestTrials:
    def test_clear_photos_are_grouped_rightly_and_a_constant_embedder_is_not(self):
        photos, vectors = crowd(16, spread=0.3)
        clear = [row[0] for row in trials(photos, vectors, GroupRules(), [0.5], n_repeats=3)]
        assert all(trial.ari > 0.95 and trial.right.mean() > 0.95 for trial in clear)
        constant = Embeddings(photos.image_ids, np.ones((len(photos), 1), np.float32), "constant")
        blind = [row[0] for row in trials(photos, constant, GroupRules(), [0.5], n_repeats=3)]
        assert all(trial.ari < 0.6 for trial in blind)

    def test_half_of_the_individuals_are_hidden_and_the_same_seed_hides_the_same(self):
        photos, vectors = crowd(10)
        first, again = ([row[0] for row in trials(photos, vectors, GroupRules(), [0.5], n_repeats=2)] for _ in range(2))
        assert [len(trial.sure) for trial in first] == [5 * 6 + 5 * 2] * 2
        assert [trial.ari for trial in first] == [trial.ari for trial in again]
        assert [trial.n_individuals for trial in first] == [10, 10]

    def test_few_individuals_are_not_enough(self):
        assert not enough_to_try(crowd(5)[0])
        assert enough_to_try(crowd(6)[0])
