"""`resight forge` and `resight train forgery`."""

from __future__ import annotations

import json

import pytest

from oracles.drawn_faces import write_faces


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
