"""Trainings on faces that are turned upright first, by what finds them for a bundle."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from oracles import recipes, toy_faces
from resight.config import PhotoOptions
from resight.core import Catalogue
from resight.embed import Bundle, add_bundle, describe, face_aligner
from resight.errors import InputError
from resight.train import train_network
from resight.train.networks.photos import PhotoShelf

SIDE_PX = 40  # kept at 48 px
PLACES = [(20, 36), (180, 100), (60, 60), (100, 140)]


@pytest.fixture(scope="module")
def finder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("faces")
    files = toy_faces.written(folder)
    further = {key: files[key] for key in ("detector.onnx", "landmarks.onnx")}
    made = add_bundle(
        files["model.onnx"], "toy-faces", licence="MIT", commercial_use=True, side_px=48, folder=folder / "models",
        face={"finder": "boxes-68"}, face_files=further,
    )  # fmt: skip
    return made.bundle


@pytest.fixture(scope="module")
def persons(tmp_path_factory) -> Catalogue:
    """Twelve persons of four photos, each of which has the face elsewhere; and a photo without a face."""
    folder = tmp_path_factory.mktemp("persons")
    rows = [(f"{who}-{n}.png", f"person {who}") for who in range(12) for n in range(len(PLACES))]
    for name, person in rows:
        who, place = int(person.split()[1]), PLACES[int(name[-5])]
        Image.fromarray(toy_faces.photo_of([(*place, who)])).save(folder / name)
    Image.fromarray(toy_faces.photo_of([])).save(folder / "nobody.png")
    names, identities = zip(*rows, ("nobody.png", "person 0"), strict=True)
    return Catalogue(pl.DataFrame({"image_id": names, "path": names, "identity": identities}), folder)


def test_a_face_is_upright_before_it_is_kept(finder, persons):
    shelf = PhotoShelf(persons, PhotoOptions(faces=str(finder)), SIDE_PX)
    (failure,) = shelf.read_all()
    assert (failure.path, failure.reason) == ("nobody.png", "no face was found on it")
    bundle = Bundle.load(finder)
    for row in (0, 3, 5):
        photo = np.asarray(Image.open(persons.photo(row)))
        np.testing.assert_array_equal(shelf.photo(row), bundle.prepare(photo))


def test_a_process_of_its_own_finds_faces_too(finder, persons):
    options = PhotoOptions(faces=str(finder), cache_mb=0)
    shelf = PhotoShelf(persons, options, SIDE_PX)
    again = pickle.loads(pickle.dumps(shelf))  # noqa: S301 - as torch sends it to a process that reads photos
    np.testing.assert_array_equal(again.photo(1), shelf.photo(1))


def test_a_bundle_for_whole_photos_is_refused(persons):
    with pytest.raises(InputError, match="expected a bundle of faces to find some, found efficientnet-lite0"):
        PhotoShelf(persons, PhotoOptions(faces="efficientnet-lite0"), SIDE_PX)


def test_what_was_trained_on_faces_finds_them_itself(finder, persons, tmp_path):
    recipe = recipes.small(
        same=(), photos__faces=str(finder), stages__0__side_px=SIDE_PX, hold_out__n_parts=0, export__variants=("fp16",)
    )
    found = train_network(persons, run=tmp_path / "run", recipe=recipe)
    assert "nobody.png: no face was found on it" in found.notes
    assert len(found.variants) == 1
    assert describe(found.bundle).face == describe(finder).face
    photo = np.asarray(Image.open(persons.photo(1)))
    for place in (found.bundle, *found.variants.values()):
        np.testing.assert_array_equal(
            Bundle.load(place).prepare(photo), face_aligner(finder).prepare(photo, SIDE_PX).pixels
        )
