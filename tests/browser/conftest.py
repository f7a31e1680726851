"""A real browser before a real service on a small catalogue; one of each for all tests of this room."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from resight.datasets import make_synthetic
from resight.pipeline import calibrate_catalogue, index_photos
from resight.serve.users import add_user
from resight.store import CatalogueStore

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
PASSWORD = "correct horse battery"  # noqa: S105  of the tests
LONG = "Nandolwenkosi-of-the-Upper-Ntshongweni-Valley, first seen with a torn left ear"


class Served:
    """`resight review` as a process of its own, which a test may kill and start again.

    Args:
        folder: the catalogue.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = CatalogueStore.open(folder)
        self.process: subprocess.Popen[str] | None = None
        self.link = ""

    def start(self, *options: str) -> str:
        """The link that it prints."""
        command = [sys.executable, "-m", "resight", "review", "--catalogue", str(self.folder), "--who", "anna"]
        environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
        self.process = subprocess.Popen(
            [*command, "--rate-per-s", "1000", *options], stdout=subprocess.PIPE, text=True, env=environment
        )
        for line in self.process.stdout or ():
            if found := re.search(r"http://\S+", line):
                self.link = found[0]
                return self.link
        raise AssertionError("the service ended before it printed its link")

    def address(self, path: str) -> str:
        """Of a page."""
        return self.link.partition("/enter")[0] + path

    def stop(self, sign: int = signal.SIGTERM) -> None:
        """End it, by whatever signal."""
        if self.process is not None:
            self.process.send_signal(sign)
            self.process.wait(30)
            self.process.stdout.close()  # type: ignore[union-attr]


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The service on a catalogue of 8 individuals and 24 photos without a name."""
    photos = tmp_path_factory.mktemp("browser") / "photos"
    photos.mkdir()
    make_synthetic(photos, n_identities=8, n_encounters=3, n_photos=2, n_strangers=12, side_px=128, seed=1)
    _make_odd(photos)
    folder = photos.parent / "mine"
    index_photos(photos, folder)
    calibrate_catalogue(folder, "fpir=0.1", same=["side"])
    served = Served(folder)
    served.start()
    yield served
    served.stop()


@pytest.fixture
def with_users(service: Served, tmp_path: Path) -> Iterator[Served]:
    """Another service on the same catalogue, which asks for a password."""
    add_user(tmp_path / "users", "carla", PASSWORD)
    served = Served(service.folder)
    served.start("--users", str(tmp_path / "users"))
    yield served
    served.stop()


def _make_odd(photos: Path) -> None:
    """A place, one long name, one tall photo and one wide one."""
    table = pl.read_csv(photos / "metadata.csv")
    one = table["identity"].drop_nulls()[0]
    places = pl.Series("place", ["the bay of the long and windy name" if n % 3 else "reef" for n in range(len(table))])
    named = table.with_columns(places, identity=table["identity"].replace(one, LONG)).drop("true_identity", "split")
    named.write_csv(photos / "metadata.csv")
    for path, size in zip(named.filter(pl.col("identity") == LONG)["path"][:2], ((90, 400), (500, 80)), strict=True):
        with Image.open(photos / path) as image:
            image.resize(size).save(photos / path)


@pytest.fixture(scope="session")
def page(service: Served) -> Iterator[object]:
    """A page of the browser, let in by the link."""
    if CHROMIUM is None:
        pytest.skip("expected Chromium for the tests of the pages, found none: run  make chromium")
    from playwright.sync_api import sync_playwright

    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(10_000)
        page.goto(service.link)
        yield page
        browser.close()
