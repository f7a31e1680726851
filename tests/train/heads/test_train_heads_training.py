"""From a catalogue to a bundle with a head: what is written, what it says, and that all of it agrees."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from resight.config import ArcFaceOptions, HeadRecipe, LdaOptions, ValidationOptions, WhiteningOptions
from resight.core import Catalogue
from resight.embed import Bundle, LinearHead, describe, embed_all
from resight.errors import ConfigError, InputError, MismatchError, NotFittedError, StoreError, UnknownNameError
from resight.pipeline import calibrate_catalogue, evaluate_catalogue, index_embeddings, index_photos
from resight.store import CatalogueStore
from resight.train import train_head
from resight.train.heads import bundle as head_bundle
from resight.train.heads import training

ANYWAY = ValidationOptions(n_repeats=1, only_if_better=False)
CLOSED = HeadRecipe(
    heads=(WhiteningOptions(shrinkage=(0.1,), n_dimensions=(24,)), LdaOptions(shrinkage=(0.3,), weights=("even",))),
    validation=ANYWAY,
)
LEARNED = HeadRecipe(
    heads=(ArcFaceOptions(n_epochs=(1, 2), n_photos_per_batch=16, n_dimensions=16),), validation=ANYWAY
)

WITHOUT_TORCH = """
import sys
for name in ("torch", "pytorch_metric_learning", "onnx"):
    sys.modules[name] = None
from resight.pipeline import Identifier
found = Identifier.open(sys.argv[1], model=sys.argv[2]).identify(sys.argv[3])
print(len(found.decisions if hasattr(found, "decisions") else list(found)))
"""


def models_kept(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "models").iterdir())


@pytest.fixture(scope="module")
def trained(indexed, tmp_path_factory):
    """One training run, looked at from many sides; read-only by agreement."""
    import shutil

    folder = tmp_path_factory.mktemp("trained")
    mine = Path(shutil.copytree(indexed, folder / "mine"))
    found = train_head(mine, recipe=CLOSED, same=["side"], out=folder / "better", name="better", seed=3)
    return mine, found


class TestTheBundle:
    def test_it_gives_photos_the_vectors_that_are_stored(self, trained):
        mine, found = trained
        store = CatalogueStore.open(mine)
        stored = store.embeddings(found.model)
        made = embed_all(store.catalogue(), Bundle.load(found.bundle)).embeddings.select(stored.image_ids)
        assert len(stored) == found.n_vectors == len(store.catalogue())
        assert np.abs(made.vectors - stored.vectors).max() < 1e-4
        assert np.einsum("nd,nd->n", made.vectors, stored.vectors).min() > 0.9999

    def test_nothing_is_left_to_index(self, trained, drawn_photos):
        mine, found = trained
        assert len(CatalogueStore.open(mine).pending(found.model)) == 0
        assert index_photos(drawn_photos, mine, model=found.bundle).n_embedded == 0

    def test_it_says_where_it_comes_from_and_how_good_it_is(self, trained):
        _, found = trained
        info, base = describe(found.bundle), describe()
        learned = info.learned
        assert (info.name, info.licence, info.commercial_use, info.authors, info.source) == (
            "better",
            base.licence,
            base.commercial_use,
            base.authors,
            base.source,
        )
        assert base.changes in info.changes
        assert base.model_id in info.changes
        assert learned.base == found.base == base.model_id
        assert learned.method in {"head whitening", "head lda"}
        assert (learned.n_photos, learned.n_individuals, learned.seed) == (found.n_photos, 8, 3)
        assert HeadRecipe.model_validate(learned.recipe).same == ("side",)
        assert set(learned.figures) == set(learned.baseline) == set(learned.gains) == {"OSCR", "top-1", "AUROC"}
        assert learned.gains["top-1"]["low"] <= learned.gains["top-1"]["value"] <= learned.gains["top-1"]["high"]
        assert learned.versions["numpy"] == np.__version__

    def test_it_can_be_asked_for_by_name_by_fingerprint_and_by_path(self, trained):
        mine, found = trained
        models = [
            evaluate_catalogue(mine, model=one, same=["side"]).model for one in ("better", found.model, found.bundle)
        ]
        assert models == [found.model] * 3
        assert evaluate_catalogue(mine, same=["side"]).model == found.base

    def test_it_identifies_without_torch(self, trained, drawn_photos):
        mine, found = trained
        calibrate_catalogue(mine, "fpir=0.2", same=["side"], model=found.bundle)
        words = [sys.executable, "-c", WITHOUT_TORCH, str(mine), str(found.bundle), str(drawn_photos / "queries")]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert int(done.stdout) > 0

    def test_a_head_may_be_learned_on_a_head(self, trained):
        mine, found = trained
        again = train_head(mine, recipe=CLOSED, model="better", name="best")
        assert again.base == found.model
        assert again.bundle.parent == mine / "models"
        assert describe(again.bundle).learned.base == found.model


def test_what_is_told_is_what_was_found(trained):
    _, found = trained
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert told["chosen"] == told["best"] == found.chosen
    assert set(told["heads"]) == {
        "none",
        "whitening (n_dimensions=24, shrinkage=0.1)",
        "lda (n_dimensions=512, shrinkage=0.3, weights=even)",
    }
    assert told["n_checked"] == 16
    assert f"chosen: {found.chosen}" in str(found)


def test_the_same_seed_makes_the_same_bundle(mine, indexed, tmp_path):
    import shutil

    other = Path(shutil.copytree(indexed, tmp_path / "other"))
    assert train_head(mine, recipe=CLOSED, seed=1).model == train_head(other, recipe=CLOSED, seed=1).model


def test_a_learned_head_becomes_a_bundle_too(mine):
    torch = pytest.importorskip("torch")
    found = train_head(mine, recipe=LEARNED, same=["side"])
    learned = describe(found.bundle).learned
    assert learned.method == "head arcface"
    assert learned.setting in {"n_epochs=1", "n_epochs=2"}
    assert learned.versions["torch"] == torch.__version__
    assert CatalogueStore.open(mine).embeddings(found.model).dimension == 16


class TestNothingIsTaken:
    def test_when_nothing_helps(self, mine, tmp_path):
        frame = CatalogueStore.open(mine).catalogue().frame
        before = models_kept(mine)
        rng = np.random.default_rng(0)
        for image_ids in np.array_split(rng.permutation(frame["image_id"].to_numpy()), 12):  # names by lot
            CatalogueStore.open(mine).assign(image_ids.tolist(), f"lot {image_ids[0]}", who="test")
        found = train_head(mine, out=tmp_path / "none")
        assert (found.chosen, found.model, found.bundle) == ("none", None, None)
        assert any(note.startswith("no head is taken: choosing the best one gains ") for note in found.notes)
        assert not (tmp_path / "none").exists()
        assert models_kept(mine) == before
        assert len(CatalogueStore.open(mine).models()) == 1

    @pytest.mark.parametrize("moment", ["agreement", "keep_bundle", "publish", "fitted"])
    def test_an_interruption_leaves_nothing_half_written(self, mine, tmp_path, monkeypatch, moment):
        def interrupted(*_, **__):
            raise KeyboardInterrupt

        before = models_kept(mine)
        monkeypatch.setattr(training, moment, interrupted)
        with pytest.raises(KeyboardInterrupt):
            train_head(mine, recipe=CLOSED, out=tmp_path / "out" / "better")
        assert not (tmp_path / "out" / "better").exists()
        assert len(CatalogueStore.open(mine).models()) == 1
        left = [name for name in models_kept(mine) if name not in before]
        assert len(left) == (moment == "publish")  # a whole bundle at most, never a part
        for name in left:
            Bundle.load(mine / "models" / name)

    def test_after_a_disagreement(self, mine, monkeypatch):
        before = models_kept(mine)
        wrong = LinearHead(np.eye(1280, 24)[::-1].copy(), np.zeros(24))
        monkeypatch.setattr(
            training, "agreement", lambda made, base, _, photos: head_bundle.agreement(made, base, wrong, photos)
        )
        with pytest.raises(MismatchError, match="expected the bundle to give the vectors of the head"):
            train_head(mine, recipe=CLOSED.model_copy(update={"heads": CLOSED.heads[:1]}))
        assert models_kept(mine) == before


class TestWhatIsRefused:
    def test_a_place_that_is_taken(self, mine, tmp_path):
        with pytest.raises(InputError, match="expected a new folder for the bundle"):
            train_head(mine, out=tmp_path)

    @pytest.mark.parametrize("name", ["", "Großer Kopf", "../x", "-x"])
    def test_a_name_that_is_none(self, mine, name):
        with pytest.raises(ConfigError, match="expected a name of small letters"):
            train_head(mine, name=name)

    def test_names_that_are_unknown(self, mine):
        with pytest.raises(UnknownNameError, match=r"no column is called 'sides'\. Did you mean 'side'\?"):
            train_head(mine, same=["sides"])
        with pytest.raises(UnknownNameError, match=r"called 'ldaa'\. Did you mean 'lda'\?"):
            train_head(mine, only=["ldaa"])
        with pytest.raises(UnknownNameError, match="no bundle is called 'best'"):
            train_head(mine, model="best")

    def test_no_catalogue(self, tmp_path):
        with pytest.raises(StoreError, match="expected a catalogue"):
            train_head(tmp_path)

    def test_vectors_that_were_made_elsewhere(self, tmp_path):
        np.save(tmp_path / "v.npy", np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32))
        (tmp_path / "n.csv").write_text("image,identity\n" + "".join(f"p{n}.jpg,i{n // 2}\n" for n in range(8)))
        index_embeddings(tmp_path / "v.npy", tmp_path / "c", names=tmp_path / "n.csv", model_name="b7")
        with pytest.raises(InputError, match="expected vectors of a bundle, to append the head to"):
            train_head(tmp_path / "c")

    def test_too_few_individuals(self, mine):
        store = CatalogueStore.open(mine)
        names = sorted(set(store.catalogue().labelled().column("identity")))
        store.merge(names[3:], names[0], who="test")
        with pytest.raises(NotFittedError, match="at least 4 individuals that were met in two encounters"):
            train_head(mine)


def test_photos_that_are_gone_are_not_needed(mine, tmp_path, monkeypatch):
    """Pixels are opened for the check alone; without them drawn ones stand in, and it is said."""
    gone = CatalogueStore.open(mine).catalogue()
    elsewhere = Catalogue(gone.frame, tmp_path / "nowhere")
    monkeypatch.setattr(
        training, "agreement", lambda made, base, one, photos: head_bundle.agreement(
            made, base, one, elsewhere.select(photos.image_ids))
    )  # fmt: skip
    found = train_head(mine, recipe=CLOSED)
    assert found.n_checked == 0
    assert "no photo could be read: the bundle was checked on drawn pixels" in found.notes
    assert found.n_vectors == len(gone)


def test_photos_without_a_name_get_new_vectors_too(mine):
    store = CatalogueStore.open(mine)
    ids = store.catalogue().frame.filter(pl.col("identity").is_not_null())["image_id"].to_list()[:3]
    store.assign(ids, None, who="test")
    found = train_head(mine, recipe=CLOSED)
    assert found.n_photos == len(store.catalogue().labelled())
    assert set(ids) <= set(store.embeddings(found.model).image_ids.tolist())
