"""Generated photos among those a head learns from: of each person someone else, judged with that person's fold."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from resight.config import HeadRecipe, LdaOptions, ValidationOptions
from resight.core import Catalogue, Embeddings
from resight.pipeline import index_photos
from resight.train import train_head
from resight.train.examples import Examples
from resight.train.heads.generated import GENERATED, set_apart
from resight.train.judging import deal


def photos(n_persons: int = 6, n_real: int = 3, n_fake: int = 2, *, marks: bool = True) -> tuple[Catalogue, Embeddings]:
    rows = [
        {
            "image_id": f"{person}-{shot}",
            "path": f"{person}-{shot}.jpg",
            "identity": f"p{person}",
            "is_synthetic": shot >= n_real,
        }
        for person in range(n_persons)
        for shot in range(n_real + n_fake)
    ]
    frame = pl.DataFrame(rows)
    catalogue = Catalogue(frame if marks else frame.drop("is_synthetic"), ".")
    vectors = np.random.default_rng(0).normal(size=(len(frame), 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return catalogue, Embeddings(catalogue.image_ids, vectors, "toy@1")


def test_negatives_get_a_name_of_their_own():
    apart, vectors, notes = set_apart(*photos(), "negatives")
    names = apart.frame.select("image_id", "identity").rows()
    assert names == [(i, f"p{i[0]}{GENERATED if int(i[2]) >= 3 else ''}") for i, _ in names]
    assert np.array_equal(vectors.image_ids, apart.image_ids)
    assert notes == ("12 photos are generated: those of a person are learned as someone else",)
    assert len(np.unique(Examples(apart, vectors).classes)) == 12


def test_they_can_be_left_out():
    apart, vectors, notes = set_apart(*photos(), "leave-out")
    assert len(apart) == len(vectors) == 18
    assert not apart.frame["is_synthetic"].any()
    assert notes == ("12 photos are generated and left out",)


def test_without_marks_nothing_changes():
    given = photos(marks=False)
    assert set_apart(*given, "negatives") == (*given, ())


def test_a_person_and_its_generated_photos_are_strangers_together():
    apart, vectors, _ = set_apart(*photos(), "negatives")
    examples = Examples(apart, vectors)
    person = np.array([name.removesuffix(GENERATED) for name in apart.frame["identity"]])
    for fold in deal(examples, 3, 2, seed=0):
        strangers, others = set(person[fold.strangers]), set(person[fold.learn | fold.known])
        assert strangers
        assert not strangers & others


def test_without_generated_photos_the_folds_are_what_they_were():
    catalogue, vectors = photos(marks=False)
    examples = Examples(catalogue, vectors)
    assert examples.persons.tolist() == list(range(6))
    assert all(
        len(set(catalogue.frame["identity"].to_numpy()[fold.strangers])) == 2 for fold in deal(examples, 3, 1, 0)
    )


@pytest.mark.parametrize(("how", "n_named", "n_photos"), [("negatives", 16, 48), ("leave-out", 8, 24)])
def test_a_head_is_trained_with_them(drawn_photos, tmp_path, how, n_named, n_photos):
    from resight.datasets import read_catalogue

    given = read_catalogue(drawn_photos)
    named = given.select(pl.col("identity").is_not_null())
    marks = pl.int_range(pl.len()) % 2 == 1
    marked = Catalogue(named.frame.sort("identity", "path").with_columns(is_synthetic=marks), named.root)
    index_photos(marked, tmp_path / "mine")
    recipe = HeadRecipe(
        synthetic=how,
        heads=(LdaOptions(shrinkage=(0.3,), n_dimensions=(16,)),),
        validation=ValidationOptions(n_repeats=1, only_if_better=False),
    )
    found = train_head(tmp_path / "mine", recipe=recipe, out=tmp_path / "head")
    assert (found.n_individuals, found.n_photos) == (n_named, n_photos)
    assert any("24 photos are generated" in note for note in found.notes)


def test_the_recipe_for_faces_is_read():
    recipe = HeadRecipe.read("faces-head")
    assert recipe.synthetic == "negatives"
    assert [head.kind for head in recipe.heads] == ["lda", "arcface"]
