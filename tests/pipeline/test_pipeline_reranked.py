"""Re-ranking a catalogue: fitted on its own pairs, kept, and applied to new photos."""

from __future__ import annotations

import shutil

import numpy as np
import polars as pl
import pytest

from resight import Identifier, RerankRecipe, ablate_catalogue, calibrate_catalogue, index_photos, make_synthetic
from resight.errors import InputError, NotFittedError, StoreError
from resight.pipeline.gallery import labelled_gallery
from resight.pipeline.methods import RerankedMethod
from resight.pipeline.self_search import who_may_answer
from resight.store import CatalogueStore

RECIPE = RerankRecipe.parse(
    "[[scorers]]\nkind = 'cosine'\n[[scorers]]\nkind = 'naive-bayes'\nmax_side_px = 128\nn_keypoints = 150\n"
    "[[scorers]]\nkind = 'local'\nmax_side_px = 128\nn_keypoints = 150\nn_best = 5\n"
    "[[scorers]]\nkind = 'agreement'\ncolumns = ['side']\n[[scorers]]\nkind = 'hash'\n[[scorers]]\nkind = 'date'\n"
)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reranked")
    photos = make_synthetic(folder / "photos", n_identities=8, n_encounters=3, n_strangers=3, side_px=128, seed=3)
    gallery = photos.select(pl.col("split") == "gallery")
    index_photos(gallery, folder / "mine")
    return folder / "mine", photos.select(pl.col("split") != "gallery")


@pytest.fixture(scope="module")
def method(drawn):
    store = CatalogueStore.open(drawn[0])
    model = store.models()[0].name
    return RerankedMethod.of(RECIPE, *labelled_gallery(store, model), store)


def test_a_photo_never_answers_for_its_encounter_nor_a_stranger_for_himself(method):
    searches = method.prepare(np.arange(len(method.catalogue)), (), 0).self_search()
    encounters = dict(zip(method.catalogue.image_ids, method.catalogue.column("encounter"), strict=True))
    for matches in (searches.mated, searches.non_mated):
        for query, found in zip(matches.query_ids, matches.gallery_ids, strict=True):
            assert encounters[query] not in {encounters[one] for one in found if one}
    assert not (searches.non_mated.identities == searches.non_mated_identities[:, None]).any()


def test_the_fit_sees_the_gallery_only(method):
    rows = np.arange(len(method.catalogue))
    some = rows[method.catalogue.column("identity") != method.catalogue.column("identity")[0]]
    one = method.prepare(some, (), 0)
    renamed = method.catalogue.frame.with_columns(
        identity=pl.when(pl.col("identity") == method.catalogue.column("identity")[0])
        .then(pl.lit("somebody else"))
        .otherwise(pl.col("identity"))
    )
    side = type(method.side)(type(method.catalogue)(renamed, method.catalogue.root), method.embeddings)
    other = type(method)(method.recipe, side, method.comparer, method.background, None).prepare(some, (), 0)
    assert one.fusion.model_id == other.fusion.model_id


def test_the_same_gallery_is_fitted_once_and_another_one_anew(method):
    rows = np.arange(len(method.catalogue))
    one = method.prepare(rows, (), 0)
    assert method.prepare(rows, (), 0) is one
    assert method.first(1).prepare(rows, (), 0) is not one
    for other in ((rows, ("side",), 0), (rows, (), 1), (rows[:-3], (), 0)):
        assert method.prepare(*other) is not one


def test_a_search_meets_the_gallery_only(method):
    rows = np.arange(len(method.catalogue))
    answer, ask = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    rule = who_may_answer(method.catalogue.select(ask), method.catalogue.select(answer))
    found = method.prepare(answer, (), 0).search(ask, rule)
    assert found.scale == "log-odds"
    assert set(found.gallery_ids[found.present]) <= set(method.catalogue.image_ids[answer])


def test_calibrated_then_identified_twice_the_same(drawn):
    folder, queries = drawn
    point = calibrate_catalogue(folder, "fpir=0.1", rerank=RECIPE)
    one, two = (Identifier.open(folder, rerank=True).identify(queries) for _ in range(2))
    assert [a.to_json() for a in one] == [b.to_json() for b in two]
    assert (one.matches.scale, one.matches.model) == (point.scale, point.model)
    truth = dict(zip(queries.image_ids, queries.column("identity"), strict=True))
    known = [decision for decision in one if truth[decision.query] is not None]
    right = sum(decision.candidates[0].identity == truth[decision.query] for decision in known)
    assert right >= 0.5 * len(known)  # chance is an eighth


def test_without_a_fit_and_with_a_broken_one_there_is_a_sentence(drawn, tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(drawn[0], folder, ignore=shutil.ignore_patterns("rerank"))
    with pytest.raises(NotFittedError, match="calibrate --rerank"):
        Identifier.open(folder, rerank=True)
    calibrate_catalogue(folder, "fpir=0.1", rerank=RECIPE)
    (folder / "rerank" / "fusion.json").write_text("{")
    with pytest.raises(StoreError, match="calibrate --rerank"):
        Identifier.open(folder, rerank=True)


def test_an_ablation_has_a_row_per_scorer(drawn):
    recipe = RECIPE.model_copy(update={"scorers": RECIPE.scorers[:2]})
    table = ablate_catalogue(drawn[0], recipe)
    assert [step.name for step in table.steps] == ["embedding alone", "cosine", "+ naive-bayes"]
    assert table.steps[2].ms_per_query > table.steps[0].ms_per_query == 0
    assert "top-1" in str(table)


def test_a_cohort_needs_its_photos(method):
    recipe = RerankRecipe.parse("[[scorers]]\nkind = 'cosine'\n[[scorers]]\nkind = 'cohort'")
    with pytest.raises(InputError, match="--distractors"):
        RerankedMethod.of(recipe, method.catalogue, method.embeddings)
