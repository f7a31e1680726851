"""A small catalogue on disk, indexed once, and copies of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from resight.datasets import make_synthetic
from resight.pipeline import index_photos


@pytest.fixture(scope="session")
def drawn_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    make_synthetic(folder, n_identities=8, n_encounters=3, n_photos=2, n_strangers=1, side_px=96, seed=1)
    return folder


@pytest.fixture(scope="session")
def indexed(drawn_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("indexed") / "mine"
    index_photos(drawn_photos, folder)
    return folder


@pytest.fixture
def mine(indexed: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(indexed, tmp_path / "mine"))
