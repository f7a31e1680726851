"""What a fit for re-ranking keeps on disk: whole after a kill, refused in a sentence when broken or hostile."""

from __future__ import annotations

import json
import pickle
import shutil
import zipfile

import numpy as np
import polars as pl
import pytest
from PIL import Image

from resight import Identifier, RerankRecipe, calibrate_catalogue, index_photos, make_synthetic
from resight.core import Catalogue
from resight.errors import NotFittedError, ResightError, StoreError
from resight.pipeline import reranking
from resight.store import CatalogueStore

COSINE = RerankRecipe.parse("[fusion]\nhow = 'stack'\n[[scorers]]\nkind = 'cosine'")
STACK = COSINE.model_copy(update={"fusion": RerankRecipe.parse("[fusion]\nhow = 'mean'").fusion})


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A catalogue with a fusion that has a cohort, and the photos of strangers that it was made of."""
    folder = tmp_path_factory.mktemp("kept")
    photos = make_synthetic(folder / "photos", n_identities=6, n_encounters=3, n_strangers=4, side_px=96, seed=5)
    index_photos(photos.select(pl.col("split") == "gallery"), folder / "mine")
    strangers = folder / "strangers"
    strangers.mkdir()
    for path in photos.frame.filter(pl.col("split") == "stranger")["path"]:
        shutil.copy(photos.root / path, strangers)
    calibrate_catalogue(folder / "mine", "fpir=0.2", rerank=COSINE, distractors=strangers)
    return folder


@pytest.fixture
def mine(drawn, tmp_path):
    return shutil.copytree(drawn / "mine", tmp_path / "mine")


def opened(folder):
    return Identifier.open(folder, rerank=True)


def kept(folder):
    return json.loads((folder / "rerank" / "fusion.json").read_text(encoding="utf-8"))


def keep(folder, fields):
    (folder / "rerank" / "fusion.json").write_text(json.dumps(fields), encoding="utf-8")


def refusal(folder, kind=StoreError):
    with pytest.raises(kind) as caught:
        opened(folder)
    assert "\n" not in str(caught.value)
    assert "resight calibrate --rerank" in str(caught.value)
    return str(caught.value)


def test_what_was_kept_opens(mine):
    assert opened(mine).reranker.cohort is not None


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.99])
def test_cut_short(mine, share):
    path = mine / "rerank" / "fusion.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: int(share * len(text))], encoding="utf-8")
    refusal(mine)


@pytest.mark.parametrize("text", ["[]", "5", "null", '{"version": 1}', "\udcff"])
def test_something_else(mine, text):
    (mine / "rerank" / "fusion.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    refusal(mine)


def test_another_version_and_another_model(mine):
    keep(mine, {**kept(mine), "version": 99})
    assert "found 99" in refusal(mine, NotFittedError)
    keep(mine, {**kept(mine), "version": 1, "model": "other@0123"})
    assert "found other@0123" in refusal(mine, NotFittedError)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", '"high"', "null", "[1]"])
@pytest.mark.parametrize("key", ["slope", "intercept", "prior"])
def test_a_number_changed_by_hand(mine, key, number):
    fields = kept(mine)
    before, found, after = fields["fusion"].partition(f'"{key}": ')
    assert found
    rest = after[min(after.index(sign) for sign in ",\n}" if sign in after) :]
    keep(mine, {**fields, "fusion": before + found + number + rest})
    refusal(mine)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("recipe", {"scorers": []}),
        ("recipe", {"scorer": 5}),
        ("recipe", None),
        ("fusion", {}),
        ("fusion", 5),
        ("background", 5),
        ("background", [1, 2]),
        ("background", [["a"]]),
        ("cohort", 5),
        ("cohort", "../../../etc/passwd"),
        ("cohort", ""),
    ],
)
def test_a_field_of_another_kind(mine, key, value):
    keep(mine, {**kept(mine), key: value})
    refusal(mine)


@pytest.mark.parametrize("key", ["recipe", "fusion", "background", "cohort", "model", "version"])
def test_a_field_that_is_gone(mine, key):
    keep(mine, {name: value for name, value in kept(mine).items() if name != key})
    refusal(mine)


class _Harm:
    def __reduce__(self):
        return (open, (str(_Harm.path), "w"))


@pytest.mark.parametrize(
    "harm", ["gone", "empty", "cut", "text", "no member", "objects", "pickle", "other shape", "nan"]
)
def test_a_cohort_that_is_broken_or_hostile(mine, harm, tmp_path):
    path = mine / "rerank" / kept(mine)["cohort"]
    _Harm.path = tmp_path / "harmed"
    whole = path.read_bytes()
    with np.load(path) as found:
        ids, vectors = found["image_ids"], found["vectors"]
    if harm == "gone":
        path.unlink()
    elif harm in {"empty", "cut", "text"}:
        path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "text": b"no file of this kind"}[harm])
    elif harm == "pickle":
        path.write_bytes(pickle.dumps(_Harm()))
    elif harm == "no member":
        np.savez(path, image_ids=ids)
    elif harm == "objects":
        array = np.empty(1, object)
        array[0] = _Harm()
        np.savez(path, image_ids=array, vectors=vectors)
        assert zipfile.is_zipfile(path)
    else:
        spoilt = vectors[:, :-1, None] if harm == "other shape" else vectors * np.float32(np.nan)
        np.savez(path, image_ids=ids, vectors=spoilt)
    refusal(mine)
    assert not _Harm.path.exists()


def test_a_cohort_of_other_photos_is_not_taken_for_it(mine, drawn):
    path = mine / "rerank" / kept(mine)["cohort"]
    with np.load(path) as found:
        np.savez(path, image_ids=found["image_ids"], vectors=found["vectors"][::-1])
    with pytest.raises(ResightError, match="fit the fusion again"):
        opened(mine).identify(drawn / "strangers")


@pytest.mark.parametrize("moment", ["savez", "write_text", "replace"])
def test_a_killed_fit_loses_nothing(mine, drawn, monkeypatch, moment):
    before = [one.to_json() for one in opened(mine).identify(drawn / "strangers")]
    fewer = shutil.copytree(drawn / "strangers", mine.parent / "fewer")
    next(iter(fewer.iterdir())).unlink()

    class Killed(BaseException):
        pass

    def killed(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(
            *{
                "savez": (reranking.np, "savez"),
                "write_text": (reranking.json, "dumps"),
                "replace": (reranking, "keep_fusion"),
            }[moment],
            killed,
        )
        if moment == "replace":
            patch.setattr("resight.pipeline.calibrate.keep_fusion", killed)
        with pytest.raises(Killed):
            calibrate_catalogue(mine, "fpir=0.2", rerank=STACK, distractors=fewer)
    assert [one.to_json() for one in opened(mine).identify(drawn / "strangers")] == before
    calibrate_catalogue(mine, "fpir=0.2", rerank=STACK, distractors=fewer)
    assert opened(mine).reranker.recipe.fusion.how == "mean"
    assert len(list((mine / "rerank").iterdir())) == 3


def test_a_goal_that_cannot_be_promised_leaves_the_fit_before_as_it_was(mine, drawn):
    before = kept(mine)
    with pytest.raises(NotFittedError):
        calibrate_catalogue(mine, "conformal=0.001", rerank=STACK)
    assert kept(mine) == before
    opened(mine).identify(drawn / "strangers")


class TestGalleriesThatTeachNothing:
    def catalogue(self, drawn, tmp_path, keep_photo):
        store = CatalogueStore.open(drawn / "mine")
        gallery = store.catalogue()
        rows = np.array([keep_photo(row) for row in gallery])
        chosen = gallery.select(rows)
        index_photos(Catalogue(chosen.frame.drop("content"), gallery.root), tmp_path / "odd")
        return tmp_path / "odd"

    def test_all_were_met_once(self, drawn, tmp_path):
        met = set()

        def first(row):
            seen = row["identity"] in met
            met.add(row["identity"])
            return not seen

        folder = self.catalogue(drawn, tmp_path, first)
        with pytest.raises(NotFittedError, match="label more") as caught:
            calibrate_catalogue(folder, "fpir=0.2", rerank=COSINE)
        assert "\n" not in str(caught.value)
        assert not (folder / "rerank").exists()

    def test_a_gallery_of_one_individual(self, drawn, tmp_path):
        names = sorted(set(CatalogueStore.open(drawn / "mine").catalogue().column("identity")))
        folder = self.catalogue(drawn, tmp_path, lambda row: row["identity"] == names[0])
        with pytest.raises(NotFittedError, match="label more") as caught:
            calibrate_catalogue(folder, "fpir=0.2", rerank=COSINE)
        assert "\n" not in str(caught.value)


def test_a_photo_without_keypoints_is_told(mine, drawn, tmp_path):
    recipe = RerankRecipe.parse(
        "[fusion]\nhow = 'mean'\n[[scorers]]\nkind = 'cosine'\n"
        "[[scorers]]\nkind = 'naive-bayes'\nmax_side_px = 96\nn_keypoints = 50\n"
    )
    calibrate_catalogue(mine, "fpir=0.2", rerank=recipe)
    photos = shutil.copytree(drawn / "strangers", tmp_path / "photos")
    assert not any("naive-bayes" in note for note in opened(mine).identify(photos).notes)
    Image.new("RGB", (96, 96), (90, 90, 90)).save(photos / "blank.png")
    found = opened(mine).identify(photos)
    assert sum("1 of" in note and "'naive-bayes'" in note for note in found.notes) == 1
