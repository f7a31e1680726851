"""Ray: the same vectors to the last bit, whoever is killed meanwhile; and what a partition's file promises."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from resight.cli import app
from resight.core import Catalogue
from resight.datasets import make_synthetic
from resight.embed import Bundle, bundle_path, embed_all
from resight.errors import ConfigError, ImageError, InputError, MissingExtraError, StoreError
from resight.pipeline import index_photos
from resight.scale import RayEngine, cluster, ray_engine
from resight.scale.partitions import Partition, PartitionFolder
from resight.scale.worker import EmbedPartition
from resight.store import CatalogueStore
from resight.store.alone import alone


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """48 photos in folders that name who is on them, a damaged one and one that is not there any more."""
    made = make_synthetic(
        tmp_path_factory.mktemp("drawn") / "set", n_identities=4, n_encounters=3, n_photos=4, n_strangers=0, side_px=64
    )
    folder = tmp_path_factory.mktemp("photos") / "set"
    for row in made:
        place = folder / (row["identity"] or "nobody") / Path(row["path"]).name
        place.parent.mkdir(parents=True, exist_ok=True)
        (made.root / row["path"]).rename(place)
    (place.parent / "damaged.jpg").write_text("no photo")
    return folder


@pytest.fixture(scope="module")
def local(photos, tmp_path_factory):
    """What embedding in this process makes of the photos."""
    folder = tmp_path_factory.mktemp("local") / "catalogue"
    return index_photos(photos, folder), contents(folder)


def contents(folder: Path):
    """All that a catalogue holds, and the bytes of its file of vectors."""
    store = CatalogueStore.open(folder)
    (vectors,) = (folder / "vectors").iterdir()  # nothing is left beside them
    return store.catalogue().frame.to_dicts(), store.failures(), vectors.read_bytes()


def workers() -> set[int]:
    """The processes that embed, among those that this one started."""
    parents, titles = {}, {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            titles[int(place.name)] = (place / "cmdline").read_text()
        except (OSError, ProcessLookupError):
            continue

    def is_ours(pid: int) -> bool:
        return pid == os.getpid() or (pid in parents and is_ours(parents[pid]))

    return {pid for pid, title in titles.items() if title.startswith("ray::MapWorker") and is_ours(pid)}


class Killing(RayEngine):
    """Kills one of its workers when the first partition has come, and keeps what happened."""

    def embed(self, photos, bundle, folder, *, strict=False):
        tries = []
        for n, batch in enumerate(super().embed(photos, bundle, folder, strict=strict)):
            if n == 0:
                before, n_done = workers(), len(list(folder.glob("*.npz")))
                killed = min(before)
                os.kill(killed, signal.SIGKILL)
            tries += [path.stat().st_size for path in folder.glob("*.tries") if path.with_suffix("").exists()]
            yield batch
        object.__setattr__(self, "seen", (before, killed, workers(), n_done, max(tries)))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for the workers in /proc")
def test_with_a_worker_killed_in_the_middle_the_catalogue_is_that_of_the_local_engine(photos, local, tmp_path):
    engine = Killing(n_workers=2, partition_size=3)
    found = index_photos(photos, tmp_path / "catalogue", engine=engine)
    before, killed, after, n_done, most_tries = engine.seen
    assert len(before) == 2
    assert killed not in after
    assert n_done < 16
    assert most_tries <= 2
    assert found == local[0]
    assert [Path(one.path).name for one in found.failures] == ["damaged.jpg"]
    assert contents(tmp_path / "catalogue") == local[1]


class TestGoingOn:
    """A run that was killed left finished partitions; Ray is not started here, where none is missing."""

    @pytest.fixture
    def catalogue(self, photos):
        paths = sorted(path.relative_to(photos).as_posix() for path in photos.rglob("*.jpg"))[:8]
        return Catalogue(pl.DataFrame({"image_id": paths, "path": paths}), photos)

    @pytest.fixture
    def bundle(self):
        return bundle_path()

    @pytest.fixture
    def folder(self, tmp_path):
        (tmp_path / "parts").mkdir()
        return tmp_path / "parts"

    @pytest.fixture
    def no_ray(self, monkeypatch):
        @contextmanager
        def refuse(*_):
            raise AssertionError("Ray was started")
            yield

        monkeypatch.setattr(ray_engine, "connected", refuse)

    def finish(self, catalogue, bundle, folder, size=3, which=None):
        worker, planned = EmbedPartition(str(bundle), str(folder), 1), PartitionFolder(folder).plan(catalogue, size)
        for partition in planned if which is None else [planned[n] for n in which]:
            assert worker({"partition": partition.to_text()}) == {"done": partition.name}
        return planned

    @pytest.mark.usefixtures("no_ray")
    def test_what_is_done_is_gathered_and_never_done_again(self, catalogue, bundle, folder):
        self.finish(catalogue, bundle, folder)
        whole = embed_all(catalogue, Bundle.load(bundle), show_progress=False)
        batches = list(RayEngine(n_workers=2, partition_size=3).embed(catalogue, bundle, folder))
        assert [len(batch.fingerprints) for batch in batches] == [3, 3, 2]
        assert np.concatenate([batch.embeddings.vectors for batch in batches]).tobytes() == (
            whole.embeddings.vectors.tobytes()
        )
        for name in ("fingerprints", "stats"):
            assert {k: v for batch in batches for k, v in getattr(batch, name).items()} == getattr(whole, name)
        assert tuple(one for batch in batches for one in batch.failures) == whole.failures
        assert not folder.exists()

    def test_a_finished_partition_stands_where_its_photos_do_and_the_rest_is_cut_anew(self, catalogue, bundle, folder):
        planned = self.finish(catalogue, bundle, folder, which=[1])
        (folder / ".draft-half").write_bytes(b"PK")
        again = PartitionFolder(folder).plan(catalogue, 2)
        assert [[row[0] for row in one.rows] for one in again] == [
            ids.tolist() for ids in np.split(catalogue.image_ids, [2, 3, 6])
        ]
        assert again[2] == planned[1]
        assert [path.name for path in folder.iterdir()] == [planned[1].name]

    @pytest.mark.parametrize("how", ["damaged", "changed", "boxed", "gone", "renamed"])
    def test_a_partition_that_does_not_hold_any_more_is_done_anew(self, catalogue, bundle, folder, how, tmp_path):
        root = tmp_path / "copy"
        for row in catalogue:
            (root / row["path"]).parent.mkdir(parents=True, exist_ok=True)
            (root / row["path"]).write_bytes((catalogue.root / row["path"]).read_bytes())
        asked = Catalogue(catalogue.frame, root)
        (first,) = self.finish(asked, bundle, folder, size=8)
        file, photo = folder / first.name, root / first.rows[0][1]
        if how == "damaged":
            content = bytearray(file.read_bytes())
            content[1000] ^= 1
            file.write_bytes(content)
        elif how == "changed":
            photo.write_bytes(photo.read_bytes() + b" ")
        elif how == "boxed":
            asked = Catalogue(asked.frame.with_columns(box=pl.lit([0.0, 0.0, 9.0, 9.0])), root)
        elif how == "gone":
            asked = asked.select(np.arange(1, 8))
        else:
            file.rename(folder / f"other{file.suffix}")
        (again,) = PartitionFolder(folder).plan(asked, 8)
        assert not list(folder.iterdir())
        with pytest.raises(StoreError, match="expected the vectors of a partition in"):
            PartitionFolder(folder).read(again)

    @pytest.mark.usefixtures("no_ray")
    def test_strict_tells_the_photo_and_the_next_run_looks_again(self, bundle, folder, tmp_path):
        (tmp_path / "bad.jpg").write_text("no photo")
        bad = Catalogue(pl.DataFrame({"image_id": ["bad"], "path": ["bad.jpg"]}), tmp_path)
        self.finish(bad, bundle, folder)
        with pytest.raises(ImageError, match=r"bad\.jpg: "):
            list(RayEngine().embed(bad, bundle, folder, strict=True))
        assert not list(folder.glob("*.npz"))

    def test_photos_that_kill_their_worker_do_not_do_so_for_ever(self, catalogue, folder):
        partition = Partition.of(catalogue)
        for _ in range(4):
            PartitionFolder(folder).count_try(partition)
        with pytest.raises(
            StoreError, match=r"a worker was killed each of 4 times that it embedded the photos '.*jpg'"
        ):
            PartitionFolder(folder).count_try(partition)
        PartitionFolder(folder).plan(catalogue, 8)
        PartitionFolder(folder).count_try(partition)

    def test_a_cluster_without_a_gpu_is_not_waited_for(self, catalogue, bundle, folder):
        with pytest.raises(StoreError, match="expected a machine with a GPU in the Ray cluster, found none"):
            list(RayEngine(gpus=1).embed(catalogue, bundle, folder))

    def test_one_run_at_a_time(self, catalogue, bundle, folder):
        with alone(folder, "lock", "embeds"), pytest.raises(InputError, match="another one that embeds in it"):
            next(iter(RayEngine().embed(catalogue, bundle, folder)))


def test_a_partition_travels_as_text_with_its_boxes(tmp_path):
    boxes = pl.Series([[1.5, 0.1, 3.0, 4.0], None], dtype=pl.Array(pl.Float64, 4))
    photos = Catalogue(pl.DataFrame({"image_id": ["a", "ü"], "path": ["a.jpg", "b/ü.jpg"], "box": boxes}), tmp_path)
    partition = Partition.of(photos)
    assert Partition.from_text(partition.to_text()) == partition
    assert partition.photos().frame.equals(photos.frame)
    assert partition.photos().root == tmp_path.resolve()


def test_without_ray_it_is_told_before_any_work(monkeypatch):
    monkeypatch.setattr(cluster, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'resight\[scale\]'"):
        RayEngine()


def test_where_nobody_listens_it_is_told_at_once(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    told = f"expected Ray at '{address}', found: Connection refused"
    with pytest.raises(StoreError, match=told), cluster.connected(address, 1):
        pass


def test_more_than_one_gpu_for_a_worker_is_refused():
    with pytest.raises(ConfigError, match="expected gpus from 0 to 1 for each worker, found 2"):
        RayEngine(gpus=2)


@pytest.mark.parametrize("key", ["n_workers", "n_threads", "partition_size"])
def test_a_number_below_one_is_refused(key):
    with pytest.raises(ConfigError, match=f"expected {key} of at least 1, found 0"):
        RayEngine(**{key: 0})


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["photos", "--workers", "2"], "expected --engine ray with --workers 2, found --engine local"),
        (["photos", "--gpus", "1"], "expected --engine ray with --gpus 1.0, found --engine local"),
        (["photos", "--ray-address", "a:1"], "expected --engine ray with --ray-address a:1, found --engine local"),
        (["s3://b/photos"], "expected --engine ray with the photos s3://b/photos, found --engine local"),
        (["s3://b/photos", "--engine", "ray", "--layout", "coco"], "found --layout coco"),
    ],
)
def test_options_that_contradict_each_other_are_refused(tmp_path, words, told):
    done = CliRunner().invoke(app, ["index", *words, "--catalogue", str(tmp_path / "c")])
    assert isinstance(done.exception, InputError)
    assert told in str(done.exception)
    assert not (tmp_path / "c").exists()
