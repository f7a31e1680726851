"""Photos that a model learned do not ask, as far as others are enough."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from resight import Bundle, Identifier, calibrate_catalogue, evaluate_catalogue
from resight.bundle_files import GRAPH, INFO, LEARNED, read_learned
from resight.config import HeadRecipe, RerankRecipe
from resight.core import Catalogue, Embeddings
from resight.datasets import make_synthetic
from resight.errors import InputError, UnknownNameError
from resight.pipeline import index_photos
from resight.pipeline.gallery import labelled_gallery
from resight.pipeline.methods import PlainMethod
from resight.pipeline.reranking import reranked_method
from resight.pipeline.self_search import ENOUGH, asking_rows, self_search
from resight.pipeline.unseen import unseen_photos
from resight.store import CatalogueStore
from resight.train import train_head

HEAD = """
learn_from = "part=learned"
[validation]
only_if_better = false
n_repeats = 1
[[heads]]
kind = "whitening"
shrinkage = [0.01]
"""


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of which a head learned half of the individuals: 14 of 28 are not seen, four photos each."""
    home = tmp_path_factory.mktemp("unseen")
    made = make_synthetic(home / "photos", n_identities=28, n_encounters=2, n_photos=2, n_strangers=0, side_px=64)
    table = home / "table.csv"
    names = sorted(set(made.column("identity")))
    learned = [name in names[:14] for name in made.column("identity")]
    frame = made.frame.select("path", "identity", "encounter", "date")
    frame.with_columns(part=pl.Series(["learned" if one else "kept" for one in learned])).write_csv(table)
    index_photos(home / "photos", home / "mine", labels=table)
    train_head(home / "mine", recipe=HeadRecipe.parse(HEAD), name="half", out=home / "half")
    return home


def labelled(known: Path) -> tuple[CatalogueStore, Catalogue, Embeddings]:
    store = CatalogueStore.open(known / "mine")
    return store, *labelled_gallery(store, Bundle.load(known / "half").model_id)


def test_a_bundle_keeps_the_marks_of_what_it_learned(known):
    store, photos, vectors = labelled(known)
    marks = read_learned(known / "half")
    part = photos.column("part") == "learned"
    assert marks == {content[:16] for content in photos.column("content")[part]}
    assert (unseen_photos(store, photos, vectors.model) == ~part).all()
    assert unseen_photos(store, photos, store.models()[0].name).all()


def test_only_photos_that_were_not_learned_ask(known):
    _, photos, _ = labelled(known)
    kept = set(photos.image_ids[photos.column("part") == "kept"])
    point = calibrate_catalogue(known / "mine", "fpir=0.2", model="half")
    assert any("Only the other 56 ask" in note for note in point.notes)
    found = evaluate_catalogue(known / "mine", model="half")
    assert found.searches.n_non_mated == len(kept) == 56
    assert any("Only the other 56 ask" in note for note in found.notes)
    identifier = Identifier.open(known / "mine", model="half")
    assert identifier.unseen is not None
    assert set(identifier.gallery.image_ids[identifier.unseen]) == kept
    plain = calibrate_catalogue(known / "mine", "fpir=0.2")
    assert not any("learned" in note for note in plain.notes)


def test_what_is_weighed_is_fitted_on_their_pairs(known):
    store, photos, vectors = labelled(known)
    recipe = RerankRecipe.parse("[[scorers]]\nkind = 'cosine'\n[shortlist]\nn_photos = 20")
    method = reranked_method(store, photos, vectors, recipe)
    prepared = method.prepare(np.arange(len(photos)), (), 0)
    assert set(prepared.asking.column("part")) == {"kept"}
    assert set(prepared.self_search().non_mated_identities) == set(
        photos.column("identity")[photos.column("part") == "kept"]
    )
    part = np.flatnonzero(photos.column("part") == "learned")
    assert len(method.prepare(part, (), 0).asking) == len(part)  # nobody else is there to ask


def test_the_same_as_a_search_by_hand(known):
    _, photos, vectors = labelled(known)
    unseen = photos.column("part") == "kept"
    found = self_search(photos, vectors, unseen=unseen)
    whole = self_search(photos, vectors)
    rows = np.flatnonzero(unseen)
    assert found.non_mated.query_ids.tolist() == photos.image_ids[rows].tolist()
    assert (found.non_mated.scores == whole.non_mated.scores[rows]).all()
    method = PlainMethod(photos, vectors, unseen)
    assert method.prepare(np.arange(len(photos)), (), 0).self_search().non_mated_identities.tolist() == (
        found.non_mated_identities.tolist()
    )


@pytest.mark.parametrize(("n_unseen", "n_asking"), [(0, 200), (ENOUGH - 1, 200), (ENOUGH, ENOUGH), (200, 200)])
def test_too_few_ask_for_nobody_else(n_unseen, n_asking):
    unseen = np.zeros(200, bool)
    unseen[np.random.default_rng(0).permutation(200)[:n_unseen]] = True
    rows = asking_rows(unseen)
    assert len(rows) == n_asking
    assert (np.diff(rows) > 0).all()
    if n_asking < 200:
        assert unseen[rows].all()
        assert unseen[asking_rows(unseen, at_most=7)].all()


def test_split_warns_where_the_gallery_was_learned(known):
    found = evaluate_catalogue(
        known / "mine", "split", column="part", gallery="learned", queries="kept", model="half", goal="fpir=0.2"
    )
    assert any("learned the photos of the gallery" in note for note in found.notes)


def test_a_column_value_or_split_that_is_not_there_is_named(known):
    def learn(which: str) -> None:
        train_head(known / "mine", recipe=HeadRecipe.parse(HEAD.replace("part=learned", which)), name="none")

    with pytest.raises(UnknownNameError, match="prt"):
        learn("prt=learned")
    with pytest.raises(UnknownNameError, match="lerned"):
        learn("part=lerned,kept")
    with pytest.raises(UnknownNameError, match="nosuch"):
        learn("split:nosuch")


def test_a_zip_may_hold_the_marks_and_nothing_else(known, tmp_path):
    def zipped(*others: str) -> Path:
        place = tmp_path / f"{len(others)}{''.join(others)}.zip"
        with zipfile.ZipFile(place, "w") as archive:
            for name in (GRAPH, INFO, *others):
                source = known / "half" / name
                archive.writestr(name, source.read_bytes() if source.exists() else b"x")
        return place

    assert read_learned(zipped(LEARNED)) == read_learned(known / "half")
    assert Bundle.load(zipped(LEARNED)).model_id == Bundle.load(known / "half").model_id
    assert read_learned(zipped()) is None
    with pytest.raises(InputError, match="found"):
        Bundle.load(zipped("more.txt"))


def test_marks_that_are_no_text_are_refused(known, tmp_path):
    broken = Path(shutil.copytree(known / "half", tmp_path / "broken"))
    (broken / LEARNED).write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=LEARNED):
        read_learned(broken)
