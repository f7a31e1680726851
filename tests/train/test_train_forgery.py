"""`train_forgery`: forged photos told from real ones on persons that it never saw, and what that says of pairs."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from oracles.drawn_faces import write_faces
from resight.core import Catalogue, Embeddings, PhotoPairs
from resight.datasets import forge_photos, read_catalogue, read_pairs
from resight.errors import InputError, MismatchError, NotFittedError
from resight.forgery import TRACES, ForgeryHead
from resight.pipeline import index_photos, verify_pairs
from resight.pipeline.forgery import ForgeryEvidence, trace_photos
from resight.store import CatalogueStore
from resight.train import forgery as training
from resight.train import train_forgery

WITHOUT_SKLEARN_AND_TORCH = """
import sys
for name in ("torch", "sklearn", "onnx"):
    sys.modules[name] = None
from resight.pipeline.forgery import ForgeryEvidence
from resight.store import CatalogueStore
store = CatalogueStore.open(sys.argv[1])
found = ForgeryEvidence(sys.argv[2]).log_odds(store.catalogue(), store.embeddings(sys.argv[3]))
print(len(found))
"""


@pytest.fixture(scope="module")
def forged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forging")
    faces = write_faces(folder / "faces", 24, 3)
    return forge_photos(faces, folder / "set", shares=(0.625, 0.125, 0.25), fake_share=0.7, seed=1)


@pytest.fixture(scope="module")
def catalogue(forged):
    photos = read_catalogue(forged.out)
    folder = forged.out.parent / "catalogue"
    index_photos(photos.select(pl.col("split") == "train"), folder)
    return folder


@pytest.fixture(scope="module")
def trained(catalogue, forged):
    return train_forgery(catalogue, forged.out.parent / "head", seed=0)


def test_it_tells_forged_photos_of_persons_that_it_never_saw(trained):
    assert trained.figures["AUROC"].low > 0.7
    assert trained.figures["EER"].value < 0.3
    assert trained.head.info.n_forged == 30
    assert trained.head.info.n_persons == trained.figures["AUROC"].n == 15


def test_it_says_what_it_learned_from(trained):
    said = json.loads(json.dumps(trained.to_json()))
    assert said["figures"]["AUROC"]["n"] == 15
    assert str(trained).splitlines()[0].startswith("75 photos of 15 persons, 30 forged")
    assert ForgeryHead.load(trained.out).info == trained.head.info
    assert {path.name for path in trained.out.iterdir()} == {"forgery.json", "forgery.npz"}


def test_the_same_seed_gives_the_same_head(catalogue, trained, tmp_path):
    train_forgery(catalogue, tmp_path / "again", seed=0)
    assert (tmp_path / "again" / "forgery.npz").read_bytes() == (trained.out / "forgery.npz").read_bytes()


def test_it_is_applied_without_scikit_learn_and_torch(catalogue, trained):
    command = [sys.executable, "-c", WITHOUT_SKLEARN_AND_TORCH, str(catalogue), str(trained.out)]
    done = subprocess.run([*command, trained.head.info.model], capture_output=True, text=True)
    assert done.stdout.strip() == "75", done.stderr


def test_the_right_face_on_a_forged_photo_is_refused(forged, trained):
    test, validation = (read_pairs(forged.out / f"{part}_pairs.csv") for part in ("test", "val"))
    found = verify_pairs(test, calibrate_on=validation, evidence=[ForgeryEvidence(trained.out)], n_resamples=0)
    assert found.measures.eer_fake.value < 0.2
    said, forgeries = found.columns["forgery"], test.kinds != "real"
    assert np.median(said[forgeries]) < np.quantile(said[test.is_genuine], 0.1)


class TestTheEvidence:
    @pytest.fixture
    def photos(self, tmp_path):
        write_faces(tmp_path, 2, 2)
        (tmp_path / "p01" / "photo1.jpg").write_bytes(b"no photo")
        return Catalogue(
            pl.DataFrame(
                {
                    "image_id": list("abcd"),
                    "path": ["p00/photo0.jpg", "p00/photo1.jpg", "p01/photo0.jpg", "p01/photo1.jpg"],
                }
            ),
            tmp_path,
        )

    def test_it_is_the_probability_that_both_are_real_and_one_person(self, trained, photos):
        model = trained.head.info.model
        vectors = np.eye(1280, dtype=np.float32)[[0, 1, 3]]
        vectors[1, :2] = 0.6, 0.8
        embeddings = Embeddings(np.array(["b", "a", "d"]), vectors, model)
        frame = pl.DataFrame({"pair_id": list("123"), "first": [0, 0, 3], "second": [1, 2, 0]})
        evidence = ForgeryEvidence(trained.head)
        found = evidence.columns(PhotoPairs(photos, frame), embeddings)["forgery"]
        traces = trace_photos(photos).traces[:2]
        odds = trained.head.log_odds(traces, vectors[[1, 0]], model)
        slope, height = trained.head.numbers.face_line.tolist()
        face = 1 / (1 + np.exp(-(slope * 0.6 + height)))
        both = face * (0.2 + 0.8 / (1 + np.exp(odds.max())))
        assert found[0] == pytest.approx(np.log(both / (1 - both)), rel=1e-4)
        assert np.isnan(found).tolist() == [False, True, False]  # one has no vector
        least = 0.2 / (1 + np.exp(-height))  # one cannot be looked at, and counts as forged
        assert found[2] == pytest.approx(np.log(least / (1 - least)), rel=1e-4)
        assert [note.partition(":")[0] for note in evidence.notes] == ["p01/photo1.jpg counts as forged"]

    def test_vectors_of_another_model_are_refused(self, trained, photos):
        other = Embeddings(np.array(["a"]), np.eye(1280, dtype=np.float32)[:1], "other@1")
        with pytest.raises(MismatchError, match="other@1"):
            ForgeryEvidence(trained.head).log_odds(photos, other)
        with pytest.raises(MismatchError, match="name that bundle with --model"):
            ForgeryEvidence(trained.head).require_model("other@1")

    def test_photos_that_cannot_be_traced_are_listed(self, photos):
        found = trace_photos(photos)
        assert found.traces.shape == (4, len(TRACES))
        assert [failure.image_id for failure in found.failures] == ["d"]
        assert np.isnan(found.traces).all(axis=1).tolist() == [False, False, False, True]


def test_the_line_of_the_faces_is_that_of_real_pairs():
    rng = np.random.default_rng(0)
    persons = np.repeat(np.arange(40), 4)
    vectors = rng.normal(size=(40, 16))[persons] + 0.7 * rng.normal(size=(160, 16))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    slope, height = training._face_line(vectors, np.arange(160), persons, 0)
    genuine = [vectors[i] @ vectors[i + 1] for i in range(159) if persons[i] == persons[i + 1]]
    impostor = [vectors[i] @ vectors[(i + 80) % 160] for i in range(160)]
    assert (slope * np.array(genuine) + height > 0).mean() > 0.85
    assert (slope * np.array(impostor) + height < 0).mean() > 0.85
    with pytest.raises(NotFittedError, match="two real photos"):
        training._face_line(vectors, np.arange(160)[::4], persons, 0)


class TestWhatIsRefused:
    def test_a_catalogue_without_forged_photos(self, tmp_path):
        index_photos(write_faces(tmp_path / "faces", 2, 3), tmp_path / "mine")
        with pytest.raises(InputError, match="marked as forged"):
            train_forgery(tmp_path / "mine", tmp_path / "head")
        assert not (tmp_path / "head").exists()

    def test_too_few(self, tmp_path):
        made = forge_photos(write_faces(tmp_path / "faces", 3, 2), tmp_path / "set", shares=(1, 0, 0))
        index_photos(made.out, tmp_path / "mine")
        with pytest.raises(NotFittedError, match="found 3, 6 and 3"):
            train_forgery(tmp_path / "mine", tmp_path / "head")

    def test_a_place_that_is_taken_and_one_fold(self, catalogue, tmp_path):
        with pytest.raises(InputError, match="new folder"):
            train_forgery(catalogue, tmp_path)
        with pytest.raises(InputError, match="at least 2 folds"):
            train_forgery(catalogue, tmp_path / "head", n_folds=1)


def test_auroc_is_the_share_of_pairs_in_the_right_order():
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores, forged = rng.integers(0, 6, 15).astype(float), rng.random(15) < 0.4
        pairs = [(a > b) + 0.5 * (a == b) for a in scores[forged] for b in scores[~forged]]
        wanted = np.mean(pairs) if pairs else np.nan
        assert training._auroc(scores, forged) == pytest.approx(wanted, nan_ok=True)


def test_no_person_is_judged_by_a_head_that_saw_it(monkeypatch):
    rng = np.random.default_rng(0)
    persons = np.repeat(np.arange(6), 4)
    seen = []
    real = training.fit_forgery_head

    def spy(traces, vectors, forged, **options):
        seen.append(set(np.asarray(traces)[:, 0].astype(int).tolist()))
        return real(traces, vectors, forged, **options)

    monkeypatch.setattr(training, "fit_forgery_head", spy)
    traces = rng.normal(size=(24, len(TRACES))).astype(np.float32)
    traces[:, 0] = persons  # a person can be told by it
    training._unseen(traces, rng.normal(size=(24, 8)).astype(np.float32), persons % 2 == 0, persons, 3, 0)
    assert len(seen) == 3
    assert all(len(one) == 4 for one in seen)
    assert set.intersection(*seen) == set()


def test_the_store_is_left_as_it_was(catalogue, trained):
    assert [one.name for one in CatalogueStore.open(catalogue).models()] == [trained.head.info.model]
