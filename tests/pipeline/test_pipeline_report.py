"""Reports of what was re-ranked: on the scale of the fusion, with matches, and complete in themselves."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from oracles.pages import Page, require_self_contained, require_sound_links
from resight import Identifier, RerankRecipe, calibrate_catalogue, index_photos, make_synthetic
from resight.errors import InputError, StoreError
from resight.evaluate.plots import score_histogram
from resight.pipeline import (
    ablate_catalogue,
    evaluate_catalogue,
    reporting,
    write_ablation_report,
    write_evaluation_report,
    write_identification_report,
)
from resight.pipeline.gallery import labelled_gallery
from resight.pipeline.match_pictures import Viewer
from resight.pipeline.reranking import reranked_method
from resight.store import CatalogueStore

KEYPOINTS = "max_side_px = 128\nn_keypoints = 100\n"
RECIPE = RerankRecipe.parse(
    "[fusion]\nhow = 'stack'\n"
    f"[[scorers]]\nkind = 'cosine'\n[[scorers]]\nkind = 'naive-bayes'\nname = '<b>nb</b>'\n{KEYPOINTS}"
    f"[[scorers]]\nkind = 'local'\nn_best = 4\n{KEYPOINTS}[[scorers]]\nkind = 'agreement'\ncolumns = ['side']\n"
)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A catalogue fitted for re-ranking, its photos and new ones; nobody changes them."""
    folder = tmp_path_factory.mktemp("reported")
    photos = make_synthetic(folder / "photos", n_identities=7, n_encounters=4, n_strangers=2, side_px=128, seed=3)
    index_photos(photos.select(pl.col("split") == "gallery"), folder / "mine")
    calibrate_catalogue(folder / "mine", "fpir=0.1", rerank=RECIPE)
    return folder / "mine", photos.select(pl.col("split") != "gallery")


@pytest.fixture(scope="module")
def identified(drawn):
    identifier = Identifier.open(drawn[0], rerank=True)
    return identifier, identifier.identify(drawn[1])


@pytest.fixture(scope="module")
def page(identified, tmp_path_factory) -> str:
    out = tmp_path_factory.mktemp("page") / "report.html"
    return write_identification_report(out, *identified).read_text("utf-8")


def copied(drawn, tmp_path):
    return shutil.copytree(drawn[0], tmp_path / "copy")


def test_the_histogram_is_that_of_the_fused_self_search(drawn, identified, page):
    store = CatalogueStore.open(drawn[0])
    method = reranked_method(store, *labelled_gallery(store, store.models()[0].name), RECIPE)
    searches = method.prepare(np.arange(len(method.catalogue)), (), 0).self_search().summary()
    kept = identified[0].reranker.evidence().searches
    for name in ("mate_scores", "best_others", "non_mated_best", "mate_ranks", "mated_individuals"):
        assert getattr(kept, name).tolist() == getattr(searches, name).tolist()
    assert score_histogram(searches, identified[0].point, "log-odds") in page
    assert "best score of a search (log-odds)" in page
    assert "best score of a search (cosine)" not in page


def test_the_probabilities_are_those_stated_without_the_individual(drawn, identified, page):
    store = CatalogueStore.open(drawn[0])
    method = reranked_method(store, *labelled_gallery(store, store.models()[0].name), RECIPE)
    stated = method.prepare(np.arange(len(method.catalogue)), (), 0).stated()
    kept = identified[0].reranker.evidence().stated
    assert kept.probabilities.tolist() == stated.probabilities.tolist()
    assert (kept.right.tolist(), kept.individuals.tolist()) == (stated.right.tolist(), stated.individuals.tolist())
    assert f"{stated.means} On the dotted line" in Page(page).text
    assert f"expected calibration error is {stated.calibration_error:.3f}" in page


def test_the_page_is_complete_in_itself(page):
    require_self_contained(page)
    require_sound_links(page)
    assert "<b>nb</b>" not in page


def test_a_closer_look_shows_matches_and_what_each_scorer_said(identified, page):
    identifier, found = identified
    read = Page(page)
    assert len(read.all("details", "closer")) == len(found)
    assert len(read.all("div", "matches")) == len(found) <= reporting._MAX_PICTURES
    assert page.count("<image ") == 2 * len(found)
    assert "Candidate cosine <b>nb</b> local agreement log-odds" in read.text
    first = found.decisions[0].candidates[0]
    said = found.compared.said(0, identifier.gallery.rows_of([first.image_id])[0])
    assert said["log-odds"] == pytest.approx(
        float(
            identifier.reranker.fusion.log_odds(found.compared.pairs)[
                np.flatnonzero(
                    (found.compared.pairs.queries == 0)
                    & (found.compared.pairs.photos == identifier.gallery.rows_of([first.image_id])[0])
                )[0]
            ]
        )
    )
    cells = " ".join(f"{value:.2f}" if value == value else "–" for value in said.values())
    assert f"1. {first.identity} {cells}" in read.text


def test_the_matches_are_those_of_the_last_scorer_that_can_show_them(identified):
    identifier, found = identified
    viewer = Viewer.of(identifier.reranker, found.queries, found.compared.queries)
    assert viewer.name == "local"
    drawn = viewer.picture(0, 0, id_="one")
    seen = viewer.scorer.matches(0, 0)
    assert f"{int(seen.inliers.sum())} of {len(seen.inliers)} matched places agree" in drawn or not seen.inliers.any()
    assert found.queries.image_ids[0] in drawn


def test_only_candidates_have_been_kept(identified):
    identifier, found = identified
    compared = found.compared
    assert len(compared.pairs) == compared.matches.present.sum()
    wrong = next(
        row
        for row in range(len(identifier.gallery))
        if identifier.gallery.image_ids[row] not in compared.matches.gallery_ids[0]
    )
    with pytest.raises(InputError, match="stands for a candidate"):
        compared.said(0, wrong)


def test_without_re_ranking_there_is_no_closer_look(drawn, tmp_path):
    folder = copied(drawn, tmp_path)
    calibrate_catalogue(folder, "fpir=0.1")
    identifier = Identifier.open(folder)
    found = identifier.identify(drawn[1])
    assert found.compared is None
    page = write_identification_report(tmp_path / "plain.html", identifier, found).read_text("utf-8")
    assert "<details" not in page
    assert "best score of a search (cosine)" in page
    assert "come true" not in page


def test_a_recipe_that_can_show_no_matches_has_lines_of_text_alone(drawn, tmp_path):
    folder = copied(drawn, tmp_path)
    calibrate_catalogue(folder, "fpir=0.1", rerank=RerankRecipe.parse("[[scorers]]\nkind = 'cosine'"))
    identifier = Identifier.open(folder, rerank=True)
    page = write_identification_report(tmp_path / "r.html", identifier, identifier.identify(drawn[1])).read_text(
        "utf-8"
    )
    assert "<image " not in page
    assert "Candidate cosine log-odds" in Page(page).text


def test_pictures_are_bounded_in_number_and_in_bytes(identified, tmp_path, monkeypatch):
    monkeypatch.setattr(reporting, "_MAX_PICTURES", 3)
    page = write_identification_report(tmp_path / "r.html", *identified).read_text("utf-8")
    assert len(Page(page).all("div", "matches")) == 3
    monkeypatch.setattr(reporting, "_MAX_PICTURE_LETTERS", 100)
    page = write_identification_report(tmp_path / "r.html", *identified).read_text("utf-8")
    assert not Page(page).all("div", "matches")
    assert Page(page).all("details", "closer")


def test_photos_that_vanished_leave_frames_that_say_so(drawn, tmp_path):
    photos = tmp_path / "photos"
    shutil.copytree(drawn[1].root, photos)
    queries = type(drawn[1])(drawn[1].frame, photos).select(np.arange(3))
    identifier = Identifier.open(drawn[0], rerank=True)
    found = identifier.identify(queries)
    shutil.rmtree(photos)
    page = write_identification_report(tmp_path / "r.html", identifier, found).read_text("utf-8")
    require_self_contained(page)
    assert "cannot be read" in page
    assert "no place of the one is found on the other" in page


def test_hostile_names_are_text_in_the_matches_too(identified, tmp_path):
    identifier, found = identified
    name = '"><script>alert(1)</script>'
    first, *others = found.decisions
    candidates = (replace(first.candidates[0], identity=name), *first.candidates[1:])
    hostile = replace(first, query=name, identity=name if first.identity else None, candidates=candidates)
    found = replace(found, decisions=(hostile, *others))
    page = write_identification_report(tmp_path / "r.html", identifier, found).read_text("utf-8")
    require_self_contained(page)
    drawn = re.findall(r"<svg role.*?</svg>", page[page.index('class="matches"') :], re.DOTALL)
    assert sum("&lt;script&gt;alert(1)" in one for one in drawn) == 1


def test_a_catalogue_without_the_searches_says_how_to_get_them(drawn, tmp_path):
    folder = copied(drawn, tmp_path)
    (folder / "rerank" / "searches.npz").unlink()
    identifier = Identifier.open(folder, rerank=True)
    page = write_identification_report(
        tmp_path / "r.html", identifier, identifier.identify(drawn[1].select([0]))
    ).read_text("utf-8")
    assert "run resight calibrate --rerank again" in Page(page).text
    assert "best score of a search" not in page


def test_searches_of_another_fusion_are_not_shown(drawn, tmp_path):
    folder = copied(drawn, tmp_path)
    kept = folder / "rerank" / "searches.npz"
    arrays = dict(np.load(kept))
    np.savez(kept, **{**arrays, "model": np.asarray("another")})
    assert Identifier.open(folder, rerank=True).reranker.evidence() is None


@pytest.mark.parametrize("bytes_", [b"", b"PK\x03\x04 cut", b"\x80\x04 a pickle"])
def test_broken_searches_are_one_sentence(drawn, tmp_path, bytes_):
    folder = copied(drawn, tmp_path)
    (folder / "rerank" / "searches.npz").write_bytes(bytes_)
    with pytest.raises(StoreError, match="calibrate --rerank"):
        Identifier.open(folder, rerank=True).reranker.evidence()


def test_a_pickle_among_the_searches_is_refused(drawn, tmp_path):
    folder = copied(drawn, tmp_path)
    kept = folder / "rerank" / "searches.npz"
    arrays = dict(np.load(kept))
    np.savez(kept, **{**arrays, "stated_right": np.array([{}], dtype=object)})
    with pytest.raises(StoreError, match="calibrate --rerank"):
        Identifier.open(folder, rerank=True).reranker.evidence()


def test_an_evaluation_shows_what_was_stated_only_where_something_was(drawn, tmp_path):
    plain = evaluate_catalogue(drawn[0])
    assert (plain.stated, plain.scale, "ECE" in plain.measures) == (None, "cosine", False)
    page = write_evaluation_report(tmp_path / "plain.html", plain).read_text("utf-8")
    assert "come true" not in page
    assert [a["id"] for a in Page(page).all("section")] == ["scores", "measures", "about"]
    weighed = evaluate_catalogue(drawn[0], rerank=RECIPE)
    assert weighed.scale == "log-odds"
    assert weighed.measures["ECE"].value == pytest.approx(weighed.stated.calibration_error)
    page = write_evaluation_report(tmp_path / "weighed.html", weighed).read_text("utf-8")
    require_self_contained(page)
    assert "Do stated probabilities come true?" in page
    assert "best score of a search (log-odds)" in page


def test_where_operating_points_judge_their_probabilities_are_shown(drawn, tmp_path):
    judged = evaluate_catalogue(drawn[0], "open-set", goal="best=map@5", share_strangers=0.25, n_repeats=2)
    assert not any("no operating point" in note for note in judged.notes)
    assert judged.measures["ECE"].value == pytest.approx(judged.stated.calibration_error)
    page = write_evaluation_report(tmp_path / "open.html", judged).read_text("utf-8")
    assert "the probability that an operating point stated" in page


def test_an_ablation_is_written_with_its_figures(drawn, tmp_path):
    recipe = RECIPE.model_copy(update={"scorers": RECIPE.scorers[:2]})
    table = ablate_catalogue(drawn[0], recipe)
    assert "ECE" in table.shown
    page = write_ablation_report(tmp_path / "ablation.html", table).read_text("utf-8")
    require_self_contained(page)
    text = Page(page).text
    for step in table.steps:
        top = step.evaluation.measures["top-1"]
        assert f"{step.name} {top.value:.3f} {top.low:.3f}–{top.high:.3f}" in text
    assert len(re.findall('class="whisker"', page)) == 3
    assert str(table.steps[-1].fusion) in text
    assert "Do stated probabilities come true?" in text
    assert json.dumps(table.to_json())
