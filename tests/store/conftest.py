from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from resight.core import Catalogue, Estimate, OperatingPoint
from resight.store import CatalogueStore


@pytest.fixture(scope="session")
def empty_catalogue(tmp_path_factory) -> Path:
    """A catalogue without photos, to copy: making one costs more than a copy."""
    folder = tmp_path_factory.mktemp("empty") / "catalogue"
    CatalogueStore.create(folder)
    return folder


ON_BOTH = {"catalogue", "contradictions", "derived_vectors", "duplicate_records", "journal", "judgements", "vectors"}
"""The files whose tests run on SQLite and on a PostgreSQL server alike."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test of these files a store of either kind."""
    about = metafunc.module.__name__.rpartition("test_store_")[2]
    if "store" in metafunc.fixturenames and about in ON_BOTH:
        metafunc.parametrize("store", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def store(request, tmp_path, empty_catalogue, monkeypatch) -> CatalogueStore:
    if getattr(request, "param", "sqlite") == "postgresql":
        monkeypatch.setenv("RESIGHT_DATABASE", request.getfixturevalue("postgres"))
        return CatalogueStore.create(tmp_path / "catalogue")
    shutil.copytree(empty_catalogue, tmp_path / "catalogue")
    return CatalogueStore.open(tmp_path / "catalogue", timeout_s=5)


@pytest.fixture
def photos(tmp_path) -> Path:
    """Six files of two individuals and one of a third."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("nala-1", "nala-2", "nala-3", "simba-1", "simba-2", "kiara-1"):
        (folder / f"{name}.jpg").write_text(f"the pixels of {name}")
    return folder


@pytest.fixture
def table(tmp_path) -> Callable[..., Catalogue]:
    """Makes a catalogue from {image id: identity}, whose files need not exist."""

    def make(labels: dict[str, str | None], root: Path = tmp_path / "nowhere", **columns: list) -> Catalogue:
        ids = list(labels)
        frame = pl.DataFrame({"image_id": ids, "path": [f"{i}.jpg" for i in ids], **columns})
        return Catalogue(frame.with_columns(pl.Series("identity", list(labels.values()), pl.String)), root)

    return make


@pytest.fixture
def operating_point() -> OperatingPoint:
    return OperatingPoint(
        threshold=0.7,
        new_below=0.5,
        slope=10.0,
        cut=6.0,
        scale="cosine",
        model="a/b",
        n_gallery=3,
        n_photos=6,
        goal="fpir=0.01",
        share_new=0.5,
        fpir=Estimate(0.01, 0.0, 0.02, n=30),
        fnir=Estimate(0.2, 0.1, 0.3, n=3),
        n_mated=10,
        n_non_mated=30,
        fitted_on="0123",
        notes=("a small gallery",),
    )
