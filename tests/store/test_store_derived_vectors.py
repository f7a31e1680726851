"""Vectors that were made from those of another model, without a look at any photo."""

from __future__ import annotations

import os

import numpy as np
import pytest

from resight.core import Embeddings
from resight.errors import InputError, MismatchError, UnknownNameError
from resight.store import CatalogueStore
from store.fake_indexing import MODEL, embed_pending, table_of


@pytest.fixture
def indexed(store, photos) -> CatalogueStore:
    store.register(table_of(photos))
    embed_pending(store, batch_size=4)
    return store


def turned(store: CatalogueStore, model: str = "turned", keep: slice = slice(None)) -> Embeddings:
    old = store.embeddings(MODEL)
    return Embeddings(old.image_ids[keep], np.ascontiguousarray(old.vectors[keep, ::-1][:, :4]) * 0 + 0.5, model)


def test_they_count_for_the_same_photos(indexed):
    made = turned(indexed)
    assert indexed.add_derived(made, MODEL) == 6
    found = indexed.embeddings("turned")
    assert found.image_ids.tolist() == made.image_ids.tolist()
    assert np.array_equal(found.vectors, made.vectors)
    assert len(indexed.pending("turned")) == 0
    assert [one.name for one in indexed.models()] == [MODEL, "turned"]


def test_a_second_time_nothing_is_new(indexed):
    indexed.add_derived(turned(indexed), MODEL)
    assert indexed.add_derived(turned(indexed), MODEL) == 0
    assert indexed.models()[1].n_photos == 6


def test_some_now_and_the_others_later(indexed):
    assert indexed.add_derived(turned(indexed, keep=slice(0, 2)), MODEL) == 2
    assert len(indexed.pending("turned")) == 4
    assert indexed.add_derived(turned(indexed), MODEL) == 4


def test_a_photo_that_changes_is_to_be_embedded_again(indexed, photos):
    """Also one that had changed before: what the file is now is not what the vectors stand for."""
    path = photos / "nala-1.jpg"
    time_ns = path.stat().st_mtime_ns + 1_000_000
    path.write_text("another photo of Nala")
    os.utime(path, ns=(time_ns, time_ns))
    indexed.add_derived(turned(indexed), MODEL)
    assert [len(indexed.pending(model)) for model in (MODEL, "turned")] == [1, 1]
    embed_pending(indexed, batch_size=4)
    assert len(indexed.embeddings("turned")) == 5
    assert indexed.add_derived(turned(indexed), MODEL) == 1


def test_a_photo_without_a_vector_of_the_base_is_refused(indexed):
    with pytest.raises(InputError, match=r"expected a vector of other for '.*', found none"):
        indexed.add_derived(turned(indexed), "other")
    assert len(indexed.models()) == 1


def test_unknown_photos_and_other_dimensions_are_refused(indexed):
    stray = Embeddings(np.array(["nobody"]), np.ones((1, 1), np.float32), "turned")
    with pytest.raises(UnknownNameError, match="no photo is called 'nobody'"):
        indexed.add_derived(stray, MODEL)
    indexed.add_derived(turned(indexed), MODEL)
    wrong = Embeddings(indexed.embeddings(MODEL).image_ids, np.ones((6, 1), np.float32), "turned")
    with pytest.raises(MismatchError, match="expected vectors of 4 numbers"):
        indexed.add_derived(wrong, MODEL)


def test_no_photo_is_no_vector(indexed):
    assert indexed.add_derived(Embeddings(np.array([], str), np.zeros((0, 4), np.float32), "turned"), MODEL) == 0
