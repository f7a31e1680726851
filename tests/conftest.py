"""What the tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import settings

from postgres_server import running_server

# Every run tries the same examples; HYPOTHESIS_PROFILE=default looks for new ones.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

ROOT = Path(__file__).resolve().parents[1]


def _real_photos() -> Path:
    return Path(os.environ.get("RESIGHT_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def face_bundle() -> Path:
    """The bundle of faces that `make models` fetches; tests that need it are skipped, and say so, without it."""
    folder = Path(os.environ.get("RESIGHT_FACE_BUNDLE", ROOT / "build" / "models" / "faceplugin"))
    if not (folder / "model.json").is_file():
        pytest.skip(f"no face models: {folder} is not there (run  make models , which needs npm)")
    return folder


@pytest.fixture(scope="session")
def real_photos() -> Path:
    """The folder of real, labelled photo sets; tests that need it are skipped, and say so, without it."""
    folder = _real_photos()
    if not folder.is_dir():
        pytest.skip(f"no real photos: {folder} is not there (set RESIGHT_DATA to the folder that holds them)")
    return folder


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a database on a PostgreSQL server that runs for these tests; they fail without PostgreSQL."""
    with running_server() as url:
        yield url


@pytest.fixture
def postgres(postgres_server) -> str:
    """The same, with nothing in it but the empty tables of a catalogue, if there was one before."""
    engine = sa.create_engine(postgres_server, poolclass=sa.NullPool)
    with engine.begin() as connection:
        tables = sorted(set(sa.inspect(connection).get_table_names()) - {"migrations"})
        if tables:
            connection.execute(sa.text(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE"))
    return postgres_server
