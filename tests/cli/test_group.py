"""`resight group`: proposals, a page, a submission, and names only when asked."""

import csv
import io
import json
import shutil

import numpy as np
import polars as pl
import pytest

from resight.pipeline import index_photos
from resight.store import CatalogueStore


@pytest.fixture(scope="session")
def mixed(synthetic, tmp_path_factory):
    """A catalogue of the gallery, labelled, and of the queries, without names; read-only by agreement."""
    folder = tmp_path_factory.mktemp("mixed") / "mine"
    index_photos(synthetic, folder)
    store = CatalogueStore.open(folder)
    frame = store.catalogue().frame
    named = frame.filter(pl.col("identity").is_not_null() & (pl.col("split") == "query"))
    store.assign(named["image_id"].to_list(), None, who="test")
    return folder


@pytest.fixture
def changing(mixed, tmp_path):
    return shutil.copytree(mixed, tmp_path / "mine")


def refused(run, *words):
    assert run.code == 2, run
    assert len(run.err.strip().splitlines()) == 1, run.err
    for word in words:
        assert word in run.err, run.err


def test_it_proposes_and_writes_nothing(resight, mixed):
    n_before = len(CatalogueStore.open(mixed).log())
    run = resight("group", "--catalogue", mixed, "--same", "side", "--json")
    assert run.code == 0, run.err
    said = json.loads(run.out)
    unlabelled = CatalogueStore.open(mixed).catalogue().frame.filter(pl.col("identity").is_null())["image_id"].to_list()
    listed = [photo["image_id"] for group in said["groups"] for photo in group["photos"]]
    assert sorted(listed) == sorted(unlabelled)
    assert said["calibrated"] is True
    count = said["n_individuals"]
    assert 1 <= count["low"] <= count["value"] <= count["high"] <= said["n_named"] + len(unlabelled)
    known = set(CatalogueStore.open(mixed).catalogue().frame["identity"].drop_nulls())
    assert all((group["name"] in known) == group["known"] for group in said["groups"])
    assert all(0 <= photo["confidence"] <= 1 for group in said["groups"] for photo in group["photos"])
    assert len(CatalogueStore.open(mixed).log()) == n_before


def test_it_says_the_same_twice_and_in_a_table(resight, mixed):
    runs = [resight("group", "--catalogue", mixed, "--same", "side", "--csv") for _ in range(2)]
    assert runs[0].out == runs[1].out
    rows = list(csv.DictReader(io.StringIO(runs[0].out)))
    assert list(rows[0]) == ["image_id", "cluster", "known", "confidence"]


def test_a_page_and_a_submission(resight, mixed, tmp_path):
    page, out = tmp_path / "groups.html", tmp_path / "clusters.csv"
    run = resight("group", "--catalogue", mixed, "--same", "side", "--report", page, "--out", out)
    assert run.code == 0, run.err
    assert "new (" in run.out
    html = page.read_text(encoding="utf-8")
    assert "Proposed individuals" in html
    assert "data:image/jpeg" in html
    assert "<script" not in html
    rows = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8"))))
    assert list(rows[0]) == ["image_id", "cluster"]
    n_unlabelled = CatalogueStore.open(mixed).catalogue().frame["identity"].null_count()
    assert len(rows) == n_unlabelled
    sample = tmp_path / "sample.csv"
    sample.write_text("image_id,cluster\n" + f"{rows[1]['image_id']},x\nnot-there,x\n")
    run = resight("group", "--catalogue", mixed, "--same", "side", "--sample", sample, "--out", out)
    assert run.code == 0, run.err
    answered = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8"))))
    assert [row["image_id"] for row in answered] == [rows[1]["image_id"], "not-there"]
    assert answered[0]["cluster"] == rows[1]["cluster"]
    assert answered[1]["cluster"] == "new_individual:not-there"


def test_names_are_written_when_asked_and_can_be_taken_back(resight, changing):
    before = CatalogueStore.open(changing).catalogue().column("identity")
    command = ("group", "--catalogue", changing, "--one-per-encounter", "--same", "side", "--min-probability", "0.02")
    run = resight(*command, "--apply", "--who", "anna", "--json")
    assert run.code == 0, run.err
    said = json.loads(run.out)
    named = {
        photo["image_id"]: group["name"]
        for group in said["groups"]
        for photo in group["photos"]
        if group["known"] or len(group["photos"]) > 1
    }
    assert named
    store = CatalogueStore.open(changing)
    now = dict(zip(store.catalogue().image_ids.tolist(), store.catalogue().column("identity"), strict=True))
    assert {image_id: now[image_id] for image_id in named} == named
    entries = [entry for entry in store.log() if entry.who == "anna"]
    assert len(entries) == len(set(named.values()))
    for entry in reversed(entries):
        store.undo(entry.number, who="bert")
    assert store.catalogue().column("identity").tolist() == before.tolist()


def test_one_encounter_is_one_individual_when_the_user_says_so(resight, mixed):
    run = resight("group", "--catalogue", mixed, "--one-per-encounter", "--json")
    group_of = {p["image_id"]: group["name"] for group in json.loads(run.out)["groups"] for p in group["photos"]}
    frame = CatalogueStore.open(mixed).catalogue().frame.filter(pl.col("identity").is_null())
    for (_,), part in frame.group_by("encounter"):
        assert len({group_of[image_id] for image_id in part["image_id"]}) == 1


def test_a_rejected_photo_does_not_come_back_to_the_individual(resight, changing):
    found = json.loads(
        resight("group", "--catalogue", changing, "--same", "side", "--min-probability", "0.02", "--json").out
    )
    group = next(group for group in found["groups"] if group["known"])
    photo = group["photos"][0]["image_id"]
    CatalogueStore.open(changing).reject(photo, group["name"], who="anna")
    again = json.loads(
        resight("group", "--catalogue", changing, "--same", "side", "--min-probability", "0.02", "--json").out
    )
    assert photo not in {p["image_id"] for g in again["groups"] if g["name"] == group["name"] for p in g["photos"]}


def test_it_is_judged_by_labelled_photos(resight, mixed):
    run = resight("group", "--catalogue", mixed, "--same", "side", "--evaluate", "--json")
    assert run.code == 0, run.err
    measures = json.loads(run.out)["measures"]
    assert {"ARI", "AMI", "estimated / true number", "share of intervals that hold"} <= set(measures)
    assert -0.5 <= measures["ARI"]["value"] <= 1
    assert "ARI" in resight("group", "--catalogue", mixed, "--same", "side", "--evaluate").out


def test_without_names_a_note_says_that_nothing_was_checked(resight, changing):
    store = CatalogueStore.open(changing)
    store.assign(store.catalogue().image_ids.tolist(), None, who="test")
    run = resight("group", "--catalogue", changing, "--json")
    assert run.code == 0, run.err
    assert "Too few photos are labelled" in run.err
    assert json.loads(run.out)["calibrated"] is False


def test_odd_wishes_are_refused_in_a_sentence(resight, mixed, tmp_path):
    refused(resight("group", "--catalogue", tmp_path / "none"), "expected a catalogue")
    refused(resight("group", "--catalogue", mixed, "--same", "sid"), "no column is called 'sid'", "side")
    refused(resight("group", "--catalogue", mixed, "--min-probability", 1), "above 0 and below 1")
    refused(resight("group", "--catalogue", mixed, "--neighbours", 0), "at least 1")
    refused(resight("group", "--catalogue", mixed, "--format", "animalclef"), "expected --out FILE")
    refused(resight("group", "--catalogue", mixed, "--format", "kryptonite", "--out", tmp_path / "x.csv"), "kryptonite")
    refused(resight("group", "--catalogue", mixed, "--evaluate", "--apply"), "expected --evaluate without")


def test_a_catalogue_in_which_all_have_names_is_a_sentence(resight, changing):
    store = CatalogueStore.open(changing)
    frame = store.catalogue().frame.filter(pl.col("identity").is_null())
    store.assign(frame["image_id"].to_list(), "Zed", who="test")
    refused(resight("group", "--catalogue", changing), "expected photos without a name to group")


def test_two_names_in_one_encounter_contradict_the_user(resight, changing):
    store = CatalogueStore.open(changing)
    frame = store.catalogue().frame.filter(pl.col("identity").is_not_null()).sort("encounter")
    image_id = frame["image_id"][0]
    other = next(name for name in np.unique(frame["identity"].to_list()) if name != frame["identity"][0])
    store.assign([image_id], str(other), who="test")
    refused(resight("group", "--catalogue", changing, "--one-per-encounter"), "can all be true", f"'{image_id}'")
