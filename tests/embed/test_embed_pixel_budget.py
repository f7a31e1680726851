"""How much is decoded at one time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from PIL import Image

from images.photo_samples import saved
from resight.core import Catalogue
from resight.embed import embed_all, extract
from resight.faces import Prepared
from resight.images import pixels_to_decode, read_photo, resize
from resight.machine import PixelBudget


@pytest.mark.parametrize(("size", "most"), [(10, 4), (30, 1), (40, 1), (1000, 1)])
def test_no_more_is_in_hand_than_the_budget_or_one_photo(size, most):
    budget, lock, in_hand, seen = PixelBudget(40), threading.Lock(), [0], []

    def work(_):
        with budget.share(size):
            with lock:
                in_hand[0] += 1
                seen.append(in_hand[0])
            time.sleep(0.005)
            with lock:
                in_hand[0] -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(24)))
    assert len(seen) == 24
    assert max(seen) == most


def test_a_failure_gives_its_share_back():
    budget = PixelBudget(1)
    for _ in range(3):
        with pytest.raises(KeyError), budget.share(1):
            raise KeyError


def test_large_photos_are_decoded_one_after_another_and_give_the_same(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    names = [f"{n}.png" for n in range(8)]
    for name in names:
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8)).save(tmp_path / name)
    catalogue = Catalogue(pl.DataFrame({"image_id": names, "path": names}), tmp_path)
    lock, in_hand, seen = threading.Lock(), [0], []

    def watched(*args, **options):
        with lock:
            in_hand[0] += 1
            seen.append(in_hand[0])
        time.sleep(0.01)
        photo = read_photo(*args, **options)
        with lock:
            in_hand[0] -= 1
        return photo

    def embed(pixels):
        rows = pixels.reshape(len(pixels), -1).astype(np.float32) + 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def prepared(photo):
        return Prepared(resize(photo, 4))

    info = SimpleNamespace(input_side_px=4, photo_side_px=4, dimension=48)
    bundle = SimpleNamespace(info=info, model_id="t@0", threads=4, prepared=prepared, embed=embed)
    free = embed_all(catalogue, bundle).embeddings.vectors
    monkeypatch.setattr(extract, "read_photo", watched)
    monkeypatch.setattr(extract, "MAX_PIXELS_IN_HAND", 3000)
    np.testing.assert_array_equal(embed_all(catalogue, bundle).embeddings.vectors, free)
    assert max(seen) == 1


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [("PNG", {}, 800 * 640), ("JPEG", {}, 200 * 160), ("JPEG", {"progressive": True}, 800 * 640)],
)
def test_what_a_smaller_decoding_leaves_out_does_not_count(kind, options, expected):
    content = saved(Image.new("RGB", (800, 640)), kind, **options)
    assert pixels_to_decode(content, min_side_px=100) == expected
    assert pixels_to_decode(content) == 800 * 640
