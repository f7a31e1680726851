"""The cache of local features: what went in comes out, whatever happens to the process or the files."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from resight.errors import MismatchError, StoreError
from resight.store import feature_records, local_features
from resight.store.local_features import FeatureCache, feature_key
from store import fake_keypoints
from store.fake_keypoints import DIMENSION, MODEL, N_AT_ONCE, N_PHOTOS, batches, keep_all, key_of, keypoints_of

ALL = [key_of(number) for number in range(N_PHOTOS)]
N_KILLS = 12


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "features"


@pytest.fixture
def cache(folder) -> FeatureCache:
    keep_all(folder)
    return FeatureCache(folder, MODEL, timeout_s=5)


def check(stored) -> list[str]:
    """Compares what is stored with what was made; the keys that there are."""
    for key, (start, stop), size in zip(stored.keys, stored.spans, stored.sizes.tolist(), strict=True):
        made = keypoints_of(int(key.removeprefix("key-")))
        for name in ("points", "frames", "codes"):
            found = getattr(stored, name)[start:stop]
            assert found.dtype == getattr(made, name).dtype
            assert np.array_equal(found, getattr(made, name)), key
        assert tuple(size) == made.size
    return list(stored.keys)


def records(cache) -> Path:
    return cache.folder / "keypoints.bin"


def execute(cache, statement: str, *values) -> None:
    connection = sqlite3.connect(cache.folder / "index.db")
    with connection:
        connection.execute(statement, values)
    connection.close()


class TestKeeping:
    def test_what_went_in_comes_out_in_the_order_asked_for(self, cache):
        order = [ALL[row] for row in np.random.default_rng(0).permutation(N_PHOTOS)]
        stored = cache.read(order)
        assert check(stored) == order
        assert isinstance(stored.codes, np.memmap)
        assert not stored.codes.flags.writeable

    def test_it_lies_in_the_folder_of_its_method(self, folder):
        keep_all(folder)
        assert sorted(path.name for path in (folder / MODEL).iterdir()) == ["index.db", "keypoints.bin"]
        assert not check(FeatureCache(folder, "other").read(ALL))
        odd = FeatureCache(folder, "../../Odd")
        assert odd.add(ALL[:1], [keypoints_of(0)]) == 1
        assert odd.folder.parent == folder

    def test_nothing_is_kept_twice(self, cache):
        n_bytes = records(cache).stat().st_size
        assert cache.add(ALL[:5], [keypoints_of(number) for number in range(5)]) == 0
        assert cache.add(["twice", "twice"], [keypoints_of(3), keypoints_of(3)]) == 1
        assert records(cache).stat().st_size == n_bytes + len(keypoints_of(3).points) * (16 + DIMENSION)

    def test_unknown_keys_are_left_out(self, cache):
        assert check(cache.read(["nobody", *ALL[3:5]])) == ALL[3:5]
        assert cache.read([]).keys == ()

    def test_before_anything_is_kept_there_is_nothing(self, folder):
        stored = FeatureCache(folder, MODEL).read(ALL)
        assert (stored.keys, stored.spans.shape, stored.sizes.shape) == ((), (0, 2), (0, 2))
        assert FeatureCache(folder, MODEL).add([], []) == 0
        assert not folder.exists()

    def test_photos_without_keypoints_are_known_too(self, folder):
        cache = FeatureCache(folder, MODEL)
        assert cache.add(["none"], [keypoints_of(0)]) == 1
        assert cache.read(["none"]).spans.tolist() == [[0, 0]]
        cache.add(ALL[:2], [keypoints_of(0), keypoints_of(1)])
        assert check(cache.read(ALL[:2])) == ALL[:2]

    @pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.float16, np.float32])
    def test_every_kind_of_code_is_kept(self, folder, dtype):
        cache, made = FeatureCache(folder, MODEL), keypoints_of(3, dtype=dtype)
        cache.add(["a"], [made])
        found = cache.read(["a"]).codes
        assert found.dtype == dtype
        assert np.array_equal(found, made.codes)

    def test_codes_of_another_kind_are_refused_whole(self, cache):
        for other in (keypoints_of(3, dimension=7), keypoints_of(3, dtype=np.float32)):
            with pytest.raises(MismatchError, match="expected codes of 6 uint8, as this method gave before"):
                cache.add(["a", "b"], [keypoints_of(2), other])
        assert cache.read(["a"]).keys == ()

    def test_the_key_is_content_box_and_mask(self):
        keys = [
            feature_key("c"), feature_key("d"), feature_key("c", (0, 0, 1, 1)), feature_key("c", (0, 0, 1, 1.5)),
            feature_key("c", None, "m"), feature_key("c", (0, 0, 1, 1), "m"),
        ]  # fmt: skip
        assert len(set(keys)) == len(keys)
        assert feature_key("c", [0, 0, 1, 1]) == feature_key("c", np.array([0.0, 0, 1, 1]))


class TestDamage:
    @pytest.mark.parametrize("left", [0.0, 0.4, 0.9])
    def test_a_file_cut_short_costs_what_was_cut(self, cache, left):
        n_bytes = int(records(cache).stat().st_size * left) + 1
        with records(cache).open("r+b") as file:
            file.truncate(n_bytes)
        n_left = len(check(cache.read(ALL)))
        assert n_left < N_PHOTOS
        keep_all(cache.folder.parent)
        assert check(cache.read(ALL)) == ALL

    def test_a_flipped_bit_is_noticed_and_mended(self, cache, caplog):
        start = int(cache.read(ALL[5:6]).spans[0, 0])
        with records(cache).open("r+b") as file:
            file.seek((start + 2) * (16 + DIMENSION))
            file.write(b"\xff")
        assert check(cache.read(ALL)) == [key for key in ALL if key != ALL[5]]
        assert "1 photos" in caplog.text
        keep_all(cache.folder.parent)
        assert check(cache.read(ALL)) == ALL

    def test_of_many_photos_some_are_looked_at_and_all_when_one_is_broken(self, cache, monkeypatch):
        monkeypatch.setattr(feature_records, "_ALL_CHECKED_UP_TO", 2)
        records(cache).write_bytes(bytes(records(cache).stat().st_size))
        assert [number % 7 for number in map(ALL.index, cache.read(ALL).keys)] == [0] * len(cache.read(ALL).keys)

    @pytest.mark.parametrize("name", ["index.db", "keypoints.bin", ""])
    def test_what_is_removed_is_made_anew(self, cache, name):
        mapped = cache.read(ALL)
        (shutil.rmtree if not name else os.unlink)(cache.folder / name)
        left = check(cache.read(ALL))
        assert left == (
            [key for key in ALL if not len(keypoints_of(ALL.index(key)).points)][:1] if "bin" in name else []
        )
        keep_all(cache.folder.parent)
        assert check(cache.read(ALL)) == ALL
        assert check(mapped) == ALL

    @pytest.mark.parametrize("text", [b"", b"not a database at all" * 300])
    def test_a_broken_index_is_begun_anew(self, cache, text):
        (cache.folder / "index.db").write_bytes(text)
        assert cache.read(ALL).keys == ()
        keep_all(cache.folder.parent)
        assert check(cache.read(ALL)) == ALL

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE about SET model = 'other'", "UPDATE about SET codes = 'object'", "DELETE FROM about",
            "PRAGMA user_version=99", "DROP TABLE photos", "UPDATE photos SET stop = stop + 1",
            "UPDATE photos SET start = -1", "UPDATE photos SET stop = 9000000000", "UPDATE photos SET width = 7",
            "UPDATE photos SET start = 'text'", "UPDATE photos SET checksum = 1", "UPDATE about SET dimension = 7",
            "UPDATE about SET dimension = -1", "UPDATE about SET dimension = 'many'",
        ],
    )  # fmt: skip
    def test_a_tampered_index_gives_nothing_wrong_and_is_mended(self, cache, statement):
        execute(cache, statement)
        check_nothing_wrong(cache)
        if "dimension = 7" in statement:
            with pytest.raises(MismatchError, match="expected codes of 7 uint8"):
                keep_all(cache.folder.parent)
            shutil.rmtree(cache.folder)
        keep_all(cache.folder.parent)
        assert check(cache.read(ALL)) == ALL

    def test_a_file_where_the_folder_belongs_is_a_sentence(self, folder):
        folder.mkdir()
        (folder / MODEL).write_text("no folder")
        with pytest.raises(StoreError, match=r"expected to use the local features in .*toy.1, found"):
            keep_all(folder)

    def test_a_folder_where_the_index_belongs_is_a_sentence(self, cache):
        (cache.folder / "index.db").unlink()
        (cache.folder / "index.db").mkdir()
        for call in (lambda: cache.read(ALL), lambda: cache.add(ALL[:1], [keypoints_of(0)])):
            with pytest.raises(StoreError, match="remove that folder"):
                call()

    def test_a_cache_in_use_is_a_sentence_after_a_while(self, cache):
        connection = sqlite3.connect(cache.folder / "index.db", isolation_level=None)
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="database is locked"):
            FeatureCache(cache.folder.parent, MODEL, timeout_s=0.1).add(["new"], [keypoints_of(1)])
        connection.close()
        assert cache.add(["new"], [keypoints_of(1)]) == 1


def check_nothing_wrong(cache) -> None:
    stored = cache.read(ALL)
    for key, (start, stop) in zip(stored.keys, stored.spans, strict=True):
        assert stored.codes[start:stop].tobytes() == keypoints_of(ALL.index(key)).codes.tobytes()


class TestKilled:
    def test_what_a_kill_leaves_at_each_step_of_a_batch(self, cache, tmp_path, monkeypatch):
        """Copies of the folder, taken inside the transaction, are what a process leaves that dies there."""
        (tmp_path / "steps").mkdir()

        def snapshot():
            shutil.copytree(cache.folder, tmp_path / "steps" / str(len(list((tmp_path / "steps").iterdir()))) / MODEL)

        whole_checksum, fsync = local_features.checksum, os.fsync
        monkeypatch.setattr(os, "fsync", lambda file: (fsync(file), snapshot()))
        monkeypatch.setattr(local_features, "checksum", lambda *block: (snapshot(), whole_checksum(*block))[1])
        cache.add(["key-100", "key-101"], [keypoints_of(100), keypoints_of(101)])
        monkeypatch.undo()
        left = sorted((tmp_path / "steps").iterdir())
        assert len(left) >= 3
        for one in left:
            for n_torn in (0, 1, 50):  # the last write may be there in part
                torn = tmp_path / f"{one.name}-{n_torn}"
                shutil.copytree(one, torn)
                n_bytes = (torn / MODEL / "keypoints.bin").stat().st_size
                os.truncate(torn / MODEL / "keypoints.bin", n_bytes - (n_torn if n_bytes > whole_bytes() else 0))
                again = FeatureCache(torn, MODEL)
                assert check(again.read([*ALL, "key-100", "key-101"])) == ALL
                assert again.add(["key-101", "key-100"], [keypoints_of(101), keypoints_of(100)]) == 2
                assert check(again.read(["key-100", *ALL, "key-101"])) == ["key-100", *ALL, "key-101"]

    def test_killed_at_any_moment_and_run_again(self, tmp_path, keepers):
        rng, states, n_killed = np.random.default_rng(3), set(), 0
        start = time.perf_counter()
        keepers[0].start(tmp_path / "whole")
        assert keepers[0].wait() == 0
        seconds = time.perf_counter() - start
        for attempt in range(4 * N_KILLS):
            folder = tmp_path / f"killed-{attempt}"
            child = keepers[0].start(folder)
            time.sleep(rng.uniform(0, seconds))
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            if keepers[0].wait() == 0:
                seconds *= 0.9
                continue
            n_killed += 1
            there = check(FeatureCache(folder, MODEL).read(ALL))
            assert len(there) % N_AT_ONCE == 0
            assert there == ALL[: len(there)]
            states.add(len(there))
            keep_all(folder)
            assert check(FeatureCache(folder, MODEL).read(ALL)) == ALL
            assert records(FeatureCache(folder, MODEL)).stat().st_size == whole_bytes()
            if n_killed == N_KILLS:
                break
        assert n_killed == N_KILLS
        assert len(states) >= 3

    def test_two_processes_keep_at_once(self, tmp_path, keepers):
        for attempt in range(3):
            for keeper in keepers:
                keeper.start(tmp_path / f"shared-{attempt}")
            assert [keeper.wait() for keeper in keepers] == [0, 0]
            cache = FeatureCache(tmp_path / f"shared-{attempt}", MODEL)
            assert check(cache.read(ALL)) == ALL
            assert records(cache).stat().st_size == whole_bytes()

    def test_threads_read_while_another_keeps(self, folder):
        cache = FeatureCache(folder, MODEL)
        with ThreadPoolExecutor(4) as pool:
            runs = [pool.submit(cache.add, *batch) for batch in batches()]
            looks = [pool.submit(lambda: check(FeatureCache(folder, MODEL).read(ALL))) for _ in range(20)]
            assert sum(run.result() for run in runs) == N_PHOTOS
            assert all(len(look.result()) % N_AT_ONCE == 0 for look in looks)
        assert check(cache.read(ALL)) == ALL


def whole_bytes() -> int:
    return sum(len(keypoints_of(number).points) for number in range(N_PHOTOS)) * (16 + DIMENSION)


class Keeper:
    """A process that forks a child for each run asked for."""

    def __init__(self) -> None:
        threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
        env = {**os.environ, **threads}
        command = [sys.executable, fake_keypoints.__file__]
        self._parent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)

    def start(self, folder: Path) -> int:
        self._parent.stdin.write(f"{folder}\n")
        self._parent.stdin.flush()
        return int(self._parent.stdout.readline())

    def wait(self) -> int:
        return int(self._parent.stdout.readline())

    def close(self) -> None:
        with self._parent:
            self._parent.stdin.close()


@pytest.fixture(scope="module")
def keepers():
    both = [Keeper(), Keeper()]
    yield both
    for one in both:
        one.close()
