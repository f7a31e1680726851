"""Local features of a catalogue: only what is missing is looked for, and nothing stale is given."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading

import numpy as np
import polars as pl
import pytest
from PIL import Image

from images.photo_samples import gradient, saved
from resight.core import Catalogue
from resight.errors import ImageError
from resight.images import fingerprint
from resight.pipeline import local_features as module
from resight.pipeline.local_features import FEATURES, local_features
from resight.rerank.features import PhotoFeatures
from resight.rerank.rootsift import Rootsift

N_PHOTOS = 9


class Colours:
    """As many keypoints as the photo's number says, coded by its mean colour; counts what it is asked."""

    model_id = "colours@0"
    max_side_px = 4096

    def __init__(self):
        self.n_asked = 0
        self._lock = threading.Lock()

    def extract(self, pixels, mask=None):
        with self._lock:
            self.n_asked += 1
        n = int(pixels[0, 0, 0]) % 5
        seen = pixels if mask is None else pixels[mask]
        codes = np.full((n, 3), seen.reshape(-1, 3).mean(axis=0) + 1, np.float32)
        return PhotoFeatures(np.zeros((n, 2)), np.ones((n, 2)), codes, (pixels.shape[1], pixels.shape[0]))


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(N_PHOTOS):
        write(folder / f"{number}.png", number)
    return folder


def write(path, number: int) -> None:
    photo = gradient(40, 30).copy()
    photo[0, 0] = number
    photo[5:, :, 2] = number * 20
    path.write_bytes(saved(Image.fromarray(photo), "PNG"))


def catalogue_of(folder, names=None, **columns) -> Catalogue:
    names = names or [f"{number}.png" for number in range(N_PHOTOS)]
    return Catalogue(pl.DataFrame({"image_id": [f"id-{name}" for name in names], "path": names, **columns}), folder)


def contents_of(catalogue) -> dict[str, str]:
    return {row["image_id"]: fingerprint((catalogue.root / row["path"]).read_bytes()) for row in catalogue}


def same(one, other) -> bool:
    if one.image_ids.tolist() != other.image_ids.tolist() or one.sizes.tolist() != other.sizes.tolist():
        return False
    pairs = [(one.photo(row), other.photo(row)) for row in range(len(one))]
    return all(a.codes.tobytes() == b.codes.tobytes() and a.points.tobytes() == b.points.tobytes() for a, b in pairs)


def plain(catalogue):
    return local_features(None, catalogue, None, Colours())[0]


@pytest.mark.parametrize("with_contents", [True, False])
def test_the_second_time_nothing_is_looked_for(tmp_path, photos, with_contents):
    catalogue = catalogue_of(photos)
    contents = contents_of(catalogue) if with_contents else None
    first, again = Colours(), Colours()
    found, failures = local_features(tmp_path, catalogue, contents, first)
    assert (first.n_asked, failures) == (N_PHOTOS, ())
    assert same(found, plain(catalogue))
    assert found.model == "colours@0"
    kept, _ = local_features(tmp_path, catalogue, contents, again)
    assert again.n_asked == 0
    assert same(kept, found)
    assert isinstance(kept.codes, np.memmap)


def test_with_contents_a_kept_photo_is_not_even_opened(tmp_path, photos):
    catalogue = catalogue_of(photos)
    contents = contents_of(catalogue)
    found, _ = local_features(tmp_path, catalogue, contents, Colours())
    shutil.rmtree(photos)
    assert same(local_features(tmp_path, catalogue, contents, Colours())[0], found)


def test_only_what_is_new_is_looked_for_in_whatever_order_and_under_whatever_name(tmp_path, photos):
    local_features(tmp_path, catalogue_of(photos).select([0, 1, 2]), None, Colours())
    (photos / "2.png").rename(photos / "renamed.png")
    shutil.copy(photos / "1.png", photos / "copy.png")
    names = ["7.png", "copy.png", "renamed.png", "3.png", "1.png"]
    extractor, catalogue = Colours(), catalogue_of(photos, names)
    found, _ = local_features(tmp_path, catalogue, None, extractor)
    assert extractor.n_asked == 2
    assert found.image_ids.tolist() == catalogue.image_ids.tolist()
    assert same(found, plain(catalogue))


def test_another_box_or_mask_is_another_thing_to_look_at(tmp_path, photos):
    mask = np.zeros((30, 40), np.uint8)
    mask[10:] = 255
    (photos / "mask.png").write_bytes(saved(Image.fromarray(mask), "PNG"))
    box = [0.0, 0.0, 20.0, 20.0]
    kinds = [{}, {"box": [box] * N_PHOTOS}, {"mask": ["mask.png"] * N_PHOTOS}]
    kinds.append({**kinds[1], **kinds[2]})
    for kind in [*kinds, {"mask": [None] * N_PHOTOS}]:
        extractor, catalogue = Colours(), catalogue_of(photos, **kind)
        found, failures = local_features(tmp_path, catalogue, None, extractor)
        assert failures == ()
        assert extractor.n_asked == (0 if kind == {"mask": [None] * N_PHOTOS} else N_PHOTOS)
        assert same(found, plain(catalogue))
    mask[:15] = 0
    (photos / "mask.png").write_bytes(saved(Image.fromarray(mask), "PNG"))
    catalogue = catalogue_of(photos, **kinds[2])
    assert same(local_features(tmp_path, catalogue, None, Colours())[0], plain(catalogue))


def test_a_file_that_changed_is_never_kept_under_its_old_content(tmp_path, photos):
    catalogue = catalogue_of(photos)
    contents = contents_of(catalogue)
    old = (photos / "4.png").read_bytes()
    write(photos / "4.png", 8)
    assert same(local_features(tmp_path, catalogue, contents, Colours())[0], plain(catalogue))
    (photos / "4.png").write_bytes(old)
    assert same(local_features(tmp_path, catalogue, contents, Colours())[0], plain(catalogue))


def test_failures_are_listed_each_time_and_left_out(tmp_path, photos):
    (photos / "2.png").write_text("no photo")
    (photos / "5.png").unlink()
    catalogue = catalogue_of(photos, mask=[None] * 7 + ["gone.png", None])
    for folder in (tmp_path, tmp_path, None):
        found, failures = local_features(folder, catalogue, None, Colours())
        assert [failure.path for failure in failures] == ["2.png", "5.png", "7.png"]
        assert found.image_ids.tolist() == [f"id-{n}.png" for n in (0, 1, 3, 4, 6, 8)]
    with pytest.raises(ImageError, match=r"2.png"):
        local_features(tmp_path, catalogue, None, Colours(), strict=True)


def test_another_method_is_kept_apart(tmp_path, photos):
    catalogue, other = catalogue_of(photos), Colours()
    other.model_id = "colours@1"
    local_features(tmp_path, catalogue, None, Colours())
    found, _ = local_features(tmp_path, catalogue, None, other)
    assert (found.model, other.n_asked) == ("colours@1", N_PHOTOS)


def test_no_photos_have_no_features(tmp_path, photos):
    nothing = catalogue_of(photos).select(np.zeros(N_PHOTOS, bool))
    for folder in (tmp_path, None):
        found, failures = local_features(folder, nothing, None, Colours())
        assert (len(found), failures) == (0, ())


def test_a_catalogue_that_cannot_be_written_to_lends_what_it_has(tmp_path, photos, monkeypatch):
    catalogue = catalogue_of(photos)
    local_features(tmp_path, catalogue.select([1, 3, 5]), None, Colours())
    before = sorted(path.stat().st_mtime_ns for path in (tmp_path / FEATURES).rglob("*"))
    monkeypatch.setattr(module.os, "access", lambda *_: False)
    extractor = Colours()
    found, _ = local_features(tmp_path, catalogue, None, extractor)
    assert extractor.n_asked == N_PHOTOS - 3
    assert same(found, plain(catalogue))
    assert sorted(path.stat().st_mtime_ns for path in (tmp_path / FEATURES).rglob("*")) == before


def test_removing_the_folder_costs_time_only(tmp_path, photos):
    catalogue = catalogue_of(photos)
    found, _ = local_features(tmp_path, catalogue, None, Colours())
    shutil.rmtree(tmp_path / FEATURES)
    assert same(local_features(tmp_path, catalogue, None, Colours())[0], found)


def test_even_in_the_middle_of_a_run(tmp_path, photos, monkeypatch):
    extract, n_removed = module.extract_local, []

    def one_by_one(*args, **options):
        for batch in extract(*args, **options, batch_size=2):
            yield batch
            if len(n_removed) < 1:
                n_removed.append(shutil.rmtree(tmp_path / FEATURES))

    monkeypatch.setattr(module, "extract_local", one_by_one)
    catalogue = catalogue_of(photos)
    found, _ = local_features(tmp_path, catalogue, None, Colours())
    assert len(n_removed) == 1
    monkeypatch.undo()
    assert same(found, plain(catalogue))


KEEP = """
import sys
from pathlib import Path
from resight.datasets import read_catalogue
from resight.pipeline import local_features as module
from resight.rerank.rootsift import Rootsift
extract = module.extract_local
def one_by_one(*args, **options):
    for batch in extract(*args, **options, batch_size=1):
        print(len(batch.features), flush=True)
        yield batch
module.extract_local = one_by_one
module.local_features(Path(sys.argv[1]), read_catalogue(Path(sys.argv[2])), None, Rootsift(64, 50))
"""


def test_a_killed_run_goes_on_where_it_was(tmp_path, photos):
    command = [sys.executable, "-c", KEEP, str(tmp_path), str(photos)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        for _ in range(4):
            assert run.stdout.readline() == "1\n"
        os.kill(run.pid, signal.SIGKILL)
    extractor = Rootsift(64, 50)
    asked = []
    extractor.extract = lambda *args: (asked.append(1), Rootsift(64, 50).extract(*args))[1]
    catalogue = catalogue_of(photos)
    found, _ = local_features(tmp_path, catalogue, None, extractor)
    assert 1 <= len(asked) <= N_PHOTOS - 3
    assert same(found, local_features(None, catalogue, None, Rootsift(64, 50))[0])


def test_real_photos_are_kept_whole(tmp_path, real_photos):
    files = sorted((real_photos / "wildlife_nyala_dev" / "images").rglob("*.jpg"))[:6]
    names = [file.relative_to(real_photos).as_posix() for file in files]
    catalogue = Catalogue(pl.DataFrame({"image_id": names, "path": names}), real_photos)
    found, failures = local_features(tmp_path, catalogue, None, Rootsift(256, 400))
    assert failures == ()
    assert (found.sizes.max(axis=1) == 256).all()
    assert (np.diff(found.spans, axis=1) == 400).all()
    assert same(found, local_features(tmp_path, catalogue, None, Rootsift(256, 400))[0])
