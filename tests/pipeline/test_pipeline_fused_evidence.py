"""Grouping by what re-ranking fitted: pairs both ways, cross-fitted where the names were seen."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from resight import RerankRecipe, calibrate_catalogue, index_photos, make_synthetic
from resight.core import Catalogue, Embeddings, Pairs
from resight.errors import NotFittedError
from resight.pipeline import evaluate_grouping, group_catalogue
from resight.pipeline.fused_evidence import FusedEvidence, evidence_by
from resight.pipeline.gallery import labelled_gallery
from resight.pipeline.pair_evidence import by_cosine, neighbour_pairs
from resight.pipeline.reranking import Reranker
from resight.pipeline.sides import Side
from resight.rerank.combining import Stack
from resight.rerank.fusion import Fusion, FusionSummary
from resight.rerank.pair_curve import PairCurve
from resight.store import CatalogueStore

KEYPOINTS = "kind = 'naive-bayes'\nmax_side_px = 96\nn_keypoints = 80\nn_background = 8"
RECIPE = RerankRecipe.parse(f"[[scorers]]\nkind = 'cosine'\n[[scorers]]\n{KEYPOINTS}")
COSINE = RerankRecipe.parse("[[scorers]]\nkind = 'cosine'")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A catalogue of eight named individuals and of photos without a name, with a fusion."""
    there = tmp_path_factory.mktemp("fused")
    drawn = make_synthetic(there / "photos", n_identities=8, n_encounters=3, n_strangers=3, side_px=96, seed=3)
    named = drawn.frame.with_columns(pl.when(pl.col("split") == "gallery").then("identity").alias("identity"))
    index_photos(Catalogue(named, drawn.root), there / "mine")
    calibrate_catalogue(there / "mine", "fpir=0.2", rerank=RECIPE)
    return there / "mine"


@pytest.fixture(scope="module")
def opened(folder):
    store = CatalogueStore.open(folder)
    photos = store.catalogue()
    embeddings = store.embeddings(store.models()[0].name).select(photos.image_ids)
    return store, photos, embeddings


def crowd(n_individuals=12, n_encounters=3, n_photos=2, seed=0, spread=0.9):
    rng = np.random.default_rng(seed)
    rows = [(i, e) for i in range(n_individuals) for e in range(n_encounters) for _ in range(n_photos)]
    centres = rng.normal(size=(n_individuals, 16))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    vectors = np.array([centres[i] + spread * rng.normal(size=16) / 4 for i, _ in rows], np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = [f"p{row}" for row in range(len(rows))]
    columns = {"identity": [f"i{i}" for i, _ in rows], "encounter": [f"{i}-{e}" for i, e in rows]}
    photos = Catalogue(pl.DataFrame({"image_id": ids, "path": ids, **columns}), Path())
    return photos, Embeddings(photos.image_ids, vectors, "toy")


def cosine_evidence(photos, embeddings, slope=8.0):
    """An evidence by the cosine alone, whose kept curve is set by hand: no photo is opened."""
    gallery = Side(photos, embeddings)
    curve = PairCurve("logistic", "plain", (0.5,), (0.0,), slope, -3.0)
    summary = FusionSummary(0, 0, 0, 0, "pairs", "stack: cosine", "auto", {}, {}, ())
    fusion = Fusion({"cosine": curve}, Stack((1.0,), (0.0,), (-3.0,), -3.0), summary, {"cosine": "toy"})
    return FusedEvidence(Reranker(COSINE, fusion, gallery, Side(photos.select([]), embeddings.select([]))))


def hide(photos, rows):
    some = pl.Series(np.isin(np.arange(len(photos)), rows))
    return Catalogue(photos.frame.with_columns(pl.when(~some).then("identity").alias("identity")), photos.root)


class TestEvidence:
    def test_the_names_of_labelled_pairs_are_not_learned_by_heart(self):
        """A lie in the kept curve reaches photos without a name, and no pair of which both have one."""
        photos, vectors = crowd(30)
        told = hide(photos, np.arange(0, len(photos), 7))
        pairs = neighbour_pairs(told, vectors, 20)
        one, other = (cosine_evidence(told, vectors, slope)(told, vectors, pairs) for slope in (8.0, 0.0))
        named = told.frame["identity"].is_not_null().to_numpy()
        both = named[pairs.queries] & named[pairs.photos]
        across = photos.column("encounter")[pairs.queries] != photos.column("encounter")[pairs.photos]
        assert one.log_odds[both & across] == pytest.approx(other.log_odds[both & across])
        assert np.std(one.log_odds[~both & across]) > 1
        assert np.std(other.log_odds[~both & across]) < 1e-6  # a flat curve says the same of all

    def test_probabilities_are_reliable_on_photos_without_a_name(self):
        photos, vectors = crowd(60)
        hidden = np.flatnonzero(np.arange(len(photos)) % 12 >= 6)
        told = hide(photos, hidden)
        pairs = neighbour_pairs(told, vectors, 40)
        said = cosine_evidence(told, vectors)(told, vectors, pairs)
        assert said.calibrated
        fresh = np.isin(pairs.queries, hidden) & np.isin(pairs.photos, hidden)
        fresh &= photos.column("encounter")[pairs.queries] != photos.column("encounter")[pairs.photos]
        truth = photos.column("identity")
        same = truth[pairs.queries[fresh]] == truth[pairs.photos[fresh]]
        assert (1 / (1 + np.exp(-said.log_odds[fresh]))).mean() == pytest.approx(same.mean(), abs=0.03)
        plain = by_cosine(told, vectors, pairs)
        assert np.corrcoef(said.log_odds[fresh], plain.log_odds[fresh])[0, 1] > 0.99
        assert said.absent == pytest.approx(plain.absent)

    def test_shuffled_names_say_nothing(self):
        """Cross-fitting on names that mean nothing must not find them again."""
        photos, vectors = crowd(40)
        names = np.random.default_rng(1).permutation(photos.column("identity"))
        photos = Catalogue(
            photos.frame.with_columns(pl.Series("identity", names), pl.lit(None).alias("encounter")), Path()
        )
        pairs = neighbour_pairs(photos, vectors, 30)
        said = cosine_evidence(photos, vectors)(photos, vectors, pairs)
        same = names[pairs.queries] == names[pairs.photos]
        assert said.log_odds[same].mean() == pytest.approx(said.log_odds[~same].mean(), abs=0.1)

    def test_copies_and_what_the_recipe_keeps_apart_are_not_compared(self):
        photos, vectors = crowd(12)
        content = ["twin", "twin", *map(str, range(2, len(photos)))]
        sides = np.where(np.arange(len(photos)) % 2, "left", "right")
        photos = Catalogue(photos.frame.with_columns(pl.Series("content", content), pl.Series("side", sides)), Path())
        pairs = neighbour_pairs(photos, vectors, 30)
        evidence = cosine_evidence(photos, vectors)
        alone = evidence(photos, vectors, pairs)
        twins = (pairs.queries == 0) & (pairs.photos == 1)
        assert np.isnan(alone.log_odds[twins]).all()
        assert twins.sum() == 1
        sided = FusedEvidence(
            Reranker(
                COSINE.model_copy(update={"same": ("side",)}),
                evidence.reranker.fusion,
                evidence.reranker.gallery,
                evidence.reranker.background,
            )
        )(photos, vectors, pairs)
        apart = sides[pairs.queries] != sides[pairs.photos]
        assert np.isnan(sided.log_odds[apart]).all()
        assert (~np.isnan(sided.log_odds[~apart & ~twins])).any()

    def test_photos_of_one_encounter_have_a_curve_of_their_own_or_none(self):
        photos, vectors = crowd(12)
        pairs = neighbour_pairs(photos, vectors, 71)
        together = photos.column("encounter")[pairs.queries] == photos.column("encounter")[pairs.photos]
        said = cosine_evidence(photos, vectors)(photos, vectors, pairs)
        assert (~np.isnan(said.log_odds[together])).all()
        assert said.log_odds[together].min() > 0  # all labelled ones were one individual
        lonely = hide(photos, np.flatnonzero(np.arange(len(photos)) % 2))
        said = cosine_evidence(lonely, vectors)(lonely, vectors, pairs)
        assert np.isnan(said.log_odds[together]).all()
        assert "one encounter were not compared" in said.notes[0]

    def test_too_few_labels_leave_the_kept_fusion_unchecked_and_are_no_judge(self):
        photos, vectors = crowd(12)
        few = hide(photos, np.arange(12, len(photos)))
        pairs = neighbour_pairs(few, vectors, 5)
        said = cosine_evidence(few, vectors)(few, vectors, pairs)
        named = few.frame["identity"].is_not_null().to_numpy()
        both = named[pairs.queries] & named[pairs.photos]
        assert not said.calibrated
        assert "Too few neighbours" in said.notes[0]
        assert np.isnan(said.log_odds[both]).all()
        assert (~np.isnan(said.log_odds[~both])).any()
        only = photos.select(np.arange(12))
        near = vectors.select(np.arange(12))
        with pytest.raises(NotFittedError, match="label more"):
            cosine_evidence(only, near)(only, near, neighbour_pairs(only, near, 5))

    def test_no_names_at_all(self):
        photos, vectors = crowd(12)
        evidence, nobody = cosine_evidence(photos, vectors), hide(photos, np.arange(len(photos)))
        said = evidence(nobody, vectors, neighbour_pairs(nobody, vectors, 5))
        assert not said.calibrated
        assert said.absent == 0

    def test_no_pairs_at_all(self):
        photos, vectors = crowd(1, 1, 2)
        photos = hide(photos, [1])
        said = cosine_evidence(photos, vectors)(photos, vectors, Pairs([], [], 2, 2))
        assert len(said.log_odds) == 0
        assert not said.calibrated


class TestOnPhotos:
    def test_the_background_never_holds_a_photo_itself_nor_its_encounter_or_individual(self, opened):
        store, photos, embeddings = opened
        evidence, _ = evidence_by(store, embeddings, rerank=True)
        evidence(photos, embeddings, neighbour_pairs(photos, embeddings, 1))
        scorer, background = evidence._comparer.scorers[-1].scorer, evidence.reranker.background.catalogue
        assert len(background) == 8
        for row, photo in enumerate(photos):
            held = background.frame.filter(pl.Series(scorer._rule.allowed(row)))
            assert photo["image_id"] not in held["image_id"].to_list()
            assert photo["encounter"] not in held["encounter"].to_list()
            assert photo["identity"] is None or photo["identity"] not in held["identity"].to_list()

    def test_each_pair_is_compared_both_ways_and_asked_about_once(self, opened):
        store, photos, embeddings = opened
        evidence, made_by = evidence_by(store, embeddings, rerank=True)
        assert made_by == evidence.reranker.model
        pairs = neighbour_pairs(photos, embeddings, 5)
        whole = evidence(photos, embeddings, pairs)
        assert whole.calibrated
        asked = []
        for one in evidence._comparer.scorers:
            score = one.scorer.score
            one.scorer.score = lambda q, g, score=score: asked.append(len(q)) or score(q, g)
        known, vectors = labelled_gallery(store, embeddings.model)
        rows = known.image_ids
        inside = np.isin(photos.image_ids[pairs.queries], rows) & np.isin(photos.image_ids[pairs.photos], rows)
        ours = Pairs.of(
            known.rows_of(photos.image_ids[pairs.queries[inside]]),
            known.rows_of(photos.image_ids[pairs.photos[inside]]),
            len(known),
            len(known),
        )
        again = evidence(known, vectors, ours)
        assert sum(asked) == 0  # all was said before, and is remembered
        assert again.log_odds == pytest.approx(whole.log_odds[inside], nan_ok=True)

    def test_a_catalogue_is_grouped_and_judged(self, folder):
        one, two = (group_catalogue(folder, rerank=True, n_neighbours=8) for _ in range(2))
        assert one.to_json() == two.to_json()
        assert one.calibrated
        assert "+fusion-" in one.model
        judged = evaluate_grouping(folder, rerank=True, n_neighbours=8, n_repeats=3)
        assert "+fusion-" in judged.model
        assert judged.measures["ARI"].value > evaluate_grouping(folder, n_neighbours=8, n_repeats=3).measures["ARI"].low

    def test_without_a_fit_there_is_a_sentence(self, folder, tmp_path):
        bare = shutil.copytree(folder, tmp_path / "bare", ignore=shutil.ignore_patterns("rerank"))
        for call in (group_catalogue, evaluate_grouping):
            with pytest.raises(NotFittedError, match="resight calibrate --rerank"):
                call(bare, rerank=True)
