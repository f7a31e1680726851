"""A catalogue keeps the codes of a large gallery, and is searched by them."""

from __future__ import annotations

import sys

import numpy as np
import polars as pl
import pytest

import resight
from resight.pipeline.codes import codes_folder
from resight.search import CodedSearch, CodesFolder, ExactSearch, choose
from resight.store import CatalogueStore

N, DIMENSION = 600, 16


@pytest.fixture
def vectors():
    drawn = np.random.default_rng(0).standard_normal((2 * N, DIMENSION)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.fixture
def large_from(monkeypatch):
    return lambda n: monkeypatch.setattr(sys.modules["resight.search.choose"], "LARGE_GALLERY", n * DIMENSION)


def index(vectors, tmp_path):
    names = pl.DataFrame(
        {
            "image_id": [f"p{row}" for row in range(len(vectors))],
            "identity": [f"i{row % 90}" for row in range(len(vectors))],
        }
    )
    names.write_csv(tmp_path / "names.csv")
    np.save(tmp_path / "vectors.npy", vectors)
    resight.index_embeddings(
        tmp_path / "vectors.npy",
        tmp_path / "cat",
        names=tmp_path / "names.csv",
        model_name="toy",
        labels=tmp_path / "names.csv",
    )
    return CatalogueStore.open(tmp_path / "cat")


def test_a_small_gallery_has_no_codes(vectors, tmp_path, large_from):
    large_from(N + 1)
    store = index(vectors[:N], tmp_path)
    assert not CodesFolder(codes_folder(store, store.models()[0].name)).exists


def test_a_large_one_is_coded_and_new_photos_are_appended(vectors, tmp_path, large_from):
    large_from(N)
    store = index(vectors[:N], tmp_path)
    model = store.models()[0].name
    folder = CodesFolder(codes_folder(store, model))
    assert [len(one) for one in folder.read().segments] == [N]
    store = index(vectors[: N + 50], tmp_path)
    assert [len(one) for one in folder.read().segments] == [N, 50]
    gallery = store.embeddings(model)
    searcher, said = choose(gallery, gallery.image_ids, codes=folder.path)
    assert isinstance(searcher, CodedSearch)
    assert searcher.n_uncoded == 0
    assert said.startswith("approximate search: codes (int8) of 650 photos on disk propose candidates and may overlook")
    assert searcher.search(gallery, 1).gallery_ids[:, 0].tolist() == gallery.image_ids.tolist()


def test_broken_codes_are_made_anew(vectors, tmp_path, large_from):
    large_from(N)
    store = index(vectors[:N], tmp_path)
    folder = CodesFolder(codes_folder(store, store.models()[0].name))
    (folder.path / "codes.json").write_text("{}")
    index(vectors[:N], tmp_path)
    assert [len(one) for one in folder.read().segments] == [N]


def test_without_codes_a_large_gallery_is_searched_as_before(vectors, tmp_path, large_from):
    large_from(N)
    store = index(vectors[:N], tmp_path)
    gallery = store.embeddings(store.models()[0].name)
    assert isinstance(choose(gallery, gallery.image_ids, n_queries=5, codes=tmp_path / "none")[0], ExactSearch)
