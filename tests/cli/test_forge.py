"""`resight forge` and `resight train forgery`."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from oracles import toy_faces
from oracles.drawn_faces import write_faces
from resight.embed import add_bundle


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return write_faces(tmp_path_factory.mktemp("faces"), 16, 3)


def test_from_faces_to_a_head(resight, faces, tmp_path):
    out = tmp_path / "forged"
    made = resight("forge", faces, "--out", out, "--kind", "swap", "--fake-share", "1", "--seed", "2")
    assert made.code == 0, made.err
    assert made.out.splitlines()[0].split() == ["part", "persons", "real", "forged"]
    assert f"next: resight index {out} --catalogue {out}-catalogue" in made.err
    assert resight("index", out, "--catalogue", f"{out}-catalogue").code == 0
    learned = resight("train", "forgery", "--catalogue", f"{out}-catalogue", "--out", f"{out}-head", "--json")
    assert learned.code == 0, learned.err
    said = json.loads(learned.out)
    assert said["n_photos"] == 66
    assert said["n_forged"] == 33
    assert set(said["figures"]) == {"AUROC", "EER"}
    pairs, head = out / "test_pairs.csv", f"{out}-head"
    plain, both = (
        json.loads(resight("verify", pairs, *more, "--resamples", "0", "--json").out)
        for more in ((), ("--forgery", head))
    )
    assert [row["pair_id"] for row in plain["pairs"]] == [row["pair_id"] for row in both["pairs"]]
    assert plain["pairs"] != both["pairs"]
    assert plain["pairs"][0]["cosine"] == both["pairs"][0]["cosine"]


def test_a_bundle_of_faces_finds_them(resight, tmp_path, monkeypatch):
    monkeypatch.setenv("RESIGHT_MODELS", str(tmp_path / "models"))
    files = toy_faces.written(tmp_path / "files")
    further = {name: files[name] for name in ("detector.onnx", "landmarks.onnx")}
    add_bundle(
        files["model.onnx"], "toy", licence="MIT", commercial_use=True, side_px=48,
        face={"finder": "boxes-68"}, face_files=further,
    )  # fmt: skip
    for who in range(8):
        for shot in range(3):
            place = tmp_path / "faces" / f"p{who}" / f"shot{shot}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(toy_faces.photo_of([(20 + 8 * shot, 36, who)])).save(place)
    Image.fromarray(np.full((240, 320, 3), 20, np.uint8)).save(tmp_path / "faces" / "p0" / "nobody.png")
    wrong = resight("forge", tmp_path / "faces", "--out", tmp_path / "none", "--model", "efficientnet-lite0")
    assert wrong.code == 2
    assert "expected a bundle of faces for --model" in wrong.err
    done = resight("forge", tmp_path / "faces", "--out", tmp_path / "forged", "--model", "toy", "--json")
    assert done.code == 0, done.err
    assert sum(json.loads(done.out)["n_forged"]["train"].values()) > 0
    assert "left out: p0/nobody.png: no face was seen on it" in done.err


def test_json_and_failures(resight, faces, tmp_path):
    (faces / "p00" / "broken.jpg").write_bytes(b"no photo")
    done = resight("forge", faces, "--out", tmp_path / "forged", "--json")
    (faces / "p00" / "broken.jpg").unlink()
    assert done.code == 0
    assert set(json.loads(done.out)["n_forged"]["train"]) == {"swap", "warp", "upsample"}
    assert "left out: p00/broken.jpg: " in done.err


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--kind", "swop"], "swap"),
        (["--fake-share", "2"], "from 0 to 1"),
        (["--quality", "90", "10"], "the lower first"),
    ],
)
def test_a_wrong_option_is_a_sentence(resight, faces, tmp_path, wrong, message):
    done = resight("forge", faces, "--out", tmp_path / "forged", *wrong)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err


def test_a_catalogue_without_forged_photos_is_told(resight, faces, tmp_path):
    assert resight("index", faces, "--catalogue", tmp_path / "mine").code == 0
    done = resight("train", "forgery", "--catalogue", tmp_path / "mine", "--out", tmp_path / "head")
    assert done.code == 2
    assert "is_synthetic" in done.err
