"""A small calibrated catalogue to review: half of the names of some photos are hidden."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from resight.datasets import make_synthetic
from resight.pipeline import calibrate_catalogue, index_photos
from resight.serve.app import create_service
from resight.serve.settings import Settings
from resight.serve.users import hashed
from review_service import TOKEN, client_of


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


@pytest.fixture(scope="module")
def served(calibrated_for_review: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The service on a copy of the catalogue, asked with a token."""
    folder = Path(shutil.copytree(calibrated_for_review, tmp_path_factory.mktemp("served") / "mine"))
    settings = Settings(
        tokens={TOKEN: "anna", TOKEN + "-2": "ben"},
        users={"carla": hashed("a long password")},
        rate_per_s=10_000,
        burst=10_000,
        max_file_bytes=2_000_000,
        max_pixels=4_000_000,
        work_timeout_s=20,
    )
    service = create_service(folder, settings, one_time="once")
    with client_of(service, raise_server_exceptions=False) as client:
        yield client
