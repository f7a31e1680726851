"""A catalogue's gallery goes to Milvus, answers there, and comes back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from resight.pipeline.milvus import COLUMNS
from resight.search import MilvusConnection
from resight.store import CatalogueStore

pytest.importorskip("pymilvus", reason="the extra [scale] is not installed")


@pytest.fixture
def lite(tmp_path):
    """The folder of a Milvus Lite, which is let go in the end."""
    uri = str(tmp_path / "gallery.db")
    yield uri
    MilvusConnection(uri).end()


def test_a_gallery_goes_there_answers_and_comes_back(resight, catalogue, queries, lite, tmp_path):
    refused = resight("identify", queries, "--catalogue", catalogue, "--milvus", lite)
    assert refused.code == 2
    assert "resight milvus push" in refused.err

    run = resight("milvus", "push", lite, "--catalogue", catalogue, "--index", "FLAT", "--json")
    assert run.code == 0, run.err
    n_photos = json.loads(run.out)["n_written"]
    again = resight("milvus", "push", lite, "--catalogue", catalogue)
    assert again.out.startswith(f"written     0 photos ({n_photos} there already, 0 removed)")

    unknown = resight("milvus", "push", lite, "--catalogue", catalogue, "--column", "plaec")
    assert unknown.code == 2
    assert "plaec" in unknown.err
    further = resight("milvus", "push", lite, "--catalogue", catalogue, "--collection", "dated", "--column", "date")
    assert further.code == 0, further.err
    plain = resight("identify", queries, "--catalogue", catalogue, "--csv")
    dated = resight("identify", queries, "--catalogue", catalogue, "--milvus", lite, "--collection", "dated", "--csv")
    assert dated.out == plain.out, dated.err

    there = resight("identify", queries, "--catalogue", catalogue, "--milvus", lite, "--csv")
    assert there.code == 0, there.err
    assert there.out == plain.out

    pulled = resight("milvus", "pull", lite, "--out", tmp_path / "pulled")
    assert pulled.code == 0, pulled.err
    assert np.load(tmp_path / "pulled" / "vectors.npy").shape[0] == n_photos
    header = (tmp_path / "pulled" / "names.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == ",".join(["image_id", "identity", *COLUMNS])
    assert "expected a folder without vectors.npy" in resight("milvus", "pull", lite, "--out", tmp_path / "pulled").err

    old = CatalogueStore.open(catalogue).catalogue().labelled().column("identity")[0]
    resight("catalogue", "rename", old, "Nala", "--catalogue", catalogue)
    stale = resight("identify", queries, "--catalogue", catalogue, "--milvus", lite)
    assert stale.code == 2
    assert "write it again (resight milvus push)" in stale.err


def test_a_wrong_address_is_one_sentence(resight, catalogue):
    run = resight("milvus", "push", "http://me:hunter2@host:1", "--catalogue", catalogue)
    assert run.code == 2
    assert "hunter2" not in run.err
    assert len(run.err.strip().splitlines()) == 1
