"""Re-ranking by the command line: fit, identify, evaluate with its ablation, group; and what goes wrong on the way."""

from __future__ import annotations

import json
import shutil

import numpy as np
import polars as pl
import pytest
from PIL import Image

from resight.datasets import make_synthetic
from resight.pipeline import index_photos
from resight.store import CatalogueStore

KEYPOINTS = 'kind = "naive-bayes"\nmax_side_px = 96\nn_keypoints = 60\nn_background = 6\n'
RECIPE = f'[fusion]\nhow = "mean"\n\n[[scorers]]\nkind = "cosine"\n\n[[scorers]]\n{KEYPOINTS}'


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Photos of seven individuals, and of two strangers; a recipe that costs little."""
    folder = tmp_path_factory.mktemp("cli-rerank")
    make_synthetic(folder / "photos", n_identities=7, n_encounters=3, n_strangers=2, side_px=96, seed=4)
    (folder / "cheap.toml").write_text(RECIPE, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def fitted(drawn):
    """A catalogue of them, the queries without names, calibrated with the recipe; read-only by agreement."""
    from resight import RerankRecipe, calibrate_catalogue

    index_photos(drawn / "photos", drawn / "mine")
    store = CatalogueStore.open(drawn / "mine")
    queries = store.catalogue().frame.filter(pl.col("split") != "gallery")
    store.assign(queries["image_id"].to_list(), None, who="test")
    calibrate_catalogue(drawn / "mine", "fpir=0.2", rerank=RerankRecipe.read(drawn / "cheap.toml"))
    return drawn / "mine"


@pytest.fixture
def changing(fitted, tmp_path):
    return shutil.copytree(fitted, tmp_path / "mine")


def refused(run, *words):
    assert run.code == 2, run
    assert run.out == ""
    assert len(run.err.strip().splitlines()) == 1, run.err
    for word in words:
        assert word in run.err, run.err


def test_calibrate_then_identify(resight, changing, drawn):
    run = resight(
        "calibrate", "--catalogue", changing, "--recipe", drawn / "cheap.toml", "--goal", "fpir=0.2", "--same", "side"
    )
    assert run.code == 0, run.err
    assert "log-odds" in run.out
    assert "Re-ranked by mean: cosine, naive-bayes, on" in run.err
    call = ("identify", drawn / "photos" / "queries", "--catalogue", changing, "--rerank", "--json")
    one, two = resight(*call), resight(*call)
    assert one.code == 0, one.err
    assert one.out == two.out
    said = json.loads(one.out)
    assert len(said["decisions"]) == len(list((drawn / "photos" / "queries").rglob("*.jpg")))
    assert "+fusion-" in said["operating_point"]["model"]
    for decision in said["decisions"]:
        line = said["operating_point"]["threshold"]
        assert (decision["verdict"] == "known") == (decision["candidates"][0]["score"] >= line)
    assert said["operating_point"]["scale"] == "log-odds"
    plain = resight("identify", drawn / "photos" / "queries", "--catalogue", changing)
    assert plain.code == 2  # the plain line was never drawn here
    assert "resight calibrate" in plain.err


def test_each_side_gets_its_threshold(resight, changing, drawn):
    wanted = ("calibrate", "--catalogue", changing, "--recipe", drawn / "cheap.toml", "--goal", "fpir=0.2")
    run = resight(*wanted, "--per", "side", "--json")
    assert run.code == 0, run.err
    point = json.loads(run.out)
    assert point["group_column"] == "side"
    lines = {one["value"]: one["threshold"] for one in point["group_thresholds"]}
    assert set(lines) == {"left", "right"}
    # lines far apart, so that a photo judged by the other's line would be seen
    file = next(path for path in (changing / "operating_points").glob("*.json") if "fusion" in path.name)
    kept = json.loads(file.read_text(encoding="utf-8"))
    for one in kept["group_thresholds"]:
        one["threshold"] = one["new_below"] = -40.0 if one["value"] == "left" else 40.0
    file.write_text(json.dumps(kept), encoding="utf-8")
    table = drawn / "photos" / "metadata.csv"
    call = ("identify", drawn / "photos", "--catalogue", changing, "--rerank", "--labels", table)
    found = json.loads(resight(*call, "--json").out)["decisions"]
    frame = CatalogueStore.open(changing).catalogue().frame
    side_of = dict(zip(frame["image_id"], frame["side"], strict=True))
    assert {side_of[one["query"]] for one in found} == {"left", "right"}
    assert {(side_of[one["query"]], one["verdict"]) for one in found} == {("left", "known"), ("right", "new")}


def test_evaluate_with_its_ablation(resight, fitted, drawn):
    run = resight("evaluate", "--catalogue", fitted, "--recipe", drawn / "cheap.toml", "--ablation", "--json")
    assert run.code == 0, run.err
    steps = json.loads(run.out)["steps"]
    assert [step["name"] for step in steps] == ["embedding alone", "cosine", "+ naive-bayes"]
    for step in steps:
        assert 0 <= step["measures"]["top-1"]["value"] <= 1


def test_group_and_judge_by_it(resight, fitted):
    run = resight("group", "--catalogue", fitted, "--rerank", "--neighbours", 6, "--json")
    assert run.code == 0, run.err
    said = json.loads(run.out)
    assert "+fusion-" in said["model"]
    listed = sorted(photo["image_id"] for group in said["groups"] for photo in group["photos"])
    frame = CatalogueStore.open(fitted).catalogue().frame
    assert listed == sorted(frame.filter(pl.col("identity").is_null())["image_id"])
    judged = resight("group", "--catalogue", fitted, "--rerank", "--neighbours", 6, "--evaluate")
    assert judged.code == 0, judged.err
    assert "ARI" in judged.out


def test_blank_and_broken_photos(resight, fitted, drawn, tmp_path):
    odd = tmp_path / "odd"
    odd.mkdir()
    Image.new("RGB", (96, 96), (90, 90, 90)).save(odd / "blank.png")
    shutil.copy(next((drawn / "photos" / "queries").rglob("*.jpg")), odd / "good.jpg")
    (odd / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    run = resight("identify", odd, "--catalogue", fitted, "--rerank", "--json")
    assert run.code == 0, run.err
    said = json.loads(run.out)
    assert {one["query"] for one in said["decisions"]} == {"blank.png", "good.jpg"}
    assert [one["path"] for one in said["failures"]] == ["broken.jpg"]
    assert "broken.jpg" in run.err
    blank = next(one for one in said["decisions"] if one["query"] == "blank.png")
    assert blank["candidates"]
    assert all(np.isfinite(one["score"]) for one in blank["candidates"])


def test_keypoints_alone_have_no_candidate_for_a_blank_photo(resight, changing, tmp_path):
    recipe = tmp_path / "keypoints.toml"
    recipe.write_text(f"[[scorers]]\n{KEYPOINTS}", encoding="utf-8")
    run = resight("calibrate", "--catalogue", changing, "--recipe", recipe, "--goal", "fpir=0.2")
    assert run.code == 0, run.err
    Image.new("RGB", (96, 96), (90, 90, 90)).save(tmp_path / "blank.png")
    run = resight("identify", tmp_path / "blank.png", "--catalogue", changing, "--rerank", "--json")
    assert run.code == 0, run.err
    (only,) = json.loads(run.out)["decisions"]
    assert only["verdict"] != "known"


@pytest.mark.parametrize("verb", [("identify", "QUERIES"), ("group",), ("group", "--evaluate")])
def test_without_a_fit_a_sentence_names_the_remedy(resight, changing, drawn, verb):
    shutil.rmtree(changing / "rerank")
    words = [drawn / "photos" / "queries" if word == "QUERIES" else word for word in verb]
    refused(resight(*words, "--catalogue", changing, "--rerank"), "found nothing", "resight calibrate --rerank")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[scorers]]\nkind = 'cosin'", ("line 2", "'cosin'", "Did you mean 'cosine'?")),
        ("[[scorers]]\nkind = 'local'\nn_keypoint = 5", ("line 3", "'n_keypoint'", "Did you mean 'n_keypoints'?")),
        ("[shortlist]\nn_photos = 0", ("line 2", "at least 1", "found 0")),
        ("[fusion]\nn_folds = nan", ("line 2", "whole number")),
        ("[[scorers]]\nkind = 'hash'\n[[scorers]]\nkind = 'hash'", ("another name for each scorer", "'hash' twice")),
        ("scorers = 5", ("scorers", "found 5")),
        ("[[scorers", ("expected TOML",)),
    ],
)
def test_a_wrong_recipe_is_one_sentence(resight, fitted, tmp_path, text, words):
    recipe = tmp_path / "mine.toml"
    recipe.write_text(text, encoding="utf-8")
    refused(resight("calibrate", "--catalogue", fitted, "--recipe", recipe), "mine.toml", *words)


def test_a_recipe_that_is_not_there_and_a_column_that_is_not(resight, fitted, tmp_path):
    refused(resight("calibrate", "--catalogue", fitted, "--recipe", tmp_path / "none.toml"), "none.toml", "No such")
    recipe = tmp_path / "mine.toml"
    recipe.write_text("[[scorers]]\nkind = 'agreement'\ncolumns = ['sied']", encoding="utf-8")
    refused(resight("calibrate", "--catalogue", fitted, "--recipe", recipe), "'sied'", "Did you mean 'side'?")
    recipe.write_text("same = ['sied']", encoding="utf-8")
    refused(resight("calibrate", "--catalogue", fitted, "--recipe", recipe), "'sied'", "Did you mean 'side'?")
    recipe.write_text("[[scorers]]\nkind = 'local'\nfeatures = 'rootsfit'", encoding="utf-8")
    refused(resight("calibrate", "--catalogue", fitted, "--recipe", recipe), "'rootsfit'", "rootsift")


def test_only_a_fit_for_reranking_is_told(resight, changing, drawn):
    for path in (changing / "operating_points").iterdir():
        if "+fusion" not in path.name:
            path.unlink()
    run = resight("identify", drawn / "photos" / "queries", "--catalogue", changing)
    refused(run, "--rerank", "resight calibrate")
