"""Bundles of faces: made of a user's files, checked, found by name, and used like any other."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from oracles import toy_faces
from resight.core import Catalogue
from resight.embed import (
    DEFAULT_BUNDLE,
    Bundle,
    LinearHead,
    add_bundle,
    added_bundles,
    added_folder,
    bundle_path,
    describe,
    embed_all,
    hash_of,
)
from resight.embed.linear_head import with_unit_length
from resight.errors import ConfigError, ImageError, InputError, MismatchError, UnknownNameError

LICENCE = {"licence": "MIT", "commercial_use": True}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    return toy_faces.written(tmp_path_factory.mktemp("files"))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("RESIGHT_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def add(files, name="toy-faces", finder="boxes-68", **options):
    further = {"yunet": {"detector.onnx": files["yunet.onnx"]}}.get(
        finder, {key: files[key] for key in ("detector.onnx", "landmarks.onnx")}
    )
    face = {"finder": finder, **options.pop("face", {})}
    options = {**LICENCE, "side_px": 48, "face_files": further, **options}
    return add_bundle(files["model.onnx"], name, face=face, **options)


def photos_in(folder: Path, faces: dict[str, list[tuple[int, int, int]]]) -> Catalogue:
    folder.mkdir(exist_ok=True)
    for name, here in faces.items():
        Image.fromarray(toy_faces.photo_of(here)).save(folder / f"{name}.png")
    return Catalogue(pl.DataFrame({"image_id": list(faces), "path": [f"{name}.png" for name in faces]}), folder)


@pytest.mark.parametrize("finder", ["boxes-68", "yunet"])
def test_an_added_bundle_is_found_by_name_and_embeds_the_face(files, home, tmp_path, finder):
    made = add(files, finder=finder)
    assert made.bundle == home / "toy-faces" == bundle_path("toy-faces")
    assert added_bundles() == ["toy-faces"]
    assert "unit length" in made.notes[0]
    photos = photos_in(tmp_path / "photos", {"a": [(20, 36, 1)], "b": [(180, 100, 1)], "c": [(60, 60, 2)]})
    found = embed_all(photos, Bundle.load("toy-faces"))
    alike = found.embeddings.vectors @ found.embeddings.vectors.T
    assert alike[0, 1] > 0.9999 > 0.9 > alike[0, 2]
    assert found.embeddings.model == describe("toy-faces").model_id
    assert found.remarks == found.failures == ()


def test_no_face_is_a_failure_and_two_are_a_remark(files, tmp_path):
    add(files)
    photos = photos_in(tmp_path / "photos", {"none": [], "two": [(20, 36, 1), (180, 100, 2)], "one": [(60, 60, 3)]})
    found = embed_all(photos, Bundle.load("toy-faces"))
    assert [(one.image_id, one.reason) for one in found.failures] == [("none", "no face was found on it")]
    assert [(one.image_id, one.text[:19]) for one in found.remarks] == [("two", "2 faces were found;")]
    assert found.embeddings.image_ids.tolist() == ["two", "one"]
    with pytest.raises(ImageError, match=r"none.png: no face was found on it"):
        embed_all(photos, Bundle.load("toy-faces"), strict=True)


def test_a_box_of_the_catalogue_is_cut_out_before_a_face_is_looked_for(files, tmp_path):
    add(files)
    two = [(20, 36, 1), (180, 100, 2)]
    photos = photos_in(tmp_path / "photos", {"both": two, "cut": two, "other": two})
    boxes = pl.Series([None, [0.0, 0.0, 160.0, 120.0], [160.0, 80.0, 160.0, 120.0]])
    boxed = Catalogue(photos.frame.with_columns(box=boxes), photos.root)
    found = embed_all(boxed, Bundle.load("toy-faces"))
    assert [one.image_id for one in found.remarks] == ["both"]
    one = Bundle.load("toy-faces").prepare(toy_faces.photo_of(two[:1])[:120, :160])
    np.testing.assert_allclose(found.embeddings.vectors[1], Bundle.load("toy-faces").embed(one[None])[0], atol=1e-6)
    assert float(found.embeddings.vectors[1] @ found.embeddings.vectors[2]) < 0.9


def test_vectors_have_unit_length_and_are_those_of_the_file(files):
    import onnxruntime

    bundle = Bundle.load(add(files).bundle)
    session = onnxruntime.InferenceSession(files["model.onnx"])
    pixels = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)
    theirs = np.concatenate([session.run(None, {"pixels": bundle.info.normalised(one[None])})[0] for one in pixels])
    np.testing.assert_allclose(bundle.embed(pixels), theirs / np.linalg.norm(theirs, axis=1, keepdims=True), atol=1e-6)
    assert bundle.info.dimension == 108


def test_a_model_of_unit_length_is_left_as_it_is(files, tmp_path):
    content = with_unit_length(files["model.onnx"].read_bytes(), 108)
    (tmp_path / "unit.onnx").write_bytes(content)
    made = add_bundle(tmp_path / "unit.onnx", "unit", side_px=48, **LICENCE)
    assert made.info.changes == "none"
    assert made.info.weights == hash_of(content)
    assert made.info.face is None
    assert made.notes == ()


def test_zeros_stay_zeros_when_vectors_are_brought_to_unit_length(files):
    import onnxruntime

    session = onnxruntime.InferenceSession(with_unit_length(files["model.onnx"].read_bytes(), 108))
    assert not session.run(None, {"pixels": np.zeros((1, 3, 48, 48), np.float32)})[0].any()


def test_the_fingerprint_names_what_finds_faces_and_the_rule(files, tmp_path):
    same = add(files, "a", folder=tmp_path / "1").info, add(files, "a", folder=tmp_path / "2").info
    assert same[0].model_id == same[1].model_id
    others = [
        add(files, "a", folder=tmp_path / "3", finder="yunet"),
        add(files, "a", folder=tmp_path / "4", face={"several": "largest"}),
        add(files, "a", folder=tmp_path / "5", face={"without_face": "whole"}),
        add(files, "a", folder=tmp_path / "6", face={"min_score": 0.5}),
        add_bundle(files["model.onnx"], "a", side_px=48, folder=tmp_path / "7", **LICENCE),
    ]
    assert len({same[0].model_id, *(one.info.model_id for one in others)}) == 6


@pytest.mark.parametrize("name", ["detector.onnx", "landmarks.onnx"])
def test_a_finder_that_was_changed_is_refused(files, name):
    path = add(files).bundle / name
    path.write_bytes(path.read_bytes() + b"\x08\x08")
    with pytest.raises(MismatchError, match=f"expected a {name} with the hash"):
        Bundle.load("toy-faces")
    path.unlink()
    with pytest.raises(InputError, match=f"found no readable {name}"):
        Bundle.load("toy-faces")


@pytest.mark.parametrize("prefix", ["", "folder/"])
def test_a_zip_holds_what_finds_faces_too(files, tmp_path, prefix):
    folder = add(files).bundle
    with zipfile.ZipFile(tmp_path / "toy.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"{prefix}{path.name}")
    photo = toy_faces.photo_of([(20, 36, 1)])
    zipped = Bundle.load(tmp_path / "toy.zip")
    np.testing.assert_array_equal(zipped.prepare(photo), Bundle.load(folder).prepare(photo))


def test_a_wrong_key_about_faces_names_the_nearest(files):
    folder = add(files).bundle
    info = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    info["face"]["sevral"] = "largest"
    (folder / "model.json").write_text(json.dumps(info), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"key 'face.sevral'"):
        describe(folder)


def test_a_model_that_is_not_of_faces_says_nothing_of_them():
    assert "face" not in json.loads(describe(DEFAULT_BUNDLE).to_text())
    assert describe(DEFAULT_BUNDLE).photo_side_px == 224


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"name": "../up"}, ConfigError, "a name of small letters"),
        ({"name": DEFAULT_BUNDLE}, InputError, "another name than that of a bundle that ships"),
        ({"licence": ""}, ConfigError, "SPDX"),
        ({"licence": "do what you like"}, ConfigError, "SPDX"),
        ({"side_px": 49}, MismatchError, r"one input \(B, 3, 49, 49\)"),
        ({"side_px": -1}, ConfigError, "'input_side_px' = -1"),
        ({"std": (1.0, 0.0, 1.0)}, ConfigError, "'std.1' = 0.0"),
        ({"colour": "GREY"}, ConfigError, "'colour' = 'GREY'"),
        ({"resize": "bend"}, ConfigError, "'resize' = 'bend'"),
        ({"face": {"several": "all"}}, ConfigError, "'face.several' = 'all'"),
        ({"face": {"min_score": 2}}, ConfigError, "face.min_score"),
        ({"face": {"finder": "yunett"}}, UnknownNameError, "yunet"),
        ({"face_files": {}}, MismatchError, "expected the files"),
        ({"face_files": {"other.onnx": "x"}}, InputError, "expected an ONNX file in x"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(files, home, options, error, message):
    with pytest.raises(error, match=message):
        add(files, **options)
    assert added_bundles() == []
    assert not home.exists() or list(home.iterdir()) == []


def test_a_name_that_is_taken_is_refused(files):
    add(files)
    with pytest.raises(InputError, match="give another name, or remove it"):
        add(files)


def test_what_finds_faces_needs_a_finder(files):
    with pytest.raises(ConfigError, match="expected the name of a face finder"):
        add_bundle(
            files["model.onnx"], "a", side_px=48, face_files={"detector.onnx": files["detector.onnx"]}, **LICENCE
        )


@pytest.mark.parametrize("content", [b"", b"no graph", b"\x08\x09"])
def test_a_file_that_is_no_graph_is_refused(tmp_path, content):
    (tmp_path / "x.onnx").write_bytes(content)
    with pytest.raises(InputError, match=r"x.onnx"):
        add_bundle(tmp_path / "x.onnx", "x", side_px=48, **LICENCE)


def test_a_model_that_says_the_same_of_everything_is_refused(files):
    with pytest.raises(InputError, match="expected different vectors of different pictures"):
        add(files, mean=(-1e9,) * 3)


def test_a_licence_against_commerce_is_told(files):
    made = add(files, licence="LicenseRef-research-only", commercial_use=False)
    assert "LicenseRef-research-only does not allow commercial use" in made.notes[-1]
    assert made.to_json()["licence"] == "LicenseRef-research-only"


def test_the_folder_is_the_users_own(monkeypatch, tmp_path):
    monkeypatch.delenv("RESIGHT_MODELS", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert added_folder() == tmp_path / "resight" / "models"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert added_folder().parts[-4:] == ("Library", "Application Support", "resight", "models")
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert added_folder() == tmp_path / "resight" / "models"


def test_without_a_home_there_is_what_ships(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("RESIGHT_MODELS")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert added_bundles() == []
    assert bundle_path().name == DEFAULT_BUNDLE
    with pytest.raises(UnknownNameError, match="no bundle is called"):
        bundle_path("other")
    with pytest.raises(ConfigError, match="expected the folder of your models in RESIGHT_MODELS"):
        added_folder()


def test_a_shipped_name_wins_over_an_added_one(files, home):
    shutil.copytree(add(files).bundle, home / DEFAULT_BUNDLE)
    assert describe(DEFAULT_BUNDLE).face is None


def test_an_unknown_name_lists_the_added_ones_too(files):
    add(files)
    with pytest.raises(UnknownNameError, match=r"Did you mean 'toy-faces'\? Known: .*toy-faces"):
        Bundle.load("toy-face")


def test_a_head_learned_on_faces_keeps_what_finds_them(files, tmp_path):
    from resight.embed import Learned
    from resight.train.heads.bundle import draft_bundle

    base = add(files).bundle
    head = LinearHead(np.eye(108)[:, :5], np.zeros(5))
    learned = Learned(
        base="b", method="m", setting="s", photos="p", n_photos=1, n_individuals=1, seed=0, recipe={}, versions={},
        figures={}, baseline={}, gains={},
    )  # fmt: skip
    photos = photos_in(tmp_path / "photos", {"a": [(20, 36, 1)]})
    with draft_bundle(base, head, learned, "headed", photos, beside=tmp_path) as draft:
        bundle = Bundle.load(draft)
        assert bundle.info.face == describe(base).face
        assert bundle.embed(bundle.prepare(toy_faces.photo_of([(20, 36, 1)]))[None]).shape == (1, 5)


def test_all_faces_of_a_photo_are_told_whatever_the_rule(files):
    bundle = Bundle.load(add(files, face={"several": "refuse"}).bundle)
    photo = toy_faces.photo_of([(20, 36, 1), (180, 100, 2)])
    assert len(bundle.find_faces(photo)) == 2
    with pytest.raises(ImageError, match="one must be alone"):
        bundle.prepare(photo)
    with pytest.raises(InputError, match="expected a bundle of faces to find some"):
        Bundle.load(DEFAULT_BUNDLE).find_faces(photo)
