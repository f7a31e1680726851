"""A small calibrated catalogue to review: half of the names of some photos are hidden."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from resight.datasets import make_synthetic
from resight.pipeline import calibrate_catalogue, index_photos


@pytest.fixture(scope="session")
def calibrated_for_review(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A calibrated catalogue with unlabelled photos; read-only by agreement."""
    photos = tmp_path_factory.mktemp("photos")
    make_synthetic(photos, n_identities=8, n_encounters=3, n_photos=2, n_strangers=2, side_px=128, seed=1)
    folder = tmp_path_factory.mktemp("catalogue") / "mine"
    index_photos(photos, folder)
    calibrate_catalogue(folder, "fpir=0.1", same=["side"])
    return folder


@pytest.fixture
def folder(calibrated_for_review: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(calibrated_for_review, tmp_path / "mine"))
