"""Embedding runs: order, failures, bounds, and stopping early."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from PIL import Image

from images.mutations import mutated_photos
from images.photo_samples import gradient, saved
from resight.core import Catalogue
from resight.embed import DEFAULT_BUNDLE, Bundle, FileStat, embed_all, embed_photos
from resight.errors import ConfigError, ImageError
from resight.faces import Prepared
from resight.images import ImageLimits, fingerprint, read_photo, resize


class TinyBundle:
    """The mean colours of a 4 x 4 grid, scaled to unit length; counts what it is asked."""

    info = SimpleNamespace(input_side_px=4, photo_side_px=4, dimension=48)
    model_id = "tiny@0"
    threads = 3

    def __init__(self, delay_s: float = 0.0):
        self.n_embedded = 0
        self.delay_s = delay_s
        self._lock = threading.Lock()

    def prepare(self, photo):
        return resize(photo, 4)

    def prepared(self, photo):
        return Prepared(self.prepare(photo))

    def embed(self, pixels):
        with self._lock:
            self.n_embedded += len(pixels)
        time.sleep(self.delay_s)
        rows = pixels.reshape(len(pixels), -1).astype(np.float32)
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def photo_bytes(number: int) -> bytes:
    return saved(Image.fromarray(np.roll(gradient(), number * 7, axis=1)), "PNG")


def catalogue_in(folder, n_photos: int, **columns) -> Catalogue:
    names = [f"{number:03d}.png" for number in range(n_photos)]
    for number, name in enumerate(names):
        (folder / name).write_bytes(photo_bytes(number))
    return Catalogue(pl.DataFrame({"image_id": [f"id-{name}" for name in names], "path": names, **columns}), folder)


@pytest.mark.parametrize("batch_size", [1, 7, 20, 100])
@pytest.mark.parametrize("n_workers", [1, 4])
def test_batches_come_in_the_catalogues_order_and_equal_a_plain_loop(tmp_path, batch_size, n_workers):
    catalogue = catalogue_in(tmp_path, 20).select(np.random.default_rng(1).permutation(20))
    bundle = TinyBundle()
    batches = list(embed_photos(catalogue, bundle, batch_size=batch_size, n_workers=n_workers))
    sizes = [min(batch_size, 20 - start) for start in range(0, 20, batch_size)]
    assert [len(batch.embeddings) for batch in batches] == sizes
    assert [i for batch in batches for i in batch.embeddings.image_ids] == catalogue.image_ids.tolist()
    plain = [bundle.embed(bundle.prepare(read_photo(catalogue.photo(row)))[None])[0] for row in range(20)]
    np.testing.assert_array_equal(np.concatenate([batch.embeddings.vectors for batch in batches]), plain)
    assert {batch.embeddings.model for batch in batches} == {"tiny@0"}


def test_a_slow_photo_does_not_change_the_order(tmp_path):
    catalogue = catalogue_in(tmp_path, 12)
    (tmp_path / "000.png").write_bytes(saved(Image.fromarray(gradient(3000, 2000)), "PNG"))
    embedded = embed_all(catalogue, TinyBundle(), n_workers=4)
    assert embedded.embeddings.image_ids.tolist() == catalogue.image_ids.tolist()


def test_the_real_model_gives_the_same_vectors_as_a_plain_loop(tmp_path):
    catalogue, bundle = catalogue_in(tmp_path, 6), Bundle.load(DEFAULT_BUNDLE)
    embedded = embed_all(catalogue, bundle)
    pixels = np.stack([bundle.prepare(read_photo(catalogue.photo(row))) for row in range(6)])
    np.testing.assert_array_equal(embedded.embeddings.vectors, bundle.embed(pixels))
    assert embedded.embeddings.model == bundle.model_id


def test_the_box_is_cut_out(tmp_path):
    boxed = catalogue_in(tmp_path, 2, box=[[10.0, 20.0, 50.0, 40.0], None])
    bundle = TinyBundle()
    vectors = embed_all(boxed, bundle).embeddings.vectors
    part = read_photo(boxed.photo(0))[20:60, 10:60]
    np.testing.assert_array_equal(vectors[0], bundle.embed(bundle.prepare(part)[None])[0])
    np.testing.assert_array_equal(vectors[1], bundle.embed(bundle.prepare(read_photo(boxed.photo(1)))[None])[0])


def test_files_are_described_as_they_were_read(tmp_path):
    catalogue = catalogue_in(tmp_path, 4)
    (tmp_path / "001.png").write_bytes(photo_bytes(1)[:50])
    (tmp_path / "002.png").unlink()
    os.utime(tmp_path / "003.png", ns=(5, 123_456_789))
    embedded = embed_all(catalogue, TinyBundle())
    assert embedded.fingerprints == {
        "id-000.png": fingerprint(photo_bytes(0)),
        "id-001.png": fingerprint(photo_bytes(1)[:50]),
        "id-003.png": fingerprint(photo_bytes(3)),
    }
    assert set(embedded.stats) == {"id-000.png", "id-001.png", "id-003.png"}
    assert (
        embedded.stats["id-003.png"] == FileStat(len(photo_bytes(3)), 123_456_789) == (len(photo_bytes(3)), 123_456_789)
    )


def test_bad_photos_are_listed_with_their_reasons_and_end_nothing(tmp_path):
    catalogue = catalogue_in(tmp_path, 5, box=[None, None, None, [500.0, 0.0, 5.0, 5.0], None])
    (tmp_path / "000.png").unlink()
    (tmp_path / "002.png").write_text("no photo", encoding="utf-8")
    (tmp_path / "004.png").write_bytes(saved(Image.new("RGB", (8, 8)), "PNG"))  # black: no direction
    embedded = embed_all(catalogue, TinyBundle())
    assert embedded.embeddings.image_ids.tolist() == ["id-001.png"]
    found = {(failure.image_id, failure.path): failure.reason for failure in embedded.failures}
    assert list(found) == [(f"id-{n:03d}.png", f"{n:03d}.png") for n in (0, 2, 3, 4)]
    for reason, words in zip(found.values(), ("no such file", "not a photo", "outside", "no direction"), strict=True):
        assert words in reason


def test_limits_reach_the_reader(tmp_path):
    embedded = embed_all(catalogue_in(tmp_path, 2), TinyBundle(), limits=ImageLimits(max_pixels=100))
    assert [failure.reason for failure in embedded.failures] == ["it has 128 x 96 pixels, at most 100 are allowed"] * 2
    assert embedded.embeddings.vectors.shape == (0, 48)


def test_strict_raises_at_the_first_bad_photo_after_the_batches_before_it(tmp_path):
    catalogue = catalogue_in(tmp_path, 10)
    for name in ("006.png", "008.png"):
        (tmp_path / name).unlink()
    batches = embed_photos(catalogue, TinyBundle(), batch_size=3, strict=True)
    assert [len(next(batches).embeddings) for _ in range(2)] == [3, 3]
    with pytest.raises(ImageError, match=r"006.png: there is no such file"):
        next(batches)


def test_an_empty_catalogue_has_no_batches(tmp_path):
    catalogue = catalogue_in(tmp_path, 0)
    assert list(embed_photos(catalogue, TinyBundle())) == []
    nothing = embed_all(catalogue, TinyBundle())
    assert nothing.embeddings.vectors.shape == (0, 48)
    assert (nothing.fingerprints, nothing.stats, nothing.failures) == ({}, {}, ())


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"n_workers": 0}, {"n_workers": -2}])
def test_numbers_are_positive(tmp_path, wrong):
    with pytest.raises(ConfigError, match=f"expected {next(iter(wrong))} of at least 1"):
        embed_photos(catalogue_in(tmp_path, 1), TinyBundle(), **wrong)


def test_no_more_is_begun_than_two_batches_ahead(tmp_path):
    catalogue = catalogue_in(tmp_path, 60)
    bundle = TinyBundle()
    batches = embed_photos(catalogue, bundle, batch_size=5, n_workers=4)
    next(batches)
    time.sleep(0.3)
    assert 5 <= bundle.n_embedded <= 15
    assert len(list(batches)) == 11
    assert bundle.n_embedded == 60


def test_closing_the_iterator_stops_the_work(tmp_path):
    bundle = TinyBundle(delay_s=0.02)
    batches = embed_photos(catalogue_in(tmp_path, 200), bundle, batch_size=50, n_workers=2)
    next(batches)
    batches.close()
    n_embedded = bundle.n_embedded
    time.sleep(0.1)
    assert bundle.n_embedded == n_embedded < 200
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("embed")]


def test_an_interrupted_run_ends_at_once(tmp_path):
    catalogue_in(tmp_path, 1)
    script = """
import sys, polars as pl
from pathlib import Path
from resight.core import Catalogue
from resight.embed import Bundle, embed_photos
rows = pl.DataFrame({"image_id": [str(n) for n in range(100_000)], "path": ["000.png"] * 100_000})
for batch in embed_photos(Catalogue(rows, Path(sys.argv[1])), Bundle.load(), batch_size=16):
    print(len(batch.embeddings), flush=True)
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout.readline() == "16\n"
        start = time.monotonic()
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=20)
        assert time.monotonic() - start < 10
    assert run.returncode != 0
    assert "KeyboardInterrupt" in said


def test_500_mutated_photos_are_each_listed(tmp_path):
    names = []
    for name, data in mutated_photos(500, seed=11):
        names.append(name)
        (tmp_path / name).write_bytes(data)
    catalogue = Catalogue(pl.DataFrame({"image_id": names, "path": names}), tmp_path)
    embedded = embed_all(catalogue, TinyBundle(), n_workers=4)
    failed = [failure.image_id for failure in embedded.failures]
    assert sorted([*embedded.embeddings.image_ids, *failed]) == sorted(names)
    assert len(failed) > 150
    assert all(failure.reason for failure in embedded.failures)


def test_nothing_is_drawn_where_nobody_looks(tmp_path, capfd):
    embed_all(catalogue_in(tmp_path, 3), TinyBundle())
    assert capfd.readouterr() == ("", "")
