"""A model of the user's own, from its file to an answer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oracles import toy_faces


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    return toy_faces.written(tmp_path_factory.mktemp("files"))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("RESIGHT_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def add(resight, files):
    def call(*more, detector="detector.onnx", face="boxes-68"):
        further = ["--face", face, "--detector", files[detector]]
        further += ["--landmarks", files["landmarks.onnx"]] if face == "boxes-68" else []
        return resight(
            "models", "add", files["model.onnx"], "--name", "toy", "--side", 48, "--licence", "MIT",
            "--commercial-use", "yes", "--mean", 127, "--std", "128,128,128", *further, *more,
        )  # fmt: skip

    return call


def people(folder: Path) -> Path:
    """Three people on three photos each, one of them with another person further away."""
    places = [(20, 36), (132, 100), (180, 156)]
    for who in range(3):
        (folder / f"person{who}").mkdir(parents=True)
        for number, (x, y) in enumerate(places):
            faces = [(x, y, who)] + ([(260, 4, 9)] if who == 0 and number == 1 else [])
            photo = toy_faces.photo_of(faces).astype(int) + np.random.default_rng(number).integers(-6, 6)
            Image.fromarray(np.clip(photo, 0, 255).astype(np.uint8)).save(folder / f"person{who}" / f"{number}.png")
    return folder


def test_it_is_added_listed_shown_and_used(resight, add, tmp_path):
    done = add("--several", "middle")
    assert done.code == 0
    assert done.out.startswith("toy@")
    assert "unit length" in done.err
    listed = resight("models", "list").out.splitlines()
    assert listed[1].split()[0] == "toy"
    assert "added" in listed[1]
    assert "faces by boxes-68" in listed[1]
    shown = json.loads(resight("models", "show", "toy", "--json").out)
    assert shown["licence"] == "MIT"
    assert shown["face"]["several"] == "middle"

    photos = people(tmp_path / "photos")
    Image.new("RGB", (320, 240)).save(photos / "person1" / "wall.png")
    indexed = resight("index", photos, "--catalogue", tmp_path / "c", "--model", "toy", "--json")
    assert indexed.code == 0
    told = json.loads(indexed.out)
    assert told["model"].startswith("toy@")
    assert [(one["image_id"], one["reason"]) for one in told["failures"]] == [
        ("person1/wall.png", "no face was found on it")
    ]
    assert [one["image_id"] for one in told["remarks"]] == ["person0/1.png"]
    assert "person1/wall.png: no face was found on it" in indexed.err
    assert "remark: person0/1.png: 2 faces were found; the largest one in the middle counts" in indexed.err
    resight("calibrate", "--catalogue", tmp_path / "c", "--goal", "fpir=0.5")
    asked = tmp_path / "asked"
    asked.mkdir()
    Image.fromarray(toy_faces.photo_of([(132, 100, 2), (260, 4, 9)])).save(asked / "who.png")
    found = json.loads(resight("identify", asked, "--catalogue", tmp_path / "c", "--json").out)
    assert found["decisions"][0]["candidates"][0]["identity"] == "person2"
    assert found["remarks"][0]["image_id"] == "who.png"


def test_a_broken_bundle_hides_no_other(resight, add, home):
    add()
    (home / "broken").mkdir()
    (home / "broken" / "model.json").write_text("{}", encoding="utf-8")
    listed = resight("models", "list")
    assert [line.split()[0] for line in listed.out.splitlines()] == ["efficientnet-lite0", "toy"]
    assert listed.err.startswith("broken: broken: ")


def test_yunet_needs_no_landmarks(resight, add):
    assert add(detector="yunet.onnx", face="yunet").code == 0
    assert "faces by yunet" in resight("models", "list").out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--several", "all"], "face.several"),
        (["--commercial-use", "maybe"], "expected yes or no for --commercial-use, found 'maybe'"),
        (["--mean", "1,2"], "expected one number or three with commas for --mean"),
        (["--licence", "free for all"], "SPDX"),
        (["--name", "efficientnet-lite0"], "ships with resight"),
        (["--side", "49"], "one input (B, 3, 49, 49)"),
    ],
)
def test_what_is_wrong_is_one_sentence(add, more, said, home):
    done = add(*more)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert said in done.err
    assert not home.exists()


def test_what_is_said_of_faces_needs_a_finder(resight, files):
    done = resight(
        "models", "add", files["model.onnx"], "--name", "toy", "--side", 48, "--licence", "MIT", "--commercial-use",
        "no", "--detector", files["detector.onnx"], "--several", "largest",
    )  # fmt: skip
    assert done.code == 2
    assert "expected --face beside what is said of faces (detector.onnx, several)" in done.err
