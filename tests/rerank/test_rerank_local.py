"""Looking for keypoints: order, boxes, masks, failures, bounds, and stopping early."""

from __future__ import annotations

import threading
import time

import numpy as np
import polars as pl
import pytest
from PIL import Image

from images.mutations import mutated_photos
from images.photo_samples import gradient, saved
from resight.core import Catalogue
from resight.errors import ConfigError, ImageError
from resight.images import ImageLimits, fingerprint, read_photo
from resight.rerank.features import PhotoFeatures
from resight.rerank.local import extract_local


class Corners:
    """One keypoint at each end of what it may look at, coded by the colours there; counts what it is asked."""

    model_id = "corners@0"
    max_side_px = 64

    def __init__(self, delay_s: float = 0.0):
        self.n_asked, self.delay_s, self.seen = 0, delay_s, []
        self._lock = threading.Lock()

    def extract(self, pixels, mask=None):
        with self._lock:
            self.n_asked += 1
            self.seen.append((pixels.shape, None if mask is None else mask.copy()))
        time.sleep(self.delay_s)
        where = np.argwhere(np.ones(pixels.shape[:2], bool) if mask is None else mask)[[0, -1]]
        codes = pixels[where[:, 0], where[:, 1]]
        return PhotoFeatures(where[:, ::-1], np.zeros((2, 2)), codes, (pixels.shape[1], pixels.shape[0]))


def photo_of(number: int) -> np.ndarray:
    return np.roll(gradient(), number * 7, axis=1)


def catalogue_in(folder, n_photos: int, **columns) -> Catalogue:
    names = [f"{number:03d}.png" for number in range(n_photos)]
    for number, name in enumerate(names):
        (folder / name).write_bytes(saved(Image.fromarray(photo_of(number)), "PNG"))
    return Catalogue(pl.DataFrame({"image_id": [f"id-{name}" for name in names], "path": names, **columns}), folder)


def whole(catalogue, extractor=None, **options):
    """All of a catalogue as one batch."""
    (batch,) = extract_local(catalogue, extractor or Corners(), batch_size=1000, **options)
    return batch


def mask_file(folder, name: str, mask: np.ndarray) -> str:
    (folder / name).write_bytes(saved(Image.fromarray(mask), "PNG"))
    return name


@pytest.mark.parametrize("batch_size", [1, 7, 20, 100])
@pytest.mark.parametrize("n_workers", [1, 4])
def test_batches_come_in_the_catalogues_order_and_equal_a_plain_loop(tmp_path, batch_size, n_workers):
    catalogue = catalogue_in(tmp_path, 20).select(np.random.default_rng(1).permutation(20))
    batches = list(extract_local(catalogue, Corners(), batch_size=batch_size, n_workers=n_workers))
    assert [len(one.features) for one in batches] == [min(batch_size, 20 - at) for at in range(0, 20, batch_size)]
    assert [i for one in batches for i in one.features.image_ids] == catalogue.image_ids.tolist()
    found = [one.features.photo(row) for one in batches for row in range(len(one.features))]
    for row, one in enumerate(found):
        plain = Corners().extract(read_photo(catalogue.photo(row)))
        assert np.array_equal(one.codes, plain.codes)
        assert one.size == plain.size
    assert {one.features.model for one in batches} == {"corners@0"}


def test_the_box_is_cut_out(tmp_path):
    found = whole(catalogue_in(tmp_path, 2, box=[[10.0, 20.0, 50.0, 40.0], None])).features
    assert found.sizes.tolist() == [[50, 40], [128, 96]]
    part = read_photo(tmp_path / "000.png")[20:60, 10:60]
    assert np.array_equal(found.photo(0).codes, [part[0, 0], part[-1, -1]])


def test_the_mask_is_cut_with_the_box(tmp_path):
    mask = np.zeros((96, 128), np.uint8)
    mask[30:50, 20:90] = 1
    name = mask_file(tmp_path, "mask.png", mask)
    catalogue = catalogue_in(tmp_path, 3, box=[None, [10.0, 25.0, 40.0, 60.0], None], mask=[name, name, None])
    batch = whole(catalogue)
    assert batch.features.photo(0).points.tolist() == [[20, 30], [89, 49]]
    assert batch.features.photo(1).points.tolist() == [[10, 5], [39, 24]]
    assert batch.features.photo(2).points.tolist() == [[0, 0], [127, 95]]
    assert batch.masks == dict.fromkeys(["id-000.png", "id-001.png"], fingerprint((tmp_path / name).read_bytes()))


def test_large_photos_are_decoded_no_larger_than_needed_and_masks_follow(tmp_path):
    (tmp_path / "a.jpg").write_bytes(saved(Image.fromarray(gradient(1600, 1200)), "JPEG"))
    mask = np.zeros((1200, 1600), np.uint8)
    mask[:, 800:] = 255
    name = mask_file(tmp_path, "mask.png", mask)
    extractor = Corners()
    whole(Catalogue(pl.DataFrame({"image_id": ["a"], "path": ["a.jpg"], "mask": [name]}), tmp_path), extractor)
    ((shape, where),) = extractor.seen
    assert shape == (150, 200, 3)
    assert np.array_equal(where, np.arange(200)[None].repeat(150, axis=0) >= 100)


def test_a_box_that_reaches_out_needs_what_lies_inside(tmp_path):
    (tmp_path / "a.jpg").write_bytes(saved(Image.fromarray(gradient(1600, 1200)), "JPEG"))
    rows = pl.DataFrame({"image_id": ["a"], "path": ["a.jpg"], "box": [[0.0, 0.0, 90_000.0, 1200.0]]})
    extractor = Corners()
    whole(Catalogue(rows, tmp_path), extractor)
    assert extractor.seen[0][0] == (150, 200, 3)


def test_bad_photos_are_listed_with_their_reasons_and_end_nothing(tmp_path):
    catalogue = catalogue_in(tmp_path, 5, box=[None, None, None, [500.0, 0.0, 5.0, 5.0], None])
    (tmp_path / "000.png").unlink()
    (tmp_path / "002.png").write_text("no photo", encoding="utf-8")
    batch = whole(catalogue)
    assert batch.features.image_ids.tolist() == ["id-001.png", "id-004.png"]
    found = {(failure.image_id, failure.path): failure.reason for failure in batch.failures}
    assert list(found) == [(f"id-{n:03d}.png", f"{n:03d}.png") for n in (0, 2, 3)]
    for reason, words in zip(found.values(), ("no such file", "not a photo", "outside"), strict=True):
        assert words in reason
    assert set(batch.fingerprints) == {f"id-{n:03d}.png" for n in (1, 2, 3, 4)}


BAD_MASKS = {
    "gone.png": "cannot be read: there is no such file",
    "text.png": "cannot be read: this is not a photo",
    "small.png": "has 10 x 10 pixels, expected 128 x 96 like the photo",
    "black.png": "shows no animal",
    "../out.png": "lies outside the folder",
    "/etc/passwd": "lies outside the folder",
    "a/../../out.png": "lies outside the folder",
    "..\\out.png": "lies outside the folder",
    "C:out.png": "lies outside the folder",
    "": "cannot be read: this is not a file",
}


def test_bad_masks_are_listed_with_their_reasons(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    catalogue = catalogue_in(folder, len(BAD_MASKS) + 1, mask=[*BAD_MASKS, None])
    (folder / "text.png").write_text("no mask")
    mask_file(folder, "small.png", np.ones((10, 10), np.uint8))
    mask_file(folder, "black.png", np.zeros((96, 128), np.uint8))
    mask_file(tmp_path, "out.png", np.ones((96, 128), np.uint8))
    batch = whole(catalogue)
    assert len(batch.features) == 1
    for failure, words in zip(batch.failures, BAD_MASKS.values(), strict=True):
        assert "its mask" in failure.reason
        assert words in failure.reason


def test_limits_reach_the_reader(tmp_path):
    batch = whole(catalogue_in(tmp_path, 2), limits=ImageLimits(max_pixels=100))
    assert [failure.reason for failure in batch.failures] == ["it has 128 x 96 pixels, at most 100 are allowed"] * 2
    assert len(batch.features) == 0


def test_strict_raises_at_the_first_bad_photo_after_the_batches_before_it(tmp_path):
    catalogue = catalogue_in(tmp_path, 10)
    for name in ("006.png", "008.png"):
        (tmp_path / name).unlink()
    batches = extract_local(catalogue, Corners(), batch_size=3, strict=True)
    assert [len(next(batches).features) for _ in range(2)] == [3, 3]
    with pytest.raises(ImageError, match=r"006.png: there is no such file"):
        next(batches)


def test_an_empty_catalogue_has_no_batches(tmp_path):
    assert list(extract_local(catalogue_in(tmp_path, 0), Corners())) == []


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"n_workers": 0}, {"n_workers": -2}])
def test_numbers_are_positive(tmp_path, wrong):
    with pytest.raises(ConfigError, match=f"expected {next(iter(wrong))} of at least 1"):
        extract_local(catalogue_in(tmp_path, 1), Corners(), **wrong)


def test_closing_the_iterator_stops_the_work(tmp_path):
    extractor = Corners(delay_s=0.02)
    batches = extract_local(catalogue_in(tmp_path, 150), extractor, batch_size=20, n_workers=2)
    next(batches)
    batches.close()
    n_asked = extractor.n_asked
    time.sleep(0.1)
    assert extractor.n_asked == n_asked < 150
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("keypoints")]


def test_mutated_photos_are_each_listed(tmp_path):
    names = []
    for name, data in mutated_photos(120, seed=12):
        names.append(name)
        (tmp_path / name).write_bytes(data)
    batch = whole(Catalogue(pl.DataFrame({"image_id": names, "path": names}), tmp_path), n_workers=4)
    failed = [failure.image_id for failure in batch.failures]
    assert sorted([*batch.features.image_ids, *failed]) == sorted(names)
    assert len(failed) > 20
    assert all(failure.reason for failure in batch.failures)


def test_nothing_is_drawn_where_nobody_looks(tmp_path, capfd):
    whole(catalogue_in(tmp_path, 3))
    assert capfd.readouterr() == ("", "")
